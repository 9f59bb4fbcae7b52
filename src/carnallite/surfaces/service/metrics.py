"""Counts and durations for Prometheus: by route and status, by hook and indicator. Nothing of a patient is a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """What is counted since the process began."""

    def __init__(self) -> None:
        self._all = CollectorRegistry()
        self.calls = Histogram(
            "carnallite_call_seconds", "Duration of calls", ["route", "status"], buckets=_SECONDS, registry=self._all
        )
        self.cards = Counter("carnallite_cards", "Cards given out", ["hook", "indicator"], registry=self._all)
        self.feedback = Counter("carnallite_feedback", "Feedback to cards", ["outcome"], registry=self._all)
        self.shed = Counter("carnallite_shed", "Calls that found a lane full", ["lane"], registry=self._all)
        self._inside = Gauge("carnallite_inside", "Calls that compute or wait", ["lane"], registry=self._all)

    def watch(self, lane: str, inside: Callable[[], float]) -> None:
        """Show how many calls are in a lane."""
        self._inside.labels(lane).set_function(inside)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._all)
