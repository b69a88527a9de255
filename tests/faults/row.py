"""A row of the fault suite: one kind of fault, declared once, with a quick size and a long one.

The quick one runs with the tests; the long one by `make faults`, which prints one table of all rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass, fields, replace

from tests.faults.stage import Stage
from tests.studio import Books


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it: tasks, and how often the fault comes."""

    tasks: int
    times: int = 1
    is_long: bool = False

    @property
    def within_s(self) -> float:
        """Longest wait for the end of everything; generous."""
        return 1800.0 if self.is_long else 240.0


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured. A target counts in the long size alone: a busy machine is no reason for a test to fail."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def __str__(self) -> str:
        text = f"{self.name} {self.value:.3g}{self.unit}"
        if self.at_most is not None:
            text += f" (<= {self.at_most:g})"
        if self.at_least is not None:
            text += f" (>= {self.at_least:g})"
        return text if self.is_met else f"{text} MISSED"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of tasks and money, and what was measured on the way.

    Args:
        forgotten: calls in flight of which every trace is gone; that many may be paid again, and no more.
    """

    books: Books
    figures: tuple[Figure, ...] = ()
    forgotten: int = 0

    def check(self) -> None:
        """What holds whatever happened: every task has an end, every charge is in our books, nothing was paid twice."""
        books = self.books
        assert books.acknowledged > 0
        assert (books.lost, books.unaccounted) == (0, 0), str(books)
        assert books.duplicated <= self.forgotten, str(books)

    def missed(self) -> list[Figure]:
        return [figure for figure in self.figures if not figure.is_met]


Play = Callable[[Stage, Size], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    quick: Size
    long: Size
    play: Play

    async def played(self, stage: Stage, size: Size) -> Result:
        """Plays it, and prints its line of the table.

        Raises:
            AssertionError: something that must hold did not.
        """
        result = await self.play(stage, size)
        print("\n" + line(self.name, result))
        result.check()
        return result


def row(name: str, *, quick: Size, long: Size) -> Callable[[Play], Row]:
    """Declares a row: what is decorated plays it."""
    return lambda play: Row(name, quick, replace(long, is_long=True), play)


COLUMNS = tuple(each.name for each in fields(Books))
_NAME, _WIDE = 46, 12


def heading() -> str:
    return "fault".ljust(_NAME) + "".join(name.rjust(_WIDE) for name in COLUMNS) + "  figures"


def line(name: str, result: Result) -> str:
    """A row of the table: tasks, then money in micro-dollars, then what was measured."""
    numbers = "".join(f"{value:,}".rjust(_WIDE) for value in astuple(result.books))
    return f"{name.ljust(_NAME)}{numbers}  {' · '.join(map(str, result.figures))}"
