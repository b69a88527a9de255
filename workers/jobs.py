"""The coarse jobs that arq carries to this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from arq.worker import Function, Retry, func

from core.queue import PlanJob
from core.state.batches import BatchStore
from core.telemetry.traces import Traces
from schemas.errors import UnavailableError
from workers.planning.planner import Planner

PLAN_TIMEOUT_S = 900
"""A plan of 1,000,000 tasks takes under a minute; a job whose worker was killed is taken up again after this."""

RETRY_STEP_S, RETRY_CAP_S, MAX_TRIES = 1, 60, 2000
"""Redis or storage may be away for a day and a half before a plan is given up."""

_log = structlog.get_logger()


def plan_function(
    planner: Planner, batches: BatchStore, traces: Traces, now_ms: Callable[[], int]
) -> Function:
    """The job `plan`, bound to what it needs."""

    async def plan(ctx: dict[Any, Any], *arguments: Any, **options: Any) -> None:
        job = PlanJob.of(arguments[0])
        try:
            with traces.span(
                "plan", kind="consumer", under=job.trace, facts={"darkroom.plan.id": job.plan_id}
            ):
                await planner.plan(job)
        except UnavailableError as error:
            _log.warning("plan.delayed", plan=job.plan_id, batch=job.batch_id, reason=error.detail)
            raise Retry(defer=min(ctx["job_try"] * RETRY_STEP_S, RETRY_CAP_S)) from error
        except Exception as error:
            _log.exception("plan.crashed", plan=job.plan_id, batch=job.batch_id)
            if job.batch_id is not None:
                refusal = f"The plan failed by an error of ours: {type(error).__name__}."
                await batches.reject(job.batch_id, refusal=refusal, problems=[], finished_at_ms=now_ms())

    return func(plan, name="plan", timeout=PLAN_TIMEOUT_S, keep_result=0, max_tries=MAX_TRIES)
