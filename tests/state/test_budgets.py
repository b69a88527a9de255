"""No cap is ever crossed, and every cent is posted once."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from core.state import keys
from core.state.batches import Flow
from tests.state.world import PLENTY, Block, World


async def test_sixty_four_claimants_never_cross_a_cap_of_a_hundred_and_a_half_pictures(world: World) -> None:
    await world.lane()
    batch = await world.batch(1000, cap=1005)

    async def worker(name: str) -> int:
        made = 0
        while claims := await world.claim(3, worker=name):
            made += len(claims)
            for claim in claims:
                await world.finish(claim, cost=10)
                now = await world.look(batch)
                assert now.held_usd_micros + now.spent_usd_micros <= 1005
        return made

    made = sum(await asyncio.gather(*(worker(f"w{number}") for number in range(64))))
    found = await world.look(batch)
    assert (made, found.spent_usd_micros, found.held_usd_micros) == (100, 1000, 0)


async def test_parked_tasks_keep_their_money_held(world: World) -> None:
    await world.lane()
    batch = await world.batch(9, cap=30)
    for claim in await world.claim(3):
        await world.walk(claim, "sent", "parked")
    await world.time_passes()
    assert await world.claim(1) == []
    assert (await world.look(batch)).held_usd_micros == 30


async def test_a_tenant_without_a_monthly_budget_cannot_spend(redis: Redis) -> None:
    world = World(redis, month_cap=None)
    await world.lane()
    await world.batch(9)
    assert await world.claim(1) == []


async def test_the_month_is_the_tenants_and_the_day_is_everybodys(redis: Redis) -> None:
    world = World(redis, month_cap=30, day_cap=50)
    await world.lane()
    mine, theirs = await world.batch(9, tenant="mine"), await world.batch(9, tenant="theirs")
    claims = await world.claim(20)
    per_batch = sorted(sum(claim.batch_id == batch.id for claim in claims) for batch in (mine, theirs))
    assert per_batch == [2, 3]


async def test_a_cost_is_posted_in_the_periods_that_held_it(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    october, halloween = keys.month_budget("acme", "2026-10"), keys.day_budget("2026-10-31")
    await world.redis.hset(keys.task(claim.batch_id, 0), mapping={"month": october, "day": halloween})
    await world.finish(claim, cost=7)
    assert [await world.redis.hget(key, "spent") for key in (october, halloween)] == [b"7", b"7"]


async def test_a_cost_above_the_hold_is_posted_in_full(world: World) -> None:
    await world.lane()
    batch = await world.batch(2, cap=25)
    for claim in await world.claim(2):
        await world.finish(claim, cost=40)
    found = await world.look(batch)
    assert (found.spent_usd_micros, found.held_usd_micros) == (80, 0)


async def test_every_size_of_a_template_has_its_price(world: World) -> None:
    await world.lane()
    batch = await world.plan({})
    block = {"first": 0, "count": 8, "samples": 2, "dependent": False, "holds": [10, 30], "tokens": [1, 3]}
    flows = [Flow("lane", 8, (block,))]
    assert await world.open(batch, flows, total=8, rows=2)
    claims = await world.claim(8)
    assert [claim.hold_usd_micros for claim in claims] == [10, 10, 30, 30, 10, 10, 30, 30]
    assert [claim.tokens for claim in claims] == [1, 1, 3, 3, 1, 1, 3, 3]


async def test_budgets_stay_exact_in_the_thousands_of_millions_of_dollars(world: World) -> None:
    await world.lane()
    huge = 4_000_000_000_000_001
    batch = await world.batch([Block(1, hold=huge)], cap=huge)
    assert huge > PLENTY
    assert await world.claim(1) == []
    rich = World(world.redis, month_cap=huge)
    await world.time_passes()
    (claim,) = await rich.claim(1)
    await rich.finish(claim, cost=huge)
    assert (await world.look(batch)).spent_usd_micros == huge
