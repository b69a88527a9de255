"""Plans that are under way while their worker is busy, or frozen: one of them opens the batch, and none is lost."""

from __future__ import annotations

import signal

from core.queue import in_progress
from core.state import keys
from core.state.connection import command
from schemas.batch import BatchState
from tests.faults.front import StorageFront
from tests.faults.rows.deaths import Held
from tests.processes import Worker
from tests.studio import Studio, eventually, manifest, numbered

LEASES = 2


def made(*workers: Worker) -> int:
    """How many plans they made."""
    return sum(event["event"] == "plan.made" for worker in workers for event in worker.events())


async def leases_pass(studio: Studio, count: int) -> None:
    """Waits for so many leases, by the clock of Redis."""
    lease_s = int(studio.place.settings()["DARKROOM_WORKER__LEASE_S"])
    begun_s, _ = await command(studio.client, "TIME")

    async def have_passed() -> bool:
        now_s, _ = await command(studio.client, "TIME")
        return bool(now_s > begun_s + count * lease_s)

    await eventually(have_passed)


async def test_a_plan_that_outlasts_the_lease_stays_with_its_worker(
    stored_studio: Studio, front: StorageFront
) -> None:
    studio = stored_studio
    workers = studio.worker(), studio.worker()
    with Held(front) as held:
        batch_id = await studio.submit(manifest(*numbered(2)))
        plan_id = (await studio.batch(batch_id)).plan_id
        await held.reached()
        await leases_pass(studio, LEASES)
        assert await command(studio.client, "SCARD", keys.planners(plan_id)) == 1

    await studio.ended(batch_id)
    assert made(*workers) == 1
    assert await command(studio.client, "EXISTS", in_progress(f"plan:{plan_id}")) == 0


async def test_a_frozen_worker_that_wakes_changes_nothing_of_what_another_has_planned(
    stored_studio: Studio, front: StorageFront
) -> None:
    studio = stored_studio
    sleeper = studio.worker()
    with Held(front) as held:
        batch_id = await studio.submit(manifest(*numbered(2)))
        plan_id = (await studio.batch(batch_id)).plan_id
        await held.reached()
        sleeper.send(signal.SIGSTOP)
        other = studio.worker()
        batch = await studio.ended(batch_id)
        assert batch.counts["done"] == 2
    planned = await studio.documents.find_planned(batch.tenant, batch_id)

    sleeper.send(signal.SIGCONT)

    async def has_ended() -> bool:
        return not await command(studio.client, "EXISTS", keys.planners(plan_id))

    await eventually(has_ended)
    assert (made(sleeper), made(other)) == (0, 1)
    assert (await studio.batch(batch_id)).state is BatchState.COMPLETED
    assert await studio.documents.find_planned(batch.tenant, batch_id) == planned
