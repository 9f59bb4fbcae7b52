"""Print where the FHIR, OMOP and CSV forms of the same MIMIC-III patients give different timelines, by name.

    python scripts/compare_forms.py [FOLDER]

FOLDER holds ``fhir_r4_ndjson``, ``omop54_csv`` and ``csv``; otherwise ``../shared/data/mimic3demo`` is taken.
The CSV form is read twice: as it is, and cut down to the rows from which the other two were made.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from carnallite.record import fhir, intensive_care, omop
from carnallite.record.build import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from carnallite.record.entry import Entry, Loaded
    from carnallite.record.timeline import Reading, Timeline

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "mimic3demo"
FORMS = ("fhir", "omop", "csv")
SECTIONS = (
    "patient",
    "observations",
    "derived",
    "exposures",
    "routes",
    "conditions",
    "procedures",
    "encounters",
)
Content = dict[str, Counter[tuple[object, ...]]]


def loaded(folder: Path) -> dict[str, Loaded]:
    """Return the three forms, with the people of each named by the same key."""
    found = {
        "fhir": fhir.read_folder(folder / "fhir_r4_ndjson"),
        "omop": omop.read(str(folder / "omop54_csv"), None),
        "csv": intensive_care.read_mimic(folder / "csv"),
    }
    for one in found.values():
        one.people = {key.rsplit("-", 1)[-1]: person for key, person in one.people.items()}
        one.entries = {key.rsplit("-", 1)[-1]: entries for key, entries in one.entries.items()}
    return found


def carried(forms: dict[str, Loaded]) -> frozenset[str]:
    """Return the laboratory items from which the FHIR form was made."""
    return frozenset(
        code
        for entries in forms["fhir"].entries.values()
        for entry in entries
        if entry.kind == "observation"
        for system, code in entry.codes
        if system == "local"
    )


def shared_rows(entries: Iterable[Entry], items: frozenset[str]) -> Iterator[Entry]:
    """Yield the CSV entries whose rows went into the FHIR form."""
    for entry in entries:
        table = entry.where.split(" ")[0]
        local = {code for system, code in entry.codes if system == "local"}
        if table in {"chartevents_selected", "outputevents", "procedures_icd"}:
            continue
        if table != "labevents" or local & items:
            yield entry


def reading(forms: dict[str, Loaded], form: str, key: str, now: datetime | None = None) -> Reading:
    """Return the reading of one patient in one form; ``shared`` is the CSV form cut down."""
    one = forms["csv" if form == "shared" else form]
    entries: Iterable[Entry] = one.entries.get(key, [])
    if form == "shared":
        entries = shared_rows(entries, carried(forms))
    return build(one.people[key], entries, now=now)


def content(timeline: Timeline) -> Content:
    """Return what a timeline says, each fact as its name and its value; where it stood is left out.

    Results and exposures count as often as they stand; a diagnosis counts once, however often it was written.
    """
    return {
        "patient": Counter([("patient", timeline.patient)]),
        "observations": Counter(
            (o.quantity, o.low, o.high, o.time, o.basis) for o in timeline.observations if o.basis != "derived"
        ),
        "derived": Counter((o.quantity, o.low, o.high, o.time) for o in timeline.observations if o.basis == "derived"),
        "exposures": Counter(
            (
                e.ingredient,
                e.status,
                e.start,
                e.stop,
                e.given,
                e.dose,
                e.dose_unit,
                e.per_day,
                e.elemental_mmol,
            )
            for e in timeline.exposures
        ),
        "routes": Counter((e.ingredient, e.start, e.route) for e in timeline.exposures),
        "conditions": Counter({(c.condition, c.status, c.onset, c.abatement) for c in timeline.conditions}),
        "procedures": Counter({(p.condition, p.time, p.end) for p in timeline.procedures}),
        "encounters": Counter((e.setting, e.start, e.end) for e in timeline.encounters),
    }


def differences(one: Content, other: Content) -> dict[str, tuple[Counter[str], Counter[str]]]:
    """Return, for every section, the names of the facts that stand in one form alone."""
    return {section: (_names(one[section] - other[section]), _names(other[section] - one[section])) for section in one}


def _names(facts: Counter[tuple[object, ...]]) -> Counter[str]:
    return sum((Counter({str(fact[0]): count}) for fact, count in facts.items()), Counter())


def main() -> None:
    """Compare every patient and print the sums."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    forms = loaded(folder)
    keys = sorted(forms["fhir"].people)
    found: dict[str, list[Content]] = {}
    for form in (*FORMS, "shared"):
        found[form] = [
            content(reading(forms, form, key, reading(forms, "fhir", key).timeline.index).timeline) for key in keys
        ]
    print(f"{len(keys)} patients; laboratory items that all forms carry: {len(carried(forms))}")
    for one, other in (("fhir", "shared"), ("omop", "shared"), ("fhir", "omop"), ("fhir", "csv")):
        print(f"\n== {one} | {other}")
        for section in SECTIONS:
            parts = [differences(a, b)[section] for a, b in zip(found[one], found[other], strict=True)]
            both = sum(((a[section] & b[section]).total() for a, b in zip(found[one], found[other], strict=True)))
            print(f"{section}: {both} the same")
            for form, names in ((one, [part[0] for part in parts]), (other, [part[1] for part in parts])):
                total = sum(names, Counter())
                if total:
                    listed = ", ".join(f"{name} {count}" for name, count in total.most_common())
                    print(f"   only {form} ({total.total()}): {listed}")


if __name__ == "__main__":
    main()
