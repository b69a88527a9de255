"""Filling in: the texts of a manifest for the cells of one row after the other, each part of them as seldom as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any

from schemas.combining import Combined
from schemas.expansion import Cell
from schemas.manifest import Manifest
from schemas.rendering import cell_values
from schemas.template import MAX_PROMPT_CHARS, PromptTemplate, TemplateError, parsed

_KEPT_CELLS = 4096
_KEPT_CHARS = 4_000_000
_ENTRY_CHARS = 100
"""What a kept text takes beside its characters; many come out empty."""


class Filler:
    """Knows the cells of a manifest, and what came out of its texts.

    What only the row decides is filled in once for the row; what the row has no part in, once for all rows.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._variants = Combined(manifest.variants, manifest.combinations)
        self._fixed: dict[Cell, dict[str, Any]] = {}
        self._few: dict[tuple[str, tuple[str, ...]], tuple[Cell, ...]] = {}
        self._of_row: dict[tuple[str, int], str] = {}
        self._of_cell: dict[tuple[str, int, Cell], str] = {}
        self._kept_chars = 0

    def next_row(self) -> None:
        """Forgets what came out for the row before."""
        self._of_row.clear()

    def cells(self, template: str, reads: tuple[str, ...]) -> Iterable[Cell]:
        """One cell for each different rendering: only what the text reads is varied. Few ones are kept for other rows."""
        few = self._few.get((template, reads))
        if few is None:
            few = tuple(islice(self._every_cell(template, reads), _KEPT_CELLS + 1))
            self._few[template, reads] = few = few if len(few) <= _KEPT_CELLS else ()
        return few or self._every_cell(template, reads)

    def filled(self, text: str, cell: Cell, row: Mapping[str, Any]) -> str:
        """What a worker will make of this text for this cell.

        Args:
            row: the present one, as `row_values` gives it.

        Raises:
            TemplateError: it cannot be filled in.
        """
        template, values = parsed(text), self._values(cell, row)
        try:
            made = "".join(
                self._passage(template, text, place, cell, values) for place in range(len(template.passages))
            )
        except TemplateError:
            return template.render(values)  # which knows what is wrong first, if anything is
        return made.strip() if len(made) <= MAX_PROMPT_CHARS else template.render(values)

    def _passage(
        self, template: PromptTemplate, text: str, place: int, cell: Cell, values: Mapping[str, Any]
    ) -> str:
        passage = template.passages[place]
        if passage.reads_row and passage.reads_cell:
            return template.text_of(place, values)
        if passage.reads_row:
            made = self._of_row.get((text, place))
            if made is None:
                made = self._of_row[text, place] = template.text_of(place, values)
            return made
        made = self._of_cell.get((text, place, cell))
        if made is None:
            made = template.text_of(place, values)
            if self._kept_chars < _KEPT_CHARS:
                self._of_cell[text, place, cell] = made
                self._kept_chars += len(made) + _ENTRY_CHARS
        return made

    def _every_cell(self, template: str, reads: tuple[str, ...]) -> Iterator[Cell]:
        roots = {path.split(".")[0] for path in reads}
        sizes, samples = self._manifest.sizes_of(template), range(1, self._manifest.samples_of(template) + 1)
        yield from (
            Cell(-1, template, 0, variant, size, sample)
            for variant, size, sample in product(
                self._variants.projected(self._variants.read_by(reads)),
                sizes if "size" in roots else sizes[:1],
                samples if "sample" in roots else samples[:1],
            )
        )

    def _values(self, cell: Cell, row: Mapping[str, Any]) -> dict[str, Any]:
        fixed = self._fixed.get(cell)
        if fixed is None:
            fixed = cell_values(self._manifest, cell, {})
            if len(self._fixed) < _KEPT_CELLS:
                self._fixed[cell] = fixed
        return {**fixed, "row": row}
