"""Data flows one way: a room imports only rooms below it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "protocol.py: np.random",  # counter-based streams whose key is the seed, an argument
    "compiler.py: os.environ",  # the compiler, while the package is built
}


def test_the_order_of_the_rooms_is_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_nothing_below_the_surfaces_knows_clock_environment_or_chance() -> None:
    forbidden = (
        "import random",
        "numpy.random",
        "np.random",
        "os.environ",
        "getenv",
        ".now(",
        ".utcnow(",
        "date.today(",
    )
    inner = [path for path in (ROOT / "src" / "carnallite").rglob("*.py") if "surfaces" not in path.parts]
    assert len(inner) > 20
    found = [f"{path.name}: {word}" for path in inner for word in forbidden if word in path.read_text("utf-8")]
    assert not set(found) - ALLOWED


def test_starting_loads_neither_engines_nor_data() -> None:
    # `carnallite --help` must answer at once: engines and data files are loaded where they are used.
    heavy = "{'numpy', 'duckdb', 'jinja2', 'msgspec'}"
    code = f"import sys, carnallite.surfaces.cli; print(*{heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not run.stdout.strip()
