"""A mapping at work: fields that a producer says where to find, on top of what their dialect finds by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.errors import ManifestError, Problem, escaped
from schemas.mapping import FieldSource, parsed_path
from workers.catalogs.columns import columns_told, find_column, read_field, snake
from workers.catalogs.record import Draft, Reader, Source

Fields = Mapping[str, FieldSource]
"""Canonical field -> where it comes from."""


class MappedReader:
    """A reader whose fields are taken from elsewhere. A column that thereby lost its field becomes an attribute."""

    def __init__(self, reader: Reader, fields: Fields) -> None:
        self._reader = reader
        self._fields = fields
        own = {field: source.shown for field, source in fields.items()}
        self.mapping: Mapping[str, tuple[str, ...]] = {**reader.mapping, **own}
        self.key_columns = reader.key_columns
        self._freed = [
            column for field in fields for column in reader.mapping.get(field, ()) if column not in own[field]
        ]

    def drafts(self) -> Iterator[Draft | Problem]:
        for draft in self._reader.drafts():
            if isinstance(draft, Draft):
                for column in self._freed:
                    draft.attrs.setdefault(snake(column), draft.raw.get(column))
                draft.fields.update(
                    (field, _value(field, source, draft.raw)) for field, source in self._fields.items()
                )
            yield draft


def settled(fields: Fields, source: Source, *, is_table: bool) -> dict[str, FieldSource]:
    """The mapping with its columns as the source writes them.

    Raises:
        ManifestError: columns that a table does not have. Objects may have them further on.
    """
    found, problems = dict[str, FieldSource](), list[Problem]()
    for field, given in fields.items():
        names = [(name, find_column(name, source.columns)) for name in given.columns or ()]
        missing = [name for name, column in names if column is None]
        if missing and is_table:
            detail = f"There is no column {missing[0]!r}. {columns_told(source.columns)}"
            problems.append(Problem(f"/catalog/mapping/{escaped(field)}", "column_missing", detail))
        columns = tuple(column or name for name, column in names) or None
        found[field] = given.model_copy(update={"columns": columns})
    if problems:
        raise ManifestError(problems)
    return found


def _value(field: str, source: FieldSource, cells: Mapping[str, Any]) -> Any:
    if source.columns is not None:
        return read_field(field, [cells.get(column) for column in source.columns])
    if source.path is None:
        return read_field(field, [source.value])
    nodes = parsed_path(source.path).find(dict(cells)).values()
    return read_field(field, [nodes[0] if len(nodes) == 1 else nodes])
