"""Batches as they are read."""

from __future__ import annotations

import pytest

from core.state.batches import NewBatch
from schemas.errors import ConflictError, NotFoundError, Problem
from schemas.manifest import Priority
from schemas.task import TaskState
from tests.plans import NOW_MS, rejected
from tests.state.world import World


async def test_a_new_batch_reads_as_it_was_written(world: World) -> None:
    batch = await world.plan({}, priority=Priority.BULK, cap=77)
    assert (batch.state, batch.priority, batch.cap_usd_micros, batch.version) == ("planning", "bulk", 77, 1)
    assert (batch.started_at_ms, batch.finished_at_ms, batch.limited_by, batch.problems) == (
        None,
        None,
        None,
        (),
    )


async def test_a_batch_that_is_there_stays_as_it_is_when_it_is_created_again(world: World) -> None:
    await world.lane()
    batch = await world.batch(3)
    new = NewBatch(batch.id, "acme", "another", Priority.BULK, {}, "other", 5, "park", "none", None, 9)
    assert await world.batches.create(new) == batch
    assert [found.id for found in await world.batches.page("acme", limit=9)] == [batch.id]


async def test_another_tenants_batch_is_not_there(world: World) -> None:
    batch = await world.plan({})
    with pytest.raises(NotFoundError):
        await world.batches.get("zeta", batch.id)


async def test_a_rejected_batch_says_why(world: World) -> None:
    batch, problem = await world.plan({}), Problem("/catalog", "empty", "The catalog has no rows.")
    assert await rejected(world.batches, batch, "problems", [problem])
    found = await world.look(batch)
    assert (found.state, found.refusal, found.problems, found.finished_at_ms) == (
        "rejected",
        "problems",
        (problem,),
        NOW_MS,
    )


async def test_batches_are_paged_newest_first(world: World) -> None:
    ids = [(await world.plan({})).id for _ in range(5)]
    first = await world.batches.page("acme", limit=3)
    second = await world.batches.page("acme", limit=3, before=first[-1].id)
    assert [batch.id for batch in first + second] == ids[::-1]


async def test_every_change_has_a_new_version(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    versions = [batch.version, (await world.look(batch)).version]
    await world.move(claim, "sent")
    versions.append((await world.look(batch)).version)
    assert versions == sorted(set(versions))


async def test_a_submission_that_is_repeated_gets_the_first_ones_id(world: World) -> None:
    assert await world.batches.idempotent("acme", "key", "print", "batch_1") is None
    assert await world.batches.idempotent("acme", "key", "print", "batch_2") == "batch_1"
    assert await world.batches.idempotent("zeta", "key", "print", "batch_3") is None
    with pytest.raises(ConflictError):
        await world.batches.idempotent("acme", "key", "other", "batch_4")


async def test_tasks_are_paged_by_state_and_in_order(world: World) -> None:
    await world.lane()
    batch = await world.batch(130)
    for claim in await world.claim(120):
        await world.move(
            claim, "failed" if claim.index % 2 else "parked"
        ) if claim.index % 2 else await world.walk(claim, "sent", "parked")
    batch = await world.look(batch)
    page, following = await world.tasks.page(batch, start=10, limit=3, state=TaskState.PARKED)
    assert ([task.index for task in page], following) == ([10, 12, 14], 16)
    page, following = await world.tasks.page(batch, start=118, limit=50)
    assert [task.state for task in page[:3]] == ["parked", "failed", "queued"]
    assert (len(page), following) == (12, None)


async def test_a_failed_task_says_what_happened(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    failure = {"class": "invalid_request", "message": "no", "http_status": 400}
    await world.walk(claim, "sent", "waiting", failure={"class": "server_error", "message": "oops"}, cost=1)
    assert (await world.task(claim)).failure == {"class": "server_error", "message": "oops"}
    (again,) = await world.claim(1)
    await world.walk(again, "sent", "failed", failure=failure, cost=2)
    task = await world.task(claim)
    assert (task.failure, task.attempts, task.sends, task.cost_usd_micros) == (failure, 2, 2, 3)
    assert (await world.look(batch)).failures_by_class == {"invalid_request": 1}


async def test_a_finished_task_carries_no_old_failure(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "waiting", failure={"class": "server_error"})
    (again,) = await world.claim(1)
    await world.finish(again)
    task = await world.task(claim)
    assert (task.failure, task.asset_key, task.sha256) == (None, "picture.png", "ab")
