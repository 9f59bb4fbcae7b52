"""What speaks for each set of causes: its prior odds, the body, and cited findings where the body does not describe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.cloud.members import causes
from carnallite.assessment.cloud.weigh import numbers
from carnallite.assessment.network import network, told_of
from carnallite.assessment.subsets import normal, united

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.asked import Asked
    from carnallite.assessment.cloud.evidence import Results
    from carnallite.assessment.cloud.members import Members
    from carnallite.assessment.infer import Posterior

    Numbers = NDArray[np.float64]

IMPOSSIBLE = -700.0  # [log]


def unread(asked: Asked, mean: Callable[[Results], Numbers], anybody: Callable[[Results], float]) -> Numbers:
    """Return the mean likelihood of each set ("set", log) of what its prior odds did not read.

    A result that prior odds have read is as probable in a set with their causes as in the same set without them. Where
    such a cause brings a result that is rare otherwise, that does not speak against the body.

    Parameters
    ----------
    mean : callable
        Mean likelihood of some results in the members of each set ("set", log).
    anybody : callable
        Mean likelihood of some results in anybody [log].
    """
    found = mean(asked.results).copy()
    for results, sets, without in asked.read:
        read = mean(results)
        both = (read[sets] > IMPOSSIBLE) & (read[without] > IMPOSSIBLE)
        found[sets] -= np.where(both, read[sets] - read[without], 0)
    if asked.read:
        results = max((one.results for one in asked.read), key=len)
        usual = mean(results)
        free = usual > IMPOSSIBLE
        free[np.concatenate([one.sets for one in asked.read])] = False
        rare = log_sum((asked.before + usual)[free]) - log_sum(asked.before[free])
        found += max(0.0, float(anybody(results) - rare))
    return found


def described_by(asked: Asked) -> NDArray[np.bool_]:
    """Return which sets the body can have."""
    found: NDArray[np.bool_] = united(tuple(int(not has) for has in asked.bodily)) == 0
    return found


def scores(
    before: Numbers, means: Numbers, by_findings: Numbers, described: NDArray[np.bool_]
) -> tuple[Numbers, Numbers]:
    """Return what speaks for each set, and the part of it in which the body describes the patient: "... set" [log].

    Parameters
    ----------
    before : array [..., set]
        [log] What speaks for each set before the results.
    means : array [..., set]
        [log] Mean likelihood of the members of each set; NaN in sets that were not simulated, of which findings speak.
    by_findings : array [..., set]
        [log] What cited findings say, on the level of the likelihood.
    described : array [..., set]
        Which sets the body can have.
    """
    unlike, described = numbers()["unlike"], described & ~np.isnan(means)
    body = np.where(described, before + np.log1p(-unlike) + means, -np.inf)
    found = before + np.where(described, np.log(unlike), 0.0) + by_findings
    top = np.maximum(body, found).max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(body - top) + np.exp(found - top)) + top, body


def acting_on(members: Members) -> NDArray[np.bool_]:
    """Return which causes of the network act on each member: "member cause"."""
    acting = np.zeros((len(members.form), len(network().causes) + 1), bool)
    column = np.array([*(network().causes.index(id) for id in causes()), -1])
    np.put_along_axis(acting, column[members.acting()], True, axis=1)
    return acting[:, :-1]


def level(asked: Asked, acting: NDArray[np.bool_], log: Numbers) -> float:
    """Return what makes the chance of findings comparable with the density of results: both in anybody [log].

    Parameters
    ----------
    acting : array [member, cause]
        Members with any causes at all.
    log : array [member]
        How well they explain the results.
    """
    alive = ~np.isnan(log)
    chance = told_of(acting[alive], asked.state, asked.same)
    return log_sum(log[alive]) - log_sum(chance)


def replaced(posterior: Posterior, score: Numbers) -> Posterior:
    """Return a posterior with other scores ("patient set", log)."""
    marginal = posterior.marginal.copy()
    joint, mine = normal(score)
    np.put_along_axis(marginal, posterior.candidates, mine, axis=1)
    return msgspec.structs.replace(posterior, marginal=marginal, joint=joint)


def log_sum(logs: Numbers) -> float:
    """Return the logarithm of a sum of which logarithms are given."""
    top = logs.max()
    return float(np.log(np.exp(logs - top).sum()) + top)


def log_mean(logs: Numbers) -> float:
    """Return the logarithm of a mean of which logarithms are given."""
    return log_sum(logs) - math.log(len(logs))
