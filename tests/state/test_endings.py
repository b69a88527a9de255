"""How many tasks ended as what: counted where they end, whoever ends them."""

from __future__ import annotations

from core.state.overview import overview
from tests.state.test_closing import expire
from tests.state.test_replay import replay
from tests.state.world import Block, World


async def endings(world: World) -> dict[str, int]:
    return dict((await overview(world.redis)).endings)


async def test_every_way_to_end_is_counted_and_their_sum_is_what_ended(world: World) -> None:
    await world.lane()
    mixed = await world.batch([Block(5), Block(2, dependent=True)])
    claims = await world.claim(5)
    await world.finish(claims[0])
    await world.move(claims[1], "failed", failure={"class": "over_budget"}, fail=[5, 6])
    await world.move(claims[2], "skipped", same_as=0)
    await world.walk(claims[3], "sent", "waiting")
    await world.walk(claims[4], "sent", "parked")
    await world.batches.cancel("acme", mixed.id)
    late = await world.batch(3)
    (waiting,) = await world.claim(1)
    await world.walk(waiting, "sent", "waiting", delay_us=10**9)
    await expire(world, late)

    found = await endings(world)
    assert found == {
        "done": 1, "over_budget": 1, "parent_failed": 2, "skipped": 1, "cancelled": 1, "expired": 3,
    }  # fmt: skip
    ended = [(await world.look(batch)).counts for batch in (mixed, late)]
    assert sum(found.values()) == sum(
        counts[state] for counts in ended for state in ("done", "failed", "skipped", "cancelled")
    )


async def test_what_waits_for_a_parent_that_is_made_again_has_ended_once(world: World) -> None:
    await world.lane()
    batch = await world.batch([Block(1), Block(1, dependent=True)])
    await world.batches.cancel("acme", batch.id)
    await replay(world, batch, [0, (1, 0)])
    assert (await world.look(batch)).failures_by_class == {"parent_failed": 1}
    assert await endings(world) == {"cancelled": 2}

    (claim,) = await world.claim(1)
    await world.finish(claim, ready=[1])
    (child,) = await world.claim(1)
    await world.finish(child)
    assert await endings(world) == {"cancelled": 2, "done": 2}


async def test_a_move_that_is_repeated_counts_once(world: World) -> None:
    await world.lane()
    await world.batch(2)
    (claim,) = await world.claim(1)
    for _ in range(2):
        await world.move(claim, "failed")
    assert await endings(world) == {"bad_row": 1}
