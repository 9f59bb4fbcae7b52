"""The scored targets as JSON for programs, and as plain text or Markdown tables for people."""

from __future__ import annotations

from textwrap import shorten, wrap
from typing import TYPE_CHECKING

from carnallite.physiology.validation.rules import bound, colour, expected_sign, tolerances

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from carnallite.physiology.validation.gates import GateResult
    from carnallite.physiology.validation.score import Validation
    from carnallite.physiology.validation.scored import Division, Row, Summary, TargetScore
    from carnallite.physiology.validation.targets import Observation

WIDTH = 112
WIDTHS = (43, 27, 10, 5, 13)  # condition and quantity, observed, simulated, score, verdict
HEADINGS = ("what was measured", "observed", "simulated", "score", "verdict")
LEGEND = (
    "Score 1: the simulated number is as near to the observed one as the study itself can tell; 0: it is off by more "
    "than people differ. Skill: the share of what a body that never changes would leave to be earned; below 0 is "
    "worse than no change. Skill of changes: the same over those numbers alone that move. Green, amber and red are "
    "from the score. An input was given to the simulation and earns nothing. What was not simulated is not scored: it "
    "is listed with its reason. Tol is how near a number must be for score 1; RMSE and bias are counted in it."
)


def as_json(result: Validation) -> dict[str, object]:
    """Return the object that `carnallite validate --json` prints."""
    return {
        "schema": "carnallite.validation/1",
        "file": result.file.name,
        "remarks": list(result.file.remarks),
        "fit": _division(result.fit),
        "check": _division(result.check),
        "topics": {
            name: {**_summary(topic.all), "fit": _summary(topic.fit), "check": _summary(topic.check)}
            for name, topic in result.topics.items()
        },
        "gates": {one.gate.id: one.holds for one in result.gates},
        "gates_why": {one.gate.id: list(one.why) for one in result.gates},
        "targets": [_target(one) for one in result.targets],
    }


def as_text(result: Validation) -> str:
    """Return plain text no wider than 112 columns: summary, gates, a table per topic, what was not simulated."""
    lines = [_title(result), "", *wrap(LEGEND, WIDTH), ""]
    lines += [*_summary_text(result), "", "Gates", *_gates_text(result.gates)]
    for topic, members in _by_topic(result):
        lines += ["", *_ruled(f"{topic}   {_topic_line(result, topic)}")]
        for one in members:
            lines += [*_target_text(one), ""]
    lines += ["Not simulated or not scored", *_left_out_text(result)]
    lines += [f"Remark: {remark}" for remark in result.file.remarks]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_markdown(result: Validation) -> str:
    """Return the same as Markdown."""
    lines = [f"# {_title(result)}", "", LEGEND, "", *_summary_markdown(result), ""]
    lines += ["## Gates", "", *_table(("gate", "holds", "why"), (_gate_cells(one) for one in result.gates)), ""]
    for topic, members in _by_topic(result):
        lines += [f"## {topic[0].upper()}{topic[1:]}", "", f"{_topic_line(result, topic)}.", ""]
        lines += [line for one in members for line in _target_markdown(one)]
    lines += ["## Not simulated or not scored", ""]
    lines += [*_table(("target", "what", "why"), _left_out(result)), ""]
    lines += [f"- {remark}" for remark in result.file.remarks]
    return "\n".join(lines).rstrip("\n") + "\n"


def _title(result: Validation) -> str:
    return f"What the body reproduces of {result.file.name} ({result.file.title})"


def _division(division: Division) -> dict[str, object]:
    return {
        **_summary(division.all),
        "without_guessing": _summary(division.without_guessing),
        "with_guessing": _summary(division.with_guessing),
    }


def _summary(summary: Summary) -> dict[str, object]:
    return {
        "score": _round(summary.score),
        "skill": _round(summary.skill),
        "dynamic_skill": _round(summary.dynamic_skill),
        "n": summary.n,
        "n_total": summary.n_total,
        "observations": summary.n_rows,
        "observations_total": summary.n_rows_total,
        "normalised_rmse": _round(summary.rmse),
        "bias": _round(summary.bias),
        "inside_90": _round(summary.inside),
    }


def _target(one: TargetScore) -> dict[str, object]:
    target = one.target
    return {
        "id": target.id,
        "topic": target.topic,
        "title": target.title,
        "use": target.use,
        "certainty": target.certainty,
        "protocol": target.protocol.text,
        "simulable_without_guessing": target.protocol.simulable_without_guessing,
        "who": one.who or None,
        "assumptions": list(one.assumptions),
        "score": _round(one.score),
        "colour": None if one.score is None else colour(one.score),
        "no_change": one.baseline,
        "skill": _round(one.skill),
        "dynamic_skill": _round(one.dynamic_skill),
        "scored": one.is_scored,
        "simulated": any(row.simulated is not None for row in one.rows),
        "n": sum(row.simulated is not None for row in one.rows),
        "n_total": len(one.rows),
        "why_not": one.why_not or None,
        "rows": [_row(row) for row in one.rows],
    }


def _row(row: Row) -> dict[str, object]:
    seen = row.observation
    return {
        "kind": seen.kind,
        "quantity": seen.quantity,
        "unit": seen.unit,
        "condition": seen.arm or None,
        "when": seen.when or None,
        "time_h": seen.time_h,
        "observed": seen.value,
        "expected": observed(seen),
        "sd": seen.sd,
        "n": seen.n,
        "simulated": row.simulated,
        "score": _round(row.score),
        "weight": 0 if row.score is None else seen.weight,
        "colour": row.verdict if row.score is not None else None,
        "verdict": row.verdict,
        "why_not": row.why_not or None,
    }


def observed(row: Observation) -> str:
    """Return what was observed, with its spread, as a physiologist writes it.

    >>> from carnallite.physiology.validation.targets import Observation
    >>> observed(Observation("value", "plasma_K", "mmol/L", value=3.42, sd=0.3, n=30))
    '3.42 ± 0.3 mmol/L (n=30)'
    """
    match row.kind:
        case "range":
            return _with_unit(f"{_number(row.low)} to {_number(row.high)}", row)
        case "sign":
            sign = expected_sign(row)
            word = {"+": "above 0", "-": "below 0"}[sign.sign] if sign else row.expect
            return f"{word} or little" if sign and sign.little else word
        case "null":
            return f"no change (within {_with_unit(_number(row.threshold), row)})"
        case "le" | "ge":
            return _with_unit(f"{'at most' if row.kind == 'le' else 'at least'} {_number(bound(row))}", row)
    spread = f" ± {_number(row.sd)}" if row.sd is not None else f" (tol {_number(tolerances(row)[0])})"
    unit = "" if row.unit == "fraction" else row.unit
    return f"{_number(row.value)}{spread}{f' {unit}' if unit else ''}{f' (n={row.n})' if row.n else ''}"


def measured(row: Observation) -> str:
    """Return what was measured, in whom and when.

    >>> from carnallite.physiology.validation.targets import Observation
    >>> measured(Observation("value", "plasma_K", "mmol/L", value=3.8, time_h=1008, arm="KCl"))
    'KCl: plasma K, 42 d'
    """
    moment = row.when or ("" if row.time_h is None else _time(row.time_h))
    arm = f"{row.arm}: " if row.arm else ""
    return f"{arm}{row.quantity.replace('_', ' ')}{f', {moment}' if moment else ''}"


def _with_unit(text: str, row: Observation) -> str:
    return text if row.unit in {"", "fraction"} else f"{text} {row.unit}"


def _time(hours: float) -> str:
    if hours == 0:
        return "at start"
    if abs(hours) < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours / 24:.3g} d" if abs(hours) >= 48 else f"{hours:.3g} h"


def _number(value: float | None) -> str:
    """Return three digits, more only before the point, without the noise of a float.

    >>> _number(-0.00157), _number(1131.0), _number(None)
    ('-0.00157', '1131', '-')
    """
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value + 0.0:.3g}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _by_topic(result: Validation) -> Iterator[tuple[str, list[TargetScore]]]:
    for topic in dict.fromkeys(one.target.topic for one in result.targets):
        yield topic, [one for one in result.targets if one.target.topic == topic]


def _topic_line(result: Validation, topic: str) -> str:
    found = result.topics.get(topic)
    if found is None:
        return "not scored"
    return f"score {_score(found.all.score)}, skill {_score(found.all.skill)}, {_count(found.all)} targets simulated"


def _count(summary: Summary) -> str:
    return f"{summary.n} of {summary.n_total}"


def _target_facts(one: TargetScore) -> str:
    """Return use, score and skill of a target in one line, or why it has none."""
    use = f"{one.target.use}, certainty {one.target.certainty}"
    if one.score is None:
        return f"{use}: {'not simulated' if one.is_scored else 'not scored'}: {one.why_not}"
    done = sum(row.simulated is not None for row in one.rows)
    earned = "" if one.baseline is None else f", skill {_score(one.skill)} over no change {_score(one.baseline)}"
    simulated = f"{done} of {len(one.rows)} observations simulated"
    return f"{use}: score {one.score:.2f} ({colour(one.score)}){earned}, {simulated}"


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    return (
        measured(row.observation),
        observed(row.observation),
        _number(row.simulated),
        _score(row.score),
        row.verdict,
    )


# Plain text


def _ruled(title: str) -> list[str]:
    return [title, "=" * WIDTH]


def _target_text(one: TargetScore) -> list[str]:
    lines = [f"{one.target.id}  {shorten(one.target.title, WIDTH - 12, placeholder=' …')}"]
    lines += wrap(f"protocol: {_protocol(one)}", WIDTH, initial_indent="  ", subsequent_indent="    ", max_lines=2)
    lines += [part for note in _notes(one) for part in wrap(note, WIDTH, initial_indent="  ", subsequent_indent="    ")]
    return [*lines, _line(HEADINGS), _line(tuple("-" * width for width in WIDTHS)), *_rows_text(one)]


def _rows_text(one: TargetScore) -> Iterator[str]:
    for row in one.rows:
        columns = [wrap(cell, width) or [""] for cell, width in zip(_cells(row), WIDTHS, strict=True)]
        for place in range(max(map(len, columns))):
            yield _line(tuple(column[place] if place < len(column) else "" for column in columns))


def _line(cells: tuple[str, ...]) -> str:
    what, seen, simulated, score, verdict = cells
    a, b, c, d, _ = WIDTHS
    return f"  {what:<{a}} | {seen:<{b}} | {simulated:>{c}} | {score:>{d}} | {verdict}"


def _protocol(one: TargetScore) -> str:
    text = shorten(one.target.protocol.text, WIDTH, placeholder=" …")
    return text if one.target.protocol.simulable_without_guessing else f"{text} [incomplete]"


def _notes(one: TargetScore) -> Iterator[str]:
    yield _target_facts(one)
    if one.who:
        yield f"simulated: {one.who}"
    yield from (f"assumed: {assumption}" for assumption in one.assumptions)


def _summary_rows(result: Validation) -> Iterator[tuple[str, ...]]:
    for use, division in (("fit", result.fit), ("check", result.check)):
        parts = (
            (use, division.all),
            (f"{use}, complete protocols", division.without_guessing),
            (f"{use}, protocols that need guessing", division.with_guessing),
        )
        for name, one in parts:
            rows = f"{one.n_rows} of {one.n_rows_total}"
            misses = _score(one.rmse), _score(one.bias)
            skills = _score(one.skill), _score(one.dynamic_skill)
            yield name, _score(one.score), *skills, _count(one), rows, *misses


SUMMARY = ("targets", "score", "skill", "of changes", "simulated", "observations", "RMSE/tol", "bias/tol")
SUMMARY_WIDTHS = (36, 6, 6, 10, 9, 12, 8, 8)


def _summary_text(result: Validation) -> Iterator[str]:
    first, *widths = SUMMARY_WIDTHS
    for name, *cells in (SUMMARY, *_summary_rows(result)):
        yield f"{name:<{first}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _gates_text(gates: Iterable[GateResult]) -> Iterator[str]:
    for one in gates:
        about, holds, why = _gate_cells(one)
        yield from wrap(f"{holds}: {about}", WIDTH, initial_indent="  ", subsequent_indent="      ")
        yield from wrap(why, WIDTH, initial_indent="      ", subsequent_indent="      ")


def _gate_cells(one: GateResult) -> tuple[str, str, str]:
    word = {True: "holds", False: "FAILS", None: "not simulated"}[one.holds]
    return one.gate.about, word, "; ".join(one.why)


def _left_out(result: Validation) -> Iterator[tuple[str, str, str]]:
    for one in result.targets:
        if one.score is None:
            yield one.target.id, "whole target", one.why_not
            continue
        for row in one.rows:
            if row.verdict in {"not simulated", "not scored"}:
                yield one.target.id, measured(row.observation), row.why_not


def _left_out_text(result: Validation) -> Iterator[str]:
    for id, what, why in _left_out(result):
        yield from wrap(f"{id}  {what}: {why}", WIDTH, initial_indent="  ", subsequent_indent="      ")


# Markdown


def _summary_markdown(result: Validation) -> Iterator[str]:
    return _table(SUMMARY, _summary_rows(result))


def _target_markdown(one: TargetScore) -> Iterator[str]:
    """Yield a target with its heading, protocol, assumptions and rows."""
    yield from (f"### {one.target.id}: {_escaped(one.target.title)}", "", f"- protocol: {_escaped(_protocol(one))}")
    yield from (f"- {_escaped(note)}" for note in _notes(one))
    yield from ("", *_table(HEADINGS, map(_cells, one.rows)), "")


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for cells in rows:
        yield f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(cell: str) -> str:
    """Return a cell that Markdown shows as it is.

    >>> _escaped("K < 3 | 4")
    'K &lt; 3 \\\\| 4'
    """
    return cell.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
