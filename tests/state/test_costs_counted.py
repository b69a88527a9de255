"""What was ever spent, for who draws it: counted where it is posted, whoever posts it, under names that never change."""

from __future__ import annotations

from typing import Any

from core.state.doubts import DoubtStore
from core.state.overview import Paid, overview
from schemas.claim import Claim
from schemas.failure import Charged
from tests.state.test_replay import replay
from tests.state.world import Block, World

ASKED: dict[str, Any] = {"model": "m", "quality": "low"}
HOLD = 10


async def costs(world: World) -> dict[Paid, int]:
    return dict((await overview(world.redis)).costs_usd_micros)


def paid(tenant: str = "acme") -> Paid:
    return Paid("lane", "m", "low", tenant)


async def sent(world: World, tenant: str = "acme") -> Claim:
    await world.lane()
    await world.batch([Block(1, HOLD)], tenant=tenant)
    (claim,) = await world.claim()
    await world.move(claim, "sent", **ASKED)
    return claim


async def in_doubt(world: World) -> Claim:
    claim = await sent(world)
    await world.move(claim, "parked", failure={"class": "doubtful"})
    return claim


async def test_a_call_that_begins_is_shown_with_0_before_it_costs_anything(world: World) -> None:
    claim = await sent(world)
    assert await costs(world) == {paid(): 0}

    await world.walk(claim, "spooled", "stored", "done", cost=7)
    assert await costs(world) == {paid(): 7}


async def test_a_doubt_that_somebody_replays_has_cost_what_was_held(world: World) -> None:
    claim = await in_doubt(world)

    await replay(world, await world.batches.get("acme", claim.batch_id), [0], doubt=True)

    assert await costs(world) == {paid(): HOLD}
    assert (await world.batches.get("acme", claim.batch_id)).spent_usd_micros == HOLD


async def test_a_doubt_that_the_report_decides_has_cost_what_was_held(world: World) -> None:
    await in_doubt(world)
    store = DoubtStore(world.redis)
    ((doubt,), _) = await store.due(limit=1, again_ms=0)

    await store.settle(doubt, charged=Charged.YES, again=False)

    assert await costs(world) == {paid(): HOLD}


async def test_a_second_picture_of_a_task_costs_under_the_name_of_its_own_model(world: World) -> None:
    claim = await sent(world)
    await world.walk(claim, "spooled", "stored", "done", cost=7)
    surplus = {"lane": "east", "model": "other", "quality": "high", "attempt": 2, "cost": 4}

    await world.move(claim, "surplus", **surplus)
    await world.move(claim, "surplus", **surplus)

    assert await costs(world) == {paid(): 7, Paid("east", "other", "high", "acme"): 4}


async def test_a_late_picture_of_a_task_that_had_failed_keeps_its_name(world: World) -> None:
    claim = await sent(world)
    await world.move(claim, "failed")

    moved = await world.move(claim, "spooled", late=True, attempt=1, **ASKED)
    await world.move(claim, "stored", fence=moved.fence)
    await world.move(claim, "done", fence=moved.fence, attempt=1, cost=7)

    assert await costs(world) == {paid(): 7}


async def test_the_first_fifty_tenants_have_figures_of_their_own_for_good_and_the_others_share_one(
    world: World,
) -> None:
    for number in range(49, -1, -1):
        await world.plan({}, tenant=f"small-{number}")
    big, small = await sent(world, "big"), await sent(world, "small-7")
    await world.walk(big, "spooled", "stored", "done", cost=90)
    await world.walk(small, "spooled", "stored", "done", cost=1)

    found = await overview(world.redis)

    assert found.costs_usd_micros == {paid("other"): 90, paid("small-7"): 1}
    assert found.named == {f"small-{number}" for number in range(50)}
