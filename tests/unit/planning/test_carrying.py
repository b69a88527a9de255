"""The job `plan` on a real planner: what becomes of a batch whose plan cannot be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from arq.worker import Retry
from redis.asyncio import Redis

from core.clock import SystemClock
from core.documents import PAGE_ROWS, Documents
from core.queue import PlanJob, in_progress
from core.state import keys
from core.state.batches import BatchStore
from core.state.connection import command, connect_blocking
from core.state.plans import PlanStore
from core.telemetry.traces import Traces
from schemas.batch import Batch, BatchState
from schemas.plan import PLAN_FAILED, Plan
from tests.unit.planning.desk import BATCH, CSV, PLAN, TENANT, Desk, Frozen, catalog, manifest
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
        documents=desk.documents,
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
    assert [problem.code for problem in batch.problems] == [PLAN_FAILED]


async def test_a_frozen_planner_that_crashes_does_not_reject_a_batch_that_somebody_else_plans(
    desk: Desk, carrier: PlanCarrier
) -> None:
    batches = BatchStore(desk.redis)

    async def wake_up() -> None:
        await batches.take_plan(BATCH)
        raise RuntimeError("a defect of ours")

    carrier._planner._documents = Frozen(desk.documents.store, "prompts", wake_up)

    with pytest.raises(Retry):
        await carried(desk, carrier)

    assert (await batches.get(TENANT, BATCH)).state is BatchState.PLANNING


async def test_a_batch_cancelled_before_it_was_planned_stays_cancelled(
    desk: Desk, carrier: PlanCarrier
) -> None:
    await desk.upload("products.csv", CSV)
    job = await desk.shelve(manifest())
    await BatchStore(desk.redis).cancel(TENANT, BATCH)

    batch = await ended(desk, carrier, job)

    assert (batch.state, batch.counts["queued"]) == (BatchState.CANCELLED, 0)
    assert await PlanStore(desk.redis).get(TENANT, PLAN) is None


async def test_planning_twice_changes_nothing(desk: Desk, carrier: PlanCarrier) -> None:
    first = await carried(desk, carrier)
    left, rows = planned_files(desk), desk.page(0)
    await desk.upload("products.csv", CSV.replace("Chair", "Throne"))

    again = await ended(desk, carrier, PlanJob(PLAN, TENANT, BATCH))

    assert (again.counts, again.state) == (first.counts, first.state)
    assert (planned_files(desk), desk.page(0)) == (left, rows)
    assert left == ["planned/00000001.json", "rows/1/000000.jsonl"]


def planned_files(desk: Desk) -> list[str]:
    """What lies in storage of plans of the batch."""
    folder = desk.folder / "store" / "tenants" / TENANT / "batches" / BATCH
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if name.startswith(("planned/", "rows/")))


async def test_a_batch_cancelled_while_it_is_planned_is_planned_no_further_and_leaves_nothing(
    desk: Desk, carrier: PlanCarrier
) -> None:
    begun = list[str]()

    async def cancel() -> None:
        begun.extend(planned_files(desk) or ["the first page"])
        await BatchStore(desk.redis).cancel(TENANT, BATCH)

    carrier._planner._documents = Frozen(desk.documents.store, "page", cancel)
    await desk.upload("products.csv", catalog(3 * PAGE_ROWS))

    batch = await ended(desk, carrier, await desk.shelve(manifest()))

    assert (batch.state, set(batch.counts.values())) == (BatchState.CANCELLED, {0})
    assert (begun, planned_files(desk)) == (["the first page"], [])
    assert await PlanStore(desk.redis).get(TENANT, PLAN) is None


async def test_a_batch_cancelled_when_its_plan_is_all_but_decided_leaves_nothing(
    desk: Desk, carrier: PlanCarrier
) -> None:
    batches = BatchStore(desk.redis)
    cancelling = Frozen(desk.documents.store, "planned", lambda: batches.cancel(TENANT, BATCH))
    carrier._planner._documents = cancelling

    batch = await carried(desk, carrier)

    assert (batch.state, set(batch.counts.values())) == (BatchState.CANCELLED, {0})
    assert planned_files(desk) == []


async def test_what_planners_left_that_died_is_removed_when_the_batch_is_decided(
    desk: Desk, carrier: PlanCarrier
) -> None:
    batches = BatchStore(desk.redis)
    job = await desk.shelve(manifest())
    await desk.upload("products.csv", CSV)
    dying = desk.planner()
    dying._documents = Frozen(desk.documents.store, "planned", lambda: batches.take_plan(BATCH))
    assert await desk.make(job, dying) is None
    assert planned_files(desk) == ["planned/00000001.json", "rows/1/000000.jsonl"]

    batch = await ended(desk, carrier, job)

    assert (batch.state, batch.rows_fence) == (BatchState.RUNNING, 3)
    assert planned_files(desk) == ["planned/00000003.json", "rows/3/000000.jsonl"]


async def test_a_rejected_batch_keeps_no_rows(desk: Desk, carrier: PlanCarrier) -> None:
    broken = [*catalog(PAGE_ROWS).splitlines(), "late,"]
    await desk.upload("products.csv", "\n".join(broken))

    batch = await ended(desk, carrier, await desk.shelve(manifest()))

    assert (batch.state, planned_files(desk)) == (BatchState.REJECTED, [])


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
