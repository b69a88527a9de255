"""Whether quotes wrap the cells of a tab-separated file, as spreadsheets have it, or are letters, as in most feeds.

Google's Merchant Center knows both kinds ("value quoting", "normal character"), and finds out as well.

Source: https://hexdocs.pm/google_api_content/0.30.0/GoogleApi.Content.V21.Model.DatafeedFormat.html, checked 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from workers.catalogs.delimited import NAMED_DELIMITER, Fault, Rows
from workers.catalogs.sniff import open_text

_OPENING = re.compile(r'(?:^|\t)"')
_WRAPPED = re.compile(r'(?:^|\t)"((?:[^"\t]|"")*)"(?=[\t\r\n]|$)')


def has_quoted_cells(path: Path, encoding: str, max_row_bytes: int) -> bool:
    """Whether the cells of a tab-separated file are to be read as RFC 4180 has it. Reads all of it, once or twice.

    They are where the header is in quotes; else where no quote is out of place and some are needed: around a tab, a
    line end, doubled quotes, a comma (Excel quotes those) or nothing. Quotes are letters where lines as they stand
    have exactly the header's width, and quotes would make fewer rows of them.
    """
    with open_text(path, encoding) as file:
        lines = _lines_of(file, max_row_bytes)
        told = (line for line in lines if line.strip() and not NAMED_DELIMITER.match(line))
        look = _Look(next(told, ""))
        if look.is_header_quoted:
            return True
        for line in lines:
            look.at(line)
    if not look.opens:
        return False
    read = _as_quoted(path, encoding, max_row_bytes)
    if read is None:
        return False
    return look.wraps if read == (look.lines, look.tabs) else not look.fits


def _as_quoted(path: Path, encoding: str, max_row_bytes: int) -> tuple[int, int] | None:
    """How many rows there are below the header, and tabs between their cells; None if a quote is out of place."""
    with open_text(path, encoding) as file:
        rows = Rows(file, "\t", max_row_bytes, quoted=True)
        rows.read_header()
        count = tabs = 0
        for row in rows:
            if isinstance(row, Fault):
                return None
            count += 1
            tabs += max(0, len(row) - 1)
    return count, tabs


class _Look:
    """What the lines below a header look like where quotes are letters.

    Attributes:
        opens: a cell begins with a quote.
        wraps: quotes stand around what only needs them where they are no letters.
        fits: every line has the header's width.
        tabs: in all lines.
    """

    def __init__(self, header: str) -> None:
        self.is_header_quoted = header.startswith('"')
        self._width = header.count("\t")
        self.opens = self.wraps = False
        self.fits = True
        self.lines = self.tabs = 0

    def at(self, line: str) -> None:
        tabs = line.count("\t")
        self.lines += 1
        self.tabs += tabs
        self.fits &= tabs == self._width or not line.strip()
        if '"' in line:
            self.opens |= _OPENING.search(line) is not None
            self.wraps |= any(not cell or '"' in cell or "," in cell for cell in _WRAPPED.findall(line))


def _lines_of(file: TextIO, max_bytes: int) -> Iterator[str]:
    while line := file.readline(max_bytes):
        yield line
