"""What stands in Redis, and the scripts that put it there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib.resources import files

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from core.state import keys
from core.state.connection import connect, translated
from core.state.lanes import Lesson
from core.state.scripts import CLASS_WEIGHTS, NAMES, Scripts, pack, text_of
from core.state.tasks import Moved, TaskStore
from schemas.errors import UnavailableError
from schemas.task import TRANSITIONS
from tests.state.world import Block, World

DEAD_REDIS = "redis://127.0.0.1:1/0"


async def a_full_life(world: World) -> str:
    """A batch whose tasks have been everywhere; its id."""
    await world.lane(images=1e9)
    batch = await world.batch([Block(8), Block(1, dependent=True)], deadline_ms=10**14)
    claims = await world.claim(7)
    await world.finish(claims[0], ready=[8])
    await world.move(claims[1], "sent", fingerprint="print")
    await world.walk(claims[2], "sent", "parked")
    for claim, state in zip(claims[3:], ("failed", "skipped", "waiting", "cancelled"), strict=True):
        await world.move(claim, state, delay_us=10**9)
    await world.batch(1, tenant="other", cap=1)
    await world.claim(0)
    await world.lanes.learn("lane", Lesson(slow_down=True))
    return batch.id


async def test_every_key_has_a_name_that_is_known(world: World) -> None:
    batch_id = await a_full_life(world)
    seconds, _ = await world.redis.time()
    today = datetime.fromtimestamp(seconds, UTC)
    lane = keys.lane("lane")
    read_by_python = {
        keys.batch(batch_id), keys.failures(batch_id), keys.task(batch_id, 1), keys.ended(batch_id, 0),
        keys.tenant_batches("acme"), keys.WORKERS, keys.LANES, keys.TENANTS, keys.DEADLINES,
        keys.UNRECORDED, keys.DOUBTS, keys.ENDINGS, keys.COSTS, keys.NAMED, lane,
        keys.month_budget("acme", f"{today:%Y-%m}"), keys.day_budget(f"{today:%Y-%m-%d}"),
        f"{lane}:ready", f"{lane}:inflight",
        *(keys.members(batch_id, group) for group in ("running", "waiting", "parked", "failed", "skipped", "cancelled")),
    }  # fmt: skip
    of_scripts = {
        keys.task(batch_id, 2), keys.task(batch_id, 5), f"{lane}:shares", f"{keys.PREFIX}worker:w1:claims",
        *(f"{keys.batch(batch_id)}:{part}" for part in ("prints", "posted:0", "due:lane", "flow:lane")),
    }  # fmt: skip
    of_the_other = {
        keys.batch("batch_002"),
        f"{keys.batch('batch_002')}:flow:lane",
        keys.tenant_batches("other"),
    }
    minutes = {keys.calls("lane", minute) for minute in range(seconds // 60 - 1, seconds // 60 + 2)}
    found = {key.decode() for key in await world.redis.keys("*")} - minutes
    assert found == read_by_python | of_scripts | of_the_other


async def test_ended_tasks_share_a_hash_by_the_hundred(world: World) -> None:
    await world.lane()
    batch = await world.batch(250)
    for claim in await world.claim(250):
        await world.move(claim, "failed")
    assert [await world.redis.hlen(keys.ended(batch.id, first)) for first in (0, 100, 200)] == [100, 100, 50]


async def test_scripts_are_loaded_again_when_redis_has_forgotten_them(world: World) -> None:
    await world.lane()
    await world.batch(3)
    await world.claim(1)
    await world.redis.script_flush()
    (claim,) = await world.claim(1)
    await world.redis.script_flush()
    assert (await world.move(claim, "sent")).status == "ok"


def test_every_script_stands_in_the_list_and_carries_the_tables() -> None:
    folder = files("core.state") / "lua"
    assert {path.name.removesuffix(".lua") for path in folder.iterdir() if path.name.endswith(".lua")} == set(
        NAMES
    )
    for name in NAMES:
        text = text_of(name)
        assert all(f"{level} = {weight}" for level, weight in CLASS_WEIGHTS.items())
        assert all(f"{state} = {{" in text for state in TRANSITIONS)


async def test_a_script_that_breaks_tells_everybody_who_waits_and_the_store_goes_on(world: World) -> None:
    await world.lane()
    await world.batch(3)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "spooled")
    broken = [
        world.tasks.move(batch=claim.batch_id, index=claim.index, fence=claim.fence, to="stored")
        for _ in range(2)
    ]
    answers = await asyncio.gather(*broken, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ResponseError, ResponseError]
    assert (await world.walk(claim, "stored", "done")).status == "ok"


async def test_a_move_that_can_not_be_packed_is_refused_and_the_store_goes_on(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    with pytest.raises(TypeError):
        await world.move(claim, "sent", fingerprint=object())
    assert (await world.move(claim, "sent")).status == "ok"


async def test_a_move_that_can_not_be_packed_does_not_keep_another_from_being_made(world: World) -> None:
    await world.lane()
    await world.batch(2)
    first, second = await world.claim(2)
    torn = {"class": "bad_row", "message": "half of a pair: \ud83d"}
    answers = await asyncio.gather(
        world.move(first, "failed", failure=torn), world.move(second, "sent"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [UnicodeEncodeError, Moved]


async def test_whatever_goes_wrong_in_a_write_reaches_those_who_wait_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.lane()
    await world.batch(2)
    claims = await world.claim(2)

    async def answer_too_little(*_: object) -> bytes:
        return pack([{"status": "ok"}])

    with monkeypatch.context() as patched:
        patched.setattr(Scripts, "run", answer_too_little)
        moves = (world.move(claim, "sent") for claim in claims)
        answers = await asyncio.wait_for(asyncio.gather(*moves, return_exceptions=True), 60)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert (await world.move(claims[0], "sent")).status == "ok"


async def test_a_redis_that_takes_no_writes_for_now_is_unavailable(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(UnavailableError):
            await world.move(claim, "sent")
        with pytest.raises(UnavailableError), translated():
            async with world.redis.pipeline(transaction=True) as pipe:
                await pipe.set("key", "value").execute()
    finally:
        await world.redis.config_set("min-replicas-to-write", 0)
    assert (await world.move(claim, "sent")).status == "ok"


@pytest.mark.parametrize(
    ("answer", "is_passing"),
    [
        ("MISCONF Errors writing to the AOF file: No space left on device", True),
        ("BUSY Redis is busy running a script.", True),
        ("Command # 1 (HGET key) of pipeline caused error: TRYAGAIN Multiple keys request", True),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
        ("BUSYKEY Target key name already exists.", False),
        ("wrong number of arguments for 'BUSY' command", False),
    ],
)
def test_only_what_the_server_refuses_for_now_is_unavailable(answer: str, is_passing: bool) -> None:
    with pytest.raises(UnavailableError if is_passing else ResponseError), translated():
        raise ResponseError(answer)


async def test_moves_that_are_asked_for_together_are_written_together(world: World) -> None:
    await world.lane()
    await world.batch(500)
    claims = await world.claim(500)
    before = await runs(world.redis)
    answers = await asyncio.gather(*(world.move(claim, "sent") for claim in claims))
    assert answers == [Moved("ok")] * 500
    assert await runs(world.redis) - before == 3


async def runs(client: Redis) -> int:
    return int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_a_move_whose_caller_went_away_still_happens(world: World) -> None:
    await world.lane()
    await world.batch(2)
    first, second = await world.claim(2)
    leaving = asyncio.create_task(world.move(first, "sent"))
    await asyncio.sleep(0)
    leaving.cancel()
    await world.move(second, "sent")
    assert (await world.task(first)).state == "sent"


async def test_a_redis_that_does_not_answer_is_unavailable_to_everybody_who_waits() -> None:
    client = connect(DEAD_REDIS)
    store = TaskStore(client)
    answers = await asyncio.gather(
        *(store.move(batch="b", index=n, fence=1, to="sent") for n in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [UnavailableError] * 3
    with pytest.raises(UnavailableError):
        await Scripts(client).run("claim", b"")
    await client.aclose()
