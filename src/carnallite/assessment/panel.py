"""Everything that is computed columnwise: many patients at once, one patient as a column of length one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from carnallite.assessment.columns import Columns, evaluate
from carnallite.assessment.facts import Facts
from carnallite.assessment.infer import Posterior, chosen_prior, infer, prior_where, settings_of, to_disorders
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from carnallite.record import Timeline

    Chosen = tuple[NDArray[np.float64], NDArray[np.int64]]


class Panel(msgspec.Struct, frozen=True):
    """The answers for everybody, before they are put into words.

    Attributes
    ----------
    columns : Columns
        What the records say.
    posterior : Posterior
        Causes that act.
    listed : Posterior
        Causes of disorders that are there or may be.
    rules : dict of "patient"
        0 does not hold, 1 cannot be decided, 2 holds.
    factors, links : dict of ("patient", "patient")
        [1] Probability, and which entry of the data file gave it.
    """

    columns: Columns
    posterior: Posterior
    listed: Posterior
    rules: dict[str, NDArray[np.int8]]
    factors: dict[str, Chosen]
    links: dict[str, Chosen]


def panel(timelines: Iterable[Timeline]) -> Panel:
    """Return rules, causes, factors and links for everybody; nobody's answer depends on the others.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    columns = Columns([Facts(timeline) for timeline in timelines])
    known, where = knowledge(), settings_of(columns)
    rates = {name: {one.factor: one.probability for one in setting.factors} for name, setting in known.settings.items()}
    posterior = infer(columns)
    return Panel(
        columns=columns,
        posterior=posterior,
        listed=to_disorders(columns, posterior, range(columns.size)),
        rules={id: evaluate(rule.when, columns) for id, rule in known.rules.items()},
        factors={id: prior_where(id, factor.priors, rates, where, columns) for id, factor in known.factors.items()},
        links={id: chosen_prior(link.priors, columns) for id, link in known.links.items()},
    )
