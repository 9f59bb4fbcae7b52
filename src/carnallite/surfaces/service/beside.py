"""The page that a launch shows: the report, with a name where no EHR shows one, and free to do nothing."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite import __version__
from carnallite.errors import RecordRefused
from carnallite.plan import advise
from carnallite.record import fhir_reading
from carnallite.surfaces.overdue import dated
from carnallite.surfaces.report import render_html
from carnallite.surfaces.service import work

if TYPE_CHECKING:
    from collections.abc import Iterable

_BODY = re.compile(r"<body[^>]*>")
_BANNER = "border-bottom:1px solid;padding:6px 0;margin:0 0 6px;font-weight:650"


def written(task: work.Task, demonstration: bool) -> str | work.NotRead:
    """Return the report of one patient as HTML; what a worker does."""
    try:
        reading = fhir_reading(task.bundle, now=task.now, local=task.local)
        limits = Path(task.limits) if task.limits else None
        advice = dated(advise(reading, version=__version__, depth=task.depth, limits=limits), task.today)
    except RecordRefused as error:
        return work.NotRead(error.where, error.what, error.do)
    if demonstration:
        advice = msgspec.structs.replace(advice, issues=(*advice.issues, work.DEMONSTRATION))
    return render_html(advice, reading.timeline, units=task.units)


def page(report: str, named: bytes, demonstration: bool) -> str:
    """Return the page: a report, under what must stand above it.

    Parameters
    ----------
    named : bytes
        The record of the patient whose name must be shown; empty where the EHR shows it.
    """
    above = f'<p style="{_BANNER}">DEMONSTRATION, not for care.</p>' * demonstration
    above += banner(named) if named else ""
    return _BODY.sub(lambda found: found[0] + above, report, count=1)


def banner(bundle: bytes) -> str:
    """Return who the patient is, for a page that no EHR shows beside a name."""
    entries = json.loads(bundle)["entry"]
    patient: dict[str, Any] = next(
        (one["resource"] for one in entries if one["resource"].get("resourceType") == "Patient"), {}
    )
    names = patient.get("name") or [{}]
    name = names[0].get("text") or " ".join([*(names[0].get("given") or []), names[0].get("family") or ""])
    known = [str(name).strip(), patient.get("birthDate") and f"born {patient['birthDate']}", patient.get("gender"),
             *(one.get("value") for one in patient.get("identifier") or [][:1])]  # fmt: skip
    told = ", ".join(escape(str(one)) for one in known if one)
    return f'<p role="note" aria-label="Patient" style="{_BANNER}">{told or "Patient without a name"}</p>'


def no_page(told: str) -> str:
    """Return the page of a launch that went no further."""
    return f"<!doctype html><html lang=en><title>carnallite</title><h1>No report</h1><p>{escape(told)}</p></html>"


def policy(frames: Iterable[str]) -> str:
    """Return what the page may do in a browser: show itself, perhaps in the frame of an EHR, and nothing else."""
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(frames)}; sandbox"
    )
