"""Groups of lanes: several accounts that share their work, each under its own limits."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from core.state import keys
from core.state.lanes import SERVED_S, Lesson
from core.state.overview import overview
from schemas.claim import Claim
from tests.state.world import Block, World
from workers.lane_keeper import LaneKeeper

GROUP = "pool"


async def account(world: World, name: str, images: float) -> None:
    await world.lanes.configure(name, limits={"images": images}, max_concurrency=1000, group=GROUP)
    await world.redis.hset(keys.lane(name), "arrival:images", 1)


async def claim(world: World, lane: str, want: int = 50) -> list[Claim]:
    return (await world.claims.claim(lane, worker=f"worker-{lane}", want=want, group=GROUP))[0]


async def two_accounts(world: World) -> None:
    await account(world, "east", 600)
    await account(world, "west", 60)


async def test_a_batch_is_spread_over_the_accounts_of_its_group_by_what_each_may_take(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(100)]})
    east, west = await claim(world, "east"), await claim(world, "west")
    assert (len(east), len(west)) == (20, 2)
    assert sorted(found.index for found in east + west) == list(range(22))


async def test_an_account_that_refuses_everything_leaves_the_work_to_the_others(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(5)]})
    await world.lanes.learn("east", Lesson(pause_s=60, reason="quota_exhausted"))
    assert await claim(world, "east") == []
    assert [found.index for found in await claim(world, "west")] == [0, 1]


async def test_what_one_account_gave_back_another_may_take(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(1)]})
    (first,) = await claim(world, "east")
    moved = await world.tasks.move(
        batch=first.batch_id, index=0, fence=first.fence, worker="worker-east", to="queued", unused="all"
    )
    assert moved.status == "ok"
    (second,) = await claim(world, "west")
    assert (second.lane, second.index, second.attempt) == ("west", 0, 2)
    assert await world.redis.zcard(f"{keys.lane('east')}:inflight") == 0
    assert await world.redis.zcard(f"{keys.lane('west')}:inflight") == 1


async def test_a_permit_that_was_not_used_goes_back_to_the_account_that_gave_it(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(9)]})
    (found,) = await claim(world, "west", 1)
    moved = await world.tasks.move(
        batch=found.batch_id, index=0, fence=found.fence, worker="worker-west", to="queued", unused="all"
    )
    assert moved.status == "ok"
    assert int(await world.redis.hget(keys.lane("east"), "arrival:images")) == 1
    assert len(await claim(world, "west")) == 2


async def test_a_group_and_a_lane_by_itself_do_not_share_work(world: World) -> None:
    await two_accounts(world)
    await world.lane("alone", images=600)
    await world.batch({GROUP: [Block(3)], "alone": [Block(3)]})
    assert [found.index for found in await claim(world, "east")] == [0, 1, 2]
    assert [found.index for found in await world.claim(9, lane="alone")] == [3, 4, 5]


async def test_flows_of_a_group_are_counted_once(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(3)]})
    lanes = {lane.name: lane for lane in (await overview(world.redis)).lanes}
    assert {name: lane.ready for name, lane in lanes.items()} == {"east": 0, "west": 0, GROUP: 1}


async def test_the_overview_says_when_the_last_picture_of_a_group_was_claimed_and_whose_its_lanes_are(
    world: World,
) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(3)]})
    lanes = {lane.name: lane for lane in (await overview(world.redis)).lanes}
    assert {name: (lane.group, lane.claimed_at_s) for name, lane in lanes.items()} == dict.fromkeys(
        ("east", "west", GROUP), (GROUP, None)
    )

    now_s, _ = await world.redis.time()
    assert len(await claim(world, "east")) == 3
    assert await claim(world, "west") == []  # says nothing of a claim
    lanes = {lane.name: lane for lane in (await overview(world.redis)).lanes}
    assert [lanes[name].claimed_at_s for name in ("east", "west")] == [None, None]
    assert now_s <= (lanes[GROUP].claimed_at_s or 0) < now_s + 60


async def test_a_child_waits_in_the_group_that_its_batch_was_planned_for(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(1), Block(1, dependent=True)]})
    (parent,) = await claim(world, "east")
    facts: dict[str, Any] = {
        "batch": parent.batch_id,
        "index": 0,
        "fence": parent.fence,
        "worker": "worker-east",
    }
    for to, more in (
        ("sent", {}),
        ("spooled", {}),
        ("stored", {"asset": "a.png", "sha256": "ab"}),
        ("done", {"cost": 1, "ready": [1]}),
    ):
        assert (await world.tasks.move(**facts, to=to, **more)).status == "ok"
    assert [found.index for found in await claim(world, "west")] == [1]


async def test_work_of_a_lane_that_moved_into_a_group_or_out_of_it_is_named(world: World) -> None:
    await two_accounts(world)
    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000)
    await world.batch({GROUP: [Block(2)]})
    await world.batch({"alone": [Block(2)]})
    assert await world.lanes.unserved() == {}

    for name in ("east", "west"):
        await world.lanes.configure(name, limits={"images": 60}, max_concurrency=1000)
    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000, group="other")

    assert await world.lanes.unserved() == {GROUP: 1, "alone": 1}


async def test_a_group_is_served_for_as_long_as_one_of_its_lanes_is_there(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(2)]})
    await world.lanes.configure("west", limits={"images": 60}, max_concurrency=1000)
    assert await world.lanes.unserved() == {}


async def test_a_lane_without_work_is_not_missed(world: World) -> None:
    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000)
    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000, group=GROUP)
    assert await world.lanes.unserved() == {}


async def no_longer_named(world: World, lane: str) -> None:
    """No worker has had the lane in its settings for a while."""
    seconds, _ = await world.redis.time()
    await world.redis.hset(keys.lane(lane), "served_at", (seconds - SERVED_S) * 1000)


async def test_work_of_a_lane_that_is_in_nobodys_settings_any_more_is_named(world: World) -> None:
    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000)
    await world.batch({"alone": [Block(2)]})
    assert await world.lanes.unserved() == {}

    await no_longer_named(world, "alone")
    assert await world.lanes.unserved() == {"alone": 1}

    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000)
    assert await world.lanes.unserved() == {}


async def test_work_of_a_group_is_named_once_the_last_of_its_lanes_is_gone(world: World) -> None:
    await two_accounts(world)
    await world.batch({GROUP: [Block(2)]})
    await no_longer_named(world, "east")
    assert await world.lanes.unserved() == {}
    await no_longer_named(world, "west")
    assert await world.lanes.unserved() == {GROUP: 1}


async def test_a_worker_tells_of_work_that_nobody_serves_once_for_as_long_as_it_lasts(world: World) -> None:
    await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000)
    await world.batch({"alone": [Block(2)]})
    keeper = LaneKeeper(world.lanes, {})

    with capture_logs() as told:
        for _ in range(2):
            await no_longer_named(world, "alone")
            assert [await keeper.name_unserved() for _ in range(2)] == [1, 1]
            await world.lanes.configure("alone", limits={"images": 60}, max_concurrency=1000)
            assert await keeper.name_unserved() == 0

    assert [(line["event"], line["lane"], line["batches"]) for line in told] == [
        ("flows.unserved", "alone", 1)
    ] * 2
