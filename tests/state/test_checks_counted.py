"""What the checks of pictures came to: counted by batch, kept with the task, and found again."""

from __future__ import annotations

import pytest

from core.state.restoring import RestoreStore
from schemas.batch import Batch
from schemas.rendition import Check, Checked, Result, checked
from tests.state.test_restoring import ID, RUNNING, done, planned, restored
from tests.state.world import Block, World

PASSED = Checked(result="pass")
WARNED = Checked(result="warn", warned=("fill",))
FAILED = Checked(result="fail", failed=("white_corners", "pixels"), warned=("fill",))


async def finished(world: World, *found: Checked | None) -> Batch:
    """A batch with one picture for each of these."""
    await world.lane()
    batch = await world.batch(len(found))
    for claim, checks in zip(await world.claim(len(found)), found, strict=True):
        await world.walk(claim, "sent", "spooled")
        about = {"batch": batch.id, "index": claim.index, "fence": claim.fence, "worker": "w1"}
        moved = await world.tasks.finish(**about, asset="a.png", sha256="ab", checks=checks, cost=1)
        assert moved.status == "ok"
    return await world.look(batch)


async def chosen(world: World, batch: Batch, check: Result, *, limit: int = 10) -> list[int]:
    """Indexes of a listing, read page by page."""
    found, start = list[int](), 0
    while True:
        tasks, following = await world.tasks.page(batch, start=start, limit=limit, check=check)
        found += [task.index for task in tasks]
        if following is None:
            return found
        start = following


async def test_pictures_are_counted_by_the_worst_of_their_checks(world: World) -> None:
    batch = await finished(world, FAILED, PASSED, None, WARNED, PASSED)
    assert batch.checks == {"pass": 2, "warn": 1, "fail": 1}
    assert (batch.state, batch.counts["done"]) == ("completed", 5)


async def test_a_task_keeps_what_its_checks_came_to(world: World) -> None:
    batch = await finished(world, FAILED, PASSED, None)
    tasks = await world.tasks.several(batch, range(3))
    assert [task.checks for task in tasks] == [FAILED, PASSED, None]


@pytest.mark.parametrize(("check", "indexes"), [("fail", [0, 2, 5]), ("warn", [3]), ("pass", [1, 6])])
@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_tasks_are_found_by_the_worst_of_their_checks(
    world: World, check: Result, indexes: list[int], limit: int
) -> None:
    batch = await finished(world, FAILED, PASSED, FAILED, WARNED, None, FAILED, PASSED)
    assert await chosen(world, batch, check, limit=limit) == indexes


async def test_an_end_that_is_written_twice_counts_once(world: World) -> None:
    batch = await finished(world, FAILED)
    task = {"batch": batch.id, "index": 0, "fence": 1, "worker": "w1"}
    assert (await world.tasks.finish(**task, asset="a.png", sha256="ab", checks=FAILED)).status == "ok"
    assert (await world.look(batch)).checks["fail"] == 1


async def test_what_checks_came_to_is_back_with_their_pictures_after_redis_was_lost_and_counts_once(
    world: World,
) -> None:
    await world.lane()
    tasks = (
        done(0, checks={"result": "fail", "failed": ["pixels"]}),
        done(1, checks={"result": "pass"}),
        done(2),
    )
    store = RestoreStore(world.redis)
    await store.begin(planned([Block(3)]), RUNNING)
    await store.write(ID, tasks)
    batch = await restored(world, planned([Block(3)]), *tasks)
    assert batch.checks == {"pass": 1, "warn": 0, "fail": 1}
    (found,) = (await world.tasks.page(batch, start=0, limit=9, check="fail"))[0]
    assert (found.index, found.checks) == (0, Checked(result="fail", failed=("pixels",)))


def test_the_worst_result_stands_for_all_of_them() -> None:
    def check(rule: str, result: Result) -> Check:
        return Check(rule=rule, result=result, measured="", wanted="")

    assert checked([]) is None
    assert checked([check("pixels", "pass")]) == PASSED
    assert checked([check("pixels", "pass"), check("fill", "warn")]) == WARNED
    every = [
        check("white_corners", "fail"),
        check("fill", "warn"),
        check("bytes", "pass"),
        check("pixels", "fail"),
    ]
    assert checked(every) == FAILED
