"""All that one service has: settings, store, lanes, callers, cards; how each call is let in and written down."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import to_thread

from carnallite.errors import Refused, StoreFailed
from carnallite.surfaces.service import work
from carnallite.surfaces.service.issued import Issued
from carnallite.surfaces.service.lanes import Busy, Lane, cores
from carnallite.surfaces.service.logs import Log
from carnallite.surfaces.service.metrics import Metrics
from carnallite.surfaces.service.prefetch import Learned
from carnallite.surfaces.service.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from starlette.requests import Request

    from carnallite.surfaces.service.cards import Found
    from carnallite.surfaces.service.prefetch import Fetch
    from carnallite.surfaces.service.settings import Settings
    from carnallite.surfaces.service.store import Store
    from carnallite.surfaces.service.tokens import Tokens

T = TypeVar("T")
_TRIAGE, _WAITING_FITS = 4, 2  # calls that may wait for the small lanes


class House:
    """One service.

    Parameters
    ----------
    tokens : Tokens, optional
        Who may call; without it everybody who reaches the address may.
    fetch : callable, optional
        Returns the body of an allowed address, given a token (`Outward.get`).
    clock : callable
        Returns the time now.
    """

    def __init__(
        self, settings: Settings, store: Store, *, tokens: Tokens | None, fetch: Fetch | None,
        clock: Callable[[], datetime], log: Log,
    ) -> None:  # fmt: skip
        self.settings, self.store, self.tokens, self.fetch = settings, store, tokens, fetch
        self.clock, self.log = clock, log
        self.issued, self.metrics, self.learned = Issued(), Metrics(), Learned(log.note)
        self.local = _local(settings)
        self.lanes: dict[str, Lane] = {}
        self.entered = 0  # calls that are being read, evaluated or written down
        self.is_open = False

    def open(self) -> None:
        """Start the workers: for cards and answers, a small lane for emergencies, and one for fits."""
        work.warm()  # also builds a library where there is none, once
        processes = self.settings.workers != 0
        count = self.settings.workers or cores()
        deadline, fit, patience = self.settings.deadline_s, self.settings.fit_deadline_s, self.settings.patience_s

        def quick(workers: int, waiting: int) -> Lane:
            return Lane(workers, waiting, deadline, processes=processes, patience_s=patience, warm=work.warm)

        self.lanes = {
            "answers": quick(count, self.settings.waiting),
            "emergencies": quick(1, _TRIAGE),
            "fits": Lane(1, _WAITING_FITS, fit, processes=processes, warm=work.warm),
        }
        for name, lane in self.lanes.items():
            self.metrics.watch(name, lambda lane=lane: lane.inside)  # type: ignore[misc]
        self.is_open = True

    def close(self) -> None:
        """Let workers end what they are at, and stop them."""
        self.is_open = False
        for lane in self.lanes.values():
            lane.close()

    def today(self) -> date:
        """Return the day by the clock, in UTC."""
        return self.clock().astimezone(UTC).date()

    def task(self, bundle: bytes, *, now: datetime | None, patient: str) -> work.Task:
        """Return a record as a worker takes it."""
        return work.Task(
            bundle=bundle, now=now if self.settings.clock == "wall" else None, patient=patient,
            depth=self.settings.depth, units=self.settings.units, limits=self.settings.limits, local=self.local,
            valid_h=self.settings.valid_h, today=self.today(),
        )  # fmt: skip

    async def compute(self, lane: str, what: Callable[..., T], *given: Any) -> T:
        """Return what a worker of a lane computes.

        Raises
        ------
        Refusal
            503: the lane is full, or the worker did not end.
        """
        try:
            return await self.lanes[lane].run(what, *given)
        except Busy:
            self.metrics.shed.labels(lane).inc()
            raise

    def admit(self) -> None:
        """Turn away at the door what could only wait: before a body is read, while nothing of it costs anything.

        Raises
        ------
        Busy
            Every lane is full.
        """
        if self.entered >= sum(self.lanes[name].most for name in ("answers", "emergencies")):
            self.metrics.shed.labels("door").inc()
            raise Busy

    async def evaluate(
        self, what: Callable[[work.Task], Found | work.NotRead], task: work.Task
    ) -> Found | work.NotRead:
        """Return what cards say; where the lane is full the emergencies alone, and a refusal if there are none.

        Raises
        ------
        Refusal
            503: everything is full, or it cannot be told that nothing else is wrong.
        """
        from msgspec.structs import replace  # noqa: PLC0415

        try:
            return await self.compute("answers", what, task)
        except Busy:
            found = await self.compute("emergencies", what, replace(task, depth="findings"))
            if isinstance(found, work.NotRead):
                return found
            worst = tuple(fact for fact in found.facts if fact.indicator == "critical")
            if not worst:
                raise
            return replace(found, facts=worst, is_partial=True)

    async def verify(self, request: Request) -> None:
        """Let in who may call.

        Raises
        ------
        Refusal
            401, without a reason; the audit log has it.
        """
        if self.tokens is None:
            request.state.issuer = ""
            return
        url = f"{self.settings.base}{request.url.path}"
        headers = request.headers.getlist("authorization")
        try:
            caller = await to_thread.run_sync(self.tokens.verify, headers, url, self.clock())
        except Refused as error:
            request.state.issuer = ""
            await self.audit(request, "refused", {"code": error.code})
            raise Refusal(401, "login", "", "not let in.", "") from None
        request.state.issuer = caller.issuer

    async def audit(
        self, request: Request, action: str, facts: Mapping[str, str | int], *, patient: str = "", user: str = ""
    ) -> None:
        """Write a row into the audit log before an answer goes out.

        Raises
        ------
        StoreFailed
            It could not be written: the call is refused.
        """
        now = self.clock()
        told: dict[str, str | int | bool | None] = {**facts, "request": request.state.id}
        if request.state.issuer:
            told["client"] = request.state.issuer
        if patient:
            told["patient"] = self.store.patient_key(patient, now)
        if user:
            told["user"] = user
        try:
            await to_thread.run_sync(self.store.append, action, told, now)
        except ValueError as error:
            raise StoreFailed("audit", str(error), "Send plain ids.") from None


def _local(settings: Settings) -> dict[str, str]:
    from pathlib import Path  # noqa: PLC0415

    from carnallite.surfaces.local import local_map  # noqa: PLC0415

    return local_map(Path(settings.local_codes)) if settings.local_codes else {}
