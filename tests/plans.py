"""What a planner decides of a batch, for tests that have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core.record import PlannedBatch
from core.state.batches import BatchStore, Flow
from schemas.batch import Batch
from schemas.errors import Problem
from schemas.plan import Plan

NOW_MS = 1_795_248_000_000


def plan_of(plan_id: str, **changes: Any) -> Plan:
    """A plan as a planner makes it."""
    made: dict[str, Any] = {
        "id": plan_id,
        "accepted": True,
        "name": "autumn",
        "tasks": {
            "total": 4,
            "by_template": {"hero": 4},
            "by_size": {"1024x1024": 4},
            "by_model": {"gpt-image-2": 4},
        },
        "cost": {"likely": "0.04", "high": "0.05", "cap": None, "by_template": {"hero": "0.04"}},
        "duration": {"seconds": 1.0, "limited_by": "images"},
        "catalog": {"rows": 2, "dialect": None, "mapping": {"key": "sku"}},
    }
    return Plan.model_validate(made | changes)


def planned(
    batch: Batch, flows: Sequence[Flow], *, fence: int, total: int, rows: int, **figures: Any
) -> PlannedBatch:
    """What a plan made of a batch; `figures` are its price and its deadline, where they matter."""
    found: dict[str, Any] = {
        "id": batch.id,
        "tenant": batch.tenant,
        "name": batch.name,
        "priority": batch.priority.value,
        "metadata": batch.metadata,
        "plan_id": batch.plan_id,
        "cap_usd_micros": batch.cap_usd_micros,
        "on_doubt": "park",
        "reuse": "batch",
        "deadline_ms": None,
        "created_at_ms": batch.created_at_ms,
        "started_at_ms": NOW_MS,
        "estimated_usd_micros": 0,
    }
    flows_told = [asdict(flow) for flow in flows]
    return PlannedBatch(**found | figures, total=total, rows=rows, flows=flows_told, rows_fence=fence)


async def rejected(
    batches: BatchStore,
    batch: Batch,
    refusal: str,
    problems: Sequence[Problem] = (),
    *,
    plan: Plan | None = None,
) -> bool:
    """Takes the plan of a batch, and rejects it with that."""
    fence = await batches.take_plan(batch.id)
    return await batches.reject(
        batch.id, fence=fence, plan=plan, refusal=refusal, problems=list(problems), finished_at_ms=NOW_MS
    )
