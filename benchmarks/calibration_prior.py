"""What the engine says without results, and which priors and findings read the results that the body explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from calibration_patients import DECISIVE, templates

from carnallite.assessment.cloud.judge import SETS, judge
from carnallite.assessment.columns import results_in
from carnallite.assessment.network import network, told
from carnallite.assessment.panel import panel
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


class Without(NamedTuple):
    """One record without results: what moves although nothing was measured.

    Attributes
    ----------
    record : str
    by_findings : float
        [1] Sum of the differences of the joint posterior from prior odds and findings by hand.
    by_body : float
        [1] Most by which virtual patients move the probability of a cause.
    cause : str
        Which one that is.
    beyond : float
        [1] What the sets hold that are not simulated.
    by_pairs : float
        [1] Most by which pairs that go together move the probability of a cause from its prior.
    paired : str
        Which one that is.
    """

    record: str
    by_findings: float
    by_body: float
    cause: str
    beyond: float
    by_pairs: float
    paired: str


def without_results(number: int) -> Without:
    """Return what the engine makes of a record without results."""
    template = templates()[number]
    everybody = panel([template.timeline])
    posterior = everybody.posterior
    judged, _ = judge(everybody.columns, posterior, 0)
    expected = (posterior.odds + told(posterior.candidates, posterior.state, np.ones_like(posterior.state, bool)))[0]
    names = [network().causes[row] for row in posterior.candidates[0]]
    moved = np.abs(judged.marginal - posterior.marginal)[0]
    paired = np.abs(_shares(posterior.odds[0]) @ posterior.sets - posterior.prior[0, posterior.candidates[0]])
    return Without(
        template.id,
        float(np.abs(posterior.joint[0] - _shares(expected)).sum()),
        float(moved.max()), network().causes[int(moved.argmax())],
        float(np.sort(posterior.joint[0])[:-SETS].sum()),
        float(paired.max()), names[int(paired.argmax())],
    )  # fmt: skip


def _shares(log: Numbers) -> Numbers:
    found: Numbers = np.exp(log - log.max())
    found /= found.sum()
    return found


def reading_results() -> dict[str, set[str]]:
    """Return findings that read results which virtual patients are weighed by as well, and do not say so (`tests`)."""
    known = knowledge()
    clear = [known.findings[id] for id in network().findings if not known.findings[id].tests]
    read = {one.id: (results_in(one.present) | results_in(one.absent or "1")) & set(DECISIVE) for one in clear}
    return {id: tests for id, tests in read.items() if tests}
