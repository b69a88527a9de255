"""The retry policy: from what happened in an attempt to what becomes of its task. Pure; chance is handed in.

One layer of retries, this one. Waiting for a limit is not an attempt; what may have been paid is not repeated unless
the manifest says so; nothing is ever sent twice at the same time.

An outage does not use tasks up. A server error ends a task after `MAX_SENDS` only where it looks like the task's own:
where the lane has succeeded, or nothing but this task failed, since. While others fail too it is tried again as the
lane's retry budget and breaker allow, `MAX_SENDS_IN_OUTAGE` times at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.failure import FAILURE_RULES, Failure, FailureClass, Reaction
from schemas.manifest import OnDoubt
from schemas.verdict import GiveUp, Park, Release, RetryIn, Verdict

MAX_SENDS = 3
"""Paid requests a task may make in all. Source: Google SRE book, handling overload: at most 3 attempts."""

MAX_SENDS_IN_OUTAGE = 30
"""The same where everything fails: with the breaker's waits that is hours. Server errors are not charged."""

MAX_CRASHES = 3
"""Workers that may die of one task before it is poison. Source: Sidekiq Pro, 3 recoveries in 72 hours."""

BASE_S, CAP_S = 2.0, 60.0
PAUSES_S = {FailureClass.AUTH: 60.0, FailureClass.QUOTA_EXHAUSTED: 300.0}
"""How long a lane rests after its account refused everything, before one more task is tried on it."""


@dataclass(frozen=True, slots=True)
class History:
    """What came before.

    Args:
        sends: paid requests made, this one included.
        attempt: number of this try, from 1.
        chance: uniform in [0, 1), for full jitter.
        streak: calls of the lane that failed since the last one that succeeded, this one included.
    """

    sends: int
    attempt: int
    on_doubt: OnDoubt
    chance: float
    streak: int = 0

    @property
    def may_send_again(self) -> bool:
        most = MAX_SENDS_IN_OUTAGE if self.streak > self.sends else MAX_SENDS
        return self.sends < most


def decide(failure: Failure, history: History, *, cost_usd_micros: int = 0) -> Verdict:
    """The verdict on a failed attempt.

    Args:
        cost_usd_micros: what the failed attempt is known to have cost.
    """
    match FAILURE_RULES[failure.failure_class].reaction:
        case Reaction.WAIT | Reaction.PAUSE_LANE:
            return Release(failure)
        case Reaction.RETRY_FREE:
            return RetryIn(_backoff_s(history), failure)
        case Reaction.RETRY:
            return _again(failure, history, cost_usd_micros, may=history.may_send_again)
        case Reaction.DOUBT:
            once = history.on_doubt is OnDoubt.RETRY_ONCE and history.sends < 2
            return RetryIn(_backoff_s(history), failure, cost_usd_micros) if once else Park(failure)
        case Reaction.RETRY_PAID:
            once = history.on_doubt is OnDoubt.RETRY_ONCE and history.sends < 2
            return _again(failure, history, cost_usd_micros, may=once)
        case Reaction.FINAL | Reaction.RETRY_PUT:
            return GiveUp(failure, cost_usd_micros)


def _again(failure: Failure, history: History, cost_usd_micros: int, *, may: bool) -> Verdict:
    return RetryIn(_backoff_s(history), failure, cost_usd_micros) if may else GiveUp(failure, cost_usd_micros)


def _backoff_s(history: History) -> float:
    """Full jitter: uniform up to a bound that doubles with every try."""
    bound_s: float = min(CAP_S, BASE_S * 2.0 ** min(history.attempt - 1, 10))
    return 0.1 + history.chance * bound_s
