"""A shift: the one claimant of a lane in this process. It claims tasks in blocks and runs them side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from core.clock import Clock
from core.state.claims import ClaimStore
from core.telemetry.metrics import WorkerMetrics
from schemas.claim import Claim, Wait
from schemas.errors import UnavailableError
from workers.runner import WITHDRAWN_S, AttemptRunner
from workers.slots import Slots

IDLE_S = 0.5
"""Longest rest between two claims: a new batch starts within that time, for two small scripts a second."""

BLOCK = 64
"""Most tasks in one claim; larger blocks gain nothing. Source: measurement of claim sizes, docs/architecture.md."""

_log = structlog.get_logger()


class Shift:
    """Runs one lane until it is told to stop.

    Args:
        group: the lanes that share their work with this one; its own name where none does.
        has_room: whether the spool can take what would be bought.
    """

    def __init__(
        self,
        lane: str,
        *,
        group: str,
        claims: ClaimStore,
        runner: AttemptRunner,
        slots: Slots,
        has_room: Callable[[], bool],
    ) -> None:
        self.lane = lane
        self._group = group
        self._claims = claims
        self._tasks = runner.tasks
        self._runner = runner
        self._slots = slots
        self._has_room = has_room
        self._clock: Clock = runner.clock
        self._metrics: WorkerMetrics = runner.reporter.metrics
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._is_unheard = False  # whether the answer to a claim never came
        self._stopping = asyncio.Event()
        self._claimed_last = asyncio.Event()

    async def work(self) -> None:
        """Claims and runs until `stop`; attempts in flight go on after that, see `drain`."""
        try:
            while not self._stopping.is_set():
                try:
                    rest_s = await self._claim()
                except UnavailableError as error:
                    _log.warning("claim.refused", lane=self.lane, reason=error.detail)
                    rest_s = WITHDRAWN_S
                await self._rest(rest_s)
        finally:
            self._claimed_last.set()

    def stop(self) -> None:
        """No more claims."""
        self._stopping.set()
        self._slots.wake()

    async def drain(self, timeout_s: float) -> int:
        """After `stop`: waits for attempts in flight, which are paid; how many still ran when time was up."""
        await self._claimed_last.wait()
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        left = [task for task in self._running if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    async def _claim(self) -> float:
        """Starts what may start; how long to rest before asking again, in seconds."""
        if self._slots.free < 1:
            await self._slots.one_freed()
            return 0.0
        if not self._has_room():
            _log.error("spool.filled", lane=self.lane)
            return WITHDRAWN_S
        if self._is_unheard:
            await self._release_unheard()
        claims, wait = await self._ask()
        now_s = self._clock.monotonic()
        for claim in claims:
            self._start(claim, now_s + claim.start_in_ms / 1000)
        if wait is None:
            return 0.0
        self._metrics.waits.labels(self.lane, wait.limited_by).inc()
        return min(wait.wait_ms / 1000, IDLE_S)

    async def _ask(self) -> tuple[list[Claim], Wait | None]:
        """Claims for slots that are taken before, so that no other lane counts on them meanwhile."""
        want, claims = self._slots.take(BLOCK), list[Claim]()
        self._is_unheard = True
        try:
            claims, wait = await self._claims.claim(
                self.lane, group=self._group, worker=self._runner.worker, want=want
            )
        finally:
            self._slots.give_back(want - len(claims))
        self._is_unheard = False
        return claims, wait

    async def _release_unheard(self) -> None:
        """Gives back claims of this lane whose answer was lost: our lease would hold them for ever."""
        known = {(claim.batch_id, claim.index, claim.fence) for claim in self._running.values()}
        worker = self._runner.worker
        for held in await self._claims.held(worker, self.lane):
            if (held.batch_id, held.index, held.fence) in known:
                continue
            moved = await self._tasks.move(
                batch=held.batch_id, index=held.index, fence=held.fence, worker=worker,
                to="queued", unused="all", from_state="claimed",
            )  # fmt: skip
            _log.warning("claim.unheard", batch=held.batch_id, task=held.index, status=moved.status)
        self._is_unheard = False

    def _start(self, claim: Claim, start_at_s: float) -> None:
        self._metrics.in_flight.labels(self.lane).inc()
        task = asyncio.create_task(self._run(claim, start_at_s))
        self._running[task] = claim
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._slots.give_back(1)
        self._metrics.in_flight.labels(self.lane).dec()

    async def _run(self, claim: Claim, start_at_s: float) -> None:
        """One attempt; the edge where the unexpected ends."""
        structlog.contextvars.bind_contextvars(
            batch=claim.batch_id,
            task=claim.index,
            attempt=claim.attempt,
            tenant=claim.tenant,
            lane=claim.lane,
        )
        try:
            await self._runner.run(claim, start_at_s)
        except Exception as error:
            _log.exception("attempt.crashed")
            await self._runner.put_aside(claim, type(error).__name__)

    async def _rest(self, rest_s: float) -> None:
        if rest_s <= 0:
            return
        sleeping = asyncio.create_task(self._clock.sleep(rest_s))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, stopping):
            task.cancel()
