"""What is not known never allows more, unless the table asks for it first: in drawn patients, by every line at once."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from carnallite.knowledge import knowledge
from carnallite.plan.propose import amounts
from carnallite.plan.safety import Guard

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
from drawn import Drawn
from safety import doses_for

PATIENTS = 3000
# Measurements of one thing go together: where two disagree the one that is left still says what it says.
QUANTITIES = (
    ("serum_magnesium",), ("serum_potassium", "blood_potassium"),
    ("serum_calcium", "ionized_calcium", "corrected_calcium"), ("serum_sodium",), ("serum_creatinine", "egfr"),
    ("heart_rate",), ("qtc_interval",), ("urine_volume_24h",), ("age",), ("systolic_pressure",),
    ("serum_glucose", "blood_glucose"),
)  # fmt: skip


class Without(Drawn):
    """The same patients, of whom one quantity was never measured."""

    def __init__(self, seed: int, count: int, *gone: str) -> None:
        super().__init__(seed, count)
        self.gone = gone

    def numbers(self, kind: str, name: str):
        if name in self.gone and kind != "reference":
            return np.full(self.size, -np.inf), np.full(self.size, np.inf)
        return super().numbers(kind, name)


def asked(verdict) -> np.ndarray:
    """Return of whom the table asks for a test before the dose."""
    found = np.zeros(PATIENTS, bool)
    for line in verdict.lines:
        if line.limit.ask:
            found |= line.holds & line.unknown
    return found


def doses():
    for step in knowledge().steps.values():
        yield from filter(None, map(amounts, step.regimens))
    for seed in range(40):
        yield from doses_for(seed)


DOSES = tuple(doses())


@pytest.mark.parametrize("gone", QUANTITIES, ids=lambda gone: gone[0])
def test_a1_removing_a_result_never_unlocks_a_dose(gone: tuple[str, ...]) -> None:
    whole, less = Guard(Drawn(11, PATIENTS)), Guard(Without(11, PATIENTS, *gone))
    for dose in DOSES:
        before, after = whole.judge(dose), less.judge(dose)
        unlocked = before.barred & ~after.barred & ~after.spared & ~asked(after)
        if unlocked.any():
            row = int(np.flatnonzero(unlocked)[0])
            lines = [one.limit.id for one in before.lines if one.holds[row]]
            pytest.fail(f"{int(unlocked.sum())} patients: {dose.what} {dose.route}, which {lines} had barred")


@pytest.mark.parametrize("function", ["taking", "recorded", "acute"])
def test_a1_adding_a_fact_of_contraindications_never_unlocks_a_dose(function: str) -> None:
    """A contraindication, drug or illness more; those that make a dose more urgent are told apart by name."""
    urgent = {"paralysis", "ecg_hypokalemia", "shock"}

    class With(Drawn):
        def _ask(self, name: str, *names: str):
            found = super()._ask(name, *names)
            return np.full_like(found, 2) if name == function and not urgent & set(names) else found

    less, more = Guard(Drawn(12, PATIENTS)), Guard(With(12, PATIENTS))
    for dose in DOSES:
        before, after = less.judge(dose), more.judge(dose)
        unlocked = before.barred & ~after.barred & ~after.spared
        assert not unlocked.any(), (
            dose,
            [one.limit.id for one in before.lines if one.holds[np.flatnonzero(unlocked)[0]]],
        )
