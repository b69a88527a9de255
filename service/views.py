"""From records to answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from core.clock import moment
from core.documents import Documents
from core.state.actions import BulkAction
from schemas.batch import Batch
from schemas.catalog import EMPTY_ROW, Row
from schemas.expansion import Expansion
from schemas.failure import FAILURE_RULES, FailureClass
from schemas.manifest import Manifest
from schemas.plan import PlanProblem
from schemas.pricing import usd
from schemas.task import Task
from service.contract.shapes import (
    AssetAnswer,
    BatchAnswer,
    BatchCost,
    BatchLinks,
    BulkActionAnswer,
    BulkActionLinks,
    Counts,
    TaskAnswer,
    TaskCost,
    TaskFailure,
)


def batch_path(batch_id: str) -> str:
    return f"/v1/batches/{batch_id}"


def plan_path(plan_id: str) -> str:
    return f"/v1/plans/{plan_id}"


def action_path(action_id: str) -> str:
    return f"/v1/bulk_actions/{action_id}"


def action_answer(action: BulkAction) -> BulkActionAnswer:
    return BulkActionAnswer(
        id=action.id,
        state=action.state,
        batch_id=action.batch_id,
        matched=action.matched,
        moved=action.moved,
        estimated_cost_usd=usd(action.estimated_usd_micros),
        created_at=moment(action.created_at_ms),
        links=BulkActionLinks(itself=action_path(action.id), batch=batch_path(action.batch_id)),
    )


def batch_answer(batch: Batch) -> BatchAnswer:
    here, cap = batch_path(batch.id), batch.cap_usd_micros
    return BatchAnswer(
        id=batch.id,
        name=batch.name,
        state=batch.state,
        priority=batch.priority,
        tenant=batch.tenant,
        metadata=batch.metadata,
        counts=Counts(**batch.counts),
        cost=BatchCost(
            estimated=usd(batch.estimated_usd_micros),
            held=usd(batch.held_usd_micros),
            spent=usd(batch.spent_usd_micros),
            cap=None if cap is None else usd(cap),
        ),
        budget_state="exhausted" if batch.limited_by == "budget" else "ok",
        limited_by=batch.limited_by,
        failures_by_class=batch.failures_by_class,
        rows=batch.rows,
        created_at=moment(batch.created_at_ms),
        started_at=None if batch.started_at_ms is None else moment(batch.started_at_ms),
        finished_at=None if batch.finished_at_ms is None else moment(batch.finished_at_ms),
        errors=[PlanProblem(**problem.as_dict()) for problem in batch.problems],
        refusal=batch.refusal,
        links=BatchLinks(
            itself=here,
            tasks=f"{here}/tasks",
            results=f"{here}/results.jsonl",
            cancel=f"{here}/cancel",
            plan=plan_path(batch.plan_id),
        ),
    )


class TaskDescriber:
    """Tells tasks of one batch: an index alone says little, the manifest and the catalog say what it stands for."""

    def __init__(self, documents: Documents, batch: Batch, manifest: Manifest) -> None:
        self._documents = documents
        self._batch = batch
        self._manifest = manifest
        self._expansion = Expansion(manifest, batch.rows)

    @classmethod
    async def of(cls, documents: Documents, batch: Batch) -> TaskDescriber:
        return cls(documents, batch, await documents.get_manifest(batch.tenant, batch.id))

    async def answers(self, tasks: Iterable[Task]) -> list[TaskAnswer]:
        return list(await asyncio.gather(*(self.answer(task) for task in tasks)))

    async def answer(self, task: Task) -> TaskAnswer:
        cell = self._expansion.cell(task.index)
        row = await self._row(cell.row)
        return TaskAnswer(
            index=task.index,
            state=task.state,
            template=cell.template,
            row=row.number,
            row_key=row.key,
            variant=dict(zip(self._manifest.variants, cell.variant, strict=True)),
            size=cell.size,
            sample=cell.sample,
            attempts=task.attempts,
            sends=task.sends,
            cost=TaskCost(spent=usd(task.cost_usd_micros)),
            asset=None if task.asset_key is None else await self._asset(task.asset_key, task.sha256),
            same_as=task.same_as,
            failure=None if task.failure is None else _failure(task.failure),
            next_at=None if task.next_at_ms is None else moment(task.next_at_ms),
            updated_at=None if not task.updated_at_ms else moment(task.updated_at_ms),
        )

    async def _row(self, row: int) -> Row:
        if self._manifest.catalog is None:
            return EMPTY_ROW
        return (await self._documents.planned_row(self._batch.tenant, self._batch.id, row)).row

    async def _asset(self, key: str, sha256: str | None) -> AssetAnswer:
        place = (self._batch.tenant, self._batch.id, key)
        link = await self._documents.picture_link(*place)
        return AssetAnswer(key=key, url=self._documents.picture_url(*place), link=link, sha256=sha256)


def _failure(facts: dict[str, Any]) -> TaskFailure:
    failure_class = FailureClass(facts["class"])
    return TaskFailure(
        failure_class=failure_class,
        message=facts.get("message"),
        advice=FAILURE_RULES[failure_class].advice,
        code=facts.get("code"),
        param=facts.get("param"),
        http_status=facts.get("http_status"),
        request_id=facts.get("request_id"),
        stage=facts.get("stage"),
    )
