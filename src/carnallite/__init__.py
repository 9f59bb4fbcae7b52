"""An open engine for disorders of magnesium and potassium.

Ten lines from a record to an answer::

    from carnallite import assess, read_record

    reading = read_record("bundle.json")
    answer = assess(reading)
    print(answer.states.magnesium)
    for cause in answer.causes[:3]:
        print(f"{cause.name}: {cause.probability:.0%}")
        for reason in cause.for_:
            print("  for:", reason.fact)
    for test in answer.next_tests:
        print("measure", test.name, "because", test.why)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "assess", "assess_all", "knowledge", "read_all", "read_record"]

if TYPE_CHECKING:
    from carnallite.assessment import assess as assess
    from carnallite.assessment import assess_all as assess_all
    from carnallite.knowledge import knowledge as knowledge
    from carnallite.record import read_all as read_all
    from carnallite.record import read_record as read_record

_ROOMS = {
    "assess": "carnallite.assessment",
    "assess_all": "carnallite.assessment",
    "knowledge": "carnallite.knowledge",
    "read_all": "carnallite.record",
    "read_record": "carnallite.record",
}


def __getattr__(name: str) -> Any:
    """Import a room when it is first used, so that starting stays fast."""
    if name not in _ROOMS:
        raise AttributeError(name)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_ROOMS[name]), name)
