"""CSV after RFC 4180, and TSV with quotes or without: a header, and a record for each row below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ManifestError, Problem
from workers.catalogs.delimited import Fault, Rows
from workers.catalogs.quotes import has_quoted_cells
from workers.catalogs.record import (
    SOURCE,
    CatalogLimits,
    Record,
    checked_fields,
    refusal,
    row_problem,
    too_many_rows,
)
from workers.catalogs.sniff import open_text


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose header has been read and found good."""

    path: Path
    encoding: str
    delimiter: str
    quoted: bool
    limits: CatalogLimits
    columns: tuple[str, ...]

    def records(self) -> Iterator[Record | Problem]:
        """The data rows in order. Blank rows are left out but counted."""
        with open_text(self.path, self.encoding) as file:
            rows = Rows(file, self.delimiter, self.limits.max_row_bytes, quoted=self.quoted)
            rows.read_header()
            for number, row in enumerate(rows, start=1):
                if number > self.limits.max_rows:
                    yield too_many_rows(self.limits)
                    return
                if isinstance(row, Fault):
                    yield row_problem(number, row.code, f"Row {number} {row.detail}")
                elif any(row):
                    yield self._record(number, row)

    def _record(self, number: int, row: list[str]) -> Record | Problem:
        if len(row) > len(self.columns) and any(row[len(self.columns) :]):
            detail = (
                f"Row {number} has {len(row)} cells but the header has {len(self.columns)}: quote cells with "
            )
            return row_problem(number, "row_too_wide", f"{detail}{self.delimiter!r} in them.")
        cells: dict[str, str | None] = dict.fromkeys(self.columns)
        cells.update((column, cell or None) for column, cell in zip(self.columns, row, strict=False))
        return checked_fields(Record(number, cells), self.limits)


def open_table(path: Path, *, encoding: str, delimiter: str, limits: CatalogLimits) -> Table:
    """Reads the header of a table.

    Raises:
        ManifestError: There is no header, or it is malformed, too wide, or names a column twice.
    """
    quoted = delimiter != "\t" or has_quoted_cells(path, encoding, limits.max_row_bytes)
    with open_text(path, encoding) as file:
        header = Rows(file, delimiter, limits.max_row_bytes, quoted=quoted).read_header()
    if header is None:
        raise refusal("catalog_empty", "The catalog is empty: it has no header row.")
    if isinstance(header, Fault):
        raise refusal(header.code, f"The header row {header.detail}")
    columns = tuple(name or f"column_{place}" for place, name in enumerate(header, start=1))
    if len(columns) > limits.max_columns:
        detail = f"The catalog has {len(columns):,} columns; {limits.max_columns:,} are allowed."
        raise refusal("too_many_columns", detail)
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise ManifestError([Problem(SOURCE, "header_duplicated", _twice(name, columns)) for name in twice])
    return Table(path, encoding, delimiter, quoted, limits, columns)


def _twice(name: str, columns: tuple[str, ...]) -> str:
    places = [str(place) for place, column in enumerate(columns, start=1) if column == name]
    return f"The header names {name!r} in columns {' and '.join(places)}: rename all but one."
