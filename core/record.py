"""Records: what is kept of a batch in storage beside its manifest, pictures and receipts, so that it comes back after
a lost Redis."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from schemas.task import TaskState

TASKS_PER_PAGE = 100
"""Task records share a document by the hundred, as ended tasks share a hash in Redis."""

ATTEMPTS_PER_LIFE = 1000
"""Attempts of a batch that came back are counted from the next thousand, so that none has the number of a call that
was in flight when Redis was lost: names in the spool, keys in storage and money are told apart by it."""


class Course(StrEnum):
    """What is to become of a batch, as far as people decide it."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class PlannedBatch(msgspec.Struct, frozen=True):
    """What the plan made of a batch; it never changes. Money in micro-dollars, moments in ms since the epoch.

    Args:
        flows: see `core.state.batches.Flow`.
        rows_fence: of this plan, under which its rows lie; of several plans of a batch the latest counts.
    """

    id: str
    tenant: str
    name: str
    priority: str
    metadata: dict[str, str]
    plan_id: str
    cap_usd_micros: int | None
    on_doubt: str
    reuse: str
    deadline_ms: int | None
    created_at_ms: int
    started_at_ms: int
    total: int
    rows: int
    estimated_usd_micros: int
    flows: list[dict[str, Any]]
    rows_fence: int


class Steering(msgspec.Struct, frozen=True):
    """What may be changed about a batch while it runs.

    Args:
        lives: how often it came back from storage.
        is_replayed: it was cancelled, and tasks of it are made again: those that nothing else tells of stay cancelled.
    """

    course: Course
    cap_usd_micros: int | None
    priority: str
    lives: int = 0
    is_replayed: bool = False


class TaskRecord(msgspec.Struct, frozen=True):
    """A task of which the receipts do not tell all: it ended without a picture, more than one attempt was paid, or it is
    made again in a batch that was cancelled.

    Args:
        hold_usd_micros: of a parked task, what is set aside for the call in doubt.
        lane, doubt: of a parked task, where its call went, and the state it was parked from.
        claim_fence: of a parked task, the fence of its last claim: a late result has another one.
        paid: micro-dollars by attempt.
        at_ms: when it last moved.
    """

    index: int
    state: TaskState
    attempt: int
    fence: int
    sends: int
    crashes: int
    hold_usd_micros: int
    paid: dict[int, int]
    at_ms: int
    failure: dict[str, Any] | None = None
    same_as: int | None = None
    lane: str | None = None
    doubt: str | None = None
    claim_fence: int | None = None


class KeptHash(msgspec.Struct, frozen=True, array_like=True):
    """A hash of a hundred tasks as it stood in Redis: their ends, or what was posted for them.

    Args:
        fields: names and values by turns.
    """

    kind: Literal["ended", "posted"]
    page: int
    fields: list[bytes]
