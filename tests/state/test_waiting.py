"""What the overview calls waiting: pictures that a lane has not come to, and not those that their own cap holds back."""

from __future__ import annotations

from redis.asyncio import Redis

from core.state.batches import Change
from core.state.overview import LaneOverview, overview
from schemas.batch import BatchState
from tests.state.world import World


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
