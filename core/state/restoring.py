"""Restoring: a batch that Redis has lost comes back from what storage knows of it, in steps that may be repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from core.record import ATTEMPTS_PER_LIFE, Course, PlannedBatch, Steering
from core.state import keys
from core.state.batches import CLOSING
from core.state.connection import command, translated
from core.state.scripts import Scripts, pack
from schemas.task import TaskState

GROUP = 100
"""Tasks in one script, some 30 us each, so that nobody else waits for Redis for long."""

_VERSIONS_PER_LIFE = 10**9
"""The version of a batch goes on growing over its lives, so that no ETag of an earlier one fits."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What an attempt cost, in micro-dollars, and when."""

    attempt: int
    cost: int
    at: int


@dataclass(frozen=True, slots=True)
class RestoredTask:
    """A task as it comes back; moments in ms since the epoch.

    Args:
        state: queued (something of it was paid), parked, done, failed, skipped or cancelled.
        hold: of a parked task, micro-dollars.
        lane, doubt: of a parked task, where its call went, and the state it was parked from.
        claim_fence: of a parked task, the fence of its last claim, by which the attempt in doubt is known.
        checks: of a picture, what its rules came to: see `Checked`.
        fingerprint: of a picture, for the twins of its task.
        reused: of a picture, that it was there already and took no call.
        paid: the attempts whose cost is that of the task.
        surplus: attempts that were paid beside its picture.
    """

    index: int
    state: TaskState
    attempt: int
    fence: int
    sends: int
    at: int
    crashes: int = 0
    hold: int = 0
    claim_fence: int | None = None
    lane: str | None = None
    doubt: str | None = None
    asset: str | None = None
    sha256: str | None = None
    same_as: int | None = None
    failure: dict[str, Any] | None = None
    checks: dict[str, Any] | None = None
    fingerprint: str | None = None
    reused: bool = False
    paid: Sequence[Paid] = field(default_factory=tuple)
    surplus: Sequence[Paid] = field(default_factory=tuple)


class RestoreStore:
    """The way back onto the shelf of batches.

    Every step answers False when the batch is there and complete: somebody else has brought it back.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def is_there(self, batch_id: str) -> bool:
        """Whether Redis has the whole batch."""
        with translated():
            exists, restoring = await command(
                self._client, "HMGET", keys.batch(batch_id), "tenant", "restoring"
            )
        return exists is not None and restoring is None

    async def begin(self, planned: PlannedBatch, steering: Steering) -> bool:
        """Puts the batch on the shelf, in `planning`: late results are taken from now on, and nothing is claimed."""
        fields: dict[str, Any] = {
            "name": planned.name,
            "class": steering.priority,
            "metadata": json.dumps(planned.metadata),
            "plan": planned.plan_id,
            "on_doubt": planned.on_doubt,
            "reuse": planned.reuse,
            "created_at": planned.created_at_ms,
            "started_at": planned.started_at_ms,
            "total": planned.total,
            "rows": planned.rows,
            "rows_fence": planned.rows_fence,
            "estimated": planned.estimated_usd_micros,
            "lives": steering.lives,
            "version": steering.lives * _VERSIONS_PER_LIFE,
            "cap": steering.cap_usd_micros,
            "deadline": planned.deadline_ms,
        }
        about = {"class": steering.priority, "tenant": planned.tenant}
        return await self._step(
            planned.id,
            "begin",
            tenant=planned.tenant,
            fields={name: value for name, value in fields.items() if value is not None},
            flows=[flow | about for flow in planned.flows],
            is_replayed=steering.is_replayed,
            base=steering.lives * ATTEMPTS_PER_LIFE,
        )

    async def write(self, batch_id: str, tasks: Sequence[RestoredTask]) -> bool:
        """Puts tasks back as they were."""
        groups = (tasks[start : start + GROUP] for start in range(0, len(tasks), GROUP))
        return all([await self._step(batch_id, "write", tasks=group) for group in groups])

    async def link(self, batch_id: str, *, ready: Sequence[int], fail: Sequence[int]) -> bool:
        """Sees to tasks made from another picture: those whose parent is there, and those whose parent failed."""
        done = True
        for start in range(0, max(len(ready), len(fail)), GROUP):
            part = slice(start, start + GROUP)
            done &= await self._step(batch_id, "link", ready=ready[part], fail=fail[part])
        return done

    async def open(self, batch_id: str, course: Course, *, finished_at_ms: int) -> bool:
        """Lets the batch go on as it is steered.

        Args:
            finished_at_ms: when it ended, if nothing of it is left.
        """
        if course is Course.CANCELLED:
            while await self._scripts.run("close", batch_id, "cancelled", "1") == CLOSING:
                pass
        return await self._step(
            batch_id, "open", is_paused=course is Course.PAUSED, finished_at=finished_at_ms
        )

    async def _step(self, batch_id: str, step: str, **asked: Any) -> bool:
        return bool(await self._scripts.run("restore", pack({"batch": batch_id, "step": step, **asked})))
