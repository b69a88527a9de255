"""Pages of rows, kept while their neighbours are asked for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

MAX_KEPT_BYTES = 16 << 20
"""Of text, over all pages: some 30 pages of 500 rows that have a description each."""


class RowPages:
    """The pages that were asked for last, one JSON text a row.

    They stay text, of which the caller reads the row that it needs: 500 rows read at once stop the event loop for ten
    milliseconds, and kept that way they take five times the memory.

    Args:
        read: the bytes of an object by its key.
    """

    def __init__(self, read: Callable[[str], Awaitable[bytes]], max_kept_bytes: int = MAX_KEPT_BYTES) -> None:
        self._read = read
        self._max_kept_bytes = max_kept_bytes
        self._kept: OrderedDict[str, asyncio.Task[list[bytes]]] = OrderedDict()
        self._sizes_bytes: dict[str, int] = {}

    async def line(self, key: str, place: int) -> bytes:
        """Line `place`, counted from 0, of the page under this key; a page that many ask for at once is read once.

        Raises what `read` raises, and IndexError when the page has no such line.
        """
        if key not in self._kept:
            self._kept[key] = asyncio.create_task(self._lines(key))
        self._kept.move_to_end(key)
        try:
            return (await asyncio.shield(self._kept[key]))[place]
        except Exception:
            self._forget(key)
            raise

    async def _lines(self, key: str) -> list[bytes]:
        page = await self._read(key)
        if self._kept.get(key) is asyncio.current_task():  # others may have taken its place meanwhile
            self._sizes_bytes[key] = len(page)
        while sum(self._sizes_bytes.values()) > self._max_kept_bytes and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))
        return page.split(b"\n")

    def _forget(self, key: str) -> None:
        self._kept.pop(key, None)
        self._sizes_bytes.pop(key, None)
