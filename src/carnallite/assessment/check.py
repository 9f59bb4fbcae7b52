"""Check every expression of the data files against the names that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.assessment.columns import Columns, evaluate
from carnallite.assessment.facts import Facts
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


def faults(example: Timeline) -> list[str]:
    """Return what is wrong with the expressions of the data files, one line each, by evaluating them once."""
    columns = Columns([Facts(example)])
    found = []
    for file, text in expressions():
        try:
            if text:
                evaluate(text, columns)
        except DataFileError as error:
            found.append(f"{file}: {error}")
    return sorted(set(found))
