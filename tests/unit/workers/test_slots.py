"""A worker whose slots hold up the work says so, and says how many would do."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from core.state.lanes import Demand
from workers.slots import Slots, SlotsWatcher


def watcher(busy: int, *, needed: int, workers: int = 2) -> SlotsWatcher:
    slots = Slots(10)
    slots.take(busy)

    async def look() -> Demand:
        return Demand(needed, workers)

    return SlotsWatcher(slots, look)


async def test_a_full_worker_names_the_slots_that_the_quota_needs() -> None:
    with capture_logs() as logs:
        assert await watcher(10, needed=125).look_at_slots() == 105
    (line,) = logs
    assert (line["event"], line["log_level"], line["needed"], line["have"]) == (
        "slots.short",
        "warning",
        125,
        20,
    )


@pytest.mark.parametrize(("busy", "needed", "workers"), [(9, 125, 2), (10, 20, 2), (10, 125, 13), (10, 0, 2)])
async def test_nothing_is_said_where_slots_are_free_or_enough_or_nobody_knows_yet(
    busy: int, needed: int, workers: int
) -> None:
    with capture_logs() as logs:
        assert await watcher(busy, needed=needed, workers=workers).look_at_slots() == 0
    assert logs == []
