"""What the overview calls waiting, and what it holds in doubt: all of it, also in a large incident."""

from __future__ import annotations

from collections import Counter

from redis.asyncio import Redis

from core.state import keys
from core.state.batches import Change
from core.state.overview import PAGE, Doubtful, LaneOverview, overview
from schemas.batch import BatchState
from tests.state.world import Block, World


async def lane_of(world: World) -> LaneOverview:
    (lane,) = (await overview(world.redis)).lanes
    return lane


async def test_a_batch_at_its_own_cap_does_not_wait_for_the_lane(world: World) -> None:
    await world.lane()
    capped = await world.batch(9, cap=15)
    assert (await lane_of(world)).waiting == 9
    (claim,) = await world.claim(20)
    await world.finish(claim)
    await world.time_passes()
    assert await world.claim() == []

    found = await lane_of(world)
    assert (found.ready + found.asleep, found.waiting, found.oldest_s) == (1, 0, 0)

    await world.batches.steer(await world.look(capped), Change(cap_usd_micros=100))
    assert (await lane_of(world)).waiting == 8


async def test_a_batch_that_the_month_of_its_tenant_holds_back_waits(redis: Redis) -> None:
    world = World(redis, month_cap=5)
    await world.lane()
    await world.batch(9, cap=5)
    await world.batch(9, cap=100)
    assert await world.claim() == []
    assert (await lane_of(world)).waiting == 9


async def test_a_paused_batch_does_not_wait_for_the_lane(world: World) -> None:
    await world.lane()
    batch = await world.batch(9)
    await world.batches.steer(batch, Change(state=BatchState.PAUSED))
    assert (await lane_of(world)).waiting == 0


async def test_every_batch_of_a_lane_is_counted(world: World) -> None:
    await world.lane()
    first = await world.batch(3)
    many = [f"batch_more_{number}" for number in range(PAGE + 500)]
    async with world.redis.pipeline() as pipe:
        for batch in many:
            pipe.zadd(f"{keys.lane('lane')}:ready", {batch: 1})
            pipe.hset(keys.flow(batch, "lane"), mapping={"length": 5, "cursor": 3})
        pipe.zadd(f"{keys.lane('lane')}:ready", {first.id: 10**9})
        await pipe.execute()
    assert (await lane_of(world)).waiting == 3 + 2 * len(many)


async def test_the_money_of_every_doubt_is_counted_by_what_was_asked_for(world: World) -> None:
    await world.lane()
    many = PAGE + 200
    await world.batch([Block(many, 10)], tenant="acme")
    await world.batch([Block(1, 10)], tenant="other")
    for place, claim in enumerate(await world.claim(many + 1)):
        asked = {} if place == 0 else {"model": "gpt-image-2", "quality": "high" if place % 2 else "low"}
        await world.move(claim, "sent", **asked)
        await world.move(claim, "parked", failure={"class": "doubtful"})

    found = await overview(world.redis)

    by_tenant: Counter[str] = Counter()
    for of, held in found.doubtful_usd_micros.items():
        by_tenant[of.tenant] += held
    assert found.doubts == many + 1
    assert by_tenant == {"acme": 10 * many, "other": 10}
    assert Doubtful("gpt-image-2", "high", "acme") in found.doubtful_usd_micros
    unknown = [held for of, held in found.doubtful_usd_micros.items() if of.model == "unknown"]
    assert unknown == [10]
