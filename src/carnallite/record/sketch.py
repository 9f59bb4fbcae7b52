"""The small table in which scenarios are written: one line a fact, days counted from the index.

::

    day | what             | value | unit
    --- | ---------------- | ----- | ------
    -90 | omeprazole       |    20 | mg/d
      0 | serum_magnesium  |  0.45 | mmol/L
      0 | diarrhea         |       |

`what` is an analyte id, a drug, a condition, or `age` / `sex`. A drug is taken from its day on; `until DAY` in the
value column ends it, `once` gives it once, `allergic` lists an allergy to it. `not` in the value column of a condition
denies it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from carnallite.errors import RecordRefused
from carnallite.knowledge import ingredients, knowledge
from carnallite.quantity import analytes
from carnallite.record.build import build
from carnallite.record.entry import Entry, Person
from carnallite.record.understand import mentions

if TYPE_CHECKING:
    from carnallite.record.timeline import Reading

INDEX = datetime(2020, 6, 1, 12, tzinfo=UTC)


def read_sketch(text: str) -> Reading:
    """Return the reading that a table describes.

    Raises
    ------
    RecordRefused
        A line names nothing that exists.
    """
    entries: list[Entry] = []
    person = {"sex": "", "age": ""}
    for number, line in enumerate(text.strip().splitlines(), 1):
        cells = [cell.strip() for cell in line.split("|")] + ["", "", ""]
        day, what, value, unit = cells[:4]
        if day in {"day", ""} or (set(day) <= {"-", " "} and len(day) > 2):
            continue
        if what in person:
            person[what] = value
            continue
        entries.append(_entry(number, float(day), what, value, unit))
    birth = f"{INDEX - timedelta(days=365.25 * float(person['age'])):%Y-%m-%d}" if person["age"] else ""
    return build(Person(sex=person["sex"], birth=birth), entries, now=INDEX)


def _entry(number: int, day: float, what: str, value: str, unit: str) -> Entry:
    where = f"line {number}"
    time = INDEX + timedelta(days=day)
    known = knowledge()
    if what in analytes():
        return Entry(
            kind="observation",
            where=where,
            text=what.replace("_", " "),
            codes=(("id", what),),
            words=value,
            unit=unit,
            time=time,
        )
    if what in known.conditions:
        phrase = known.conditions[what].phrases[0].rstrip("*")
        certainty = "refuted" if value == "not" else ""
        status = "resolved" if value == "past" else ""
        return Entry(kind="condition", where=where, text=phrase, time=time, certainty=certainty, status=status)
    named = ingredients(known)
    if what in named:
        text = named[what][1].names[0]
    else:
        drug = known.drugs.get(what)
        text = what if drug is None else (drug.names or drug.ingredients[0].names)[0]
    is_listed = what in named or what in known.drugs
    if not is_listed and not any(mention.kind != "condition" for mention in mentions(what)):
        raise RecordRefused(f"sketch {where}", "it names no analyte, condition or drug.", "Use an id.")
    if value == "allergic":
        return Entry(kind="allergy", where=where, text=text, time=time)
    end = INDEX + timedelta(days=float(value.split()[1])) if value.startswith("until ") else None
    dose = "" if value.startswith(("until", "once")) else f"{value} {unit}".strip()
    route = unit if unit in {"oral", "intravenous", "subcutaneous", "intramuscular"} else ""
    return Entry(kind="drug", where=where, text=text, time=time, end=end, single=value == "once", status="active",
                 dose_text=dose, route=route or "oral")  # fmt: skip
