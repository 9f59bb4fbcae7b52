"""What the engine answers about a simulated patient, beside the truth: one flat record for each patient and panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from calibration_patients import PANELS, patient, with_results

from carnallite.assessment.cloud.asked import why_not
from carnallite.assessment.cloud.judge import judge
from carnallite.assessment.cloud.members import causes
from carnallite.assessment.cloud.shown import BODY, TESTS
from carnallite.assessment.individual import _alerts, _cannot_tell, _causes, _is_withheld, _with_none
from carnallite.assessment.network import network
from carnallite.assessment.panel import panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calibration_patients import Law, Patient
    from numpy.typing import NDArray

    from carnallite.assessment.cloud.judge import Cloud
    from carnallite.assessment.infer import Posterior

    Numbers = NDArray[np.float64]

DIGITS = 5
NOTHING_OFF = "nothing is out of range"
LOOKED_AT = (*TESTS, "egfr", *BODY)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says with one panel of tests.

    Attributes
    ----------
    why_not : str
        Why it does not weigh virtual patients; what follows is then empty.
    told : list of float
        [1] Probability of each of the `causes()`, given that it is one that a body can have.
    findings : list of float
        [1] The same by cited findings alone.
    stated : list of float
        [1] As the user is told it.
    first : str
        What stands first in the list of the user; `other` is none of the causes.
    places : dict of cause to int
        Place of each true cause in the list of all causes, from 1.
    cannot_tell : bool
    above : float
        [1] What the sets hold that are likelier than the true one, and a random part of what that one holds: even
        between 0 and 1 if the posterior is right. 1 where the true set was not weighed.
    weighed : bool
        Whether the true set was weighed at all.
    describes : float
        [1] Chance that the body describes this patient.
    effective : float
        Members that stand for the patient, in equally weighted ones.
    below : dict of str to float
        [1] Weight of members who show less than the truth, for every test and quantity of the body.
    """

    why_not: str = ""
    told: list[float] = []
    findings: list[float] = []
    stated: list[float] = []
    first: str = ""
    places: dict[str, int] = {}
    cannot_tell: bool = False
    above: float = 1.0
    weighed: bool = False
    describes: float = 0.0
    effective: float = 0.0
    below: dict[str, float] = {}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated patient."""

    law: str
    number: int
    template: str
    causes: list[str]
    hours: float
    described: bool
    lived: bool
    before: list[float]  # [1] probability of each of the `causes()` before any result
    answers: dict[str, Answer] = {}


def asked(law: Law, number: int, *, seed: int = 1, panels: Sequence[str] = tuple(PANELS)) -> Record:
    """Simulate a patient and ask the engine with some panels of tests."""
    one = patient(law, number, seed=seed)
    chance = np.random.default_rng([seed, number])
    return Record(
        law=law,
        number=number,
        template=one.template.id,
        causes=list(one.causes),
        hours=round(one.hours, 1),
        described=one.described,
        lived=bool(one.shown),
        before=_rounded([one.template.marginal(cause) for cause in causes()]),
        answers={name: answer(one, name, chance) for name in panels} if one.shown else {},
    )


def answer(one: Patient, name: str, chance: np.random.Generator) -> Answer:
    """Ask the engine about a patient with the results of a panel."""
    everybody = panel([with_results(one.template, one.results[name])])
    columns = everybody.columns
    states = {ion: str(found[0]) for ion, found in everybody.states.items()}
    disordered = any(state in {"low", "high"} for state in states.values())
    withheld = _is_withheld(_alerts(everybody, 0), columns, 0)
    why = why_not(columns, 0) or ("the sample is in doubt" if withheld else "" if disordered else NOTHING_OFF)
    if why:
        return Answer(why_not=why)
    posterior, cloud = judge(columns, everybody.posterior, 0)
    listed = _with_none(_causes(columns, posterior, 0), float(posterior.joint[0, 0]), states)
    told, joint = _of_the_body(posterior)
    above, weighed = _above(posterior, joint, set(one.causes), float(chance.random()))
    order = [network().causes[number] for number in np.argsort(-posterior.marginal[0], kind="stable")]
    return Answer(
        told=_rounded(told),
        findings=_rounded(_of_the_body(everybody.posterior)[0]),
        stated=_rounded([posterior.marginal[0, network().causes.index(cause)] for cause in causes()]),
        first=listed[0].id if listed else "",
        places={cause: order.index(cause) + 1 for cause in one.causes},
        cannot_tell=_cannot_tell(listed, states, is_disordered=True),
        above=round(above, DIGITS),
        weighed=weighed,
        describes=round(cloud.describes, DIGITS),
        effective=round(cloud.effective(), 1),
        below=_below(cloud, one.shown) if one.described else {},
    )


def _of_the_body(posterior: Posterior) -> tuple[Numbers, Numbers]:
    """Return marginals ("cause" of `causes()`) and joint ("set") given that a body can have all that acts."""
    candidates = posterior.candidates[0]
    outside = posterior.sets[:, [network().causes[number] not in causes() for number in candidates]].any(axis=1)
    joint = np.where(outside, 0.0, posterior.joint[0])
    joint /= joint.sum()
    marginal = posterior.marginal[0].copy()
    marginal[candidates] = joint @ posterior.sets.astype(float)
    return marginal[[network().causes.index(cause) for cause in causes()]], joint


def _above(posterior: Posterior, joint: Numbers, true: set[str], draw: float) -> tuple[float, bool]:
    names = [network().causes[number] for number in posterior.candidates[0]]
    if not true <= set(names):
        return 1.0, False
    row = int(np.flatnonzero((posterior.sets == [name in true for name in names]).all(axis=1))[0])
    return float(joint[joint > joint[row]].sum() + draw * joint[joint == joint[row]].sum()), True


def _below(cloud: Cloud, truth: dict[str, float]) -> dict[str, float]:
    if not cloud.weight.any():
        return {}
    found = {}
    for name in LOOKED_AT:
        less, same = cloud.shown[name] < truth[name], cloud.shown[name] == truth[name]
        found[name] = round(float(cloud.weight[less].sum() + cloud.weight[same].sum() / 2), DIGITS)
    return found


def _rounded(values: Numbers | list[float]) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
