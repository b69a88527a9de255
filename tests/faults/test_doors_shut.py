"""Redis and storage that go away for a while."""

from __future__ import annotations

import pytest
import uvloop

from core.state.connection import command, connect, translated
from schemas.errors import UnavailableError
from schemas.task import TaskState
from tests.faults.front import Asked, StorageFront
from tests.processes import Simulator
from tests.studio import Studio, eventually, manifest, numbered


async def test_a_plan_waits_for_storage_and_is_not_given_up(
    stored_studio: Studio, front: StorageFront
) -> None:
    studio, worker = stored_studio, stored_studio.worker()
    front.refuse(of_reading)
    batch_id = await studio.submit(manifest("cup"))

    async def is_delayed() -> bool:
        return worker.has_logged("plan.delayed")

    await eventually(is_delayed)
    front.open()
    await studio.ended(batch_id)
    assert (await studio.books(batch_id)).done == 1


def of_reading(method: str, path: str) -> bool:
    return method == "GET"


def of_pictures(method: str, path: str) -> bool:
    return method == "PUT" and "/pictures/" in path


def of_receipts(method: str, path: str) -> bool:
    return of_pictures(method, path) and path.partition("?")[0].endswith(".json")


@pytest.mark.parametrize("refused", [of_pictures, of_receipts])
async def test_what_a_killed_worker_had_in_its_spool_is_stored_by_the_next_one(
    stored_studio: Studio, front: StorageFront, east: Simulator, refused: Asked
) -> None:
    studio, victim = stored_studio, stored_studio.worker(DARKROOM_WORKER__NAME="same")
    front.refuse(refused)
    batch_id = await studio.submit(manifest(*numbered(6)))

    async def are_refused() -> bool:
        tasks = await studio.task_list(batch_id)
        return front.refused >= 6 and all(task.state is TaskState.SPOOLED for task in tasks)

    await eventually(are_refused)
    victim.kill()
    studio.worker(DARKROOM_WORKER__NAME="same")
    await studio.until(batch_id, lambda batch: batch.counts["parked"] >= 5)  # one may be replayed already
    front.open()

    await studio.until(batch_id, lambda batch: batch.counts["done"] == 6)
    books = await studio.books(batch_id)
    assert (books.lost, books.duplicated, len(east.calls(batch_id))) == (0, 0, 6)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert len(await studio.receipts(batch_id)) == 6
    assert len(await studio.keys(batch_id, "pictures")) == 12


async def test_a_spool_entry_that_cannot_be_read_holds_up_nothing(studio: Studio) -> None:
    left = studio.place.folder / "spool" / "attempts" / "of-an-older-version"
    left.mkdir(parents=True)
    (left / "batch_x.0.1.order").write_text('{"unknown": 1}')
    (left / "batch_x.0.1.picture").write_bytes(b"paid for")
    worker = studio.worker()

    async def is_named() -> bool:
        return worker.has_logged("spool.stuck")

    await eventually(is_named)
    await studio.ended(await studio.submit(manifest("cup")))
    assert (left / "batch_x.0.1.picture").exists()


def test_a_connection_that_was_reset_is_a_redis_that_does_not_answer_and_the_next_one_does(
    redis_server: str,
) -> None:
    """Workers run on uvloop, which has an error of its own for this."""

    async def ask() -> bytes:
        client = connect(redis_server)
        try:
            await command(client, "PING")
            (connection,) = client.connection_pool._available_connections
            assert connection._writer is not None
            connection._writer.transport.abort()
            with pytest.raises(UnavailableError), translated():
                await connection.send_command("PING")
            answer: bytes = await command(client, "PING")
            return answer
        finally:
            await client.aclose()

    assert uvloop.run(ask()) in (b"PONG", True)
