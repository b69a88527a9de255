"""The rows of a delimited text, one by one, none larger than its limit in memory."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from workers.catalogs.record import size_bytes
from workers.catalogs.spaces import may_be_spaced, without_spaces

NAMED_DELIMITER = re.compile(r'"?sep=([^\w\s"]|\t)"?(?=\s|$)', re.IGNORECASE)
"""A first line that tells Excel the delimiter of the rest."""

_HEADER_WITHIN_ROWS = 100
_LINE_END_BYTES = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row, as the end of a sentence."""

    code: str
    detail: str


class _RowTooLargeError(Exception):
    """The row that csv is asking lines for is over the limit, and has been skipped to its end."""


class _Lines:
    """Hands the lines of a file to csv, keeps those of the present row, and counts what they take."""

    def __init__(self, file: TextIO, max_row_bytes: int, *, quoted: bool) -> None:
        self._file = file
        self._quoted = quoted
        self._max_row_bytes = max_row_bytes
        self._row_bytes = 0
        self._quotes = 0
        self._again = deque[str]()
        self.row = list[str]()

    def begin_row(self) -> None:
        self._row_bytes = self._quotes = 0
        self.row.clear()

    def give_again(self) -> None:
        """From the beginning of the row, for who reads it in another way."""
        self._again.extendleft(reversed(self.row))
        self.begin_row()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._read()
        if not line:
            raise StopIteration
        if self._row_bytes > self._max_row_bytes + _LINE_END_BYTES:
            self._skip_row(line)
            raise _RowTooLargeError
        self.row.append(line)
        return line

    def _read(self) -> str:
        line = (
            self._again.popleft()
            if self._again
            else self._file.readline(self._max_row_bytes + _LINE_END_BYTES + 1)
        )
        self._row_bytes += size_bytes(line)
        self._quotes += self._quoted and line.count('"')
        return line

    def _skip_row(self, line: str) -> None:
        """Reads on to the row's end: a line's end outside quotes, where as many have closed as opened."""
        while line and not (line.endswith(("\n", "\r")) and self._quotes % 2 == 0):
            line = self._read()


class Rows:
    """The rows of an open table, header included: cells without outer spaces, or what is wrong with the row."""

    def __init__(self, file: TextIO, delimiter: str, max_row_bytes: int, *, quoted: bool) -> None:
        """`quoted`: a quote at the beginning of a cell wraps it; else quotes are letters like any other."""
        self._max_row_bytes = max_row_bytes
        self._quoted = quoted
        self._delimiter = delimiter
        self._lines = _Lines(file, max_row_bytes, quoted=quoted)
        # csv's own limit on a cell holds for the process, and is lower than that of a row.
        csv.field_size_limit(max(csv.field_size_limit(), max_row_bytes + _LINE_END_BYTES))
        self._reader = self._read(self._lines)

    def read_header(self) -> list[str] | Fault | None:
        """The first row that is not blank and does not name the delimiter; None if there is none near the beginning."""
        found = (row for row in islice(self, _HEADER_WITHIN_ROWS) if isinstance(row, Fault) or any(row))
        header = next(found, None)
        return next(found, None) if NAMED_DELIMITER.match("".join(self._lines.row)) else header

    def __iter__(self) -> Iterator[list[str] | Fault]:
        return self

    def __next__(self) -> list[str] | Fault:
        self._lines.begin_row()
        try:
            return [cell.strip() for cell in self._cells()]
        except _RowTooLargeError:
            detail = f"is larger than {self._max_row_bytes:,} bytes."
            hint = " Perhaps a quote in it is never closed." if self._quoted else ""
            return Fault("row_too_large", detail + hint)
        except csv.Error as error:
            return Fault("row_malformed", f"cannot be read: {error}. Look at its quotes.")

    def _cells(self) -> list[str]:
        """The next row. One with spaces around quotes is read again without them."""
        try:
            cells = next(self._reader)
        except csv.Error:
            if not self._is_spaced:
                raise
        else:
            if not self._is_spaced:
                return cells
        self._lines.give_again()
        return next(self._read(without_spaces(self._lines, self._delimiter)))

    @property
    def _is_spaced(self) -> bool:
        return self._quoted and may_be_spaced(self._lines.row, self._delimiter)

    def _read(self, lines: Iterator[str]) -> Iterator[list[str]]:
        # strict: a misplaced quote is an error of its row instead of cells that run together in silence.
        return csv.reader(
            lines,
            delimiter=self._delimiter,
            quoting=csv.QUOTE_MINIMAL if self._quoted else csv.QUOTE_NONE,
            strict=True,
        )
