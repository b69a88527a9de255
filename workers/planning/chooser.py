"""Choosing rows: which of a catalog's rows a manifest wants, by its `where`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.catalog import CANONICAL_FIELDS
from schemas.errors import Problem
from schemas.template import TemplateError, condition, visible
from schemas.wording import first_few, nearest

WHERE = "/catalog/where"
_FEW_ROWS = 5
_HINT = (
    "guard an empty field with `row.field and ...`; make a number of a text first: "
    "{% assign price = row.price | plus: 0 %}{% if price > 20 %}yes{% endif %}"
)


class RowChooser:
    """Decides row by row, and remembers which fields it asked for in vain.

    Attributes:
        left_out: rows that were not wanted.
    """

    def __init__(self, where: str) -> None:
        self._condition = condition(where)
        read = [path.split(".") for path in self._condition.needs]
        self._asked = {path[1] for path in read if len(path) > 1}
        self._seen = set(CANONICAL_FIELDS)
        self._columns = dict[str, None]()
        self._failed = dict[str, list[int]]()
        self.left_out = 0

    def wants(self, fields: Mapping[str, Any]) -> bool:
        """Whether a row with these fields is wanted. A field that only other rows have is empty; a row that cannot be
        asked is remembered."""
        self._seen.update(self._asked & fields.keys())
        if len(self._columns) < len(self._asked) + 1000:
            self._columns.update(dict.fromkeys(fields))
        try:
            row = visible({**dict.fromkeys(self._asked), **fields}, "row")
            answer = self._condition.render({"row": row})
        except TemplateError as error:
            self._failed.setdefault(str(error), []).append(fields["number"])
            return False
        is_wanted = answer not in ("", "false")
        self.left_out += not is_wanted
        return is_wanted

    def problems(self, rows: int) -> Iterator[Problem]:
        """What is wrong with the condition itself, once all rows were asked and `rows` of them were wanted."""
        for message, failed in self._failed.items():
            place = f" (in {len(failed):,} rows: {first_few(failed, _FEW_ROWS)})" if len(failed) > 1 else ""
            yield Problem.at_row(failed[0], "bad_condition", f"{WHERE}: {message}{place}; {_HINT}")
        unknown = sorted(self._asked - self._seen)
        for name in unknown:
            near = nearest(name, self._columns)
            hint = f"; did you mean row.{near}?" if near else ""
            yield Problem(WHERE, "unknown_field", f"no row has a field or column '{name}'{hint}")
        if self.left_out and not (rows or unknown or self._failed):
            yield Problem(WHERE, "empty", f"none of the catalog's {self.left_out:,} rows fits the condition")
