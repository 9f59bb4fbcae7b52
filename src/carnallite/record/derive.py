"""Quantities that are computed from results of the record, each by a cited formula with its limits."""

from __future__ import annotations

import ast
import itertools
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from carnallite.knowledge import Formula, knowledge
from carnallite.knowledge.expression import evaluate, names, parse
from carnallite.quantity import analyte, analytes
from carnallite.record.timeline import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carnallite.record.timeline import Patient

_AKI_RATIO, _AKI_WINDOW = "aki_creatinine_ratio", "aki_window"


def derive(observations: Sequence[Observation], *, patient: Patient, age: float | None) -> list[Observation]:
    """Return what can be computed from results that belong together.

    A bounded input (`<0.5`) gives a bounded answer. What the laboratory itself reported is not computed again.

    Parameters
    ----------
    observations : sequence of Observation
        In canonical units.
    patient, age : Patient, float or None
        [a]; formulas that need sex or age are left out without them.
    """
    by_quantity: dict[str, list[Observation]] = {}
    for observation in observations:
        if "preliminary" not in observation.remarks:
            by_quantity.setdefault(observation.quantity, []).append(observation)
    made: list[Observation] = []
    for formula in knowledge().formulas.values():
        if (formula.needs_age and age is None) or (formula.needs_sex and patient.sex is None):
            continue
        reported = {observation.time for observation in by_quantity.get(formula.id, ())}
        found = [one for one in _apply(formula, by_quantity, patient, age) if one.time not in reported]
        made += found
        by_quantity.setdefault(formula.id, []).extend(found)
    return made


def _apply(
    formula: Formula, results: dict[str, list[Observation]], patient: Patient, age: float | None
) -> Iterator[Observation]:
    leading, *others = formula.inputs
    for lead in results.get(leading, ()):
        partners = [_nearest(results.get(other, ()), lead, formula.paired_h) for other in others]
        if any(partner is None for partner in partners):
            continue
        chosen = dict(zip(formula.inputs, [lead, *partners], strict=True))
        person = {"age": age or 0.0, "female": float(patient.sex == "female")}
        if not _is_valid(formula, chosen, results, person):
            continue
        span = _span(formula, chosen, person)
        if span is None or not span[0] <= analyte(formula.id).plausible.high:
            continue
        low, high = span
        remarks = tuple(sorted({remark for one in chosen.values() if one for remark in one.remarks}))
        if formula.id == "egfr" and _is_rising(lead, results[leading]):
            low, remarks = 0.0, (*remarks, "unsteady")
        yield Observation(
            quantity=formula.id, low=low, high=high if math.isfinite(high) else None, time=lead.time,
            where=lead.where, printed="", basis="derived", remarks=remarks,
        )  # fmt: skip


def _nearest(results: Sequence[Observation], lead: Observation, hours: float) -> Observation | None:
    """Return the result closest in time to another; undated results belong together only with each other."""
    if lead.time is None:
        return min(
            (one for one in results if one.time is None), key=lambda one: (*_bounds(one), one.where), default=None
        )
    near = [one for one in results if one.time is not None and abs(one.time - lead.time) <= timedelta(hours=hours)]
    return min(near, key=lambda one: (abs(one.time - lead.time), *_bounds(one), one.where), default=None)  # type: ignore[operator]


def _bounds(one: Observation) -> tuple[float, float]:
    """Return what decides between two results of one time: their values, not the order of their lines."""
    return -math.inf if one.low is None else one.low, math.inf if one.high is None else one.high


def _is_valid(
    formula: Formula,
    chosen: dict[str, Observation | None],
    results: dict[str, list[Observation]],
    person: dict[str, float],
) -> bool:
    """Return False only where a limit is known to be broken."""
    if not formula.valid_when:
        return True
    lead = next(iter(chosen.values()))
    if lead is None:
        return False
    values = dict(person)
    for name, unit in (formula.inputs | formula.checks).items():
        one = chosen.get(name) or _nearest(results.get(name, ()), lead, max(formula.paired_h, 24))
        if one is not None and one.high is not None:
            values[name] = one.high / analyte(name).factor(unit)
    tree = parse(formula.valid_when)
    limits = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    return all(evaluate(limit, values) for limit in limits if set(names(limit)) <= values.keys())


def _span(
    formula: Formula, chosen: dict[str, Observation | None], person: dict[str, float]
) -> tuple[float, float] | None:
    """Return the smallest and the largest answer over the bounds of all inputs."""
    tree = parse(formula.expr)
    ends = []
    for name, one in chosen.items():
        if one is None:
            return None
        size = analytes()[name].factor(formula.inputs[name])
        low = 0.0 if one.low is None else one.low / size
        high = math.inf if one.high is None else one.high / size
        ends.append({low, high})
    answers = [evaluate(tree, person | dict(zip(chosen, corner, strict=True))) for corner in itertools.product(*ends)]
    if any(math.isnan(answer) for answer in answers):
        return None
    size = analyte(formula.id).factor(formula.unit)
    return min(answers) * size, max(answers) * size


def _is_rising(lead: Observation, series: Sequence[Observation]) -> bool:
    """Return whether creatinine has risen by the AKI ratio within its window, so that eGFR lags behind."""
    if lead.time is None or lead.low is None:
        return False
    limits = knowledge().thresholds
    window = timedelta(hours=limits[_AKI_WINDOW].value)
    before = [
        one.high
        for one in series
        if one.time is not None and one.high is not None and lead.time - window <= one.time < lead.time
    ]
    return bool(before) and lead.low >= limits[_AKI_RATIO].value * min(before)
