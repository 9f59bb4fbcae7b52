"""Readouts off simulated courses, and the numbers that observations are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from carnallite.errors import DataFileError, did_you_mean
from carnallite.physiology import dimension, expression
from carnallite.physiology.generate import python
from carnallite.physiology.load import model
from carnallite.physiology.validation import kinetics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from carnallite.physiology.protocol import Protocol
    from carnallite.physiology.simulate import Trajectories
    from carnallite.physiology.validation.plan import Curve, Readout

    Numbers = NDArray[np.float64]

LOOKS = 200  # how often a window is looked at, where a readout does not say
WINDOWS = {"mean", "max", "min", "time_of_max", "time_of_min", "slope", "first_below", "first_above", "tracer"}
INFUSED = "treatment.intravenous_magnesium"


@dataclass(frozen=True, slots=True)
class Course:
    """One run: what was done, what was seen, and who of the people came to its end."""

    protocol: Protocol
    seen: Trajectories
    kept: NDArray[np.bool_]

    def of(self, name: str) -> Numbers:
        """Return a name of the body [person, sample]; a constant is one column."""
        if name in self.seen.outputs:
            return self.seen[name][self.kept]
        constant: Numbers = self.protocol.people.constants[model().constants.index(name)][self.kept]
        return constant[:, None]

    def course(self, source: str) -> Numbers:
        """Return an expression over names of the body [person, sample]."""
        values = {name: self.of(name) for name in names(source)}
        shape = (int(self.kept.sum()), len(self.seen.time))
        return np.broadcast_to(evaluate(source, values), shape)


def hours(text: str) -> float:
    """Return a written time [h]."""
    return dimension.number(text, "h")


def times(readout: Readout, *, observed: float | None) -> Numbers:
    """Return when a readout looks [h]; `observed` is when the observation was made."""
    given = (readout.at,) if isinstance(readout.at, str) else readout.at
    at = np.array([hours(text) for text in given if text])
    if readout.take in {"at", "one_compartment", "two_compartment"}:
        return at if at.size else np.array([0.0 if observed is None else observed])
    last = hours(readout.until) if readout.until else at[-1] if at.size else observed
    if last is None:
        raise DataFileError(f"a readout of {readout.output}", "has no end.", "Give `until`.")
    if readout.back:
        last = max(last, hours(readout.back))
    first = last - hours(readout.back) if readout.back else hours(readout.start)
    if readout.take not in WINDOWS:
        return np.array([first, last])
    number = round((last - first) / hours(readout.every)) if readout.every else LOOKS
    return np.linspace(first, last, max(number, 1) + 1)


def wanted(readout: Readout) -> set[str]:
    """Return the names of the body that have to be seen for a readout."""
    sources = [readout.output, *(flow.rate for flow in readout.flows)]
    constants = set(model().constants)
    return {name for source in sources if source for name in names(source) if name not in constants}


def taken(readout: Readout, course: Course, looked: Numbers, level: Numbers | None) -> Numbers | dict[str, Numbers]:
    """Return what a readout gives for each person; a fitted model or a tracer gives several numbers by name."""
    places = np.array([int(np.abs(course.seen.time - time).argmin()) for time in looked])
    if readout.take == "tracer":
        return _tracer(readout, course, looked, places)
    values = course.course(readout.output)[:, places]
    if readout.take in {"one_compartment", "two_compartment"}:
        return _compartments(readout, course, looked, values)
    if readout.take in {"first_below", "first_above"}:
        return _first(values, looked, level, is_below=readout.take == "first_below")
    return _TAKES[readout.take](values, looked)


_TAKES: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "at": lambda values, _: values.mean(axis=1),
    "change": lambda values, _: values[:, -1] - values[:, 0],
    "ratio": lambda values, _: values[:, -1] / values[:, 0],
    "mean": lambda values, looked: _area(values, looked) / (looked[-1] - looked[0]),
    "max": lambda values, _: values.max(axis=1),
    "min": lambda values, _: values.min(axis=1),
    "time_of_max": lambda values, looked: looked[values.argmax(axis=1)],
    "time_of_min": lambda values, looked: looked[values.argmin(axis=1)],
    "slope": lambda values, looked: np.polyfit(looked, values.T, 1)[0],
}


def _area(values: Numbers, looked: Numbers) -> Numbers:
    area: Numbers = ((values[:, 1:] + values[:, :-1]) / 2 * np.diff(looked)).sum(axis=1)
    return area


def _first(values: Numbers, looked: Numbers, level: Numbers | None, *, is_below: bool) -> Numbers:
    """Return when each is first beyond a level [h]; the end of the window for who never is."""
    if level is None:
        raise DataFileError("a readout of when something is first beyond a level", "has no `level`.", "Give it.")
    edge = np.broadcast_to(level, len(values))[:, None]
    beyond = values <= edge if is_below else values >= edge
    found: Numbers = np.where(beyond.any(axis=1), looked[beyond.argmax(axis=1)], looked[-1])
    return found


def _compartments(readout: Readout, course: Course, looked: Numbers, values: Numbers) -> dict[str, Numbers]:
    """Fit the rise above the first sample of each person, with the infusion that the person got."""
    began, rates = course.protocol.changes.get(INFUSED, (np.zeros(1), np.zeros((1, len(course.kept)))))
    number = 1 if readout.take == "one_compartment" else 2
    fitted = [
        kinetics.compartments(looked, rises, kinetics.Infusion(began, rate), number=number)
        for rises, rate in zip(values - values[:, :1], rates.T[course.kept], strict=True)
    ]
    return {
        name: np.array([getattr(one, name) for one in fitted])
        for name in ("clearance", "central", "peripheral", "exchange")
    }


def _tracer(readout: Readout, course: Course, looked: Numbers, places: Numbers) -> dict[str, Numbers]:
    """Follow a tracer through each person."""
    rates = [course.course(flow.rate)[:, places] for flow in readout.flows]

    def rate(flow: int, person: int) -> Callable[[float], float]:
        return lambda time: float(np.interp(time, looked, rates[flow][person]))

    ends = [
        kinetics.tracer(
            looked, [(f.origin, f.to, rate(i, person)) for i, f in enumerate(readout.flows)], until=looked[-1]
        )
        for person in range(int(course.kept.sum()))
    ]
    return {place: np.array([end[place] for end in ends]) for place in ends[0]}


def fitted(curve: Curve, values: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return what a curve fitted to amounts gives."""
    absorbed = np.array([float(np.mean(evaluate(source, values))) for source in curve.absorbed])
    maximum, half, share = kinetics.saturable(np.array(curve.given), absorbed)
    return {"maximum": np.array([maximum]), "half": np.array([half]), "share": np.array([share])}


# the language of measures -------------------------------------------------------------------------------------------
def _crossing(level: Any, *points: Any) -> Numbers:
    """Return where a line through points x, y, x, y ... is first at a level; its ends where it never is."""
    flat = [float(np.mean(point)) for point in points]
    x, y = np.array(flat[::2]), np.array(flat[1::2]) - float(np.mean(level))
    for i in range(len(x) - 1):
        if y[i] == 0 or y[i] * y[i + 1] < 0:
            return np.array([x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])])
    return np.array([x[0] if abs(y[0]) <= abs(y[-1]) else x[-1]])


def _mean_of(values: Any, condition: Any) -> Numbers:
    """Return the mean of those for whom a condition holds."""
    chosen = np.broadcast_to(values, np.shape(condition))[np.asarray(condition, bool)]
    return np.array([chosen.mean() if chosen.size else np.nan])


LIBRARY: dict[str, Any] = {
    **python.ARRAYS,
    "abs": np.abs,
    "mean": lambda values: np.array([np.mean(values)]),
    "mean_of": _mean_of,
    "median": lambda values: np.array([np.median(values)]),
    "highest": lambda values: np.array([np.max(values)]),
    "share": lambda condition: np.array([np.mean(np.asarray(condition, float))]),
    "share_of": lambda part, whole: _mean_of(np.asarray(part, float), whole),
    "correlation": lambda x, y: np.array([np.corrcoef(x, y)[0, 1] if np.ptp(x) and np.ptp(y) else np.nan]),
    "crossing": _crossing,
}


@cache
def _function(source: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    read = tuple(dict.fromkeys(expression.names(expression.parse(source))))
    code = f"def value({', '.join(map(python.identifier, read))}):\n    return {python.text(source)}\n"
    return python.compiled(code, "value", LIBRARY), read


def names(source: str) -> Iterator[str]:
    """Yield the names that an expression reads."""
    yield from _function(source)[1]


def evaluate(source: str, values: Mapping[str, Numbers]) -> Numbers:
    """Return an expression over named arrays.

    Raises
    ------
    DataFileError
        A name stands for nothing.

    Examples
    --------
    >>> bool(evaluate("share(k < 3.5)", {"k": np.array([3.0, 4.0])})[0] == 0.5)
    True
    """
    function, read = _function(source)
    for name in read:
        if name not in values:
            raise DataFileError(f"`{source}`", f"`{name}` is no readout.", did_you_mean(name, values))
    with np.errstate(divide="ignore", invalid="ignore"):  # what is no number is told where it is used
        return np.asarray(function(*(values[name] for name in read)), float)
