"""Batches that are paused, that go on, and that get another cap or another class."""

from __future__ import annotations

from typing import Any

import pytest

from core.state import keys
from core.state.batches import Change
from schemas.batch import Batch, BatchState
from schemas.errors import ConflictError
from schemas.manifest import Priority
from tests.state.world import Block, World

PAUSE, RESUME = Change(BatchState.PAUSED), Change(BatchState.RUNNING)


async def steer(world: World, batch: Batch, change: Change, **more: Any) -> Batch:
    found = await world.batches.steer(batch, change, **more)
    assert found is not None
    return found


async def shares(world: World, lane: str = "lane") -> dict[str, int]:
    found = await world.redis.hgetall(f"{keys.lane(lane)}:shares")
    return {name.decode(): int(count) for name, count in found.items()}


async def test_a_paused_batch_starts_nothing_and_says_why(world: World) -> None:
    await world.lane()
    batch = await world.batch(5)
    paused = await steer(world, batch, PAUSE)
    assert (paused.state, paused.limited_by) == ("paused", "paused")
    assert paused.version > batch.version
    assert await world.claim(9) == []
    assert await shares(world) == {}


async def test_a_resumed_batch_goes_on_where_it_was_with_the_next_claim(world: World) -> None:
    await world.lane()
    batch = await world.batch({"lane": [Block(3)], "other": [Block(1)]})
    await world.lane("other")
    await world.claim(1)
    await steer(world, batch, PAUSE)
    resumed = await steer(world, batch, RESUME)
    assert (resumed.state, resumed.limited_by) == ("running", None)
    assert [claim.index for claim in await world.claim(9)] == [1, 2]
    assert [claim.index for claim in await world.claim(9, lane="other")] == [3]


async def test_what_is_in_flight_of_a_paused_batch_is_finished_and_kept(world: World) -> None:
    await world.lane()
    batch = await world.batch(2)
    first, second = await world.claim(2)
    await steer(world, batch, PAUSE)
    await world.finish(first)
    await world.move(second, "queued", unused="all")
    assert await world.claim(9) == []
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.counts["queued"]) == ("paused", 1, 1)


async def test_a_paused_batch_whose_last_call_comes_back_is_completed(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await steer(world, batch, PAUSE)
    await world.finish(claim)
    found = await world.look(batch)
    assert (found.state, found.limited_by) == ("completed", None)


async def test_a_paused_batch_that_is_cancelled_is_not_called_paused_any_more(world: World) -> None:
    await world.lane()
    batch = await world.batch(2)
    await world.claim(1)
    await steer(world, batch, PAUSE)
    found = await world.batches.cancel("acme", batch.id)
    assert (found.state, found.limited_by) == ("cancelling", None)


async def test_pausing_twice_changes_nothing_the_second_time(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    once = await steer(world, batch, PAUSE)
    assert (await steer(world, batch, PAUSE)).version == once.version


async def test_a_batch_that_has_not_started_or_has_ended_is_not_steered(world: World) -> None:
    await world.lane()
    planning, completed, cancelling = await world.plan({}), await world.batch(0), await world.batch(2)
    await world.claim(1)
    await world.batches.cancel("acme", cancelling.id)
    for batch in (planning, completed, cancelling):
        for change in (PAUSE, RESUME, Change(cap_usd_micros=5), Change(priority=Priority.BULK)):
            with pytest.raises(ConflictError, match="running or paused"):
                await world.batches.steer(batch, change)


async def test_a_raised_cap_is_spent_from_the_next_claim_on(world: World) -> None:
    await world.lane()
    batch = await world.batch(9, cap=25)
    await world.claim(9)
    assert (await world.look(batch)).limited_by == "budget"
    found = await steer(world, batch, Change(cap_usd_micros=45))
    assert (found.cap_usd_micros, found.limited_by) == (45, None)
    assert len(await world.claim(9)) == 2


async def test_a_cap_may_be_lowered_to_what_is_held_and_spent_and_no_further(world: World) -> None:
    await world.lane()
    batch = await world.batch(9)
    first, _ = await world.claim(2)
    await world.finish(first, cost=7)
    assert (await steer(world, batch, Change(cap_usd_micros=17))).cap_usd_micros == 17
    with pytest.raises(ConflictError, match=r"\$0\.000007 is spent and \$0\.00001 is held.*\$0\.000017"):
        await world.batches.steer(batch, Change(cap_usd_micros=16))
    assert await world.claim(9) == []
    assert (await world.look(batch)).cap_usd_micros == 17


async def test_a_refused_cap_leaves_the_class_as_it_was_too(world: World) -> None:
    await world.lane()
    batch = await world.batch(9)
    await world.claim(1)
    with pytest.raises(ConflictError):
        await world.batches.steer(batch, Change(cap_usd_micros=1, priority=Priority.BULK))
    assert (await world.look(batch)).priority == "normal"


async def test_a_new_cap_does_not_wake_a_paused_batch(world: World) -> None:
    await world.lane()
    batch = await world.batch(9, cap=5)
    await steer(world, batch, PAUSE)
    assert (await steer(world, batch, Change(cap_usd_micros=100))).limited_by == "paused"
    assert await world.claim(9) == []


async def test_another_class_moves_the_shares_with_it(world: World) -> None:
    await world.lane()
    batch = await world.batch(9, priority=Priority.BULK)
    await world.batch(9, priority=Priority.BULK)
    assert await shares(world) == {"class:bulk": 1, "tenant:bulk:acme": 2}
    assert (await steer(world, batch, Change(priority=Priority.INTERACTIVE))).priority == "interactive"
    assert await shares(world) == {
        "class:bulk": 1, "tenant:bulk:acme": 1, "class:interactive": 1, "tenant:interactive:acme": 1,
    }  # fmt: skip


async def test_a_bulk_batch_made_interactive_gets_eight_of_nine_pictures(world: World) -> None:
    await world.lane(images=1e9)
    batch = await world.batch(2000, priority=Priority.BULK, tenant="mine")
    await world.batch(2000, priority=Priority.BULK, tenant="theirs")
    await world.claim(200)
    await steer(world, batch, Change(priority=Priority.INTERACTIVE))
    claims = await world.claim(180)
    assert 158 <= sum(claim.batch_id == batch.id for claim in claims) <= 162


async def test_going_from_class_to_class_and_back_gains_nothing(world: World) -> None:
    await world.lane(images=1e9)
    restless = await world.batch(2000, priority=Priority.BULK, tenant="mine")
    await world.batch(2000, priority=Priority.BULK, tenant="theirs")
    served = 0
    for _ in range(50):
        served += sum(claim.batch_id == restless.id for claim in await world.claim(2))
        for priority in (Priority.INTERACTIVE, Priority.BULK):
            await steer(world, restless, Change(priority=priority))
    assert served <= 52


async def test_a_change_for_another_version_of_the_batch_is_not_made(world: World) -> None:
    await world.lane()
    batch = await world.batch(3)
    assert await world.batches.steer(batch, PAUSE, versions=[batch.version + 1]) is None
    assert await world.batches.steer(batch, PAUSE, versions=[]) is None
    assert (await world.look(batch)).state == "running"
    assert (await steer(world, batch, PAUSE, versions=[9999, batch.version])).state == "paused"
