"""What the scripts must do, said once more in plain Python over plain objects: no Redis, no clock, no limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.task import ENDED, IN_FLIGHT, TRANSITIONS, TaskState

OPEN = IN_FLIGHT | {TaskState.QUEUED, TaskState.WAITING}
SETTLED = ENDED | {TaskState.QUEUED, TaskState.WAITING}


@dataclass
class ModelTask:
    """One task; `due`: None (not in the list of what is due) | now | later; costs are posted once it has an account."""

    lane: str
    hold_price: int
    dependent: bool
    state: TaskState = TaskState.QUEUED
    fence: int = 0
    claim_fence: int = 0
    attempt: int = 0
    sends: int = 0
    cost: int = 0
    hold: int = 0
    due: str | None = None
    worker: str | None = None
    failure: str | None = None
    checks: dict[str, Any] | None = None
    reused: bool = False
    has_account: bool = False
    posted: dict[int, int] = field(default_factory=dict)

    def post(self, cost: int) -> None:
        """An attempt is paid once; after a late result nobody knows whose cost it is."""
        if self.fence == self.claim_fence:
            cost = max(0, cost - self.posted.get(self.attempt, 0))
            self.posted[self.attempt] = self.posted.get(self.attempt, 0) + cost
        self.cost += cost

    @property
    def is_claimable(self) -> bool:
        if self.state is TaskState.QUEUED and not self.attempt and not self.dependent:
            return True
        return self.due == "now"

    @property
    def is_open(self) -> bool:
        waits_for_parent = (
            self.state is TaskState.QUEUED and self.dependent and not self.attempt and self.due is None
        )
        return self.state in OPEN and not waits_for_parent


@dataclass
class ModelBatch:
    """One batch; `children` by parent index."""

    tenant: str
    priority: str
    cap: int | None
    tasks: list[ModelTask]
    children: dict[int, int]
    state: str = "running"
    overdue: bool = False
    closing: str | None = None
    prints: dict[str, int] = field(default_factory=dict)
    capped: set[str] = field(default_factory=set)

    @property
    def ending(self) -> tuple[TaskState, str] | None:
        if self.state in ("cancelling", "cancelled"):
            return TaskState.CANCELLED, "cancelled"
        return (TaskState.FAILED, "expired") if self.overdue else None

    @property
    def open(self) -> int:
        return sum(task.is_open for task in self.tasks)

    def settle_state(self) -> None:
        """What the batch is once a move is made."""
        if not self.open and not self.closing and self.state not in ("cancelled", "completed"):
            self.prints.clear()
            self.state = "cancelled" if self.state == "cancelling" else "completed"
        elif self.open and self.state == "completed":
            self.state = "running"

    def claim(self, index: int, worker: str) -> ModelTask:
        task = self.tasks[index]
        assert self.state == "running", f"claimed from a {self.state} batch"
        assert not self.overdue and task.is_claimable and task.state in (TaskState.QUEUED, TaskState.WAITING)
        task.state, task.due, task.worker, task.hold = TaskState.CLAIMED, None, worker, task.hold_price
        task.fence, task.attempt, task.has_account = task.fence + 1, task.attempt + 1, True
        task.claim_fence = task.fence
        return task

    def verdict(self, index: int, to: TaskState, move: dict[str, Any]) -> str:
        """The status that the move must get."""
        task, late = self.tasks[index], move.get("late", False)
        if task.state is to and (task.worker == move["worker"] if late else task.fence == move["fence"]):
            return "ok"
        is_again = to is TaskState.QUEUED and task.state in ENDED
        if is_again and "from_state" not in move:
            return "stale"
        if task.state is TaskState.DONE:
            return "surplus" if late else "stale"
        if not late and task.fence != move["fence"]:
            return "stale"
        if to is TaskState.CLAIMED or to not in TRANSITIONS[task.state]:
            return "illegal"
        if (to is TaskState.SENT or is_again) and (self.state == "cancelling" or (is_again and self.closing)):
            return "cancelled"
        return (
            "duplicate" if to is TaskState.SENT and self._has_twin(index, move.get("fingerprint")) else "ok"
        )

    def _has_twin(self, index: int, fingerprint: str | None) -> bool:
        if fingerprint is None:
            return False
        other = self.prints.setdefault(fingerprint, index)
        if other != index and self.tasks[other].state in OPEN | {TaskState.DONE}:
            return True
        self.prints[fingerprint] = index
        return False

    def move(self, index: int, to: TaskState, move: dict[str, Any]) -> str:
        """Makes the move when it is allowed; its status."""
        task, late = self.tasks[index], move.get("late", False)
        status, origin = self.verdict(index, to, move), self.tasks[index].state
        if status != "ok" or task.state is to:
            return status
        reason = move.get("failure", {}).get("class")
        if origin in ENDED:
            task.hold, task.worker, task.has_account = 0, None, True
        if to in (TaskState.QUEUED, TaskState.WAITING):
            if origin in ENDED:
                self.overdue, self.state = False, "paused" if self.state == "paused" else "running"
            elif self.ending:
                to, reason = self.ending
        task.state, task.due = to, {TaskState.QUEUED: "now", TaskState.WAITING: move.get("due")}.get(to)
        task.failure = reason if to is TaskState.FAILED else None
        task.reused = to is TaskState.DONE and move.get("reused", False)
        task.checks = move.get("checks") if to is TaskState.DONE else None
        task.has_account |= to is TaskState.SPOOLED
        if to in SETTLED:
            task.hold = 0
            task.post(move.get("cost", 0) if task.has_account else 0)
        task.sends += (to is TaskState.SENT) - (origin is TaskState.SENT and "unused" in move)
        if to in IN_FLIGHT and (late or origin not in IN_FLIGHT):
            task.worker = move["worker"]
        task.fence += late
        self._see_to_child(index, move)
        self.settle_state()
        return status

    def _see_to_child(self, index: int, move: dict[str, Any]) -> None:
        child = self.tasks[self.children[index]] if index in self.children else None
        if child is None:
            return
        untouched = child.state is TaskState.QUEUED and not child.attempt and child.due is None
        if move.get("ready") and not self.ending and (untouched or child.failure == "parent_failed"):
            child.state, child.due, child.failure = TaskState.QUEUED, "now", None
            child.has_account = child.has_account or not untouched
        if move.get("fail") and untouched:
            child.state, child.failure = TaskState.FAILED, "parent_failed"

    def close(self, reason: str, due: list[int], most: int) -> str:
        """Ends the first `most` of what is due, and all the rest where there is no more. What the script must answer."""
        may_begin = self.closing not in (reason, "cancelled")
        if may_begin and self.state in ("running", "paused"):
            self.closing = reason
            self.state = "cancelling" if reason == "cancelled" else self.state
        if self.closing is None:
            return ""
        is_last = len(due) < most
        ending = [task for task in self.tasks if task.state in (TaskState.QUEUED, TaskState.WAITING)]
        for task in ending if is_last else [self.tasks[index] for index in due[:most]]:
            task.failure = "expired" if self.closing == "expired" else None
            task.state, task.due = TaskState.FAILED if task.failure else TaskState.CANCELLED, None
        self.closing = None if is_last else self.closing
        self.settle_state()
        return "closing" if self.closing else self.state
