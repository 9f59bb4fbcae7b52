"""What speaks for each set of causes: its prior odds, the body, and cited findings where the body does not describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.cloud.members import causes
from carnallite.assessment.cloud.weigh import likelihood, numbers
from carnallite.assessment.infer import network, told_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.asked import Asked
    from carnallite.assessment.cloud.evidence import Results
    from carnallite.assessment.cloud.members import Members
    from carnallite.assessment.infer import Posterior

    Numbers = NDArray[np.float64]

IMPOSSIBLE = -700.0  # [log]


def unread(
    asked: Asked, mean: Callable[[Results], Numbers], anybody: Mapping[str, Numbers], power: float = 1.0
) -> Numbers:
    """Return the mean likelihood of each set ("set", log) of what its prior odds did not read.

    A result that prior odds have read is as probable in a set with their causes as in the same set without them. Where
    such a cause brings a result that is rare otherwise, that does not speak against the body.

    Parameters
    ----------
    mean : callable
        Mean likelihood of some results in the members of each set ("set", log).
    anybody : mapping of test to array [member]
        What is found in anybody.
    power : float
        [1] Of the likelihood, in `mean` as well.
    """
    found = mean(asked.results).copy()
    for results, sets, without in asked.read:
        read = mean(results)
        both = (read[sets] > IMPOSSIBLE) & (read[without] > IMPOSSIBLE)
        found[sets] -= np.where(both, read[sets] - read[without], 0)
    if asked.read:
        results = max((one.results for one in asked.read), key=len)
        usual, everybody = mean(results), power * likelihood(results, anybody)
        free = usual > IMPOSSIBLE
        free[np.concatenate([one.sets for one in asked.read])] = False
        rare = np.logaddexp.reduce((asked.before + usual)[free]) - np.logaddexp.reduce(asked.before[free])
        found += max(0.0, float(log_mean(everybody[~np.isnan(everybody)]) - rare))
    return found


def scores(asked: Asked, means: Numbers, by_findings: Numbers) -> tuple[Numbers, Numbers]:
    """Return what speaks for each set, and the part of it in which the body describes the patient: "set" [log].

    Parameters
    ----------
    means : array [set]
        [log] Mean likelihood of the members of each set; NaN in sets that were not simulated, of which findings speak.
    by_findings : array [set]
        [log] What cited findings say, on the level of the likelihood.
    """
    complete = ~asked.has[:, ~asked.bodily].any(axis=1)
    unlike = np.where(complete & ~np.isnan(means), numbers()["unlike"], 1.0)
    with np.errstate(divide="ignore"):
        body = asked.before + np.log(1 - unlike) + np.nan_to_num(means, nan=IMPOSSIBLE)
        return np.logaddexp(body, asked.before + np.log(unlike) + by_findings), body


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
    return float(np.logaddexp.reduce(log[alive]) - np.logaddexp.reduce(chance))


def replaced(posterior: Posterior, score: Numbers) -> Posterior:
    """Return the posterior of one patient alone with other scores ("set", log)."""
    joint = np.exp(score - score.max())
    joint /= joint.sum()
    marginal = posterior.marginal.copy()
    marginal[0, posterior.candidates[0]] = joint @ posterior.sets.astype(float)
    return msgspec.structs.replace(posterior, marginal=marginal, joint=joint[None])


def log_mean(logs: Numbers) -> float:
    """Return the logarithm of a mean of which logarithms are given."""
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))
