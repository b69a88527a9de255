"""Pages of rows: read once, kept while they are asked for, and never more than so many bytes."""

from __future__ import annotations

import asyncio

import pytest

from core.pages import RowPages
from schemas.errors import UnavailableError


class Shelf:
    """Ten lines a page; counts how often each page was read."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.is_open = True

    async def read(self, key: str) -> bytes:
        self.reads.append(key)
        await asyncio.sleep(0)
        if not self.is_open:
            raise UnavailableError("The shelf is shut.")
        return b"\n".join(b"%s%d" % (key.encode(), line) for line in range(10))


PAGE_BYTES = 29
"""Of a page under a key of one letter."""


async def test_a_page_that_many_ask_for_at_once_is_read_once() -> None:
    shelf = Shelf()
    pages = RowPages(shelf.read)

    lines = await asyncio.gather(*(pages.line("a", place) for place in (0, 9, 3)))

    assert lines == [b"a0", b"a9", b"a3"]
    assert shelf.reads == ["a"]


async def test_no_more_than_so_many_bytes_are_kept_and_those_asked_for_last() -> None:
    shelf = Shelf()
    pages = RowPages(shelf.read, max_kept_bytes=2 * PAGE_BYTES)

    for key in ("a", "b", "a", "c", "a", "b"):
        await pages.line(key, 0)

    assert shelf.reads == ["a", "b", "c", "b"]


async def test_a_page_over_the_bound_is_kept_for_its_neighbours_alone() -> None:
    shelf = Shelf()
    pages = RowPages(shelf.read, max_kept_bytes=1)

    for key in ("a", "a", "b", "b", "a"):
        await pages.line(key, 1)

    assert shelf.reads == ["a", "b", "a"]


async def test_a_page_that_could_not_be_read_is_read_anew() -> None:
    shelf = Shelf()
    pages = RowPages(shelf.read)
    shelf.is_open = False
    with pytest.raises(UnavailableError):
        await pages.line("a", 0)
    shelf.is_open = True

    assert await pages.line("a", 0) == b"a0"


async def test_pages_that_are_given_up_while_they_are_read_leave_nothing_behind() -> None:
    doors = {key: asyncio.Event() for key in "abcd"}
    reads: list[str] = []

    async def read(key: str) -> bytes:
        reads.append(key)
        if key in doors:
            await doors[key].wait()
        return b"0123456789"

    pages = RowPages(read, max_kept_bytes=20)
    asked = [asyncio.create_task(pages.line(key, 0)) for key in doors]
    await asyncio.sleep(0)
    for key in "dcba":  # those that began first end last
        doors[key].set()
        await asyncio.sleep(0.01)
    await asyncio.gather(*asked)
    reads.clear()

    for key in ("x", "y") * 3:
        await pages.line(key, 0)

    assert reads == ["x", "y"]
