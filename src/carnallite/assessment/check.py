"""Check every expression of the data files against the names that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.assessment.columns import Columns, evaluate
from carnallite.errors import DataFileError
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.record import Timeline


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every file that holds an expression, and the expression."""
    known = knowledge()
    for finding in known.findings.values():
        yield f"findings/{finding.id}.toml", finding.present
        yield f"findings/{finding.id}.toml", finding.absent
    for kind in ("causes", "factors", "links"):
        for item in getattr(known, kind).values():
            for prior in item.priors:
                yield f"{kind}/{item.id}.toml", prior.when
    for factor in known.factors.values():
        for kept in factor.kept_by:
            yield f"factors/{factor.id}.toml", kept.when
    for cause in known.causes.values():
        for severity in cause.severity:
            yield f"causes/{cause.id}.toml", severity.when
    for setting in known.settings.values():
        yield f"settings/{setting.id}.toml", setting.when
    for pair in known.pairs.values():
        yield f"pairs/{pair.id}.toml", pair.told_when
    for rule in known.rules.values():
        yield f"rules/{rule.id}.toml", rule.when
        yield f"rules/{rule.id}.toml", rule.asks_when
    for test in known.investigations.values():
        yield f"investigations/{test.id}.toml", test.first_when
        yield f"investigations/{test.id}.toml", test.useless_when
    yield from _of_plans()


def _of_plans() -> Iterator[tuple[str, str]]:
    known = knowledge()
    for table in known.safety.values():
        for limit in table.ceilings:
            yield f"safety/{table.id}.toml", limit.when
            yield f"safety/{table.id}.toml", limit.unless
        for bar in table.contraindications:
            yield f"safety/{table.id}.toml", bar.when
        yield f"safety/{table.id}.toml", table.spared.when if table.spared else ""
        yield f"safety/{table.id}.toml", table.spared.unless if table.spared else ""
    for step in known.steps.values():
        yield f"steps/{step.id}.toml", step.when
        yield f"steps/{step.id}.toml", step.unless
        for regimen in step.regimens:
            yield f"steps/{step.id}.toml", regimen.when
    for strategy in known.strategies.values():
        yield f"strategies/{strategy.id}.toml", strategy.when
        yield f"strategies/{strategy.id}.toml", strategy.unless
        for note in strategy.notes:
            yield f"strategies/{strategy.id}.toml", note.when


def faults(example: Timeline) -> list[str]:
    """Return what is wrong with the expressions of the data files, one line each, by evaluating them once."""
    columns = Columns.of([example])
    found = []
    for file, text in expressions():
        try:
            if text:
                evaluate(text, columns)
        except DataFileError as error:
            found.append(f"{file}: {error}")
    return sorted(set(found))
