"""What storage is still to be told stays on a list until it was."""

from __future__ import annotations

from core.state import keys
from core.state.recording import Note, RecordStore
from schemas.batch import Batch
from tests.state.world import World


async def noted(world: World) -> tuple[Batch, RecordStore]:
    """A batch of which storage is to be told how it was steered."""
    await world.lane()
    batch = await world.batch(1)
    await world.batches.cancel("acme", batch.id)
    return batch, RecordStore(world.redis)


async def test_what_is_told_is_forgotten(world: World) -> None:
    _, store = await noted(world)
    await store.told(await store.take(9))
    assert not await world.redis.exists(keys.UNRECORDED)


async def test_one_of_several_workers_takes_a_note_up(world: World) -> None:
    batch, store = await noted(world)
    assert (await store.take(9), await store.take(9)) == ([Note(batch.id, None)], [])


async def test_what_storage_did_not_take_is_taken_up_again(world: World) -> None:
    batch, store = await noted(world)
    await store.give_back(await store.take(9))
    assert await store.take(9) == [Note(batch.id, None)]


async def test_what_a_worker_that_died_had_taken_another_one_takes_up(world: World) -> None:
    batch, store = await noted(world)
    await store.take(9)
    await world.redis.zadd(keys.UNRECORDED, {f"{batch.id}:steering": 1})  # its time is over
    assert await store.take(9) == [Note(batch.id, None)]


async def test_what_changes_while_it_is_written_is_written_again_and_not_before(world: World) -> None:
    await world.lane()
    batch, store = await world.batch(1), RecordStore(world.redis)
    (claim,) = await world.claim()
    await world.walk(claim, "sent", "parked")
    notes = await store.take(9)
    await world.move(claim, "queued")
    assert await store.take(9) == []
    await store.told(notes)
    assert await store.take(9) == [Note(batch.id, 0)]
