"""Mistakes: what is wrong with the rows of a plan or with a text that they fill, each kind said once.

A word that is missing in a prompt is missing for every row: it is told with the first row, and with how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from schemas.errors import Problem

_ROWS_TOLD = 5
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Mistake:
    """A problem, and what it has in common with those of other rows that are told together with it."""

    problem: Problem
    kind: tuple[str, ...]


@dataclass(slots=True)
class _Met:
    """The first of a kind; `rows` are the first ones, by their places in the source."""

    problem: Problem
    count: int = 0
    rows: list[int] = field(default_factory=list)


class Mistakes:
    """Collects the mistakes of one plan. As long as it has kinds of them."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, ...], _Met] = {}

    def __len__(self) -> int:
        return len(self._met)

    def note(self, mistake: Mistake) -> None:
        """Takes a mistake down. One row may have several of a kind, and counts once."""
        met = self._met.setdefault(mistake.kind, _Met(mistake.problem))
        row = mistake.problem.row
        if row is None or met.rows[-1:] == [row]:
            return
        met.count += 1
        met.rows[_ROWS_TOLD:] = [row]  # the last one stays, to be known again

    def told(self) -> list[Problem]:
        """A problem of each kind, in the order in which they were met."""
        return [
            replace(met.problem, detail=f"{met.problem.detail}{_rows(met)}") for met in self._met.values()
        ]


def _rows(met: _Met) -> str:
    if met.count < 2:
        return ""
    few = ", ".join(f"{row:,}" for row in met.rows[:_ROWS_TOLD])
    return f" (in {met.count:,} rows: {few}{', ...' if met.count > _ROWS_TOLD else ''})"


def shortened(url: str) -> str:
    """An address as it may be shown: without a password and a signature, and not too long."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("#")[0].partition("/")
    text = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
