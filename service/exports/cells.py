"""Lines of tables: for people, whose spreadsheets must find no formula, and for shops, which take every cell as it is.

Source: OWASP ASVS 5.0, 1.2.10, in the copy at https://asvs.emil.hemdal.se/1.2.10, read 2026-11-21: RFC 4180, and an
apostrophe before =, +, -, @, tab and null. Wide signs, line ends and spaces in front are our own caution.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from schemas.rendition import Checked

_OPENS_A_FORMULA = re.compile(r"\s*[=+@\t\r\n＝＋－＠-]|[\t\r\n]")  # noqa: RUF001 - the wide ones count as well
_BREAKS = re.compile(r"[\t\r\n]+")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


PERFORMER_COLUMN = "contains_synthetic_performer"
CHECK_COLUMNS = ("check", "failed_rules", "warned_rules")


def check_cells(checks: Checked | None) -> tuple[str, str, str]:
    """The columns about the checks of a picture; empty where it was held against no rules."""
    if checks is None:
        return "", "", ""
    return checks.result, ", ".join(checks.failed), ", ".join(checks.warned)


def guarded(value: object) -> str:
    """A value as text, with an apostrophe before what a spreadsheet would work out; plain numbers stay as they are."""
    text = _text(value)
    return f"'{text}" if _OPENS_A_FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_line(values: Iterable[object]) -> bytes:
    """One line of a table for people, guarded: as RFC 4180 has it, every cell in quotes, UTF-8."""
    return _quoted(map(guarded, values))


def import_line(values: Iterable[object]) -> bytes:
    """The same for a shop's import, cells as they are: an apostrophe would change a title, or name another product."""
    return _quoted(map(_text, values))


def tab_line(values: Iterable[object]) -> bytes:
    """One line of a shop's import with tabs. Feeds of this kind know no quotes: a tab or line end becomes a space."""
    cells = (_BREAKS.sub(" ", _text(value)) for value in values)
    return ("\t".join(cells) + "\n").encode(errors="replace")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).replace("\x00", "")


def _quoted(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(cells)
    return out.getvalue().encode(errors="replace")
