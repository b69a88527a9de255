"""Lines of tables that people open in a spreadsheet: no cell is taken for a formula there.

Source: https://owasp.org/www-community/attacks/CSV_Injection and OWASP ASVS 5.0, 1.2.10, checked 2026-11-21.
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


CHECK_COLUMNS = ("check", "failed_rules", "warned_rules")


def check_cells(checks: Checked | None) -> tuple[str, str, str]:
    """The columns about the checks of a picture; empty where it was held against no rules."""
    if checks is None:
        return "", "", ""
    return checks.result, ", ".join(checks.failed), ", ".join(checks.warned)


def guarded(value: object) -> str:
    """A value as text, with an apostrophe before what a spreadsheet would work out; plain numbers stay as they are."""
    text = "" if value is None else str(value).replace("\x00", "")
    return f"'{text}" if _OPENS_A_FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_line(values: Iterable[object]) -> bytes:
    """One line as RFC 4180 has it, every cell in quotes, UTF-8."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(map(guarded, values))
    return out.getvalue().encode(errors="replace")


def tab_line(values: Iterable[object]) -> bytes:
    """One line with tabs between its cells. Feeds of this kind know no quotes: a tab or line end becomes a space."""
    cells = (_BREAKS.sub(" ", guarded(value)) for value in values)
    return ("\t".join(cells) + "\n").encode(errors="replace")
