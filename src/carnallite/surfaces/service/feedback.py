"""What clinicians did with cards: kept without any text of theirs, and summed up."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from carnallite import datafile
from carnallite.surfaces.service.values import Coding, Feedback

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OTHER = "other"  # a reason of the client's own


class _Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: str
    display: str
    card: Literal["right", "wrong", "nothing"]


class _Reasons(datafile.Item, frozen=True, kw_only=True):
    system: str
    reasons: tuple[_Reason, ...]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with the cards of one kind.

    Attributes
    ----------
    answered, accepted, overridden : int
        Cards with feedback, and what it was.
    override_rate : float, optional
        [1] Overridden of answered.
    right, wrong : int
        What that says of the cards: accepted, or overridden for a reason that grants or denies them.
    predictive_value : float, optional
        [1] Right of right and wrong.
    reasons : dict of str to int
        Overrides by the code of their reason.
    """

    answered: int
    accepted: int
    overridden: int
    override_rate: float | None
    right: int
    wrong: int
    predictive_value: float | None
    reasons: dict[str, int]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback summed up: all of it, by service and by what cards said."""

    all: Count
    services: dict[str, Count]
    facts: dict[str, Count]


@cache
def _table() -> _Reasons:
    return datafile.read(Path(__file__).with_name("reasons.toml"), _Reasons)


@cache
def reasons() -> tuple[Coding, ...]:
    """Return the reasons that a card offers for overriding it."""
    table = _table()
    return tuple(Coding(system=table.system, code=one.code, display=one.display) for one in table.reasons)


def row(service: str, fact: str, said: Feedback) -> dict[str, Any]:
    """Return what is kept of feedback: codes and counts; neither comments nor the client's own words."""
    reason = (said.override_reason.reason if said.override_reason else None) or {}
    known = {one.code for one in reasons()}
    code = reason.get("code") if reason.get("system") == _table().system else None
    kept = "" if not reason else str(code) if code in known else OTHER
    return {
        "service": service, "fact": fact, "card": said.card, "outcome": said.outcome, "reason": kept,
        "accepted": len(said.accepted_suggestions),
    }  # fmt: skip


def summary(rows: Iterable[Mapping[str, Any]]) -> Summary:
    """Return feedback summed up; of each card its last one counts."""
    last = list({one["card"]: one for one in rows}.values())

    def by(key: str) -> dict[str, Count]:
        return {name: _count([one for one in last if one[key] == name]) for name in sorted({one[key] for one in last})}

    return Summary(all=_count(last), services=by("service"), facts=by("fact"))


def _count(rows: list[Mapping[str, Any]]) -> Count:
    says = {one.code: one.card for one in _table().reasons}
    overridden = [one for one in rows if one["outcome"] == "overridden"]
    accepted = len(rows) - len(overridden)
    told = Counter(says.get(one["reason"], "nothing") for one in overridden)
    right, wrong = accepted + told["right"], told["wrong"]
    return Count(
        answered=len(rows),
        accepted=accepted,
        overridden=len(overridden),
        override_rate=_share(len(overridden), len(rows)),
        right=right,
        wrong=wrong,
        predictive_value=_share(right, right + wrong),
        reasons=dict(sorted(Counter(one["reason"] or "none" for one in overridden).items())),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
