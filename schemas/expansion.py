"""Expansion: a manifest and a number of rows are a function from an index to one cell of work.

Order is fixed: templates as written, then rows, variants (axes as written, the last one fastest), sizes, samples.
Each template's tasks are therefore one contiguous range of indexes, which is what the claim script counts through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

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


class Expansion:
    """A manifest over `rows` catalog rows. Building it costs nothing per task."""

    def __init__(self, manifest: Manifest, rows: int) -> None:
        self.manifest = manifest
        self.rows = rows
        self.samples = manifest.samples
        self._axes: tuple[tuple[str, ...], ...] = tuple(map(tuple, manifest.variants.values()))
        self.variant_count = prod(map(len, self._axes))

    @cached_property
    def variants(self) -> tuple[tuple[str, ...], ...]:
        """Every combination of choices, in order. There may be more than fit in memory: look at `total` first."""
        return tuple(product(*self._axes))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        blocks, first = [], 0
        for name, template in self.manifest.templates.items():
            sizes = self.manifest.sizes_of(name)
            count = self.rows * self.variant_count * len(sizes) * self.samples
            blocks.append(Block(name, template.parent, first, count, sizes))
            first += count
        return tuple(blocks)

    @property
    def total(self) -> int:
        return sum(block.count for block in self.blocks)

    def __iter__(self) -> Iterator[Cell]:
        return (self.cell(index) for index in range(self.total))

    def cell(self, index: int) -> Cell:
        """The cell at `index`.

        Raises:
            IndexError: there is no such index.
        """
        for block in self.blocks:
            if 0 <= index - block.first < block.count:
                rest, sample = divmod(index - block.first, self.samples)
                rest, size = divmod(rest, len(block.sizes))
                row, variant = divmod(rest, self.variant_count)
                return Cell(index, block.template, row, self._variant(variant), block.sizes[size], sample + 1)
        raise IndexError(f"task {index} is not in [0, {self.total})")

    def index_of(self, cell: Cell) -> int:
        """The inverse of `cell` (its own `index` is not looked at)."""
        block = self._block(cell.template)
        rest = cell.row
        for axis, choice in zip(self._axes, cell.variant, strict=True):
            rest = rest * len(axis) + axis.index(choice)
        rest = rest * len(block.sizes) + block.sizes.index(cell.size)
        return block.first + rest * self.samples + cell.sample - 1

    def parent_of(self, cell: Cell) -> int | None:
        """The index of the picture this one is made from: same row, variant and sample, and the same size where
        the parent is made in it, else the parent's first size."""
        parent = self._block(cell.template).parent
        return None if parent is None else self._moved(cell, parent, self._parent_size(cell.size, parent))

    def children_of(self, cell: Cell) -> tuple[int, ...]:
        """The indexes of the pictures made directly from this one, ascending."""
        return tuple(
            self._moved(cell, block.template, size)
            for block in self.blocks
            if block.parent == cell.template
            for size in block.sizes
            if self._parent_size(size, cell.template) == cell.size
        )

    def descendants_of(self, cell: Cell) -> tuple[int, ...]:
        """Children, their children and so on: what cannot be made when this one fails."""
        found = self.children_of(cell)
        return found + tuple(deeper for child in found for deeper in self.descendants_of(self.cell(child)))

    def _variant(self, place: int) -> tuple[str, ...]:
        """The combination at `place`: a number whose digits are the choices, the last axis the lowest."""
        choices = []
        for axis in reversed(self._axes):
            place, digit = divmod(place, len(axis))
            choices.append(axis[digit])
        return tuple(reversed(choices))

    def _block(self, template: str) -> Block:
        return next(block for block in self.blocks if block.template == template)

    def _parent_size(self, size: str, parent: str) -> str:
        sizes = self._block(parent).sizes
        return size if size in sizes else sizes[0]

    def _moved(self, cell: Cell, template: str, size: str) -> int:
        return self.index_of(Cell(-1, template, cell.row, cell.variant, size, cell.sample))


def count_tasks(manifest: Manifest, *, rows: int) -> int:
    """How many pictures the manifest asks for over `rows` rows, without visiting them."""
    return Expansion(manifest, rows).total


def expand(manifest: Manifest, index: int, *, rows: int) -> Cell:
    """The cell at `index` of the manifest over `rows` rows. Pure: equal arguments give equal cells."""
    return Expansion(manifest, rows).cell(index)


def variant_values(manifest: Manifest, variant: tuple[str, ...]) -> Mapping[str, Any]:
    """What a template sees as `variant`: per axis the chosen values, with `name` for the choice itself."""
    axes = manifest.variants.items()
    return {
        axis: {"name": choice, **choices[choice]}
        for (axis, choices), choice in zip(axes, variant, strict=True)
    }
