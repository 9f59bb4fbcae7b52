"""What a report shows, in words: nothing is left to decide where these are printed."""

from __future__ import annotations

import msgspec

_FIRST_PAGE_FOR, _FIRST_PAGE_AGAINST = 3, 1


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Something as the page shows it: words only, nothing left to decide."""


class Chance(View, frozen=True):
    """A probability: word, number, and length of a bar [%]."""

    word: str
    number: str
    bar: int


class Claim(View, frozen=True):
    """A statement and what it is worth."""

    id: str
    claim: str
    status: str
    is_doubted: bool


class Ground(View, frozen=True):
    """A reason for or against, with its weight and where that stands."""

    fact: str
    ratio: str
    status: str
    claim: Claim | None
    source: str


class Notice(View, frozen=True):
    """An emergency, something unsafe, or a doubt about a sample."""

    kind: str
    label: str
    summary: str
    do: str
    why: tuple[str, ...]
    claims: tuple[Claim, ...]
    source: str
    is_wide: bool


class Test(View, frozen=True):
    """A test worth doing next, and what each answer would mean."""

    name: str
    why: str
    delay: str
    answers: tuple[str, ...]


class Candidate(View, frozen=True):
    """A cause or a factor."""

    id: str
    name: str
    chance: Chance
    basis: str
    because: str
    share: str
    grounds: tuple[Ground, ...]
    against: tuple[Ground, ...]
    claims: tuple[Claim, ...]
    is_cause: bool

    @property
    def best(self) -> tuple[Ground, ...]:
        """Return the reasons for the first page."""
        return self.grounds[:_FIRST_PAGE_FOR]

    @property
    def worst(self) -> tuple[Ground, ...]:
        """Return the contrary reasons for the first page."""
        return self.against[:_FIRST_PAGE_AGAINST]


class Row(View, frozen=True):
    """A result in both unit systems."""

    name: str
    first: str
    second: str
    flag: str
    time: str
    age: str
    reference: str
    note: str


class Tile(View, frozen=True):
    """One ion at a glance."""

    symbol: str
    name: str
    state: str
    arrow: str
    row: Row | None


class Debate(View, frozen=True):
    """A doubted statement with both sides."""

    claim: Claim
    why: str
    section: str
    contrary: tuple[Claim, ...]
    evidence: tuple[tuple[str, str, str], ...]  # finding, source, place


class Taken(View, frozen=True):
    """One exposure of the figure's table."""

    name: str
    role: str
    status: str
    start: str
    stop: str
    dose: str
