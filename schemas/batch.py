"""The life of a batch: an accepted manifest with an id and a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.errors import Problem
from schemas.manifest import Priority
from schemas.rendition import Result


class BatchState(StrEnum):
    """Where a batch stands."""

    PLANNING = "planning"  # the catalog is read, checked and priced
    REJECTED = "rejected"  # the plan found problems, or its cost is over the cap; nothing was spent
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"  # nothing new starts; what is in flight is paid and is kept
    CANCELLED = "cancelled"
    COMPLETED = "completed"  # nothing is left to run; may hold failures and parked tasks


_S = BatchState

TRANSITIONS: dict[BatchState, frozenset[BatchState]] = {
    _S.PLANNING: frozenset({_S.RUNNING, _S.REJECTED, _S.CANCELLED}),
    _S.REJECTED: frozenset(),
    _S.RUNNING: frozenset({_S.PAUSED, _S.CANCELLING, _S.CANCELLED, _S.COMPLETED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.CANCELLING, _S.CANCELLED, _S.COMPLETED}),
    _S.CANCELLING: frozenset({_S.CANCELLED}),
    _S.CANCELLED: frozenset({_S.RUNNING}),
    _S.COMPLETED: frozenset({_S.RUNNING}),
}
"""`completed` and `cancelled` go back to `running` when a parked parent resolves or tasks are replayed."""

ENDED = frozenset({_S.REJECTED, _S.CANCELLED, _S.COMPLETED})

FEWEST_RESENDS, RESENDS_PERCENT = 5, 1
"""How many calls of a batch may be paid a second time because of `on_doubt`: of its tasks, and at least. The reasons are in
docs/adr/0016."""

COUNTS = ("total", "queued", "waiting", "running", "done", "failed", "parked", "skipped", "cancelled")
"""The counts a batch shows; all but the first add up to `total`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands now. Money in micro-dollars, moments in milliseconds since the epoch, UTC.

    Args:
        counts: by the names of `COUNTS`.
        checks: pictures by the worst result of their checks; those without checks are not among them.
        reused: pictures of `done` that were there already and took no call.
        rows_fence: of the plan that made its rows, under which they lie in storage.
        limited_by: why nothing starts although work is left: budget | paused | None.
        problems: of a rejected batch, as in an error answer.
        version: grows with every change; the ETag.
        expects: digest that its plan must have, when the submission named one.
        put_away: the name under which storage has its tasks, and Redis has not; None: Redis has them.
        trace: the `traceparent` that its tasks are traced under; None: it is not traced.
    """

    id: str
    tenant: str
    name: str
    priority: Priority
    state: BatchState
    metadata: dict[str, str]
    plan_id: str
    counts: dict[str, int]
    checks: Mapping[Result, int]
    reused: int
    rows: int
    estimated_usd_micros: int
    held_usd_micros: int
    spent_usd_micros: int
    cap_usd_micros: int | None
    failures_by_class: dict[str, int]
    created_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    limited_by: str | None
    refusal: str | None
    problems: tuple[Problem, ...]
    version: int
    expects: str | None = None
    trace: str | None = None
    put_away: str | None = None
    rows_fence: int = 0


def most_resends(tasks: int) -> int:
    """How many of a batch's tasks may be paid a second time because of `on_doubt`: each of them once."""
    return min(tasks, max(FEWEST_RESENDS, tasks * RESENDS_PERCENT // 100))
