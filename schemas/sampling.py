"""Sampling: the few cells of a grid that are made first, to see what the many will look like."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.grid import Cell, Grid


def sampled(grid: Grid, count: int) -> tuple[int, ...]:
    """The indexes of up to `count` cells, ascending: spread over rows and variants, every template in turn.

    A picture that is made from another one brings that one with it, so that whatever is in the sample can be made; a
    template whose chain is longer than the room that is left is not in it.
    """
    if count >= grid.total:
        return tuple(range(grid.total))
    found: dict[int, None] = {}
    for cell in _candidates(grid, count):
        chain = [index for index in _chain(grid, cell) if index not in found]
        if len(found) + len(chain) <= count:
            found |= dict.fromkeys(chain)
        if len(found) == count:
            break
    return tuple(sorted(found))


def _candidates(grid: Grid, count: int) -> Iterator[Cell]:
    """Stations spread over the catalog, each with one cell of every template; then, in order, what starts a chain."""
    stations = min(grid.rows * grid.variants.count, count)
    for station in range(stations):
        row = station * grid.rows // stations
        variant = grid.variants.at(station % grid.variants.count)
        for block in grid.blocks:
            yield Cell(-1, block.template, row, variant, block.sizes[station % len(block.sizes)], 1)
    for block in grid.blocks:
        if block.parent is None:
            yield from map(grid.cell, range(block.first, block.first + min(block.count, 2 * count)))


def _chain(grid: Grid, cell: Cell) -> list[int]:
    """The cell and everything it is made from, each by its index."""
    chain, above = [grid.index_of(cell)], grid.parent_of(cell)
    while above is not None:
        chain.append(above)
        above = grid.parent_of(grid.cell(above))
    return chain
