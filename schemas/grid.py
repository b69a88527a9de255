"""The grid: every cell that a manifest and a number of rows span, each with a number.

Order is fixed: templates as written, then rows, variants (axes as written, the last one fastest), sizes, samples.
Each template's cells are therefore one contiguous range of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from schemas.combining import Combined
from schemas.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture to make.

    Args:
        row: place of the row in the catalog, counted from 0 in the order of the checked catalog.
        variant: one choice per axis, in the order of the axes.
        size: as written in the manifest, `WIDTHxHEIGHT` or a preset.
        sample: counted from 1.
    """

    index: int
    template: str
    row: int
    variant: tuple[str, ...]
    size: str
    sample: int

    @property
    def variant_key(self) -> str:
        return "-".join(self.variant) or "default"


@dataclass(frozen=True, slots=True)
class Block:
    """The indexes `[first, first + count)` of one template, and the radices inside it."""

    template: str
    parent: str | None
    first: int
    count: int
    sizes: tuple[str, ...]
    samples: int


class Grid:
    """A manifest over `rows` catalog rows. Building it costs nothing per cell."""

    def __init__(self, manifest: Manifest, rows: int) -> None:
        self.manifest = manifest
        self.rows = rows
        self.variants = Combined(manifest.variants, manifest.combinations)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        blocks, first = [], 0
        for name, template in self.manifest.templates.items():
            sizes, samples = self.manifest.sizes_of(name), self.manifest.samples_of(name)
            count = self.rows * self.variants.count * len(sizes) * samples
            blocks.append(Block(name, template.parent, first, count, sizes, samples))
            first += count
        return tuple(blocks)

    @property
    def total(self) -> int:
        return sum(block.count for block in self.blocks)

    def cell(self, index: int) -> Cell:
        """The cell at `index`.

        Raises:
            IndexError: there is no such index.
        """
        for block in self.blocks:
            if 0 <= index - block.first < block.count:
                rest, sample = divmod(index - block.first, block.samples)
                rest, size = divmod(rest, len(block.sizes))
                row, place = divmod(rest, self.variants.count)
                variant = self.variants.at(place)
                return Cell(index, block.template, row, variant, block.sizes[size], sample + 1)
        raise IndexError(f"task {index} is not in [0, {self.total})")

    def index_of(self, cell: Cell) -> int:
        """The inverse of `cell` (its own `index` is not looked at)."""
        block = self._block(cell.template)
        rest = cell.row * self.variants.count + self.variants.place_of(cell.variant)
        rest = rest * len(block.sizes) + block.sizes.index(cell.size)
        return block.first + rest * block.samples + cell.sample - 1

    def parent_of(self, cell: Cell) -> int | None:
        """The index of the picture this one is made from: same row and variant, and the same size and sample where
        the parent is made in it; else the parent's first size, and its samples in turn."""
        parent = self._block(cell.template).parent
        if parent is None:
            return None
        sample = (cell.sample - 1) % self._block(parent).samples + 1
        return self._moved(cell, parent, self._parent_size(cell.size, parent), sample)

    def children_of(self, cell: Cell) -> tuple[int, ...]:
        """The indexes of the pictures made directly from this one, ascending."""
        turns = self._block(cell.template).samples
        return tuple(
            self._moved(cell, block.template, size, sample)
            for block in self.blocks
            if block.parent == cell.template
            for size in block.sizes
            if self._parent_size(size, cell.template) == cell.size
            for sample in range(cell.sample, block.samples + 1, turns)
        )

    def indexes_of_row(self, row: int) -> tuple[range, ...]:
        """The indexes of one row, a range for each template."""
        each = [(block.first, block.count // self.rows) for block in self.blocks]
        return tuple(range(first + row * count, first + (row + 1) * count) for first, count in each)

    def _block(self, template: str) -> Block:
        return next(block for block in self.blocks if block.template == template)

    def _parent_size(self, size: str, parent: str) -> str:
        sizes = self._block(parent).sizes
        return size if size in sizes else sizes[0]

    def _moved(self, cell: Cell, template: str, size: str, sample: int) -> int:
        return self.index_of(Cell(-1, template, cell.row, cell.variant, size, sample))
