"""The figures of ``docs/reference/calibration.md``, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import calibration_scores as scores
import numpy as np
from calibration_asked import NOTHING_OFF
from calibration_patients import LAWS, PANELS, templates
from calibration_prior import reading_results, without_results

from carnallite.assessment.cloud.members import causes
from carnallite.assessment.cloud.shown import BODY
from carnallite.assessment.cloud.weigh import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calibration_asked import Record
    from calibration_patients import Law

    Found = Mapping[Law, Sequence[Record]]

ENOUGH = 20.0  # effective members
LIKELY = 0.05  # [1] a record that gives a cause so much before any result hints at it
MISTAKES = 15
ERROR, THREE = 0.03, 0.95  # what is asked of the engine
HELD_OUT = ("ionized_magnesium", "serum_bicarbonate", "serum_sodium", "calcitriol", "urine_sodium_24h")


def page(found: Found, mark: str) -> str:
    """Return all figures."""
    parts = [
        mark, targets(found), patients(found), summary(found), bins(found), by_cause(found), law(found),
        held_out(found), prior(), unclear(found), each(found), mistakes(found),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def _table(head: str, rows: Iterable[Iterable[object]]) -> str:
    lines = [[cell.strip() for cell in head.split("|")], *([_cell(one) for one in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def _asked(found: Found) -> Iterable[tuple[Law, str, scores.Asked]]:
    for name in found:
        for panel in PANELS:
            one = scores.of(found[name], panel)
            if one.records:
                yield name, panel, one


def targets(found: Found) -> str:
    """Return whether the targets are met, on the altered body."""
    rows: list[list[object]] = []
    for name, panel, one in _asked(found):
        if name != "altered":
            continue
        worth = one.told >= scores.WORTH
        error = scores.calibration_error(one.told[worth], one.acts[worth])
        rows.append([f"calibration error at most {ERROR:g}", panel, error, _met(error <= ERROR)])
        worst = [row for row in scores.causes_of(one) if row.error > ERROR]
        told = ", ".join(f"{row.cause} {row.error:.3f}" for row in worst)
        rows.append([f"the same of each cause that can be judged: not of {told or 'none'}", panel, "", _met(not worst)])
        place = scores.ranking(one.answers)
        if panel == "decisive" and place:
            rows += [
                [f"{what} among the first three in {THREE:.0%}", panel, value, _met(value >= THREE)]
                for what, value in (("a true cause", place.one_of_three), ("the only true cause", place.alone),
                                    ("every true cause, counted one by one,", place.recall))
            ]  # fmt: skip
    return "## Targets\n" + _table("on the altered body | panel | found | met", rows)


def _met(yes: bool) -> str:
    return "yes" if yes else "**no**"


def patients(found: Found) -> str:
    """Return how many were drawn, and who was not weighed."""
    rows = []
    for name, records in found.items():
        for panel in PANELS if records else ():
            out = scores.left_out(records, panel)
            weighed = len(scores.of(records, panel).records)
            other = len(records) - weighed - out["died"] - out[NOTHING_OFF]
            rows.append([LAWS[name], panel, len(records), out["died"], out[NOTHING_OFF], other, weighed])
    return "## Who was asked about\n" + _table(
        "law | panel | drawn | died | nothing out of range | sample in doubt | weighed", rows
    )


def summary(found: Found) -> str:
    """Return the figures of each law and panel."""
    rows = []
    for name, panel, one in _asked(found):
        if name == "each":
            continue
        worth = one.told >= scores.WORTH
        told, acts = one.told[worth], one.acts[worth]
        mean, bound = scores.by_chance(told)
        place = scores.ranking(one.answers)
        rows.append([
            LAWS[name], panel, len(one.records), scores.calibration_error(one.told, one.acts),
            scores.calibration_error(told, acts), f"{mean:.3f} (to {bound:.3f})", scores.slope(told, acts),
            scores.brier(one.told, one.acts), scores.brier(one.findings, one.acts),
            scores.brier(one.before, one.acts), place.first if place else "", place.one_of_three if place else "",
            place.alone if place else "", place.recall if place else "",
        ])  # fmt: skip
    return f"""## In short
ECE: expected calibration error, ten bins of equal width, over all pairs of patient and cause; most pairs are near 0 and
right, so that of pairs told at least {scores.WORTH:.0%} stands beside it, with what probabilities that are right would
bring by chance (mean, and 95 % bound). Slope: of the logit; below 1 the probabilities are too extreme. Brier: squared
error summed over the {len(causes())} causes of the body; by the engine, by cited findings alone with the same results,
and before any result. First: a true cause stands first; of three: one of the true causes is among the first three;
alone: the same of patients in whom one cause acts; recall: share of all true causes among the first three.

""" + _table(
        "law | panel | n | ECE, all | ECE, told | by chance | slope | Brier | findings | before | first | of three | "
        "alone | recall",
        rows,
    )


def bins(found: Found) -> str:
    """Return the tables of reliability."""
    rows = []
    for name, panel, one in _asked(found):
        if name == "each":
            continue
        rows += [
            [LAWS[name], panel, f"{row.told:.3f}", f"{row.was:.3f}", row.size,
             f"{(row.told - row.was) / np.sqrt(max(row.told * (1 - row.told), 1e-9) / row.size):+.1f}"]
            for row in scores.reliability(one.told, one.acts)
        ]  # fmt: skip
    return """## Reliability
Each line is a tenth: mean probability told, how often the cause acted, how many pairs, and by how many standard errors
too much was told.

""" + _table("law | panel | told | was | pairs | off", rows)


def by_cause(found: Found) -> str:
    """Return which causes are told too often or too seldom."""
    parts = []
    others: list[list[object]] = []
    for name, panel, one in _asked(found):
        rows = scores.causes_of(one)
        if name in {"own", "body"}:
            off = [row for row in rows if row.is_off()]
            others += [[LAWS[name], panel, row.cause, row.acts, f"{row.told:.1f}", f"{row.off:+.1f}"] for row in off]
        elif name == "altered":
            few = [cause for cause in causes() if cause not in {row.cause for row in rows}]
            parts.append(f"**Altered body, {panel} panel, {len(one.records)} patients**\n\n" + _table(
                "cause | acts in | told of | ECE | by chance to | off [SD] | verdict",
                [[row.cause, row.acts, f"{row.told:.1f}", row.error, row.bound, f"{row.off:+.1f}", row.verdict()]
                 for row in rows],
            ) + f"\n\nToo few to be judged: {', '.join(few)}.")  # fmt: skip
    if others:
        parts.append(
            "**Unaltered body: causes that are told too often or too seldom**\n\n"
            + _table("law | panel | cause | acts in | told of | off [SD]", others)
        )
    return """## Each cause
In how many patients it acts, in how many it should by the sum of its probabilities, its calibration error, and the 95 %
bound of that of right probabilities. Of so many causes one in twenty is off by two SD by chance.

""" + "\n\n".join(parts)


def law(found: Found) -> str:
    """Return where the true sets lie in the posterior."""
    rows = []
    for name, panel, one in _asked(found):
        if name == "each":
            continue
        one_of = scores.ranks(one)
        rows.append([LAWS[name], panel, len(one.records), one_of.weighed, *one_of.within, f"{one_of.chance:.1g}",
                     float(np.mean([answer.describes for answer in one.answers])),
                     float(np.median([answer.effective for answer in one.answers]))])  # fmt: skip
    levels = " | ".join(f"in {level:.0%}" for level in scores.LEVELS)
    return f"""## Where the true set of causes lies in the posterior
Simulation-based calibration of the whole set of causes: if the posterior is right, its most probable sets that hold
50 % hold the truth in 50 % of the patients, and so on, and ranks are even (chance: of ranks so uneven if it is right).
Weighed: the true set is one of those over the ten candidates at all. Describes: mean chance that the body describes the
patient, {1 - numbers()["unlike"]:g} before the results. Members: median, in equally weighted ones.

""" + _table(f"law | panel | n | weighed | {levels} | chance | describes | members", rows)


def held_out(found: Found) -> str:
    """Return how often members hold what was not measured."""
    parts = []
    for panel, tests in PANELS.items():
        names = [test for test in PANELS["decisive"] if test not in tests] + [*HELD_OUT, *BODY]
        rows = []
        for name in names:
            cells: list[object] = [f"`{name}`" if "." in name else name.replace("_", " ")]
            for which in ("body", "altered"):
                if not found.get(which):
                    continue
                one = scores.of(found[which], panel)
                everybody = scores.coverage(one, name)
                enough = scores.coverage(one, name, effective=ENOUGH)
                cells += [everybody.size, everybody.half, everybody.most, enough.most]
            rows.append(cells)
        heads = [f"n, {which} | 50 % | 90 % | 90 %, enough" for which in ("body", "altered") if found.get(which)]
        parts.append(f"**{panel} panel**\n\n" + _table(f"what was not measured | {' | '.join(heads)}", rows))
    return f"""## What was not measured
How often the middle half and the middle 90 % of the members, by their weights, hold what the patient truly shows
(before the error of the laboratory). Enough: patients for whom members are worth {ENOUGH:.0f} or more. Body: unaltered.

""" + "\n\n".join(parts)


def prior() -> str:
    """Return what is said without results, and what counts twice."""
    rows = [without_results(number) for number in range(len(templates()))]
    body, pairs = max(rows, key=lambda row: row.by_body), max(rows, key=lambda row: row.by_pairs)
    read = sorted(reading_results().items())
    findings = "; ".join(f"{id} ({', '.join(sorted(tests))})" for id, tests in read) or "none"
    return f"""## Without results
Over the {len(rows)} records without any result. The posterior by findings differs from prior odds and findings by hand
by at most {max(row.by_findings for row in rows):.0e}, summed over all sets. Virtual patients, asked without a result,
move the probability of a cause by {np.mean([row.by_body for row in rows]):.4f} in the mean of records and by
{body.by_body:.3f} at most ({body.cause} in {body.record}), where it should not move; there the sets that are not
simulated hold {body.beyond:.2f}. Pairs that go together, which should make no cause commoner, move one by
{pairs.by_pairs:.3f} at most ({pairs.paired} in {pairs.record}).

Findings that read a result by which virtual patients are weighed as well, so that it counts twice: {findings}."""


def unclear(found: Found) -> str:
    """Return what 'cannot tell' is worth."""
    rows = []
    for name, panel, one in _asked(found):
        if name == "each":
            continue
        told = scores.told_apart(one)
        rows.append([LAWS[name], panel, len(one.records), *told])
    return """## 'Cannot tell'
Of patients on whom a cause acts: how often it says so, in all and where one or more causes act, and how often its first
line is a cause that acts when it tells and when it cannot.

""" + _table("law | panel | n | cannot tell | of one cause | of several | right if it tells | right if not", rows)


def each(found: Found) -> str:
    """Return how each cause fares where it was made to act."""
    records = found.get("each")
    if not records:
        return ""
    likely = [cause for cause in causes() if max(one.marginal(cause) for one in templates()) >= LIKELY]
    hinted = [one for one in records if _turn(one) in likely]
    rows = [_of_cause(cause, [one for one in hinted if _turn(one) == cause]) for cause in likely]
    rows.sort(key=lambda row: (row.three if row.size else 2.0, row.cause))
    return (
        f"""## As many patients for every cause
Altered body; each cause in records that make it likely, often beside others that are likely there. Place of that cause,
and the mean probability that it was given. These are no calibration: causes are not as frequent as they are told to be.
{len(likely)} causes are told at least {LIKELY:.0%} by some record without results; no record hints at the other
{len(causes()) - len(likely)}, and results alone seldom bring these up.

"""
        + _table(
            "causes | panel | n | first | of three | told",
            [
                [which, panel, *_of_cause("", some, panel)[1:]]
                for which, some in (
                    ("some record hints at", hinted),
                    ("no record hints at", [one for one in records if _turn(one) not in likely]),
                )
                for panel in PANELS
            ],
        )
        + "\n\n"
        + _table("cause, decisive panel | n | first | of three | told", rows)
    )


class Turn(NamedTuple):
    """How a cause fares in the patients in whom it was made to act."""

    cause: str
    size: int
    first: float
    three: float
    told: float


def _turn(one: Record) -> str:
    return causes()[one.number % len(causes())]


def _of_cause(cause: str, records: Sequence[Record], panel: str = "decisive") -> Turn:
    one = scores.of(records, panel)
    mine = [_turn(record) for record in one.records]
    places = [answer.places[id] for id, answer in zip(mine, one.answers, strict=True)]
    told = [row[causes().index(id)] for id, row in zip(mine, one.told, strict=True)]
    return Turn(cause, len(places), _mean(place == 1 for place in places), _mean(place <= 3 for place in places),
                _mean(told))  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    rows = list(values)
    return float(sum(rows) / len(rows)) if rows else float("nan")


def mistakes(found: Found) -> str:
    """Return what is taken for what."""
    records = [*found.get("altered", ()), *found.get("each", ())]
    one = scores.of(records, "decisive")
    if not one.records:
        return ""
    rows = [[true, first, count, said] for true, first, count, said in scores.mistaken(one, MISTAKES)]
    return f"""## What is taken for what
Patients of the altered body with one true cause, decisive panel: what stood first instead, the {MISTAKES} most
frequent, and how often it was said that this cannot be told.

""" + _table("true | first | patients | cannot tell", rows)
