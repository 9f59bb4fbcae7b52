"""What is deployed: the recipe of the container and the unit of systemd."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPE = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
UNIT = (ROOT / "deploy" / "carnallite.service").read_text("utf-8")


def test_nothing_is_built_once_the_volume_is_named() -> None:
    before, volume, after = RECIPE.partition("\nVOLUME ")
    assert volume
    assert not re.search(r"^(?:RUN|COPY|ADD) ", after, re.M), "what is written below a volume by then is lost"
    home = re.search(r"--home-dir (\S+)", before)
    assert home is None or not home[1].startswith(after.split()[0]), "the library lies below the home"


def test_a_checkout_gives_the_container_its_sources_and_nothing_else() -> None:
    lines = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    assert lines[1] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    assert {"pyproject.toml", "requirements", "src", "scripts/build_kernel.py"} <= kept


def test_unit_and_container_keep_the_store_in_the_same_place() -> None:
    places = {re.search(r"CARNALLITE_STORE=(\S+)", told)[1] for told in (RECIPE, UNIT)}  # type: ignore[index]
    assert places == {"sqlite:////var/lib/carnallite/kept.db"}
    assert "StateDirectory=carnallite\n" in UNIT
    assert "VOLUME /var/lib/carnallite\n" in RECIPE
