"""Rendering: what templates see of a row, and the texts that follow for one cell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from schemas.asset import safe_key
from schemas.catalog import CANONICAL_FIELDS, Row
from schemas.expansion import Cell, variant_values
from schemas.manifest import Manifest
from schemas.template import parsed, visible


def row_values(row: Row, read: Collection[str] = ("*",)) -> dict[str, Any]:
    """A row as templates see it: its canonical fields, then its other columns by name, then `attrs` and `raw`.

    `read`: which of them are read; `*` stands for all.
    """
    values = {**row.attrs, **vars(row)}
    if "*" not in read:
        values = {name: values[name] for name in read if name in values}
    return visible(values, "row")  # type: ignore[no-any-return]


def row_fields(attrs: Mapping[str, Any]) -> frozenset[str]:
    """The names a template may read of a row."""
    return frozenset(CANONICAL_FIELDS) | frozenset(attrs)


def cell_values(manifest: Manifest, cell: Cell, row: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the templates of a cell see; `row` as `row_values` gives it."""
    return {
        "row": row,
        "variant": visible(variant_values(manifest, cell.variant), "variant"),
        "variant_key": cell.variant_key,
        "template": cell.template,
        "size": cell.size,
        "sample": cell.sample,
    }


def output_key(manifest: Manifest, values: Mapping[str, Any]) -> str:
    """Where the cell's picture goes, below the batch's folder, without its extension.

    Raises:
        TemplateError: the key's template cannot be filled from this row.
        ValueError: nothing usable is left of it.
    """
    return safe_key(parsed(manifest.output.key).render(values))
