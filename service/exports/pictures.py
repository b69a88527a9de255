"""The pictures of a batch: which tasks have one, what each is called, and where it lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from core.documents import Documents, picture_key
from core.state.tasks import TaskStore
from schemas.batch import Batch
from schemas.catalog import EMPTY_ROW, Row
from schemas.errors import NotFoundError
from schemas.expansion import Cell, Expansion
from schemas.manifest import Manifest
from schemas.rendering import cell_values, output_key, row_values
from schemas.rendition import Checked
from schemas.task import Task
from service.contract.choice import Choice

PAGE = 100
"""Tasks that are read at once, and described without a pause: 500 would keep the event loop for tens of milliseconds."""
AT_ONCE = 4
"""Pictures that are in memory at once, for one answer: some 20 MB each at most."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of one task.

    Args:
        key: its name below the batch, which no other picture of the batch has.
        stored_as: the key that its bytes lie under; another task's where this one was skipped.
        checks: what its rules came to; None where it was held against none.
        ended_at_ms: when its task ended, in milliseconds since the epoch.
    """

    index: int
    cell: Cell
    row: Row
    key: str
    stored_as: str
    sha256: str | None
    checks: Checked | None
    ended_at_ms: int


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where tasks and pictures are; `public_url` is the address of the storage for everybody, if it has one."""

    documents: Documents
    tasks: TaskStore
    public_url: str | None


class Pictures:
    """The pictures of one batch, read as they are asked for: a batch may have more than fit in memory."""

    def __init__(self, shelves: Shelves, batch: Batch, manifest: Manifest) -> None:
        self.documents, self.tasks, self.public_url = shelves.documents, shelves.tasks, shelves.public_url
        self.batch = batch
        self.manifest = manifest
        self.expansion = Expansion(manifest, batch.rows)

    @classmethod
    async def of(cls, shelves: Shelves, batch: Batch) -> Pictures:
        """
        Raises:
            UnavailableError: storage does not answer.
        """
        return cls(shelves, batch, await shelves.documents.get_manifest(batch.tenant, batch.id))

    async def row_of(self, cell: Cell) -> Row:
        """The row that a cell is made from."""
        return await self._row(cell.row)

    async def rows(self) -> AsyncIterator[tuple[int, Row]]:
        """The rows of the catalog by their places, from 0; some at a time, so that others get their turn."""
        count = self.batch.rows if self.batch.counts["total"] else 0
        for first in range(0, count, PAGE):
            places = range(first, min(first + PAGE, count))
            for pair in zip(places, await asyncio.gather(*map(self._row, places)), strict=True):
                yield pair

    async def _row(self, place: int) -> Row:
        if self.manifest.catalog is None:
            return EMPTY_ROW
        batch = self.batch
        found = await self.documents.planned_row(batch.tenant, batch.id, place, fence=batch.rows_fence)
        return found.row

    async def found(self, tasks: Sequence[Task]) -> list[Picture]:
        """The pictures of those tasks that have one, in their order."""
        twins = sorted({task.same_as for task in tasks if task.same_as is not None})
        serving = {twin.index: twin for twin in await self.tasks.several(self.batch, twins)}
        pairs = ((task, task if task.same_as is None else serving[task.same_as]) for task in tasks)
        return await asyncio.gather(
            *(self._picture(task, server, server.asset_key) for task, server in pairs if server.asset_key)
        )

    async def pages(self, choice: Choice, *, start: int = 0) -> AsyncIterator[list[Picture]]:
        """Those that are meant, by index from `start` on."""
        async for tasks in task_pages(self.tasks, self.batch, start=start):
            yield await self._chosen(tasks, choice)

    async def pages_by_row(self, choice: Choice) -> AsyncIterator[list[Picture]]:
        """Those that are meant, all of a row together, the rows in the order of the catalog."""
        indexes = self._indexes_by_row()
        while some := list(islice(indexes, PAGE)):
            yield await self._chosen(await self.tasks.several(self.batch, some), choice)

    async def _chosen(self, tasks: Sequence[Task], choice: Choice) -> list[Picture]:
        found = await self.found(
            [task for task in tasks if choice.has(task, self.expansion.cell(task.index))]
        )
        return [picture for picture in found if choice.keeps(picture.checks)]

    async def contents(self, picture: Picture, *, ending: str = "") -> bytes | None:
        """The bytes of a picture, or of its receipt with the ending `.json`; None when they are gone."""
        key = picture_key(self.batch.tenant, self.batch.id, picture.stored_as)
        try:
            return await self.documents.store.get_bytes(f"{key}{ending}")
        except NotFoundError:
            return None

    def _indexes_by_row(self) -> Iterator[int]:
        for row in range(self.batch.rows if self.batch.counts["total"] else 0):
            yield from self.expansion.indexes_of_row(row)

    async def _picture(self, task: Task, server: Task, stored_as: str) -> Picture:
        """The picture of a task, which another one, the server, may have made."""
        cell = self.expansion.cell(task.index)
        row = await self.row_of(cell)
        key = stored_as if task.same_as is None else self._key_of(cell, row, stored_as)
        ended_at_ms = task.updated_at_ms or self.batch.created_at_ms
        return Picture(task.index, cell, row, key, stored_as, server.sha256, server.checks, ended_at_ms)

    def _key_of(self, cell: Cell, row: Row, stored_as: str) -> str:
        """What the picture would be stored as if it had been made for this cell."""
        stem = output_key(self.manifest, cell_values(self.manifest, cell, row_values(row)))
        return f"{stem}.{stored_as.rpartition('.')[2]}"


async def task_pages(store: TaskStore, batch: Batch, *, start: int = 0) -> AsyncIterator[list[Task]]:
    """All tasks of a batch by index, from `start` on."""
    total = batch.counts["total"]
    for first in range(start, total, PAGE):
        yield await store.several(batch, range(first, min(first + PAGE, total)))
