"""The job `plan` on a real planner: what becomes of a batch whose plan cannot be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from arq.worker import Retry
from redis.asyncio import Redis

from core.clock import SystemClock
from core.documents import Documents
from core.queue import PlanJob, in_progress
from core.state import keys
from core.state.batches import BatchStore
from core.state.connection import command, connect_blocking
from core.state.plans import PlanStore
from core.telemetry.traces import Traces
from schemas.batch import Batch, BatchState
from schemas.plan import Plan
from tests.unit.planning.desk import BATCH, CSV, PLAN, TENANT, Desk, manifest
from workers.jobs import PlanCarrier
from workers.lease import LeaseKeeper

CONTEXT = {"job_id": f"plan:{PLAN}", "job_try": 1}
LONG_MS = 10**15


@pytest.fixture
def lease(redis_url: str) -> Iterator[LeaseKeeper]:
    keeper = LeaseKeeper(connect_blocking(redis_url), "w1", lease_s=30, renew_s=0.01)
    keeper.start()
    yield keeper
    keeper.stop()


@pytest.fixture
def carrier(desk: Desk, lease: LeaseKeeper) -> PlanCarrier:
    return PlanCarrier(
        desk.planner(),
        worker="w1",
        lease=lease,
        plans=PlanStore(desk.redis),
        batches=BatchStore(desk.redis),
        traces=Traces(),
        clock=SystemClock(),
    )


async def carried(desk: Desk, carrier: PlanCarrier, **fields: Any) -> Batch:
    """The batch of a manifest, when its job has been carried out."""
    await desk.upload("products.csv", CSV)
    return await ended(desk, carrier, await desk.shelve(manifest(**fields)))


async def ended(desk: Desk, carrier: PlanCarrier, job: PlanJob) -> Batch:
    plan: Any = carrier.function().coroutine
    await plan(CONTEXT, {"plan_id": job.plan_id, "tenant": job.tenant, "batch_id": job.batch_id})
    return await BatchStore(desk.redis).get(TENANT, BATCH)


async def test_a_plan_that_three_workers_died_of_is_given_up(desk: Desk, carrier: PlanCarrier) -> None:
    for dead in ("w2", "w3", "w4"):
        await PlanStore(desk.redis).begin(PLAN, dead)

    batch = await carried(desk, carrier)

    assert (batch.state, batch.refusal) == (
        BatchState.REJECTED,
        "3 workers were lost while they made this plan; it is not tried again.",
    )


async def test_a_plan_is_made_whatever_became_of_workers_that_live_or_said_that_they_stopped(
    desk: Desk, carrier: PlanCarrier
) -> None:
    plans = PlanStore(desk.redis)
    for other in ("w2", "w3", "dead"):
        await plans.begin(PLAN, other)
    await command(desk.redis, "ZADD", keys.WORKERS, LONG_MS, "w2")
    await plans.end(PLAN, "w3")
    assert await plans.begin(PLAN, "w1") == 1

    assert (await carried(desk, carrier)).state is BatchState.RUNNING
    assert await command(desk.redis, "SMEMBERS", keys.planners(PLAN)) == {b"w2", b"dead"}


async def test_an_error_of_ours_rejects_the_batch_and_names_itself(desk: Desk, carrier: PlanCarrier) -> None:
    job = await desk.shelve(manifest())
    (desk.folder / "store" / "tenants" / TENANT / "batches" / BATCH / "manifest.json").write_text("{")

    batch = await ended(desk, carrier, job)

    assert (batch.state, batch.refusal) == (
        BatchState.REJECTED,
        "The plan failed by an error of ours: ValidationError.",
    )


class Overtaken(Documents):
    """Of a planner whose plan another one takes before it is decided."""

    batches: BatchStore

    async def put_prompts(self, tenant: str, plan: Plan) -> None:
        await super().put_prompts(tenant, plan)
        await self.batches.take_plan(BATCH)


async def test_a_job_whose_batch_is_left_to_somebody_else_stays_until_the_batch_is_decided(
    desk: Desk, carrier: PlanCarrier
) -> None:
    documents = Overtaken(desk.documents.store)
    documents.batches = BatchStore(desk.redis)
    carrier._planner._documents = documents

    with pytest.raises(Retry):
        await carried(desk, carrier)

    carrier._planner._documents = desk.documents  # whoever took it died
    job = PlanJob(PLAN, TENANT, BATCH)
    assert (await ended(desk, carrier, job)).state is BatchState.RUNNING


async def test_a_job_lasts_as_long_as_the_lease_of_the_worker_that_has_it(
    redis: Redis, lease: LeaseKeeper
) -> None:
    key = in_progress("plan:1")
    await redis.set(key, b"1", px=1000)

    async def left_ms() -> int:
        return int(await redis.pttl(key))

    with lease.covering(key):
        while await left_ms() <= 1000:  # the test's own time limit ends this
            pass
