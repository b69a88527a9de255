"""The rescuer: takes back the claims of workers that are gone, and stores what their spools hold."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import structlog

from core.clock import Clock
from core.state.batches import BatchStore
from core.state.claims import ClaimStore, LostClaim
from core.state.tasks import TaskStore
from schemas.errors import ConflictError, DarkroomError, NotFoundError
from schemas.failure import Failure, FailureClass
from schemas.task import TaskState
from workers.keeper import BadPicture, PictureKeeper, unwitnessed
from workers.moves import CALLED
from workers.order import Order
from workers.retry_policy import MAX_CRASHES
from workers.shelf import CampaignShelf
from workers.spool import Spool, SpoolEntry

APART_S = 3.0
"""Tasks that were lost together for the second time go on so far apart: one of them may be what kills the workers, and
the others must not be given up with it."""

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
        shelf: CampaignShelf,
        keeper: PictureKeeper,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._claims = claims
        self._tasks = tasks
        self._batches = batches
        self._shelf = shelf
        self._keeper = keeper
        self._spool = spool
        self._clock = clock

    async def take_back(self) -> int:
        """Claims that were never sent go back to the queue; the others are parked. How many there were.

        One that cannot be taken back does not hold up the others; it is found again at the next round.
        """
        lost, suspects = await self._claims.lost(), 0
        for claim in lost:
            try:
                await self._take_back(claim, apart_s=suspects * APART_S)
            except Exception:
                _log.exception("claim.stuck", batch=claim.batch_id, task=claim.index, worker=claim.worker)
            suspects += claim.crashes > 0
        return len(lost)

    async def replay_spools(self) -> int:
        """Stores the pictures of processes of this machine that are gone. How many there were.

        While storage does not answer this waits; what cannot be stored at all stays, and is named at every round.
        Cancelled: what is not stored yet stays in its spool.
        """
        count = 0
        for folder in self._spool.orphans():
            with closing(folder):
                stored = [await self._replayed(entry) for entry in folder.pictures()]
                count += sum(stored)
                if all(stored):
                    folder.remove()
        return count

    async def expire(self) -> int:
        """Ends batches whose deadline has passed, and those that somebody began to close. How many there were."""
        overdue = {*await self._batches.overdue(self._clock.now_ms()), *await self._batches.closing()}
        for batch_id in sorted(overdue):
            tenant = await self._batches.owner_of(batch_id)
            if tenant is None:
                continue
            try:
                await self._batches.close(await self._batches.get(tenant, batch_id), reason="expired")
            except (ConflictError, NotFoundError):
                continue
        return len(overdue)

    async def _take_back(self, lost: LostClaim, *, apart_s: float) -> None:
        """A worker that lives after all may have moved its task since it was looked at: then nothing changes."""
        facts = await self._fate_of(lost, apart_s)
        moved = await self._tasks.move(
            batch=lost.batch_id, index=lost.index, fence=lost.fence, worker=lost.worker,
            from_state=lost.state, crash=True, **facts,
        )  # fmt: skip
        _log.warning(
            "claim.lost",
            batch=lost.batch_id,
            task=lost.index,
            worker=lost.worker,
            was=lost.state,
            status=moved.status,
        )

    async def _fate_of(self, lost: LostClaim, apart_s: float) -> dict[str, Any]:
        if lost.state == TaskState.SENT:
            message = "The worker was lost after the request was sent."
            return {"to": "parked", "failure": Failure.of(FailureClass.DOUBTFUL, message).as_kept()}
        if lost.state != TaskState.CLAIMED:
            message = "The worker was lost with the paid picture in its spool; it is stored when that machine is back."
            return {"to": "parked", "failure": Failure.of(FailureClass.DOUBTFUL, message).as_kept()}
        if lost.crashes + 1 < MAX_CRASHES:
            if lost.crashes == 0 or apart_s == 0:
                return {"to": "queued", "unused": "all"}
            return {"to": "waiting", "delay_us": int(apart_s * 1e6), "unused": "all"}
        message = f"{MAX_CRASHES} workers were lost while they held this task."
        tenant = await self._batches.owner_of(lost.batch_id) or ""
        fail = await self._shelf.lost_with(tenant, lost.batch_id, lost.index)
        poison = Failure.of(FailureClass.POISON, message).as_kept()
        return {"to": "failed", "unused": "all", "failure": poison, "fail": fail}

    async def _replayed(self, entry: SpoolEntry) -> bool:
        """Goes on where its process died; False when that cannot be done."""
        try:
            order = entry.order()
            kept = await self._keeper.keep(entry, order, entry.delivery() or unwitnessed(entry))
            if isinstance(kept, BadPicture):
                await self._fail(order, kept)
        except (DarkroomError, OSError, ValueError) as error:
            _log.error("spool.stuck", entry=entry.name, reason=str(error))
            return False
        entry.remove()
        _log.info("spool.replayed", batch=order.batch_id, task=order.index, attempt=order.attempt)
        return True

    async def _fail(self, order: Order, bad: BadPicture) -> None:
        """One that is to be made again by now, or was, is left to that."""
        await self._keeper.persist(
            lambda: self._tasks.move(
                batch=order.batch_id, index=order.index, fence=order.fence, worker=self._worker, from_state=CALLED,
                to="failed", attempt=order.attempt, cost=bad.cost_usd_micros, failure=bad.failure.as_kept(), fail=order.fail,
            )
        )  # fmt: skip
        # Where the move has posted it, this posts nothing; where the task had gone on, or ended otherwise, it does.
        await self._keeper.post_surplus(order, cost=bad.cost_usd_micros)
