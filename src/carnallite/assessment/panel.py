"""Everything that is computed columnwise: many patients at once, one patient as a column of length one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.columns import Columns, evaluate, finding
from carnallite.assessment.events import ABSENT, PRESENT, UNKNOWN
from carnallite.assessment.infer import Posterior, chosen_prior, infer, prior_where, settings_of, to_disorders
from carnallite.assessment.sources import Table
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from carnallite.record import Timeline

    Chosen = tuple[NDArray[np.float64], NDArray[np.int64]]

DISORDERS = {
    "magnesium": ("hypomagnesemia", "hypermagnesemia"),
    "potassium": ("hypokalemia", "hyperkalemia"),
    "calcium": ("hypocalcemia", "hypercalcemia"),
}
MEASURES = {
    "magnesium": ("serum_magnesium",),
    "potassium": ("serum_potassium", "blood_potassium"),
    "calcium": ("serum_calcium", "ionized_calcium", "corrected_calcium"),
}


class Survey(msgspec.Struct, frozen=True):
    """What needs no probability, for everybody.

    Attributes
    ----------
    columns : Columns
        What the records say.
    rules : dict of "patient"
        0 does not hold, 1 cannot be decided, 2 holds.
    alerts : dict of "patient"
        2 it holds and no other rule stands for it, 1 it asks for a test, 0 nothing is to be said.
    states : dict of "patient"
        Of magnesium, potassium and calcium: low, normal, high or unknown.
    """

    columns: Columns
    rules: dict[str, NDArray[np.int8]]
    alerts: dict[str, NDArray[np.int8]]
    states: dict[str, NDArray[np.str_]]


class Panel(Survey, frozen=True):
    """The answers for everybody, before they are put into words.

    Attributes
    ----------
    posterior : Posterior
        Causes that act.
    listed : Posterior
        Causes of disorders that are there or may be.
    factors, links : dict of ("patient", "patient")
        [1] Probability, and which entry of the data file gave it.
    """

    posterior: Posterior
    listed: Posterior
    factors: dict[str, Chosen]
    links: dict[str, Chosen]


def survey_of(table: pa.Table) -> Survey:
    """Return rules and states for the patients of a table of rows, in its order, without causes.

    Raises
    ------
    RecordRefused
        It is no table of rows, or not sorted by patient.
    DataFileError
        An expression of a data file is wrong.
    """
    return _survey(Columns(Table(table)))


def survey(timelines: Iterable[Timeline]) -> Survey:
    """Return rules and states for everybody, without causes; nobody's answer depends on the others.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    return _survey(Columns.of(timelines))


def panel(timelines: Iterable[Timeline]) -> Panel:
    """Return rules, causes, factors and links for everybody; nobody's answer depends on the others.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    return _panel(Columns.of(timelines))


def panel_of(table: pa.Table) -> Panel:
    """Return the same for the patients of a table of rows, in its order; `carnallite.record.keys_of` says who they are.

    Raises
    ------
    RecordRefused
        It is no table of rows, or not sorted by patient.
    DataFileError
        An expression of a data file is wrong.
    """
    return _panel(Columns(Table(table)))


def _survey(columns: Columns) -> Survey:
    rules = {id: evaluate(rule.when, columns) for id, rule in knowledge().rules.items()}
    states = {ion: _states(ion, columns) for ion in DISORDERS}
    return Survey(columns=columns, rules=rules, alerts=_alerts(rules, columns), states=states)


def _panel(columns: Columns) -> Panel:
    known, where, found = knowledge(), settings_of(columns), _survey(columns)
    rates = {name: {one.factor: one.probability for one in setting.factors} for name, setting in known.settings.items()}
    posterior = infer(columns)
    return Panel(
        columns=columns,
        rules=found.rules,
        alerts=found.alerts,
        states=found.states,
        posterior=posterior,
        listed=to_disorders(columns, posterior, range(columns.size)),
        factors={id: prior_where(id, factor.priors, rates, where, columns) for id, factor in known.factors.items()},
        links={id: chosen_prior(link.priors, columns) for id, link in known.links.items()},
    )


def _alerts(rules: dict[str, NDArray[np.int8]], columns: Columns) -> dict[str, NDArray[np.int8]]:
    """Return what is to be said of each rule, unless another one stands for it."""
    found = {}
    for id, rule in knowledge().rules.items():
        said = np.where(rules[id] == PRESENT, PRESENT, ABSENT)
        if rule.asks_when:
            asks = (rules[id] == UNKNOWN) & (evaluate(rule.asks_when, columns) == PRESENT)
            said[asks] = UNKNOWN
        for other in rule.unless:
            said[rules[other] == PRESENT] = ABSENT
        found[id] = said.astype(np.int8)
    return found


def _states(ion: str, columns: Columns) -> NDArray[np.str_]:
    is_low, is_high = (finding(id, columns) for id in DISORDERS[ion])
    measured = np.zeros(columns.size, bool)
    for test in MEASURES[ion]:
        measured[columns.everyone.measured.latest(test).who] = True
    normal = measured & (is_low == ABSENT) & (is_high == ABSENT)
    return np.select([is_low == PRESENT, is_high == PRESENT, normal], ["low", "high", "normal"], "unknown")
