"""A store's own threads: blocking work leaves the event loop, and only so much of it runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

PAGE_ITEMS = 1000


class Threads:
    """At most `count` calls at once; more wait their turn, first come first served.

    Not the default executor of the event loop: slow storage must not hold up name resolution, nor be held up.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="storage")

    async def run(self, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        return await asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))

    async def iterate(self, items: Iterator[Result]) -> AsyncIterator[Result]:
        """The items of a blocking iterator, fetched a page at a time."""
        while page := await self.run(lambda: list(islice(items, PAGE_ITEMS))):
            for item in page:
                yield item

    async def aclose(self) -> None:
        await asyncio.to_thread(self._pool.shutdown)
