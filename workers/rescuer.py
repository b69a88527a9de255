"""The rescuer: takes back the claims of workers that are gone, and stores what their spools hold."""

from __future__ import annotations

import structlog

from core.clock import Clock
from core.state.batches import BatchStore
from core.state.claims import ClaimStore, LostClaim
from core.state.tasks import TaskStore
from schemas.errors import ConflictError, NotFoundError
from schemas.failure import FailureClass
from schemas.task import TaskState
from schemas.verdict import Done
from workers.keeper import BadPicture, PictureKeeper, unwitnessed
from workers.retry_policy import MAX_CRASHES
from workers.spool import Spool, SpoolEntry

_log = structlog.get_logger()


class Rescuer:
    """Repeats its rounds; each is safe to repeat and safe beside other rescuers."""

    def __init__(
        self,
        *,
        worker: str,
        claims: ClaimStore,
        tasks: TaskStore,
        batches: BatchStore,
        keeper: PictureKeeper,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._claims = claims
        self._tasks = tasks
        self._batches = batches
        self._keeper = keeper
        self._spool = spool
        self._clock = clock

    async def take_back(self) -> int:
        """Claims that were never sent go back to the queue; the others are parked. How many there were."""
        lost = await self._claims.lost()
        for claim in lost:
            await self._take_back(claim)
        return len(lost)

    async def replay_spools(self) -> int:
        """Stores the pictures of processes of this machine that are gone. How many there were."""
        count = 0
        for folder in self._spool.orphans():
            try:
                for entry in folder.pictures():
                    await self._replay(entry)
                    count += 1
            except BaseException:
                folder.release()
                raise
            folder.remove()
        return count

    async def expire(self) -> int:
        """Ends batches whose deadline has passed. How many there were."""
        overdue = await self._batches.overdue(self._clock.now_ms())
        for batch_id in overdue:
            tenant = await self._batches.owner_of(batch_id)
            if tenant is None:
                continue
            try:
                await self._batches.close(await self._batches.get(tenant, batch_id), reason="expired")
            except (ConflictError, NotFoundError):
                continue
        return len(overdue)

    async def _take_back(self, lost: LostClaim) -> None:
        sent = lost.state != TaskState.CLAIMED
        if sent:
            message = "The worker was lost after the request was sent." if lost.state == TaskState.SENT else (
                "The worker was lost with the paid picture in its spool; it is stored when that machine is back."
            )  # fmt: skip
            facts = {"to": "parked", "failure": _failure(FailureClass.DOUBTFUL, message)}
        elif lost.crashes + 1 >= MAX_CRASHES:
            message = f"{MAX_CRASHES} workers were lost while they held this task."
            facts = {"to": "failed", "unused": "all", "failure": _failure(FailureClass.POISON, message)}
        else:
            facts = {"to": "queued", "unused": "all"}
        moved = await self._tasks.move(
            batch=lost.batch_id, index=lost.index, fence=lost.fence, worker=lost.worker, crash=True, **facts
        )
        _log.warning(
            "claim.lost",
            batch=lost.batch_id,
            task=lost.index,
            worker=lost.worker,
            was=lost.state,
            status=moved.status,
        )

    async def _replay(self, entry: SpoolEntry) -> None:
        order = entry.order()
        delivery = entry.delivery() or unwitnessed(entry)
        kept = await self._keeper.keep(entry, order, delivery)
        move = {"batch": order.batch_id, "index": order.index, "worker": self._worker}
        if isinstance(kept, Done):
            done = {"cost": kept.cost_usd_micros, "tokens": kept.tokens, "ready": order.ready}
            await self._keeper.persist(lambda: self._tasks.move(**move, to="done", fence=kept.fence, **done))
        elif isinstance(kept, BadPicture):
            failure = _failure(FailureClass.BAD_OUTPUT, kept.failure.message, charged="yes")
            bad = {"cost": kept.cost_usd_micros, "failure": failure, "fail": order.fail}
            await self._keeper.persist(
                lambda: self._tasks.move(**move, to="failed", fence=order.fence, **bad)
            )
        entry.remove()
        _log.info("spool.replayed", batch=order.batch_id, task=order.index, attempt=order.attempt)


def _failure(failure_class: FailureClass, message: str, *, charged: str = "unknown") -> dict[str, str]:
    return {"class": failure_class.value, "message": message, "charged": charged}
