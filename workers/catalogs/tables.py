"""CSV after RFC 4180, and TSV with quotes or without: a header, and a record for each row below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ManifestError, Problem
from workers.catalogs.columns import snake
from workers.catalogs.delimited import Fault, Rows
from workers.catalogs.dialects.google_merchant import REPEATABLE
from workers.catalogs.quotes import has_quoted_cells
from workers.catalogs.record import (
    SOURCE,
    CatalogLimits,
    Cells,
    Record,
    checked_fields,
    refusal,
    row_problem,
    too_many_rows,
)
from workers.catalogs.sniff import find_dialect, open_text


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose header has been read and found good.

    Attributes:
        columns: without repetition.
        repeated: the places of those columns that stand in the header more than once; their cells are lists.
    """

    path: Path
    encoding: str
    delimiter: str
    quoted: bool
    limits: CatalogLimits
    header: tuple[str, ...]
    columns: tuple[str, ...]
    repeated: Mapping[str, tuple[int, ...]]

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
        width = len(self.header)
        if len(row) > width and any(row[width:]):
            detail = f"Row {number} has {len(row)} cells but the header has {width}: quote cells with "
            return row_problem(number, "row_too_wide", f"{detail}{self.delimiter!r} in them.")
        cells: Cells = dict.fromkeys(self.columns)
        cells.update(zip(self.header, [cell or None for cell in row], strict=False))
        for column, places in self.repeated.items():
            cells[column] = [row[place] for place in places if place < len(row) and row[place]] or None
        return checked_fields(Record(number, cells), self.limits)


def open_table(
    path: Path, *, encoding: str, delimiter: str, limits: CatalogLimits, dialect: str = "auto"
) -> Table:
    """Reads the header of a table.

    Raises:
        ManifestError: There is no header, or it is malformed, too wide, or names a column twice that is no list.
    """
    quoted = delimiter != "\t" or has_quoted_cells(path, encoding, limits.max_row_bytes)
    with open_text(path, encoding) as file:
        header = Rows(file, delimiter, limits.max_row_bytes, quoted=quoted).read_header()
    if header is None:
        raise refusal("catalog_empty", "The catalog is empty: it has no header row.")
    if isinstance(header, Fault):
        raise refusal(header.code, f"The header row {header.detail}")
    names = tuple(name or f"column_{place}" for place, name in enumerate(header, start=1))
    if len(names) > limits.max_columns:
        detail = f"The catalog has {len(names):,} columns; {limits.max_columns:,} are allowed."
        raise refusal("too_many_columns", detail)
    columns = tuple(dict.fromkeys(names))
    spoken = find_dialect(columns) if dialect == "auto" else dialect
    lists = frozenset[str]() if spoken in ("shopify", "woocommerce") else REPEATABLE
    repeated = _repeated(names, lists)
    return Table(path, encoding, delimiter, quoted, limits, names, columns, repeated)


def _repeated(names: tuple[str, ...], lists: frozenset[str]) -> dict[str, tuple[int, ...]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    twice = {name: tuple(found) for name, found in places.items() if len(found) > 1}
    if wrong := [name for name in twice if snake(name) not in lists]:
        raise ManifestError(
            [Problem(SOURCE, "header_duplicated", _twice(name, twice[name])) for name in wrong]
        )
    return twice


def _twice(name: str, places: tuple[int, ...]) -> str:
    columns = " and ".join(str(place + 1) for place in places)
    return f"The header names {name!r} in columns {columns}: rename all but one."
