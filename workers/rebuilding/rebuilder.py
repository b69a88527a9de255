"""The rebuilder: brings batches back that Redis has lost. What is left of one is its manifest minus what storage holds
of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from core.documents import Documents
from core.record import Course, PlannedBatch, Steering
from core.state.restoring import RestoreStore
from schemas.errors import DarkroomError, UnavailableError
from schemas.expansion import Expansion
from schemas.ids import is_id
from schemas.pricing import usd
from schemas.task import TaskState
from workers.rebuilding.salvage import Salvage, Surveyor

_S = TaskState


class Report(msgspec.Struct, frozen=True):
    """What became of one batch, or would.

    Args:
        status: restored | would_restore | never_started | failed.
        course: running | paused | cancelled.
        left: pictures that are still to be made.
        damaged: receipts that cannot be read, and pictures without one; their tasks are parked.
        detail: why it failed.
    """

    batch: str
    tenant: str
    status: str
    course: str | None = None
    total: int = 0
    done: int = 0
    parked: int = 0
    failed: int = 0
    left: int = 0
    spent_usd: str = usd(0)
    damaged: tuple[str, ...] = ()
    detail: str | None = None

    @property
    def is_bad(self) -> bool:
        return self.status == "failed" or bool(self.damaged)


class Rebuilder:
    """Brings batches back one after the other. Can be interrupted anywhere and run again, also by two at once.

    What Redis has is left alone. Workers and service may be running: what they bring meanwhile is taken.
    """

    def __init__(self, *, documents: Documents, restoring: RestoreStore) -> None:
        self._documents = documents
        self._restoring = restoring

    async def rebuild(
        self, *, tenant: str | None = None, batch_id: str | None = None, dry_run: bool = False
    ) -> AsyncGenerator[Report, None]:
        """Every batch in storage that Redis does not have, or those of one tenant, or one.

        Raises:
            UnavailableError: storage or Redis does not answer; run it again.
        """
        for owner in [tenant] if tenant else await self._documents.owners():
            for found in await self._documents.batch_ids(owner):
                is_wanted = is_id(found, "batch") and batch_id in (None, found)
                if is_wanted and not await self._restoring.is_there(found):
                    yield await self._rebuilt(owner, found, dry_run=dry_run)

    async def _rebuilt(self, tenant: str, batch_id: str, *, dry_run: bool) -> Report:
        """What cannot be read of one batch does not hold up the others."""
        try:
            planned = await self._documents.find_planned(tenant, batch_id)
            if planned is None:
                return Report(batch_id, tenant, "never_started")
            steering = await self._documents.find_steering(tenant, batch_id) or Steering(
                Course.RUNNING, planned.cap_usd_micros, planned.priority
            )
            if not dry_run:
                steering = msgspec.structs.replace(steering, lives=steering.lives + 1)
                await self._documents.put_steering(tenant, batch_id, steering)
                await self._restoring.begin(planned, steering)
            salvage = await Surveyor(self._documents, planned).survey()
            if not dry_run:
                await self._restore(planned, steering, salvage)
        except UnavailableError:
            raise
        except (DarkroomError, ValueError) as error:
            return Report(batch_id, tenant, "failed", detail=str(error)[:500])
        return _report(planned, steering, salvage, "would_restore" if dry_run else "restored")

    async def _restore(self, planned: PlannedBatch, steering: Steering, salvage: Salvage) -> None:
        await self._restoring.write(planned.id, salvage.tasks)
        if steering.course is not Course.CANCELLED:
            await self._link(planned, salvage)
        finished_at_ms = max((task.at for task in salvage.tasks), default=planned.started_at_ms)
        await self._restoring.open(planned.id, steering.course, finished_at_ms=finished_at_ms)

    async def _link(self, planned: PlannedBatch, salvage: Salvage) -> None:
        if not any(block["dependent"] for flow in planned.flows for block in flow["blocks"]):
            return
        manifest = await self._documents.get_manifest(planned.tenant, planned.id)
        expansion = Expansion(manifest.model_copy(update={"catalog": None}), planned.rows)
        ready: list[int] = []
        fail: list[int] = []
        for task in salvage.tasks:
            if task.state in (_S.DONE, _S.SKIPPED):
                ready += expansion.children_of(expansion.cell(task.index))
            elif task.state is _S.FAILED:
                fail += expansion.descendants_of(expansion.cell(task.index))
        await self._restoring.link(planned.id, ready=ready, fail=fail)


def _report(planned: PlannedBatch, steering: Steering, salvage: Salvage, status: str) -> Report:
    states = [task.state for task in salvage.tasks]
    is_over = steering.course is Course.CANCELLED
    untold = 0 if steering.is_replayed else planned.total - len(states)
    left = 0 if is_over else untold + states.count(_S.QUEUED)
    return Report(
        batch=planned.id,
        tenant=planned.tenant,
        status=status,
        course=steering.course.value if left or is_over else "completed",
        total=planned.total,
        done=states.count(_S.DONE),
        parked=states.count(_S.PARKED),
        failed=states.count(_S.FAILED),
        left=left,
        spent_usd=usd(salvage.spent_usd_micros),
        damaged=tuple(salvage.damaged),
    )
