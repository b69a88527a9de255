"""How many requests, pictures and tokens an account may use a minute.

The provider's limiter is a continuously refilled bucket of capacity L and rate L/60 per second; a fixed and a
sliding minute are here to prove that a client does not depend on which it is. Every method is told the time, in
seconds of any clock that never goes back.

Source: developers.openai.com/api/docs/guides/rate-limits; logged 429 answers of community.openai.com/t/1382726.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol

from simulator.contract.errors import ApiError

MINUTE_S = 60.0


class Dimension(StrEnum):
    """What is counted; the values are those of the x-ratelimit headers."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    IMAGES = "input-images"


class Window(StrEnum):
    BUCKET = "bucket"
    FIXED = "fixed"
    SLIDING = "sliding"


class Limiter(Protocol):
    """One dimension of one account."""

    limit: int

    def used(self, now_s: float) -> float: ...

    def wait_s(self, amount: int, now_s: float) -> float:
        """Seconds until `amount` would pass: 0 at once, infinity if it never can."""
        ...

    def reset_s(self, now_s: float) -> float:
        """Seconds until the whole limit is free again."""
        ...

    def spend(self, amount: int, now_s: float) -> None: ...


class Bucket:
    """Refills without pause: wait = deficit / rate, reset = used / rate."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0.0
        self._at_s = -math.inf

    @property
    def _rate_per_s(self) -> float:
        return self.limit / MINUTE_S

    def used(self, now_s: float) -> float:
        return max(0.0, self._used - (now_s - self._at_s) * self._rate_per_s)

    def wait_s(self, amount: int, now_s: float) -> float:
        if amount > self.limit:
            return math.inf
        deficit = round(self.used(now_s) + amount - self.limit, 9)  # float dust is no deficit
        return max(0.0, deficit) / self._rate_per_s

    def reset_s(self, now_s: float) -> float:
        return self.used(now_s) / self._rate_per_s

    def spend(self, amount: int, now_s: float) -> None:
        self._used, self._at_s = self.used(now_s) + amount, now_s


class FixedWindow:
    """A minute that starts with the first use and frees everything when it ends."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._started_s = -math.inf

    def used(self, now_s: float) -> float:
        return self._used if now_s < self._started_s + MINUTE_S else 0.0

    def wait_s(self, amount: int, now_s: float) -> float:
        if amount > self.limit:
            return math.inf
        return self.reset_s(now_s) if self.used(now_s) + amount > self.limit else 0.0

    def reset_s(self, now_s: float) -> float:
        return max(0.0, self._started_s + MINUTE_S - now_s)

    def spend(self, amount: int, now_s: float) -> None:
        if now_s >= self._started_s + MINUTE_S:
            self._used, self._started_s = 0, now_s
        self._used += amount


class SlidingWindow:
    """Everything spent in the last sixty seconds counts, each piece until it is a minute old."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._spent: deque[tuple[float, int]] = deque()

    def used(self, now_s: float) -> float:
        while self._spent and self._spent[0][0] <= now_s - MINUTE_S:
            self._spent.popleft()
        return sum(amount for _, amount in self._spent)

    def wait_s(self, amount: int, now_s: float) -> float:
        if amount > self.limit:
            return math.inf
        excess = self.used(now_s) + amount - self.limit
        wait_s = 0.0
        for at_s, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            wait_s = at_s + MINUTE_S - now_s
        return wait_s

    def reset_s(self, now_s: float) -> float:
        return self._spent[-1][0] + MINUTE_S - now_s if self.used(now_s) else 0.0

    def spend(self, amount: int, now_s: float) -> None:
        self._spent.append((now_s, amount))


_LIMITERS: Mapping[Window, Callable[[int], Limiter]] = {
    Window.BUCKET: Bucket,
    Window.FIXED: FixedWindow,
    Window.SLIDING: SlidingWindow,
}


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Limits of every account; the defaults are tier 5 (requests: an assumption, the tier tables name none).

    `count_references`: a picture call draws max(n, references) pictures instead of n. Two projects report it,
    no official text does.
    """

    requests_per_minute: int = 500
    images_per_minute: int = 250
    tokens_per_minute: int = 8_000_000
    window: Window = Window.BUCKET
    count_references: bool = False

    def per_minute(self) -> dict[Dimension, int]:
        return {
            Dimension.REQUESTS: self.requests_per_minute,
            Dimension.TOKENS: self.tokens_per_minute,
            Dimension.IMAGES: self.images_per_minute,
        }

    def changed(self, changes: Mapping[str, object]) -> "LimitSettings":
        """These settings with `changes` applied.

        Raises:
            ValueError: naming every unknown or unusable entry.
        """
        values = {**asdict(self), **changes}
        problems = [f"{name} is not a limit" for name in changes if name not in asdict(self)]
        for name in ("requests_per_minute", "images_per_minute", "tokens_per_minute"):
            if type(values[name]) is not int or values[name] < 1:
                problems.append(f"{name} must be a whole number of at least 1")
        if values["window"] not in list(Window):
            problems.append(f"window must be one of {', '.join(Window)}")
        if type(values["count_references"]) is not bool:
            problems.append("count_references must be true or false")
        if problems:
            raise ValueError("; ".join(problems))
        return LimitSettings(**{**values, "window": Window(values["window"])})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A dimension that has no room for what was requested."""

    dimension: Dimension
    limit: int
    used: float
    requested: int
    wait_s: float

    def error(self, model: str) -> ApiError:
        """The 429 for it; an amount above the limit gets no hint, as no wait helps."""
        message = (
            f"Rate limit reached for {model} (for limit gpt-image) on {self.dimension} per min: "
            f"Limit {self.limit}, Used {math.ceil(round(self.used, 6))}, Requested {self.requested}."
        )
        if math.isfinite(self.wait_s):
            message += f" Please try again in {duration(self.wait_s)}."
        return rate_limit_error(message, type_=self.dimension, wait_s=self.wait_s)


class RateLimits:
    """The limiters of all accounts; an account is known by its API key."""

    def __init__(self, settings: LimitSettings) -> None:
        self.settings = settings
        self._accounts: dict[str, dict[Dimension, Limiter]] = {}

    def change(self, settings: LimitSettings) -> None:
        """Put new limits in force; every account starts with nothing used."""
        self.settings = settings
        self._accounts.clear()

    def admit(self, account: str, wanted: Mapping[Dimension, int], now_s: float) -> Refusal | None:
        """Spend all of `wanted`, or nothing and say which dimension makes the caller wait longest."""
        limiters = self._limiters(account)
        refusals = [
            Refusal(
                dimension,
                limiters[dimension].limit,
                limiters[dimension].used(now_s),
                amount,
                wait_s,
            )
            for dimension, amount in wanted.items()
            if (wait_s := limiters[dimension].wait_s(amount, now_s)) > 0
        ]
        if refusals:
            return max(refusals, key=lambda refusal: refusal.wait_s)
        for dimension, amount in wanted.items():
            limiters[dimension].spend(amount, now_s)
        return None

    def headers(self, account: str, now_s: float) -> dict[str, str]:
        """The x-ratelimit headers; reset is the time to a full limit, not to the next permit."""
        headers = {}
        for dimension, limiter in self._limiters(account).items():
            remaining = math.floor(round(limiter.limit - limiter.used(now_s), 6))
            headers[f"x-ratelimit-limit-{dimension}"] = str(limiter.limit)
            headers[f"x-ratelimit-remaining-{dimension}"] = str(max(0, remaining))
            headers[f"x-ratelimit-reset-{dimension}"] = duration(limiter.reset_s(now_s))
        return headers

    def _limiters(self, account: str) -> dict[Dimension, Limiter]:
        if account not in self._accounts:
            make = _LIMITERS[self.settings.window]
            limits = self.settings.per_minute()
            self._accounts[account] = {dimension: make(limit) for dimension, limit in limits.items()}
        return self._accounts[account]


def rate_limit_error(message: str, *, type_: str, wait_s: float) -> ApiError:
    """A 429 with both retry headers, or with none when no wait helps."""
    headers = {}
    if math.isfinite(wait_s):
        headers["retry-after-ms"] = str(_milliseconds(wait_s))
        headers["retry-after"] = str(max(1, math.ceil(round(wait_s, 6))))
    return ApiError(
        429,
        message,
        type_,
        "rate_limit_exceeded",
        headers=headers,
        outcome="rate_limited",
    )


def duration(seconds: float) -> str:
    """As the provider writes it: `534ms`, `7.188s`, `6m0s`."""
    whole_ms = _milliseconds(seconds)
    if 0 < whole_ms < 1000:
        return f"{whole_ms}ms"
    minutes, rest_ms = divmod(whole_ms, 60_000)
    shown = f"{rest_ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{shown}s" if minutes else f"{shown}s"


def _milliseconds(seconds: float) -> int:
    """Rounded up, so that waiting as long as told is enough; the inner rounding takes off float dust."""
    return math.ceil(round(seconds * 1000, 6))
