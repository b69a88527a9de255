"""Slots: how many calls a process may hold, and a warning where they are what holds up the work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from core.state.lanes import Demand

_log = structlog.get_logger()


class Slots:
    """How many more calls this process may hold, over all of its lanes."""

    def __init__(self, count: int) -> None:
        self.count = self.free = count
        self._freed = asyncio.Event()

    def take(self, most: int) -> int:
        """Takes up to `most`; how many it got."""
        count = min(self.free, most)
        self.free -= count
        return count

    def give_back(self, count: int) -> None:
        self.free += count
        if count:
            self._freed.set()

    async def one_freed(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    def wake(self) -> None:
        """Lets whoever waits for a slot look around."""
        self._freed.set()


class SlotsWatcher:
    """Tells when the slots of the workers, and not the quota, decide how fast it goes.

    Args:
        look: what the lanes of this worker need; the others of the fleet are taken to have as many slots as this one.
    """

    def __init__(self, slots: Slots, look: Callable[[], Awaitable[Demand]]) -> None:
        self._slots = slots
        self._look = look

    async def look_at_slots(self) -> int:
        """How many more would be needed to use the whole limits of the lanes at their present latency.

        Raises:
            UnavailableError: Redis does not answer.
        """
        if self._slots.free:
            return 0
        found = await self._look()
        have = self._slots.count * max(1, found.workers)
        if found.slots_needed > have:
            _log.warning("slots.short", needed=found.slots_needed, have=have)
        return max(0, found.slots_needed - have)
