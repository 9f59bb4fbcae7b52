"""Times as records write them: partial dates, days without an hour, "for three weeks"."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EARLIEST, _LATEST = 1700, 9000  # [a] years outside are fillers, such as 0001 and 9999
_DATE_LENGTH = len("2020-06-01")
_LASTED = re.compile(
    r"\b(?:for|since|over|during|last|past|x|desde hace|seit|depuis|da)\s+(?:the\s+|about\s+|last\s+|past\s+)*"
    r"(\d{1,3}|a|an|one|two|three|four|five|six|several)\s*[- ]?\s*(hour|day|week|month|year)s?\b"
    r"|\b(\d{1,3}|one|two|three|four|five|six)\s*[- ]?\s*(hour|day|week|month|year)s?\s+(?:ago|history|of(?!\s+age))\b"
)
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "several": 3}
_HOURS = {"hour": 1, "day": 24, "week": 168, "month": 730, "year": 8766}


def first_instant(text: str) -> datetime | None:
    """Return the first instant that a FHIR or ISO date, possibly partial, covers, in UTC.

    >>> first_instant("2020-06")
    datetime.datetime(2020, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> first_instant("2020-06-01T02:00:00+02:00").hour
    0
    >>> first_instant("0001-01-01") is None
    True
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        text = f"{text}-01-01"[:10] if len(text) == 4 else f"{text}-01"
    try:
        regular, shift = _regular(text)
        moment = datetime.fromisoformat(regular) + shift
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment.year <= _LATEST else None


def _regular(text: str) -> tuple[str, timedelta]:
    """Return a time without 24:00 and leap seconds, and what must be added to it."""
    if "T24:00" in text:
        return text.replace("T24:00", "T00:00", 1), timedelta(days=1)
    return re.sub(r"(T\d\d:\d\d):60", r"\1:59", text), timedelta()


def last_instant(text: str) -> datetime | None:
    """Return the end of the day that a date without time names, or the instant itself.

    A date that stands for "no end", in the year 9999, is no end.

    >>> last_instant("2020-06-01")
    datetime.datetime(2020, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
    >>> last_instant("9999-12-31") is None
    True
    """
    text = text.strip()
    moment = first_instant(text)
    if moment is None or len(text) > _DATE_LENGTH:
        return moment
    if len(text) == len("2020"):
        return moment.replace(year=moment.year + 1)
    if len(text) == len("2020-06"):
        return (moment + timedelta(days=31)).replace(day=1)
    return moment + timedelta(days=1)


def began(text: str, moment: datetime) -> datetime | None:
    """Return when something began, where a text says how long it has lasted."""
    match = _LASTED.search(text.casefold())
    if match is None:
        year = re.search(r"\b(?:in|since|en|im jahr|seit|depuis)\s+((?:19|20)\d\d)\b", text.casefold())
        return datetime(int(year[1]), 1, 1, tzinfo=UTC) if year and int(year[1]) <= moment.year else None
    count, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
    number = int(count) if count.isdigit() else _COUNTS[count]
    try:
        return moment - timedelta(hours=number * _HOURS[unit])
    except OverflowError:
        return None
