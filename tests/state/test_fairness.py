"""Who is served next."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from core.state import keys
from schemas.batch import Batch
from schemas.manifest import Priority
from tests.state.world import Block, World


async def served(world: World, count: int) -> list[str]:
    """The batches that got the next `count` claims, in order."""
    claims = [claim for _ in range(count) for claim in await world.claim(1)]
    assert len(claims) == count
    return [claim.batch_id for claim in claims]


async def tenants_served(world: World, count: int, *batches: Batch) -> Counter[str]:
    tenants = {batch.id: batch.tenant for batch in batches}
    return Counter(tenants[found] for found in await served(world, count))


@pytest.mark.parametrize("limits", [{}, {"images": 1e9}, {"images": 1e6, "tokens": 1e9}])
async def test_the_classes_share_eight_to_four_to_one(world: World, limits: dict[str, Any]) -> None:
    await world.lane(**limits)
    batches = [
        await world.batch([Block(500, tokens=9)], tenant=level.value, priority=level) for level in Priority
    ]
    shares = await tenants_served(world, 130, *batches)
    assert [shares[level] for level in ("interactive", "normal", "bulk")] == pytest.approx(
        [80, 40, 10], abs=2
    )


async def test_tenants_share_equally_however_many_batches_they_have(world: World) -> None:
    await world.lane()
    many = [await world.batch(100, tenant="many") for _ in range(10)]
    one = await world.batch(100, tenant="one")
    assert (await tenants_served(world, 100, one, *many))["one"] == pytest.approx(50, abs=2)


async def test_a_tenant_gains_nothing_by_submitting_every_picture_on_its_own(world: World) -> None:
    await world.lane(images=1e6)
    one = await world.batch(100, tenant="one")
    await served(world, 5)
    many = [await world.batch(1, tenant="many") for _ in range(60)]
    assert (await tenants_served(world, 40, one, *many))["one"] == pytest.approx(20, abs=2)


async def test_a_tenant_gains_nothing_by_submitting_the_next_picture_when_the_last_is_served(
    world: World,
) -> None:
    await world.lane(images=1e6)
    batches = [await world.batch(100, tenant="one")]
    await served(world, 5)
    shares: Counter[str] = Counter()
    for _ in range(20):
        batches.append(await world.batch(1, tenant="many"))
        shares += await tenants_served(world, 2, *batches)
    assert 12 <= shares["many"] <= 22


async def test_a_newcomer_starts_at_once_behind_a_big_batch(world: World) -> None:
    await world.lane(images=1e6)
    await world.batch(100_000, tenant="big")
    await served(world, 50)
    newcomer = await world.batch(20, tenant="small")
    assert newcomer.id in await served(world, 3)


async def test_a_newcomer_starts_at_once_behind_many_batches_of_another_tenant(world: World) -> None:
    await world.lane(images=1e6)
    for _ in range(40):
        await world.batch(50, tenant="big")
    await served(world, 50)
    newcomer = await world.batch(20, tenant="small")
    assert newcomer.id in await served(world, 3)


async def test_a_batch_that_slept_has_saved_up_nothing(world: World) -> None:
    await world.lane(images=1e6)
    sleeper = await world.batch(50, tenant="sleeper", cap=10)
    other = await world.batch(500, tenant="other")
    assert (await tenants_served(world, 100, sleeper, other))["sleeper"] == 1
    await world.redis.hdel(keys.batch(sleeper.id), "cap")
    await world.time_passes()
    assert (await tenants_served(world, 20, sleeper, other))["sleeper"] == pytest.approx(10, abs=2)


@pytest.mark.parametrize("heads", [1, 40])
async def test_batches_that_wait_for_tokens_do_not_hold_up_those_that_need_none(
    world: World, heads: int
) -> None:
    await world.lane(images=1e6, tokens=1000)
    for _ in range(heads):
        await world.batch([Block(9, tokens=900)], tenant="wordy")
    plain = await world.batch(50, tenant="plain")
    assert Counter(claim.batch_id for claim in await world.claim(40))[plain.id] >= 38


async def test_the_virtual_time_never_goes_back(world: World) -> None:
    await world.lane(images=1e6, tokens=1000)
    wordy = await world.batch([Block(9, tokens=900)], tenant="wordy")
    await world.batch(50, tenant="plain")
    seconds, _ = await world.redis.time()
    await world.redis.hset(keys.lane("lane"), "arrival:tokens", (seconds + 30) * 1_000_000)
    assert len(await world.claim(40)) == 40
    before = float(await world.redis.hget(keys.lane("lane"), "virtual"))
    await world.redis.hset(keys.lane("lane"), "arrival:tokens", 1)
    (late,) = await world.claim(1)
    assert late.batch_id == wordy.id
    assert float(await world.redis.hget(keys.lane("lane"), "virtual")) >= before


async def test_a_batch_at_its_cap_steps_aside_and_comes_back_when_money_is_free(world: World) -> None:
    await world.lane()
    capped = await world.batch(9, tenant="capped", cap=15)
    other = await world.batch(5, tenant="other")
    claims = await world.claim(20)
    assert Counter(claim.batch_id for claim in claims) == {capped.id: 1, other.id: 5}
    assert (await world.look(capped)).limited_by == "budget"
    await world.finish(next(claim for claim in claims if claim.batch_id == capped.id), cost=2)
    await world.time_passes()
    assert await served(world, 1) == [capped.id]
    assert (await world.look(capped)).limited_by is None


async def test_the_claimant_hears_that_money_is_what_is_missing(world: World) -> None:
    await world.lane()
    await world.batch(9, cap=5)
    wait = await world.wait()
    assert wait
    assert wait.limited_by == "budget"


async def test_what_is_due_comes_before_what_was_never_touched(world: World) -> None:
    await world.lane()
    await world.batch(9)
    first, _ = await world.claim(2)
    await world.move(first, "queued", unused="all")
    assert [claim.index for claim in await world.claim(2)] == [0, 2]


async def test_a_retry_that_is_not_due_yet_wakes_its_batch_in_time(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.move(claim, "waiting", delay_us=5_000_000)
    wait = await world.wait()
    assert wait
    assert wait.limited_by == "idle"
    assert wait.wait_ms == pytest.approx(5000, abs=100)
    await world.time_passes()
    assert [again.index for again in await world.claim(1)] == [0]
