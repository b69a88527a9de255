"""What becomes of a task after an attempt: a value, matched exhaustively."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.failure import Failure


@dataclass(frozen=True, slots=True)
class Done:
    """The picture is stored and the task has ended; `cost_usd_micros` is what the provider's usage says it cost, and
    `avoided_usd_micros` what it would likely have cost, had it not been there already. `checks`: preset, rule and result of
    each."""

    asset_key: str
    sha256: str
    cost_usd_micros: int
    avoided_usd_micros: int = 0
    checks: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing had to be made: the picture of task `same_as` serves, for $0."""

    same_as: int
    avoided_usd_micros: int = 0


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Try again after `delay_s`; the failed attempt cost `cost_usd_micros`. Without a failure it only waits for
    a twin that makes the same picture."""

    delay_s: float
    failure: Failure | None = None
    cost_usd_micros: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """Back to the head of the queue: not an attempt, nothing was charged. `failure` says why, if anything failed."""

    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """We may have been charged: the hold stays until the doubt is resolved."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Final; the attempt cost `cost_usd_micros`."""

    failure: Failure
    cost_usd_micros: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """The task is not ours any more: nothing is written. What was paid is kept as surplus."""


Verdict = Done | Skip | RetryIn | Release | Park | GiveUp | Lost
