"""From a verdict to the move that writes it down."""

from __future__ import annotations

from typing import Any

from core.state.tasks import Moved
from schemas.expansion import Cell
from schemas.failure import Failure, FailureClass
from schemas.task import TaskState
from schemas.verdict import Done, GiveUp, Lost, Park, Release, RetryIn, Skip, Verdict
from workers.shelf import Campaign

TWIN_WAIT_S, TWIN_WAIT_CAP_S = 5.0, 60.0
"""How long a task waits for its twin at first, and at most: twice as long each time, for untouched tasks to go first."""

CALLED = (TaskState.SENT, TaskState.SPOOLED, TaskState.PARKED)
"""Where a task stands whose call nobody has put behind it. In any other state it is somebody else's by now, also before
it is claimed again: what its call came to is paid for, and decides nothing."""

UNCALLED = (TaskState.CLAIMED, TaskState.SENT, TaskState.PARKED)
"""The same for one that was not called: marked as sent it may have been, and taken for lost since."""


def not_sent(moved: Moved, attempt: int, likely_usd_micros: int) -> Verdict:
    """Why the request does not leave: another task has this picture, or will; the batch ended; the claim is gone.

    A picture of another batch is found in storage at the next attempt.
    """
    if moved.status == "duplicate":
        if moved.state == "done" and moved.same_as is not None:
            return Skip(moved.same_as, likely_usd_micros)
        return RetryIn(min(TWIN_WAIT_S * 2 ** min(attempt - 1, 10), TWIN_WAIT_CAP_S))
    return Lost() if moved.status in ("stale", "illegal") else Release()


def move_of(verdict: Verdict, campaign: Campaign, cell: Cell, *, sent: bool) -> dict[str, Any] | None:
    """The verdict as a move, if one is left to make; what was never used goes back to the limits."""
    unused = {} if sent else {"unused": "all"}
    match verdict:
        case Skip():
            return {
                "to": "skipped",
                "same_as": verdict.same_as,
                "ready": campaign.ready_after(cell),
                **unused,
            }
        case RetryIn():
            delay_us = int(verdict.delay_s * 1e6)
            spent = {"cost": verdict.cost_usd_micros, "failure": _kept(verdict.failure)}
            # For where the batch may not pay for it again.
            lost = campaign.lost_with(cell) if _pays_again(verdict) else []
            return {"to": "waiting", "delay_us": delay_us, "fail": lost, **spent, **unused}
        case Release():
            return {"to": "queued", "failure": _kept(verdict.failure), "unused": "images" if sent else "all"}
        case Park():
            return {"to": "parked", "failure": verdict.failure.as_kept()}
        case GiveUp():
            lost = campaign.lost_with(cell)
            spent = {"cost": verdict.cost_usd_micros, "failure": verdict.failure.as_kept()}
            return {"to": "failed", "fail": lost, **spent, **unused}
        case Done() | Lost():
            return None


def _pays_again(verdict: RetryIn) -> bool:
    return verdict.failure is not None and verdict.failure.failure_class is FailureClass.BAD_OUTPUT


def _kept(failure: Failure | None) -> dict[str, Any] | None:
    return failure.as_kept() if failure else None
