"""Which workers are missing: those that died and that no other stands in for."""

from __future__ import annotations

from core.state import keys
from core.state.overview import overview
from core.state.scripts import Scripts
from tests.state.world import World

LEASE_MS = 30_000


async def renew(world: World, *workers: str, lease_ms: int = LEASE_MS) -> None:
    for worker in workers:
        await Scripts(world.redis).run("renew", worker, lease_ms)


async def live_on(world: World, *workers: str) -> None:
    """They have been alive for longer than a lease, and are."""
    await renew(world, *workers)
    await world.redis.hset(keys.FLEET, mapping={f"since:{worker}": 1 for worker in workers})
    await renew(world, *workers)


async def missing(world: World) -> int:
    return (await overview(world.redis)).lost_workers


async def test_a_worker_that_dies_is_missing_also_after_its_claims_were_taken_back(world: World) -> None:
    await live_on(world, "a", "b", "c")
    await world.lose("b")
    assert await missing(world) == 1
    await world.claims.lost()
    await renew(world, "a", "c")
    assert (await missing(world), (await overview(world.redis)).workers) == (1, 2)


async def test_a_worker_that_says_that_it_stops_is_not_missing(world: World) -> None:
    await live_on(world, "a", "b", "c")
    for worker in ("b", "c"):
        await renew(world, worker, lease_ms=0)
        await renew(world, worker, lease_ms=0)
    await renew(world, "a")
    assert await missing(world) == 0
    await world.lose("a")
    assert await missing(world) == 1


async def test_a_worker_that_begins_anew_before_its_last_lease_ran_out_is_counted_once(world: World) -> None:
    await live_on(world, "a", "b-1")
    await renew(world, "b-2", "a")
    await world.lose("b-1")
    await live_on(world, "b-2", "a")
    assert await missing(world) == 0
    await world.lose("b-2")
    assert await missing(world) == 1


async def test_a_worker_that_was_frozen_is_missing_until_it_is_back(world: World) -> None:
    await live_on(world, "a", "b")
    await world.lose("b")
    await world.claims.lost()
    assert await missing(world) == 1
    await live_on(world, "b")
    assert await missing(world) == 0


async def test_pictures_of_a_worker_that_is_gone_are_stranded_until_they_are_brought(world: World) -> None:
    await world.lane()
    await world.batch(3)
    asked, whole, stored = await world.claim(3)
    await world.move(asked, "sent")
    await world.walk(whole, "sent", "spooled")
    await world.walk(stored, "sent", "spooled", "stored")
    for claim in (asked, whole, stored):
        await world.move(claim, "parked")
    assert (await overview(world.redis)).stranded == 2

    await world.move(whole, "spooled", late=True, attempt=1, worker="w2")
    assert (await overview(world.redis)).stranded == 1
