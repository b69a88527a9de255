"""The life of a task. The table is written once, here; the Lua scripts receive it, a test compares, the docs draw it.

```
queued -> claimed -> sent -> spooled -> stored -> done
waiting (a retry is due)   parked (doubt)   failed   cancelled   skipped
```
`sent` is written before the first byte leaves. A lease lost in `claimed` goes back to `queued`; lost later the
task is `parked` until the spool gives the answer back or the doubt is resolved. A late paid result is taken
from any state but `done` and `skipped`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.rendition import Checked


class TaskState(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENT = "sent"
    SPOOLED = "spooled"
    STORED = "stored"
    WAITING = "waiting"
    PARKED = "parked"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


_S = TaskState

TRANSITIONS: dict[TaskState, frozenset[TaskState]] = {
    _S.QUEUED: frozenset({_S.CLAIMED, _S.SPOOLED, _S.CANCELLED, _S.FAILED}),
    _S.CLAIMED: frozenset({_S.QUEUED, _S.SENT, _S.SPOOLED, _S.WAITING, _S.FAILED, _S.SKIPPED, _S.CANCELLED}),
    _S.SENT: frozenset({_S.QUEUED, _S.SPOOLED, _S.WAITING, _S.PARKED, _S.FAILED, _S.CANCELLED}),
    _S.SPOOLED: frozenset({_S.STORED, _S.WAITING, _S.PARKED, _S.FAILED, _S.CANCELLED}),
    _S.STORED: frozenset({_S.DONE, _S.PARKED}),
    _S.WAITING: frozenset({_S.CLAIMED, _S.CANCELLED, _S.SPOOLED, _S.FAILED}),
    _S.PARKED: frozenset({_S.SPOOLED, _S.QUEUED, _S.WAITING, _S.FAILED}),
    _S.FAILED: frozenset({_S.QUEUED, _S.SPOOLED}),
    _S.CANCELLED: frozenset({_S.QUEUED, _S.SPOOLED, _S.FAILED}),
    _S.SKIPPED: frozenset(),
    _S.DONE: frozenset(),
}

IN_FLIGHT = frozenset({_S.CLAIMED, _S.SENT, _S.SPOOLED, _S.STORED})
"""States in which a worker holds the task; a batch counts them as `running`."""

ENDED = frozenset({_S.DONE, _S.FAILED, _S.CANCELLED, _S.SKIPPED})
"""States in which nothing more happens by itself."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it stands now. Money in micro-dollars, moments in milliseconds since the epoch, UTC.

    Args:
        attempts: tries so far; `sends` of them were paid requests or may have been.
        cost_usd_micros: settled over all attempts.
        same_as: of a skipped task, the index of the task whose picture serves.
        failure: {class, message, code, param, http_status, request_id, stage}, those that are known.
        checks: of a picture that was held against rules, what they came to.
        next_at_ms: of a waiting task, when it is due.
    """

    index: int
    state: TaskState
    attempts: int = 0
    sends: int = 0
    cost_usd_micros: int = 0
    asset_key: str | None = None
    sha256: str | None = None
    same_as: int | None = None
    failure: dict[str, object] | None = None
    checks: Checked | None = None
    next_at_ms: int | None = None
    updated_at_ms: int | None = None
