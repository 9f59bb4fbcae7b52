"""How often something is, is refused where it is wrong, with file, key and remedy."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carnallite.errors import DataFileError
from carnallite.knowledge import Cause, CauseRate, FactorRate, Pair, Setting, Severity, knowledge
from carnallite.knowledge.load import _check
from carnallite.knowledge.often import check_ranks

JUDGED: dict[str, Any] = {"source": "assumption", "at": "our judgement", "status": "assumed"}


def form(phenotype: str, share: float, when: str = "") -> Severity:
    return Severity(phenotype=phenotype, share=share, when=when, **JUDGED)


def cause(*severity: Severity) -> Cause:
    return msgspec.structs.replace(knowledge().causes["anti_egfr"], severity=severity)


def setting(*causes: CauseRate, **given: Any) -> Setting:
    usual: dict[str, Any] = {"id": "made", "name": "Made", "about": "Made.", "rank": 1, "when": "age < adult_age"}
    return Setting(**usual | {"causes": causes} | given)


def rate(cause: str, probability: float = 0.1) -> CauseRate:
    return CauseRate(cause=cause, probability=probability, **JUDGED)


def pair(*causes: str, odds_ratio: float = 2.0, **given: Any) -> Pair:
    usual: dict[str, Any] = {"id": "-".join(causes), "name": "Made", "about": "Made.", **JUDGED}
    return Pair(causes=causes, odds_ratio=odds_ratio, **usual | given)


WRONG = [
    (cause(), "`severity` is missing for 2 forms"),
    (cause(form("typical", 0.9), form("sever", 0.1)), "Did you mean 'severe'?"),
    (cause(form("typical", 0.9), form("severe", 0.2)), "when nothing else holds: the shares sum to 1.1"),
    (cause(form("typical", 1.1), form("severe", -0.1)), "`severity.share` is 1.1"),
    (cause(form("typical", 1.0)), "does not say how often 'severe' acts. Add it; 0 is an answer"),
    (cause(form("typical", 0.5), form("typical", 0.5)), "'typical' stands there 2 times"),
    (cause(form("severe", 1.0, "recorded(cancer)")), "ends with a `when`"),
    (
        cause(form("severe", 0.9, "recorded(cancer)"), form("typical", 0.9), form("severe", 0.1)),
        "`severity` when recorded(cancer): the shares sum to 0.9",
    ),
    (
        cause(form("severe", 1.0, "a"), form("typical", 0.9), form("severe", 0.1), form("typical", 1.0, "a")),
        "'a' stands there 2 times",
    ),
    (setting(when=""), "does not say who is in it. Give `when` or `encounters`"),
    (setting(rate("sepsi")), "Did you mean 'sepsis'?"),
    (setting(rate("sepsis"), rate("sepsis", 0.2)), "'sepsis' stands there 2 times"),
    (setting(rate("sepsis", 1.5)), "probability` is 1.5"),
    (setting(factors=(FactorRate(factor="timming", probability=0.1, **JUDGED),)), "Did you mean 'timing'?"),
    (pair("ppi"), "`causes` are 1. Name two or three"),
    (pair("ppi", "ppi"), "'ppi' stands there 2 times"),
    (pair("ppi", "lop_diuretic"), "Did you mean 'loop_diuretic'?"),
    (pair("ppi", "vomiting", id="vomiting-ppi"), "Call it 'ppi-vomiting'"),
    (pair("loop_diuretic", "ppi"), "`causes` are also those of ppi-loop_diuretic.toml"),
    (pair("ppi", "vomiting", odds_ratio=0.0), "`odds_ratio` is 0.0. Give a number above 0"),
    (pair("ppi", "vomiting", source="nowhere"), "'nowhere' does not exist"),
]


@pytest.mark.parametrize(("item", "told"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_frequency_is_refused(item: msgspec.Struct, told: str) -> None:
    with pytest.raises(DataFileError) as raised:
        _check("made.toml", item, knowledge())
    assert told in str(raised.value)
    assert str(raised.value).startswith("made.toml: ")


@pytest.mark.parametrize(
    "item",
    [
        cause(form("severe", 1.0, "recorded(cancer)"), form("typical", 1.0), form("severe", 0.0)),
        setting(rate("sepsis"), rate("burns")),
        setting(when="", encounters=("ward",)),
        pair("ppi", "vomiting", "alcohol", odds_ratio=0.5),
    ],
)
def test_a_right_frequency_passes(item: msgspec.Struct) -> None:
    _check("made.toml", item, knowledge())


def test_two_settings_do_not_share_a_rank() -> None:
    known = knowledge()
    taken = next(iter(known.settings.values()))
    both = known.settings | {"made": setting(rank=taken.rank)}
    with pytest.raises(DataFileError, match=f"also that of {taken.id}.toml"):
        check_ranks(msgspec.structs.replace(known, settings=both))
