"""Mutants are what they should be: each another text that can be read, each with a name of its own."""

from __future__ import annotations

import ast
import sys
import tomllib
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "carnallite"
sys.path.insert(0, str(ROOT / "scripts"))
_SPEC = spec_from_loader("mutate", SourceFileLoader("mutate", str(ROOT / "scripts" / "mutate")))
assert _SPEC is not None and _SPEC.loader is not None
mutate = module_from_spec(_SPEC)
_SPEC.loader.exec_module(mutate)


@cache
def mutants(target: str) -> list:
    return mutate.mutants(target, PACKAGE)


@pytest.mark.parametrize("target", mutate.TARGETS)
def test_a_mutant_is_another_text_that_can_be_read(target: str) -> None:
    found = mutants(target)
    assert len(found) > 400
    assert len({one.key for one in found}) == len(found)
    for one in found:
        assert one.text != (PACKAGE / one.file).read_text("utf-8")
        (tomllib.loads if one.file.endswith(".toml") else ast.parse)(one.text)


def test_a_draw_is_the_same_for_a_seed_and_grows() -> None:
    found = mutants("safety")
    few, more = mutate.sample(found, 20, 1), mutate.sample(found, 50, 1)
    assert len(few) == 20 and few == mutate.sample(found, 20, 1) != mutate.sample(found, 20, 2)
    assert {one.key for one in few} < {one.key for one in more}
    assert mutate.sample(found, None, 1) == mutate.sample(found, 10**6, 1) == found


def test_what_is_listed_as_equivalent_is_a_mutant_and_has_a_reason() -> None:
    keys = {one.key for target in mutate.TARGETS for one in mutants(target)}
    listed = tomllib.loads(mutate.EQUIVALENT.read_text("utf-8"))["equivalent"]
    assert all(one["because"] for one in listed)
    assert {one["mutant"] for one in listed} <= keys
