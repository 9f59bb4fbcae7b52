"""How the service is: alive, ready, which version, and its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread

from carnallite import __version__
from carnallite.errors import CarnalliteError

if TYPE_CHECKING:
    from carnallite.surfaces.service.house import House


def version() -> dict[str, Any]:
    """Return what answers rest on: program, knowledge and body."""
    from carnallite.knowledge import edition  # noqa: PLC0415
    from carnallite.physiology import model  # noqa: PLC0415

    return {"version": __version__, "knowledge": edition(), "model": model().hash}


async def ready(house: House) -> tuple[bool, dict[str, Any]]:
    """Return whether the service can answer, and each thing that it needs.

    A library need not be there for rules to hold, so that an older or small one is told and does not make it unready.
    """
    checks = {
        "open": house.is_open,
        "workers": all(lane.is_ready() for lane in house.lanes.values()),
        **await to_thread.run_sync(_inside),
        "store": await to_thread.run_sync(_writable, house),
    }
    needed = ("open", "workers", "knowledge", "store")
    return all(checks[name] for name in needed), checks


def _inside() -> dict[str, Any]:
    from carnallite.knowledge import knowledge  # noqa: PLC0415
    from carnallite.physiology.engine import kernel  # noqa: PLC0415

    return {"knowledge": bool(knowledge().rules), "kernel": kernel() is not None, "library": _library()}


def _library() -> str:
    from carnallite.assessment.cloud import at_hand  # noqa: PLC0415
    from carnallite.physiology.engine import kernel  # noqa: PLC0415

    try:
        return at_hand().name if kernel() is not None else "none: there is no kernel"
    except CarnalliteError as error:
        return str(error)


def _writable(house: House) -> bool:
    try:
        house.store.shown("readiness", "probe", house.clock())
    except CarnalliteError:
        return False
    return True
