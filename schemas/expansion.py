"""Expansion: a manifest and a number of rows are a function from an index to one cell of work.

The tasks of a manifest are the cells of its grid, or the few of them that its `sample` asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any

from schemas.grid import Block, Cell, Grid
from schemas.manifest import Manifest
from schemas.sampling import sampled

__all__ = ["Block", "Cell", "Expansion", "variant_values"]


class Expansion:
    """The tasks of a manifest over `rows` catalog rows. Building it costs nothing per task.

    Attributes:
        grid: every cell that the manifest spans, also where a sample takes only a few of them.
    """

    def __init__(self, manifest: Manifest, rows: int) -> None:
        self.manifest = manifest
        self.rows = rows
        self.grid = Grid(manifest, rows)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The contiguous index ranges of the templates, which is what the claim script counts through; in a sample
        one for each task."""
        if self._picks is None:
            return self.grid.blocks
        cells = map(self.cell, range(len(self._picks)))
        parents = {name: template.parent for name, template in self.manifest.templates.items()}
        return tuple(
            Block(cell.template, parents[cell.template], cell.index, 1, (cell.size,), 1) for cell in cells
        )

    @property
    def total(self) -> int:
        return self.grid.total if self._picks is None else len(self._picks)

    def __iter__(self) -> Iterator[Cell]:
        return map(self.grid.cell if self._picks is None else self.cell, range(self.total))

    def cell(self, index: int) -> Cell:
        """The cell at `index`.

        Raises:
            IndexError: there is no such index.
        """
        if self._picks is None:
            return self.grid.cell(index)
        if not 0 <= index < len(self._picks):
            raise IndexError(f"task {index} is not in [0, {self.total})")
        return replace(self.grid.cell(self._picks[index]), index=index)

    def index_of(self, cell: Cell) -> int:
        """The inverse of `cell` (its own `index` is not looked at)."""
        return self._own([self.grid.index_of(cell)])[0]

    def parent_of(self, cell: Cell) -> int | None:
        """The index of the picture this one is made from; see `Grid.parent_of`. A sample has it too."""
        parent = self.grid.parent_of(cell)
        return None if parent is None else self._own([parent])[0]

    def children_of(self, cell: Cell) -> tuple[int, ...]:
        """The indexes of the pictures made directly from this one, ascending."""
        return self._own(self.grid.children_of(cell))

    def descendants_of(self, cell: Cell) -> tuple[int, ...]:
        """Children, their children and so on: what cannot be made when this one fails."""
        found = self.children_of(cell)
        return found + tuple(deeper for child in found for deeper in self.descendants_of(self.cell(child)))

    def indexes_of_row(self, row: int) -> tuple[int, ...]:
        """The indexes of the tasks of one row, ascending."""
        return self._own(chain.from_iterable(self.grid.indexes_of_row(row)))

    def _own(self, indexes: Iterable[int]) -> tuple[int, ...]:
        """Indexes of the grid as ours; those that are not in the sample are left out."""
        if self._picks is None:
            return tuple(indexes)
        return tuple(self._places[index] for index in indexes if index in self._places)

    @cached_property
    def _picks(self) -> tuple[int, ...] | None:
        """The sample, as indexes of the grid; None where everything is made."""
        wanted = self.manifest.sample
        return None if wanted is None or self.rows == 0 else sampled(self.grid, wanted)

    @cached_property
    def _places(self) -> dict[int, int]:
        return {index: place for place, index in enumerate(self._picks or ())}


def variant_values(manifest: Manifest, variant: tuple[str, ...]) -> Mapping[str, Any]:
    """What a template sees as `variant`: per axis the chosen values, with `name` for the choice itself."""
    axes = manifest.variants.items()
    return {
        axis: {"name": choice, **choices[choice]}
        for (axis, choices), choice in zip(axes, variant, strict=True)
    }
