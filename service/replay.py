"""Replays: tasks that failed or were cancelled, chosen once by a filter, then made again part by part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog

from core.state.actions import ActionState, BulkAction, Chosen
from schemas.batch import Batch, BatchState
from schemas.catalog import EMPTY_ROW
from schemas.errors import ConflictError, Problem, UnavailableError
from schemas.expansion import Expansion
from schemas.failure import FailureClass
from schemas.ids import new_id
from schemas.manifest import Manifest
from schemas.task import Task, TaskState
from service.contract.requests import ReplayFilter
from service.equipment import Equipment
from service.exports.returning import bring_back
from service.problems import ProblemError

log = structlog.get_logger()

_REPLAYABLE = frozenset({BatchState.RUNNING, BatchState.PAUSED, BatchState.COMPLETED, BatchState.CANCELLED})
_PAGE = 499  # with the one behind it, which shows that there is more, a whole read of the shelf
_BREAK_S = 5.0
_UNSAID = {TaskState.CANCELLED: FailureClass.CANCELLED, TaskState.PARKED: FailureClass.DOUBTFUL}


class Replayer:
    """Replays of one batch."""

    def __init__(self, desk: Equipment, batch: Batch, manifest: Manifest) -> None:
        self._desk = desk
        self._batch = batch
        self._manifest = manifest
        self._expansion = Expansion(manifest, batch.rows)

    @classmethod
    async def of(cls, desk: Equipment, batch: Batch) -> Replayer:
        """
        Raises:
            ConflictError: the batch has not started, was rejected, or is being cancelled.
        """
        if batch.state not in _REPLAYABLE:
            raise ConflictError(f"The batch is {batch.state}, so nothing of it can be made again now.")
        await bring_back(batch, desk.batches, desk.shelving, desk.documents)
        return cls(desk, batch, await desk.documents.get_manifest(batch.tenant, batch.id))

    async def create(self, wanted: ReplayFilter, *, dry_run: bool) -> BulkAction:
        """A new action, with its selection as it is to stay. Nothing is moved yet.

        Raises:
            ProblemError: the batch has no template of a name in the filter.
        """
        self._require_templates(wanted.templates or [])
        chosen = await self._chosen(wanted)
        now_ms = self._desk.clock.now_ms()
        action = BulkAction(
            id=new_id("action", now_ms=now_ms, random_bytes=self._desk.chance(10)),
            tenant=self._batch.tenant,
            batch_id=self._batch.id,
            state=ActionState.DRY_RUN if dry_run else ActionState.RUNNING,
            matched=len(chosen),
            moved=0,
            estimated_usd_micros=await self._desk.actions.estimate(
                self._batch, [one.index for one in chosen]
            ),
            accepts_doubt=wanted.accept_double_charge,
            created_at_ms=now_ms,
        )
        await self._desk.actions.create(action, chosen)
        return action

    def _require_templates(self, names: list[str]) -> None:
        known = self._manifest.templates
        problems = [
            Problem(f"/filter/template/{place}", "unknown_template", f"there is no template '{name[:100]}'")
            for place, name in enumerate(names)
            if name not in known
        ]
        if problems:
            raise ProblemError(
                "bad_request", f"The templates of this batch are {', '.join(known)}.", problems=problems
            )

    async def _chosen(self, wanted: ReplayFilter) -> list[Chosen]:
        ended, matching = set[int](), list[int]()
        async for task in self._replayable(wanted):
            if task.state is not TaskState.PARKED:
                ended.add(task.index)
            if await self._matches(task, wanted):
                matching.append(task.index)
        return await asyncio.to_thread(self._with_parents, ended, matching)

    async def _replayable(self, wanted: ReplayFilter) -> AsyncIterator[Task]:
        doubts = (TaskState.PARKED,) if wanted.accept_double_charge else ()
        for state in (TaskState.FAILED, TaskState.CANCELLED, *doubts):
            start: int | None = 0
            while start is not None:
                tasks, start = await self._desk.tasks.page(self._batch, start=start, limit=_PAGE, state=state)
                for task in tasks:
                    yield task

    async def _matches(self, task: Task, wanted: ReplayFilter) -> bool:
        reason = (task.failure or {}).get("class", _UNSAID.get(task.state))
        if wanted.classes is not None and reason not in wanted.classes:
            return False
        cell = self._expansion.cell(task.index)
        if wanted.templates is not None and cell.template not in wanted.templates:
            return False
        return wanted.rows is None or await self._row_number(cell.row) in wanted.rows

    async def _row_number(self, row: int) -> int:
        if self._manifest.catalog is None:
            return EMPTY_ROW.number
        found = await self._desk.documents.planned_row(
            self._batch.tenant, self._batch.id, row, fence=self._batch.rows_fence
        )
        return found.row.number

    def _with_parents(self, ended: set[int], matching: Sequence[int]) -> list[Chosen]:
        """Those of `matching`, ascending, whose parent is there, may still come, or is made again as well.

        Args:
            ended: every task that failed or was cancelled.
        """
        selected = set(matching)
        pairs = [Chosen(index, self._parent_of(index)) for index in sorted(selected)]
        return [one for one in pairs if self._is_coming(one.parent, ended, selected)]

    def _parent_of(self, index: int) -> int | None:
        return self._expansion.parent_of(self._expansion.cell(index))

    def _is_coming(self, index: int | None, ended: set[int], selected: set[int]) -> bool:
        if index is None or index not in ended:
            return True
        return index in selected and self._is_coming(self._parent_of(index), ended, selected)


async def finish(desk: Equipment, action_id: str) -> None:
    """Does what is left of an action.

    Cancelled: the next start of a service goes on with it.
    """
    while True:
        try:
            state = await desk.actions.advance(action_id)
        except UnavailableError as error:
            log.warning("action.delayed", action=action_id, reason=error.detail)
            await desk.clock.sleep(_BREAK_S)
            continue
        if state is not ActionState.RUNNING:
            log.info("action.ended", action=action_id, state=state.value)
            return


async def finish_left_over(desk: Equipment) -> None:
    """Goes on with the actions of a service that was stopped. Two services that do so are in nobody's way."""
    for action_id in await desk.actions.under_way():
        await finish(desk, action_id)
