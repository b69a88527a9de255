"""What admission hands out: a task for this worker now, or how long to wait and why."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.ids import attempt_id


@dataclass(frozen=True, slots=True)
class Claim:
    """One task, for one worker: lease, fence and reservation were taken together.

    Args:
        fence: grows with every claim of the task; a write with an older one is refused.
        attempt: number of this try, from 1.
        sends: how many paid requests earlier attempts have made.
        crashes: how many earlier attempts ended in an error of ours or with their worker.
        fetches: how many earlier attempts met the server of a reference that did not answer.
        start_in_ms: the permit is valid from then on, counted from the moment of the claim; 0..2000.
        hold_usd_micros: reserved in every budget scope.
        tokens: tokens reserved in the lane's token limit.
    """

    lane: str
    tenant: str
    batch_id: str
    index: int
    fence: int
    attempt: int
    sends: int
    crashes: int
    fetches: int
    start_in_ms: int
    hold_usd_micros: int
    tokens: int

    @property
    def attempt_id(self) -> str:
        return attempt_id(self.batch_id, self.index, self.attempt)


LIMITS = (
    "requests", "images", "tokens", "concurrency", "slots", "paused", "breaker", "budget", "retries", "idle",
)  # fmt: skip
"""What can be in the way of a claim; `idle`: there is nothing to claim."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start now.

    Args:
        wait_ms: when to ask again, > 0.
        limited_by: one of `LIMITS`.
    """

    wait_ms: int
    limited_by: str
