"""What the provider's count says of a doubt. Pure.

The report counts pictures by the minute, and nobody has published whether a call belongs to the minute it began or
the minute it ended in. So minutes are compared in spans at whose borders the lane was still: no call was on its way, so
that each belongs to one span whatever the rule is. A lane that is never still gets no answer here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from schemas.failure import Charged

MINUTE_MS = 60_000
SKEW_MS = 5_000
"""Between the provider's clock and ours, at most."""

LOOK_BACK = 60
"""Minutes before a doubt in which a still border is looked for."""


class Minute(Protocol):
    """The calls that a lane sent in one minute; see `core.state.doubts`."""

    @property
    def open(self) -> int: ...
    @property
    def charged(self) -> int: ...
    @property
    def unsure(self) -> int: ...
    @property
    def crossed(self) -> int: ...
    @property
    def at_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes `first` up to, not with, `end`, with everything in them that we know.

    Args:
        charged: pictures that the provider has to count here.
        unsure: those it may count besides, the doubts among them.
        ended_ms: when the last of these calls had ended, as far as calls may last.
    """

    first: int
    end: int
    charged: int
    unsure: int
    ended_ms: int

    def verdict(self, images: int) -> Charged:
        """Whether the doubts in this span were charged for; unknown where some may have been and others not."""
        if images == self.charged:
            return Charged.NO
        return Charged.YES if images == self.charged + self.unsure else Charged.UNKNOWN


def first_minute(since_ms: int, deadline_s: float) -> int:
    """The earliest minute that `span_of` looks at."""
    return since_ms // MINUTE_MS - LOOK_BACK - _minutes(deadline_s)


def span_of(minutes: Mapping[int, Minute], since_ms: int, now_ms: int, *, deadline_s: float) -> Span | None:
    """The shortest span around a doubt with still borders; None when there is none.

    Args:
        minutes: of the lane, from `first_minute` to now, by number since the epoch.
        since_ms: when the request in doubt left.
        deadline_s: the longest that a call lasts.
    """
    begun, over = (since_ms - SKEW_MS) // MINUTE_MS, _last_minute(since_ms, deadline_s)
    first = next((m for m in range(begun, begun - LOOK_BACK, -1) if _is_still(minutes, m, deadline_s)), None)
    if first is None:
        return None
    present = now_ms // MINUTE_MS
    after = (m for m in range(over + 1, present + 1) if _is_still(minutes, m, deadline_s))
    end = next(after, present + 1)
    within = [minutes[m] for m in range(first, end) if m in minutes]
    ends_ms = (one.at_ms + (deadline_s * 1000 if one.open else 0) for one in within)
    return Span(
        first,
        end,
        charged=sum(one.charged for one in within),
        unsure=sum(one.unsure + one.open for one in within),
        ended_ms=int(max(ends_ms, default=0)),
    )


def _is_still(minutes: Mapping[int, Minute], border: int, deadline_s: float) -> bool:
    """Whether no call was on its way when minute `border` began. One that never ended lasted as long as a call can."""
    if border in minutes and minutes[border].crossed:
        return False
    earlier = range(border - _minutes(deadline_s), border)
    return not any(
        minutes[m].open and _last_minute(minutes[m].at_ms, deadline_s) >= border
        for m in earlier
        if m in minutes
    )


def _last_minute(since_ms: int, deadline_s: float) -> int:
    return int(since_ms + deadline_s * 1000 + SKEW_MS) // MINUTE_MS


def _minutes(deadline_s: float) -> int:
    """How many minutes a call can touch beyond its first."""
    return int(deadline_s * 1000 + SKEW_MS) // MINUTE_MS + 1
