"""The coarse jobs that arq carries to this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from arq.worker import Function, Retry, Worker, func

from core.clock import Clock
from core.documents import Documents, owned_key
from core.queue import (
    EXPIRES_EXTRA_MS,
    QUEUE,
    PlanJob,
    deserialize,
    in_progress,
    over,
    serialize,
)
from core.settings import Settings
from core.state.batches import BatchStore
from core.state.connection import connect_for_jobs
from core.state.plans import PlanStore
from core.telemetry.traces import Traces
from schemas.batch import Batch, BatchState
from schemas.errors import NotFoundError, Problem, UnavailableError
from schemas.plan import PLAN_FAILED
from workers.lease import LeaseKeeper
from workers.planning.planner import Planner
from workers.retry_policy import MAX_CRASHES

PLAN_TIMEOUT_S = 900
"""A plan of 1,000,000 tasks takes under a minute."""

RETRY_STEP_S, RETRY_CAP_S, MAX_TRIES = 1, 60, 2000
"""Redis or storage may be away for a day and a half before a plan is given up."""

_AT_ONCE = 64

NewJobs = Callable[[], Worker]
"""Makes arq's worker anew, when the one before has died."""

_log = structlog.get_logger()


class PlanCarrier:
    """Carries out the job `plan`. When this process dies, another one takes the job up as soon as the lease has run out."""

    def __init__(
        self,
        planner: Planner,
        *,
        worker: str,
        lease: LeaseKeeper,
        plans: PlanStore,
        batches: BatchStore,
        documents: Documents,
        traces: Traces,
        clock: Clock,
    ) -> None:
        self._planner = planner
        self._worker = worker
        self._lease = lease
        self._plans = plans
        self._batches = batches
        self._documents = documents
        self._traces = traces
        self._clock = clock

    def function(self) -> Function:
        """The job as arq knows it. arq's own timeout comes after ours: it would end the job and leave its batch as it is."""

        async def plan(ctx: dict[Any, Any], *arguments: Any, **options: Any) -> None:
            await self._carry(ctx, PlanJob.of(arguments[0]))

        return func(plan, name="plan", timeout=2 * PLAN_TIMEOUT_S, keep_result=0, max_tries=MAX_TRIES)

    async def _carry(self, ctx: dict[Any, Any], job: PlanJob) -> None:
        try:
            with self._lease.covering(in_progress(ctx["job_id"])):
                await self._end(job)
                is_open = job.batch_id is not None and await self._is_open(job.tenant, job.batch_id)
        except UnavailableError as error:
            _log.warning("plan.delayed", plan=job.plan_id, batch=job.batch_id, reason=error.detail)
            raise Retry(defer=min(ctx["job_try"] * RETRY_STEP_S, RETRY_CAP_S)) from error
        if is_open:  # somebody else has taken the plan; should they die, the job is all that tells of it
            raise Retry(defer=PLAN_TIMEOUT_S)

    async def _is_open(self, tenant: str, batch_id: str) -> bool:
        """Whether the batch waits for a plan still. Of one that does not, the leftovers of other plans are removed."""
        try:
            batch = await self._batches.get(tenant, batch_id)
        except NotFoundError:
            return False
        if batch.state is BatchState.PLANNING:
            return True
        await self._sweep(batch)
        return False

    async def _sweep(self, batch: Batch) -> None:
        """Figures go before rows: a batch that came back by them would need its rows."""
        place, fence = owned_key(batch.tenant, batch.id, ""), batch.rows_fence
        kept = (f"{place}planned/{fence:08d}.json", f"{place}rows/{fence}/")
        for shelf in ("planned/", "rows/"):
            keys = self._documents.store.list_keys(place + shelf)
            left = [key async for key in keys if not key.startswith(kept)]
            for start in range(0, len(left), _AT_ONCE):
                await asyncio.gather(
                    *(self._documents.store.delete(key) for key in left[start : start + _AT_ONCE])
                )

    async def _end(self, job: PlanJob) -> None:
        """Makes the plan, or rejects its batch where that cannot be done; nothing where the batch is decided: a job can be
        carried out twice, and the rows of a running batch never change."""
        fence = 0 if job.batch_id is None else await self._batches.take_plan(job.batch_id)
        if job.batch_id is not None and not fence:
            return
        refusal = await self._tried(job, fence)
        if refusal is not None and job.batch_id is not None:
            await self._batches.reject(
                job.batch_id,
                fence=fence,
                plan=None,
                refusal=refusal,
                problems=[Problem("", PLAN_FAILED, refusal)],
                finished_at_ms=self._clock.now_ms(),
            )

    async def _tried(self, job: PlanJob, fence: int) -> str | None:
        """Why the plan cannot be made, if so."""
        try:
            if (deaths := await self._plans.begin(job.plan_id, self._worker)) < MAX_CRASHES:
                async with asyncio.timeout(PLAN_TIMEOUT_S):
                    await self._plan(job, fence)
                return None
            _log.error("plan.poisoned", plan=job.plan_id, batch=job.batch_id, workers=deaths)
            return f"{deaths} workers were lost while they made this plan; it is not tried again."
        except UnavailableError:
            raise
        except Exception as error:
            _log.exception("plan.crashed", plan=job.plan_id, batch=job.batch_id)
            return f"The plan failed by an error of ours: {type(error).__name__}."
        finally:
            with suppress(UnavailableError):
                await self._plans.end(job.plan_id, self._worker)

    async def _plan(self, job: PlanJob, fence: int) -> None:
        with self._traces.span(
            "plan", kind="consumer", under=job.trace, facts={"darkroom.plan.id": job.plan_id}
        ):
            await self._planner.plan(job, fence=fence)


def jobs_worker(settings: Settings, plan: Function) -> Worker:
    """arq's worker, not yet started. It dies when Redis goes away."""
    worker = Worker(
        functions=[plan],
        queue_name=QUEUE,
        redis_pool=over(connect_for_jobs(settings.redis.address)),
        job_serializer=serialize,
        job_deserializer=deserialize,
        expires_extra_ms=EXPIRES_EXTRA_MS,
        handle_signals=False,
        max_jobs=2,
        poll_delay=0.2,
        health_check_interval=15,
        keep_result=0,
        log_results=False,
    )
    # How long a job stays with a worker that is not heard of; arq would wait until the job's timeout has passed.
    worker.in_progress_timeout_s = settings.worker.lease_s
    return worker
