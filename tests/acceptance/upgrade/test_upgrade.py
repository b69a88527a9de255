"""The code of today goes on where a release was stopped: nothing that was paid is made again, nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.state import keys
from core.state.batches import Change
from schemas.batch import ENDED, Batch, BatchState
from schemas.task import TaskState
from tests.acceptance.upgrade.leftovers import KEPT, load
from tests.acceptance.upgrade.record import place_in
from tests.studio import TENANT, Studio

RELEASES = sorted(KEPT.glob("*.tar.gz"))
Call = dict[str, Any]
DONE = {"paused": 12, "spooled": 2, "planning": 2}
"""What has to be done in the end; of the others a call was under way, and nobody knows."""


class Upgraded:
    """What a release left behind, with a worker of today on it."""

    def __init__(self, studio: Studio, before: list[Call], batches: dict[str, str]) -> None:
        self.studio = studio
        self.batches = batches
        self._before = before

    async def ended(self, name: str, done: int = 0) -> Batch:
        """When nothing of it is left to run, and so many are done: what was parked may be found on the spool."""
        return await self.studio.until(
            self.batches[name], lambda batch: batch.state in ENDED and batch.counts["done"] >= done
        )

    def before(self, batch: Batch) -> list[Call]:
        """Calls that the release made for it."""
        return [call for call in self._before if (call["client_request_id"] or "").startswith(f"{batch.id}:")]

    def since(self, batch: Batch) -> list[Call]:
        """Calls that were made for it since."""
        return self.studio.calls(batch.id)

    def charged(self, batch: Batch) -> int:
        """By the books of the provider, in micro-dollars."""
        return sum(
            call["cost_usd_micros"] for call in self.before(batch) + self.since(batch) if call["charged"]
        )


@pytest.fixture(params=RELEASES, ids=lambda path: path.name.removesuffix(".tar.gz"))
async def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Upgraded]:
    with ExitStack() as ending:
        place = place_in(tmp_path, ending)
        before = load(request.param, tmp_path, place.redis.url)
        studio = Studio(place)
        ids = [member.decode() for member in await studio.client.zrange(keys.tenant_batches(TENANT), 0, -1)]
        yield Upgraded(studio, before, {(await studio.batch(batch_id)).name: batch_id for batch_id in ids})
        await studio.aclose()


async def test_every_batch_of_a_release_goes_on_to_its_end(upgraded: Upgraded) -> None:
    studio = upgraded.studio
    was = {name: await studio.batch(batch_id) for name, batch_id in upgraded.batches.items()}
    studio.worker()
    ended = {name: await upgraded.ended(name, DONE.get(name, 0)) for name in was if name != "paused"}
    paused = await studio.batch(upgraded.batches["paused"])
    assert (paused.state, upgraded.since(paused)) == (BatchState.PAUSED, [])
    await studio.batches.steer(paused, Change(state=BatchState.RUNNING))
    ended["paused"] = await upgraded.ended("paused", DONE["paused"])

    done = {name: batch.counts["done"] for name, batch in ended.items()}
    assert {name: done[name] for name in DONE} == DONE
    assert upgraded.since(ended["spooled"]) == []
    for name, batch in ended.items():
        assert (batch.state, batch.counts["running"], batch.counts["waiting"]) == (BatchState.COMPLETED, 0, 0)
        assert done[name] >= was[name].counts["done"]
        assert made_twice(upgraded, batch) == []
        assert (
            batch.spent_usd_micros
            <= upgraded.charged(batch)
            <= batch.spent_usd_micros + batch.held_usd_micros
        )
        for task in await studio.task_list(batch.id):
            if task.state == TaskState.DONE:
                assert (await studio.receipt(batch.id, task)).task == task.index


def made_twice(upgraded: Upgraded, batch: Batch) -> list[str]:
    """Tasks with more than one call that was charged."""
    paid = Counter(
        call["client_request_id"].split(":")[1]
        for call in upgraded.before(batch) + upgraded.since(batch)
        if call["charged"]
    )
    return [index for index, count in paid.items() if count > 1]
