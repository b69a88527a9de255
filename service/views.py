"""From records to answers."""

from __future__ import annotations

from core.clock import moment
from core.state.actions import BulkAction
from schemas.batch import Batch
from schemas.plan import PlanProblem
from schemas.pricing import usd
from service.contract.shapes import (
    BatchAnswer,
    BatchCost,
    BatchLinks,
    BulkActionAnswer,
    BulkActionLinks,
    CheckCounts,
    Counts,
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
        checks=CheckCounts(
            passed=batch.checks["pass"], warned=batch.checks["warn"], failed=batch.checks["fail"]
        ),
        reused=batch.reused,
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
