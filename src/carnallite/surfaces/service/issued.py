"""Which cards are out: what was shown lately is shown again only if it is worse; an old card says that it is old."""

from __future__ import annotations

import hmac
import os
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carnallite.surfaces.service.cards import Fact, Found
    from carnallite.surfaces.service.store import Store

State = Literal["current", "superseded", "expired", "unknown"]
MOST = 100_000  # cards and patients that are remembered
_FURTHER = 12  # steps of worsening that are looked through


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a card still holds."""

    card: str
    state: State
    says: str
    valid_until: datetime | None = None


class _Out(msgspec.Struct, frozen=True):
    key: bytes
    mark: str
    until: datetime
    fact: str


class Issued:
    """Cards that were given out since this process began; a card of before is unknown, and says so."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._cards: OrderedDict[str, _Out] = OrderedDict()
        self._marks: OrderedDict[bytes, str] = OrderedDict()

    def _key(self, patient: str) -> bytes:
        return hmac.digest(self._secret, patient.encode(), "sha256")

    def evaluated(self, patient: str, found: Found) -> None:
        """Take note on which data the newest evaluation of a patient rests: older cards on others are superseded."""
        key = self._key(patient)
        self._marks[key] = found.mark
        self._marks.move_to_end(key)
        if len(self._marks) > MOST:
            self._marks.popitem(last=False)

    def add(self, uuid: str, patient: str, found: Found, fact: str) -> None:
        """Take note of a card."""
        self._cards[uuid] = _Out(self._key(patient), found.mark, found.valid_until, fact)
        if len(self._cards) > MOST:
            self._cards.popitem(last=False)

    def fact(self, uuid: str) -> str:
        """Return what a card said, or an empty text."""
        return self._cards[uuid].fact if uuid in self._cards else ""

    def standing(self, uuid: str, now: datetime) -> Standing:
        """Return whether a card still holds."""
        one = self._cards.get(uuid)
        if one is None:
            says = "This card is not known any more. Take it as superseded, and open the patient again."
            return Standing(card=uuid, state="unknown", says=says)
        if self._marks.get(one.key) != one.mark:
            says = "SUPERSEDED: there are newer data of this patient. Do not act on this card; open the patient again."
            return Standing(card=uuid, state="superseded", says=says, valid_until=one.until)
        if now >= one.until:
            says = "EXPIRED: a result that this card rests on is too old. Do not act on it; open the patient again."
            return Standing(card=uuid, state="expired", says=says, valid_until=one.until)
        says = f"This card holds until {one.until:%Y-%m-%d %H:%M} UTC, or a newer result."
        return Standing(card=uuid, state="current", says=says, valid_until=one.until)


def fresh(store: Store, keys: tuple[str, str], facts: Iterable[Fact], now: datetime, again_h: float) -> list[Fact]:
    """Return the facts that were not shown lately, or are worse now.

    Parameters
    ----------
    keys : (str, str)
        What names the patient; and the patient with the user, to whom an emergency is shown even if others saw it.
    """
    since = now - timedelta(hours=again_h)
    return [fact for fact in facts if not _was_shown(store, _key_of(keys, fact), fact, since)]


def _was_shown(store: Store, key: str, fact: Fact, since: datetime) -> bool:
    return bool(fact.marks) and all(_was_as_bad(store, key, *mark, since) for mark in fact.marks)


def _was_as_bad(store: Store, key: str, part: str, worst: int, since: datetime) -> bool:
    names = [_name(part, worst + more) for more in range(_FURTHER if worst else 1)]
    return any((at := store.last_shown(key, name)) is not None and at > since for name in names)


def remember(store: Store, keys: tuple[str, str], facts: Iterable[Fact], now: datetime) -> None:
    """Take note of what is shown."""
    for fact in facts:
        for part, worst in fact.marks:
            store.shown(_key_of(keys, fact), _name(part, worst), now)


def _key_of(keys: tuple[str, str], fact: Fact) -> str:
    return keys[1] if fact.indicator == "critical" else keys[0]


def _name(part: str, worst: int) -> str:
    return f"{part}:{worst}" if worst else part
