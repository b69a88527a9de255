"""What the tenant has already: pictures of a plan that storage knows by their fingerprint, and that cost nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from core.documents import Documents, Print
from schemas.catalog import Row
from schemas.expansion import Cell, Expansion
from schemas.plan import PlanUnchanged
from schemas.rendering import cell_values, row_values
from schemas.template import parsed
from workers.order import parameters_of, print_of
from workers.planning.checker import row_of
from workers.planning.files.finder import FileFinder
from workers.planning.files.together import together
from workers.planning.twins import generated_size

MAX_LOOKED_AT = 2_000
"""Pictures that are looked for: as many small reads of storage, and as many again for what they are made from. Of a
larger plan they are spread evenly, and what is found of them stands for the rest."""
_AT_ONCE = 32


class PrintFinder:
    """Looks for the pictures of one plan.

    It cannot tell of those with a reference from an address: what lies there is known when they are made.
    """

    def __init__(self, documents: Documents, tenant: str, expansion: Expansion, files: FileFinder) -> None:
        self._documents = documents
        self._tenant = tenant
        self._expansion = expansion
        self._manifest = expansion.manifest
        self._files = files
        self._found: dict[int, asyncio.Task[Print | None]] = {}
        self._unknown = set[int]()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def cells(self) -> list[Cell]:
        """Those that are looked for; all, where there are not too many."""
        return [self._expansion.cell(index) for index in _spread(self._expansion.total)]

    async def look(self, rows: Mapping[int, Row]) -> PlanUnchanged:
        """
        Args:
            rows: of all `cells`, by their place in the catalog, as workers will read them.

        Raises:
            UnavailableError: storage does not answer.
        """
        looked, there, unknown = (Counter[tuple[str, str]]() for _ in range(3))
        cells = self.cells()
        async with together() as group:
            looks = [self._asked(cell, rows, group) for cell in cells]
        for cell, found in zip(cells, [look.result() for look in looks], strict=True):
            looked[cell.template, cell.size] += 1
            there[cell.template, cell.size] += found is not None
            unknown[cell.template, cell.size] += cell.index in self._unknown
        made = Counter[tuple[str, str]]()
        for block in self._expansion.blocks:
            for size in block.sizes:
                made[block.template, size] += block.count // len(block.sizes)
        by_template, by_size = Counter[str](), dict[str, dict[str, int]]()
        for (name, size), seen in there.items():
            if count := made[name, size] * seen // looked[name, size]:
                by_template[name] += count
                by_size.setdefault(name, {})[size] = count
        return PlanUnchanged(
            total=by_template.total(),
            by_template=by_template,
            by_size=by_size,
            looked_at=len(cells),
            unknown=sum(made[each] * seen // looked[each] for each, seen in unknown.items()),
        )

    def _asked(
        self, cell: Cell, rows: Mapping[int, Row], group: asyncio.TaskGroup
    ) -> asyncio.Task[Print | None]:
        """The one look at this picture, also where others are made from it."""
        if cell.index not in self._found:
            self._found[cell.index] = group.create_task(self._look(cell, rows, group))
        return self._found[cell.index]

    async def _look(self, cell: Cell, rows: Mapping[int, Row], group: asyncio.TaskGroup) -> Print | None:
        parent, references = self._expansion.parent_of(cell), list[str]()
        if parent is not None:
            original = await self._asked(self._expansion.cell(parent), rows, group)
            if original is None:
                self._unknown |= {cell.index} if parent in self._unknown else set()
                return None
            references.append(original.sha256)
        values = cell_values(self._manifest, cell, row_values(rows[cell.row]))
        named = [parsed(text).render(values) for text in self._names(cell.template)]
        names = [each for name in named for each in self._files.pictures_of(name)]
        if any("://" in name for name in names):
            self._unknown.add(cell.index)
            return None
        files = [self._files.files.get(name) for name in names]
        references += [file.sha256 for file in files if file is not None]
        if None in files:
            return None
        async with self._slots:
            return await self._documents.find_print(self._tenant, self._fingerprint(cell, values, references))

    def _names(self, template: str) -> Iterator[str]:
        for _, text in self._manifest.references_of(template):
            yield text
        if (mask := self._manifest.templates[template].mask) is not None:
            yield mask

    def _fingerprint(self, cell: Cell, values: Mapping[str, object], references: list[str]) -> str:
        image, template = self._manifest.image_of(cell.template), self._manifest.templates[cell.template]
        size = generated_size(self._manifest, cell.template, cell.size)
        factor = template.upscale.factor if template.upscale else None
        return print_of(
            prompt=parsed(template.text).render(values),
            model=image.model or "",
            parameters=parameters_of(image, size, factor=factor),
            references=references,
            sample=cell.sample,
        )


def some_rows(path: Path, filled: Mapping[str, None], wanted: Collection[int]) -> dict[int, Row]:
    """Those rows of the first pass whose places are wanted. Blocking."""
    with path.open("rb") as lines:
        return {place: row_of(line, filled) for place, line in enumerate(lines) if place in wanted}


def _spread(total: int) -> Iterator[int]:
    """Indexes, one of each stretch of equal length, and not at the same place of each: choices repeat."""
    looked_at = min(total, MAX_LOOKED_AT)
    for place in range(looked_at):
        first, after = place * total // looked_at, (place + 1) * total // looked_at
        yield first + place * 7919 % (after - first)
