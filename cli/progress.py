"""How a batch gets on: a live view on a terminal, else a line every few seconds. All of it is talk (standard error)."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from cli.output import is_terminal, printable, say

if TYPE_CHECKING:
    from rich.live import Live

Json = dict[str, Any]
WINDOW_S = 60.0
FEWEST = 3
"""Pictures that must have ended before a pace is told: one alone says nothing."""
SETTLED_S = 20.0
"""How long a batch is looked at before the time it takes is told: at first pictures come all at once, or not at all."""
LINE_EVERY_S = 5.0
ENDED = ("done", "failed", "parked", "skipped", "cancelled")


class Pace:
    """Pictures made a minute over the last minute. Told the time, in seconds of any clock that never goes back.

    What was skipped, cancelled, or there already took no call.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._last: Progress | None = None
        self._made = 0

    def add(self, now_s: float, progress: Progress) -> None:
        if self._last is not None:
            self._made += progress.made_since(self._last)
        self._last = progress
        self._seen.append((now_s, self._made))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - WINDOW_S:
            self._seen.popleft()

    @property
    def per_minute(self) -> float | None:
        """None until enough has ended while we looked."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (
            (last - first) / (last_s - first_s) * 60 if last_s > first_s and last - first >= FEWEST else None
        )

    @property
    def is_settled(self) -> bool:
        return self._seen[-1][0] - self._seen[0][0] >= SETTLED_S


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a batch.

    Args:
        is_settled: the pace is good for saying how long the rest takes.
    """

    batch: Json
    per_minute: float | None
    remark: str = ""
    is_settled: bool = True

    @property
    def ended(self) -> int:
        return sum(self.count(name) for name in ENDED)

    @property
    def total(self) -> int:
        return self.count("total")

    def made_since(self, earlier: Progress) -> int:
        """Pictures that calls have ended for."""
        return max(0, self._called - earlier._called)

    @property
    def _called(self) -> int:
        return sum(self.count(name) for name in ("done", "failed", "parked")) - self.reused

    @property
    def reused(self) -> int:
        return int(self.batch.get("reused", 0))

    def count(self, name: str) -> int:
        return int((self.batch.get("counts") or {}).get(name, 0))

    @property
    def left_s(self) -> float | None:
        """Seconds until everything has ended, at the present pace."""
        if not (self.per_minute and self.total and self.is_settled):
            return None
        return (self.total - self.ended) / self.per_minute * 60

    def __str__(self) -> str:
        if self.batch.get("state") == "planning":
            return "planning: the catalog is read, checked and priced"
        parts = [f"{pictures_of(self.batch)}/{self.total} {done_words(self.batch)}"]
        parts += [trouble_words(self.batch)]
        parts.append(f"{self.per_minute:.0f} images/min" if self.per_minute else "- images/min")
        parts.append(spent(self.batch))
        if self.left_s is not None and self.ended < self.total:
            parts.append(f"about {duration(self.left_s)} left")
        if limit := self.batch.get("limited_by"):
            parts.append(f"nothing starts: {limit}")
        return ", ".join([*parts, self.remark] if self.remark else parts)


class Display(Protocol):
    """Shows looks at a batch."""

    def show(self, progress: Progress, now_s: float) -> None: ...


class LineDisplay:
    """A plain line at once, then whenever something changed, at most every `LINE_EVERY_S`."""

    def __init__(self) -> None:
        self._shown_s = float("-inf")
        self._shown = ""

    def show(self, progress: Progress, now_s: float) -> None:
        line = str(progress)
        if line != self._shown and now_s >= self._shown_s + LINE_EVERY_S:
            say(line)
            self._shown, self._shown_s = line, now_s


class LiveDisplay:
    """A bar and the same words, redrawn in place on a started `rich.live.Live`."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, progress: Progress, now_s: float) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = ProgressBar(total=max(progress.total, 1), completed=progress.ended, width=60)
        name = Text(printable(str(progress.batch.get("name") or "")), style="bold")
        view = Table.grid()
        for part in (name, bar, Text(printable(str(progress)))):
            view.add_row(part)
        self._live.update(view, refresh=True)


@contextmanager
def display_on_stderr() -> Iterator[Display]:
    """What suits standard error; the terminal is put back at the end."""
    if not is_terminal(sys.stderr):
        yield LineDisplay()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield LiveDisplay(live)


def pictures_of(batch: Json) -> int:
    """How many of its pictures there are: the same picture twice is made once, and there for both."""
    counts = batch.get("counts") or {}
    return int(counts.get("done", 0)) + int(counts.get("skipped", 0))


def done_words(batch: Json) -> str:
    """What stands behind the number of pictures that there are."""
    twins = int((batch.get("counts") or {}).get("skipped", 0))
    return f"done ({twins} the same as others)" if twins else "done"


def trouble_words(batch: Json) -> str:
    """`2 failed, 1 parked`: those of which there is no picture; failed ones are named also where there is none."""
    counts = batch.get("counts") or {}
    named = {name: int(counts.get(name, 0)) for name in ("failed", "parked", "cancelled")}
    return ", ".join(f"{count} {name}" for name, count in named.items() if count or name == "failed")


def spent(batch: Json) -> str:
    """`$1.25 of $10.00`, or without a cap `$1.25`."""
    cost = batch.get("cost") or {}
    cap = cost.get("cap")
    return dollars(cost.get("spent", "0.00")) + (f" of {dollars(cap)}" if cap else "")


def dollars(amount: str) -> str:
    """`$5.04` of `5.0448`; below a dollar every decimal counts."""
    return f"${amount}" if Decimal(amount) < 1 else f"${Decimal(amount):.2f}"


def duration(seconds: float) -> str:
    """`45 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
