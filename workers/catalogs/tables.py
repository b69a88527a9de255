"""CSV and TSV after RFC 4180, row by row, no row larger than its limit in memory."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from schemas.errors import ManifestError, Problem
from workers.catalogs.record import (
    SOURCE,
    CatalogLimits,
    Record,
    checked_fields,
    refusal,
    row_problem,
    size_bytes,
    too_many_rows,
)
from workers.catalogs.sniff import open_text

_HEADER_WITHIN_ROWS = 100
_LINE_END_BYTES = 2


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose header has been read and found good."""

    path: Path
    encoding: str
    delimiter: str
    limits: CatalogLimits
    columns: tuple[str, ...]

    def records(self) -> Iterator[Record | Problem]:
        """The data rows in order. Blank rows are left out but counted."""
        with open_text(self.path, self.encoding) as file:
            rows = _Rows(file, self.delimiter, self.limits.max_row_bytes)
            rows.read_header()
            for number, row in enumerate(rows, start=1):
                if number > self.limits.max_rows:
                    yield too_many_rows(self.limits)
                    return
                if isinstance(row, _Fault):
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
    with open_text(path, encoding) as file:
        header = _Rows(file, delimiter, limits.max_row_bytes).read_header()
    if header is None:
        raise refusal("catalog_empty", "The catalog is empty: it has no header row.")
    if isinstance(header, _Fault):
        raise refusal(header.code, f"The header row {header.detail}")
    columns = tuple(name or f"column_{place}" for place, name in enumerate(header, start=1))
    if len(columns) > limits.max_columns:
        detail = f"The catalog has {len(columns):,} columns; {limits.max_columns:,} are allowed."
        raise refusal("too_many_columns", detail)
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise ManifestError([Problem(SOURCE, "header_duplicated", _twice(name, columns)) for name in twice])
    return Table(path, encoding, delimiter, limits, columns)


def _twice(name: str, columns: tuple[str, ...]) -> str:
    places = [str(place) for place, column in enumerate(columns, start=1) if column == name]
    return f"The header names {name!r} in columns {' and '.join(places)}: rename all but one."


@dataclass(frozen=True, slots=True)
class _Fault:
    code: str
    detail: str


class _RowTooLargeError(Exception):
    """The row that csv is asking lines for is over the limit, and has been skipped to its end."""


class _Lines:
    """Hands the lines of a file to csv, and counts what the row they belong to takes."""

    def __init__(self, file: TextIO, max_row_bytes: int) -> None:
        self._file = file
        self._max_row_bytes = max_row_bytes
        self._row_bytes = 0
        self._quotes = 0

    def begin_row(self) -> None:
        self._row_bytes = self._quotes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._read()
        if not line:
            raise StopIteration
        if self._row_bytes > self._max_row_bytes + _LINE_END_BYTES:
            self._skip_row(line)
            raise _RowTooLargeError
        return line

    def _read(self) -> str:
        line = self._file.readline(self._max_row_bytes + _LINE_END_BYTES + 1)
        self._row_bytes += size_bytes(line)
        self._quotes += line.count('"')
        return line

    def _skip_row(self, line: str) -> None:
        """Reads on to the row's end: a line's end outside quotes, where as many have closed as opened."""
        while line and not (line.endswith(("\n", "\r")) and self._quotes % 2 == 0):
            line = self._read()


class _Rows:
    """The rows of an open table, header included: cells without outer spaces, or what is wrong with the row."""

    def __init__(self, file: TextIO, delimiter: str, max_row_bytes: int) -> None:
        self._max_row_bytes = max_row_bytes
        self._lines = _Lines(file, max_row_bytes)
        # strict: a misplaced quote is an error of its row instead of cells that run together in silence.
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)

    def read_header(self) -> list[str] | _Fault | None:
        """The first row that is not blank; None if there is none near the beginning."""
        return next(
            (row for row in islice(self, _HEADER_WITHIN_ROWS) if isinstance(row, _Fault) or any(row)), None
        )

    def __iter__(self) -> Iterator[list[str] | _Fault]:
        return self

    def __next__(self) -> list[str] | _Fault:
        self._lines.begin_row()
        try:
            return [cell.strip() for cell in next(self._reader)]
        except _RowTooLargeError:
            limit = f"{self._max_row_bytes:,} bytes"
            return _Fault("row_too_large", f"is larger than {limit}. Perhaps a quote in it is never closed.")
        except csv.Error as error:
            return _Fault("row_malformed", f"cannot be read: {error}. Look at its quotes.")
