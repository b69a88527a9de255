"""Two tasks of a batch that would make the same picture."""

from __future__ import annotations

import pytest

from core.state import keys
from core.state.scripts import pack, unpack
from core.state.tasks import Moved
from schemas.claim import Claim
from tests.state.world import World


async def twins(world: World) -> list[Claim]:
    """Two claimed tasks, of which the first has been sent with the fingerprint `same`."""
    await world.lane()
    await world.batch(3)
    first, second = await world.claim(2)
    assert (await world.move(first, "sent", fingerprint="same")).status == "ok"
    return [first, second]


async def test_the_twin_of_a_finished_task_is_told_its_asset(world: World) -> None:
    first, second = await twins(world)
    await world.walk(first, "spooled", "stored", "done")
    moved = await world.move(second, "sent", fingerprint="same")
    assert moved == Moved("duplicate", same_as=0, state="done", asset="picture.png")


@pytest.mark.parametrize("states", [(), ("spooled",), ("spooled", "stored"), ("queued",), ("waiting",)])
async def test_the_twin_of_a_task_that_may_still_finish_is_told_where_it_stands(
    world: World, states: tuple[str, ...]
) -> None:
    first, second = await twins(world)
    for state in states:
        await world.move(first, state)
    moved = await world.move(second, "sent", fingerprint="same")
    assert (moved.status, moved.same_as, moved.state) == ("duplicate", 0, states[-1] if states else "sent")
    assert (await world.task(second)).sends == 0


@pytest.mark.parametrize("end", ["failed", "parked"])
async def test_the_twin_of_a_task_that_will_not_finish_takes_its_place(world: World, end: str) -> None:
    first, second = await twins(world)
    await world.move(first, end)
    assert (await world.move(second, "sent", fingerprint="same")).status == "ok"
    (third,) = await world.claim(1)
    assert (await world.move(third, "sent", fingerprint="same")).same_as == second.index


async def test_a_task_is_not_its_own_twin_when_it_is_sent_again(world: World) -> None:
    first, _ = await twins(world)
    await world.move(first, "queued", unused="all")
    (again,) = await world.claim(1)
    assert again.index == first.index
    assert (await world.move(again, "sent", fingerprint="same")).status == "ok"


async def test_the_same_picture_in_another_batch_is_no_twin(world: World) -> None:
    await twins(world)
    await world.batch(1, tenant="other")
    (other,) = [claim for claim in await world.claim(9) if claim.tenant == "other"]
    assert (await world.move(other, "sent", fingerprint="same")).status == "ok"


async def test_a_skipped_task_costs_nothing_and_says_whose_picture_serves(world: World) -> None:
    first, second = await twins(world)
    await world.walk(first, "spooled", "stored", "done")
    await world.move(second, "skipped", same_as=0, unused="all")
    task = await world.task(second)
    assert (task.state, task.same_as, task.cost_usd_micros, task.sends) == ("skipped", 0, 0, 0)


async def two_batches(world: World, tenants: tuple[str, str] = ("acme", "acme")) -> list[Claim]:
    """A claimed task of each of two batches, of which the first has been sent with the fingerprint `same`."""
    await world.lane()
    for tenant in tenants:
        await world.batch(2, tenant=tenant)
    claims = {claim.batch_id: claim for claim in await world.claim(4)}
    first, second = claims.values()
    assert (await world.move(first, "sent", fingerprint="same", reuse="tenant")).status == "ok"
    return [first, second]


@pytest.mark.parametrize("states", [(), ("spooled",), ("spooled", "stored"), ("spooled", "stored", "done")])
async def test_a_picture_that_another_batch_of_the_tenant_makes_is_waited_for(
    world: World, states: tuple[str, ...]
) -> None:
    first, second = await two_batches(world)
    for state in states:
        await world.move(first, state)
    moved = await world.move(second, "sent", fingerprint="same", reuse="tenant")
    assert (moved.status, moved.same_as, moved.state) == ("duplicate", None, states[-1] if states else "sent")


@pytest.mark.parametrize("left_as", ["waiting", "queued", "parked", "failed"])
async def test_what_another_batch_is_not_making_now_is_not_waited_for(world: World, left_as: str) -> None:
    first, second = await two_batches(world)
    await world.move(first, left_as)
    assert (await world.move(second, "sent", fingerprint="same", reuse="tenant")).status == "ok"


async def test_a_picture_that_was_done_long_ago_and_is_not_in_storage_is_made_again(world: World) -> None:
    first, second = await two_batches(world)
    await world.walk(first, "spooled", "stored", "done")
    ended = keys.ended(first.batch_id, first.index)
    record = unpack(await world.redis.hget(ended, str(first.index)))
    await world.redis.hset(ended, str(first.index), pack(record | {"at": record["at"] - 121_000}))
    assert (await world.move(second, "sent", fingerprint="same", reuse="tenant")).status == "ok"


async def test_pictures_of_other_tenants_are_not_waited_for(world: World) -> None:
    _, other = await two_batches(world, ("acme", "other"))
    assert (await world.move(other, "sent", fingerprint="same", reuse="tenant")).status == "ok"


async def test_a_batch_that_does_not_share_pictures_waits_for_no_other(world: World) -> None:
    _, second = await two_batches(world)
    assert (await world.move(second, "sent", fingerprint="same", reuse="batch")).status == "ok"


async def test_tries_of_bringing_references_are_counted_apart_from_claims(world: World) -> None:
    """A task is claimed again for its twin, and after calls whose connection failed: neither is such a try."""
    away = {"class": "not_sent", "message": "The server of a reference did not answer."}
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim()
    await world.move(claim, "waiting", failure=away)
    (claim,) = await world.claim()
    assert (claim.attempt, claim.fetches) == (2, 1)
    await world.move(claim, "waiting")  # for its twin
    (claim,) = await world.claim()
    assert (claim.attempt, claim.fetches) == (3, 1)
    await world.walk(claim, "sent", "waiting", failure=away)
    (claim,) = await world.claim()
    assert (claim.attempt, claim.fetches) == (4, 1)
