"""Tasks of batches that ended long ago: they leave Redis for storage, and come back as they were."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.documents import Documents
from core.state import keys
from core.state.actions import ActionState, ActionStore, BulkAction, Chosen
from core.state.recording import RecordStore
from core.state.shelving import SOON_S, parts_of
from schemas.batch import Batch
from schemas.errors import ConflictError, UnavailableError
from schemas.task import TaskState
from tests.state.attic import TASKS, Attic, ended
from tests.state.world import World


class Interrupted(Documents):
    """Documents of a shelver that is slow: before it writes a part, this happens."""

    meanwhile: tuple[Callable[[], Awaitable[Any]], ...] = ()

    async def put_ended(self, tenant: str, batch_id: str, token: str, part: int, hashes: Any) -> None:
        await self.meanwhile[part]()
        await super().put_ended(tenant, batch_id, token, part, hashes)


async def cancelled(world: World) -> Batch:
    """A batch that was cancelled with most of its tasks untouched."""
    await world.lane()
    batch = await world.batch(150)
    (claim,) = await world.claim(1)
    await world.finish(claim)
    return await world.batches.cancel(batch.tenant, batch.id)


async def test_what_was_put_away_comes_back_as_it_was(attic: Attic) -> None:
    world = attic.world
    batches = [await ended(world, TASKS), await cancelled(world)]
    before = await attic.everything()
    shown = [(await world.tasks.page(batch, start=0, limit=5000))[0] for batch in batches]

    assert await attic.round() == 2
    assert [await attic.per_task(batch) for batch in batches] == [[], []]
    assert parts_of(batches[0]) == 2
    away = [await world.look(batch) for batch in batches]
    assert [(one.counts, one.spent_usd_micros, one.version) for one in away] == [
        (one.counts, one.spent_usd_micros, one.version) for one in batches
    ]
    for batch in batches:
        await attic.bring_back(batch)

    assert await attic.everything() == before
    assert [(await world.tasks.page(batch, start=0, limit=5000))[0] for batch in batches] == shown


async def test_it_is_put_away_again_when_nobody_has_asked_for_as_long(attic: Attic) -> None:
    batch = await ended(attic.world)
    await attic.round()
    await attic.bring_back(batch)
    attic.clock.days = 0
    assert await attic.round() == 0
    attic.clock.days = 2
    assert await attic.round() == 1
    assert await attic.per_task(batch) == []


async def test_a_batch_that_ended_a_moment_ago_stays(attic: Attic) -> None:
    await ended(attic.world)
    attic.clock.days = 0
    assert await attic.round() == 0


async def test_a_batch_with_a_task_in_doubt_or_at_work_stays(attic: Attic) -> None:
    world = attic.world
    await world.lane()
    doubtful, running = await world.batch(1), await world.batch(2)
    for claim in await world.claim(2):
        await world.walk(claim, "sent", "parked")
    before = await attic.everything()
    assert await attic.round() == 0
    assert await attic.everything() == before
    for batch in (doubtful, running):
        assert not await attic.store.put_away(await world.look(batch), "token", times_back=0)


async def test_one_worker_at_a_time_looks_for_them(attic: Attic) -> None:
    await ended(attic.world)
    assert await attic.store.is_my_turn("w2")
    assert await attic.shelver("w1").put_away() == 0


async def test_what_changed_while_it_was_read_stays(attic: Attic) -> None:
    world = attic.world
    read = await ended(world)
    surplus = await world.tasks.move(
        batch=read.id, index=0, fence=1, to="surplus", worker="w1", attempt=2, cost=3
    )
    assert surplus.status == "ok"
    assert not await attic.store.put_away(read, "token", times_back=0)
    assert await attic.store.put_away(await world.look(read), "token", times_back=0)
    assert not await attic.store.put_away(await world.look(read), "another", times_back=0)


async def test_a_shelver_that_was_overtaken_spoils_nothing(attic: Attic) -> None:
    """It reads what the other one drops; what it writes has another name."""
    world, batch = attic.world, await ended(attic.world)
    before = await attic.everything()
    await attic.round("w1")
    nothing = await attic.store.read(batch, 0)
    assert nothing == []
    await attic.documents.put_ended(batch.tenant, batch.id, "of-another", 0, nothing)
    assert not await attic.store.put_away(batch, "of-another", times_back=0)
    assert not await attic.store.drop(batch, "of-another")
    await attic.bring_back(batch)
    assert await attic.everything() == before
    assert (await world.tasks.get(batch, 0)).state is TaskState.DONE


async def test_what_was_away_while_it_was_read_stays(attic: Attic) -> None:
    """A slow shelver reads one part, then nothing, as another one was quicker; and then somebody asked for the batch."""
    batch = await ended(attic.world, TASKS)
    before = await attic.everything()
    slow = Interrupted(attic.documents.store)
    slow.meanwhile = (lambda: attic.round("w2"), lambda: attic.bring_back(batch))

    assert await attic.round("w1", slow) == 0

    assert await attic.everything() == before


async def test_a_shelver_that_died_is_followed_by_the_next(attic: Attic) -> None:
    batch = await ended(attic.world)
    kept = await attic.store.read(batch, 0)
    await attic.documents.put_ended(batch.tenant, batch.id, "token", 0, kept)
    assert await attic.store.put_away(batch, "token", times_back=0)
    assert await attic.per_task(batch) != []

    assert await attic.round("w2") == 1

    assert await attic.per_task(batch) == []
    assert (await attic.world.look(batch)).put_away == "token"
    assert not await attic.store.drop(batch, "token")


async def test_nothing_is_dropped_once_it_comes_back(attic: Attic) -> None:
    batch = await ended(attic.world, TASKS)
    before = await attic.everything()
    kept = [await attic.store.read(batch, part) for part in range(2)]
    await attic.store.put_away(batch, "token", times_back=0)
    assert await attic.store.bring_back(batch, "token", 0, kept[0]) == 1
    await attic.store.drop(batch, "token")
    assert await attic.store.bring_back(batch, "token", 0, kept[0]) == 1
    assert await attic.store.bring_back(batch, "token", 1, kept[1]) is None
    assert await attic.store.bring_back(batch, "token", 1, []) is None
    assert await attic.everything() == before


@pytest.mark.parametrize("dropped", [True, False])
async def test_what_came_back_in_part_leaves_again_when_nobody_asks_for_the_rest(
    attic: Attic, dropped: bool
) -> None:
    world, batch = attic.world, await ended(attic.world, TASKS)
    await world.redis.hset(keys.batch(batch.id), "finished_at", 1)
    before = await attic.everything()
    kept = [await attic.store.read(batch, part) for part in range(2)]
    for part in range(2):
        await attic.documents.put_ended(batch.tenant, batch.id, "token", part, kept[part])
    await attic.store.put_away(batch, "token", times_back=0)
    assert not dropped or await attic.store.drop(batch, "token")
    assert await attic.store.bring_back(batch, "token", 0, kept[0]) == 1
    attic.clock.days = 0
    assert (await attic.round(), len(await attic.per_task(batch)) > 0) == (0, True)
    attic.clock.days = 2

    assert [await attic.round(), await attic.round()] == [1, 0]

    assert await attic.per_task(batch) == []
    assert await attic.store.bring_back(batch, "token", 1, kept[1]) == 0  # who was slow begins anew
    await attic.bring_back(await world.look(batch))
    assert await attic.everything() == before


async def test_nothing_leaves_again_while_it_comes_back(attic: Attic) -> None:
    """The shelver found it before somebody asked."""
    batch = await ended(attic.world, TASKS)
    kept = [await attic.store.read(batch, part) for part in range(2)]
    await attic.store.put_away(batch, "token", times_back=0)
    await attic.store.bring_back(batch, "token", 0, kept[0])
    await attic.store.again(batch, "token", before_ms=1)
    assert not await attic.store.drop(batch, "token")
    assert await attic.store.bring_back(batch, "token", 1, kept[1]) is None


async def test_one_that_cannot_be_put_away_does_not_hold_up_the_others(attic: Attic) -> None:
    world = attic.world
    bad, good = [await ended(world) for _ in range(2)]
    await world.redis.set(keys.ended(bad.id, 0), "no hash")
    with capture_logs() as logs:
        assert await attic.round() == 1
    assert [(line["event"], line["batch"]) for line in logs] == [
        ("shelving.stuck", bad.id),
        ("batch.put_away", good.id),
    ]


async def test_while_storage_does_not_answer_none_is_tried_and_the_next_turn_is_soon(attic: Attic) -> None:
    batches = [await ended(attic.world) for _ in range(2)]
    tried = list[str]()

    async def fail() -> None:
        tried.append("once")
        raise UnavailableError("Storage does not answer.")

    broken = Interrupted(attic.documents.store)
    broken.meanwhile = (fail,)
    with pytest.raises(UnavailableError):
        await attic.round("w1", broken)
    assert (len(tried), [await attic.world.look(batch) for batch in batches]) == (1, batches)
    assert 0 < await attic.world.redis.ttl(keys.SHELVING) <= SOON_S


async def test_no_task_moves_and_none_is_read_while_it_is_away(attic: Attic) -> None:
    world, batch = attic.world, await ended(attic.world)
    await attic.round()
    before = await attic.everything()
    late: dict[str, Any] = {"batch": batch.id, "index": 0, "fence": 1, "worker": "w1", "attempt": 2}
    moves: list[dict[str, Any]] = [{"to": "spooled", "late": True}, {"to": "surplus", "cost": 9}]
    for move in moves:
        with pytest.raises(ConflictError, match="were put away"):
            await world.tasks.move(**late, **move)
    with pytest.raises(UnavailableError, match="put away just now"):
        await world.tasks.get(batch, 0)
    with pytest.raises(UnavailableError, match="put away just now"):
        await world.tasks.page(batch, start=0, limit=9, state=TaskState.FAILED)
    with pytest.raises(LookupError):
        await RecordStore(world.redis).tenant_of(batch.id)
    assert await attic.everything() == before


async def test_what_is_recorded_of_it_stays_when_it_is_put_away_meanwhile(attic: Attic) -> None:
    batch, records = await ended(attic.world), RecordStore(attic.world.redis)
    tenant = await records.tenant_of(batch.id)
    assert (tenant, len(await records.tasks(batch.id, 0))) == (batch.tenant, 4)
    await attic.round()
    with pytest.raises(LookupError):
        await records.tasks(batch.id, 0)


async def test_a_replay_that_comes_too_late_stops(attic: Attic) -> None:
    world, batch = attic.world, await ended(attic.world)
    actions = ActionStore(world.redis)
    action = BulkAction("action_1", batch.tenant, batch.id, ActionState.RUNNING, 1, 0, 0, False, 1)
    await actions.create(action, [Chosen(3, None)])
    await attic.round()

    assert await actions.advance(action.id) is ActionState.STOPPED
    assert (await world.look(batch)).counts == batch.counts
