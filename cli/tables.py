"""Tables for the eye: a line a row, no wider than the terminal; what finds no room on it stands below its row.

Nothing is cut: an id, a key or a name can be copied as it stands.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

GAP = 2
_NUMBER = re.compile(r"[-<$]*[\d.,]+(/[\d,]+)?")
"""Amounts, counts, and counts of so many; a column that holds nothing else is aligned at its right."""


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The lines of a table. Columns without a word are left out; those that find no room go below, the last one first.

    Args:
        rows: texts in the order of `headings`.
        width: of the terminal, in cells.
    """
    filled = [place for place in range(len(headings)) if place == 0 or any(row[place] for row in rows)]
    texts = {place: [" ".join(row[place].split("\n")) for row in rows] for place in filled}
    widths = {place: max(map(cell_len, (headings[place], *texts[place]))) for place in filled}
    fitting = list(filled)
    while len(fitting) > 1 and sum(widths[place] + GAP for place in fitting) - GAP > width:
        fitting.pop()
    below = filled[len(fitting) :]
    numbers = {place for place in fitting if all(_NUMBER.fullmatch(text) for text in texts[place] if text)}

    def line(words: dict[int, str]) -> str:
        padded = (_padded(words[place], widths[place], place in numbers) for place in fitting)
        return (" " * GAP).join(padded).rstrip()

    yield line({place: headings[place].upper() for place in fitting})
    indent = " " * (min(widths[0], 5) + GAP if below else 0)
    for number in range(len(rows)):
        yield line({place: texts[place][number] for place in fitting})
        beside = [f"{headings[place]}: {text}" for place in below if (text := texts[place][number])]
        yield from (f"{indent}{part}" for part in _flowing(beside, width - len(indent)))


def folded(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken between words alone, so that an id or a key stays whole."""
    return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]


def _padded(text: str, width: int, is_number: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if is_number else text + blanks


def _flowing(parts: Sequence[str], width: int) -> Iterator[str]:
    """Short ones beside each other; what is longer than a line has lines of its own."""
    line = ""
    for part in parts:
        if line and cell_len(line) + GAP + cell_len(part) > width:
            yield from folded(line, width)
            line = ""
        line = f"{line}{' ' * GAP}{part}" if line else part
    if line:
        yield from folded(line, width)
