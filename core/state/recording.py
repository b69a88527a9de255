"""Recording: what has changed of batches that storage does not know from their pictures and receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from core.record import TASKS_PER_PAGE, Course, Steering, TaskRecord
from core.state import keys
from core.state.connection import command, translated
from core.state.scripts import Scripts, pack, unpack
from schemas.batch import BatchState
from schemas.task import TaskState

_COURSES = {
    BatchState.PAUSED: Course.PAUSED,
    BatchState.CANCELLING: Course.CANCELLED,
    BatchState.CANCELLED: Course.CANCELLED,
    BatchState.REJECTED: Course.CANCELLED,
}
_TOLD = frozenset(
    {TaskState.PARKED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED}
)  # the end of these is in no receipt

CANCELLED = TaskState.CANCELLED.value.encode()
"""What became of the tasks of a batch that were never touched; once it is so, those that are made again are to be told."""

TOLD_WITHIN_MS = 120_000
"""After so long without a word from whoever took a note, another one does."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be recorded: a page of a batch's tasks, or how it is steered (None).

    Args:
        until_ms: when somebody else may take it up, unless it is `told` or given back before.
    """

    batch_id: str
    page: int | None
    until_ms: int = field(default=0, compare=False)

    @property
    def member(self) -> str:
        return f"{self.batch_id}:{'steering' if self.page is None else self.page}"


class RecordStore:
    """The list of what has changed, and how it stands now."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def take(self, count: int) -> list[Note]:
        """Up to `count` notes that nobody else works on. They stay on the list until they are `told`."""
        answer = await self._scripts.ask_raw("notes", count, TOLD_WITHIN_MS)
        return [_note(member, answer["until_ms"]) for member in answer["members"]]

    async def told(self, notes: Iterable[Note]) -> None:
        """Storage has them. One that changed since it was taken stays on the list."""
        await self._scripts.run("noted", pack([(note.member, note.until_ms, True) for note in notes]))

    async def give_back(self, notes: Iterable[Note]) -> None:
        """Storage did not take them."""
        await self._scripts.run("noted", pack([(note.member, note.until_ms, False) for note in notes]))

    async def tenant_of(self, batch_id: str) -> str | None:
        """Whose batch it is; None when there is none (any more).

        Raises:
            LookupError: it is being brought back from storage, and stands half here and half there; or it was put away.
        """
        with translated():
            tenant, restoring, put_away = await command(
                self._client, "HMGET", keys.batch(batch_id), "tenant", "restoring", "put_away"
            )
        if restoring is not None or put_away is not None:
            raise LookupError(batch_id)
        return tenant.decode() if tenant else None

    async def steering(self, batch_id: str) -> Steering:
        """How a batch that exists is steered."""
        with translated():
            state, cap, priority, untouched_as, lives = await command(
                self._client, "HMGET", keys.batch(batch_id), "state", "cap", "class", "untouched_as", "lives"
            )
        course = _COURSES.get(BatchState(state.decode()), Course.RUNNING)
        return Steering(
            course=course,
            cap_usd_micros=None if cap is None else int(cap),
            priority=priority.decode(),
            lives=int(lives or 0),
            is_replayed=course is not Course.CANCELLED and untouched_as == CANCELLED,
        )

    async def tasks(self, batch_id: str, page: int) -> list[TaskRecord]:
        """What receipts do not tell of the tasks of one page.

        Raises:
            LookupError: the batch was put away, maybe since `tenant_of` was asked.
        """
        first = page * TASKS_PER_PAGE
        with translated():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hgetall(keys.ended(batch_id, first))
                pipe.hgetall(keys.posted(batch_id, first))
                for index in range(first, first + TASKS_PER_PAGE):
                    pipe.hgetall(keys.task(batch_id, index))
                pipe.hmget(keys.batch(batch_id), ["put_away", "untouched_as"])
                ended, posted, *live, (put_away, untouched_as) = await pipe.execute()
        if put_away is not None:
            raise LookupError(batch_id)
        paid = _paid(posted)
        found = {
            int(index): _ended_record(int(index), unpack(packed), paid) for index, packed in ended.items()
        }
        for place, fields in enumerate(live):
            if fields:
                found[first + place] = _live_record(first + place, fields, paid)
        told = _TOLD if untouched_as != CANCELLED else frozenset(TaskState) - {TaskState.DONE}
        return [record for _, record in sorted(found.items()) if _is_told(record, told)]


def _note(member: str, until_ms: int) -> Note:
    batch_id, _, part = member.rpartition(":")
    return Note(batch_id, None if part == "steering" else int(part), until_ms)


def _is_told(record: TaskRecord, told: frozenset[TaskState]) -> bool:
    """Whether receipts would not tell it: of a picture they tell one attempt."""
    return record.state in told or len(record.paid) > (record.state is TaskState.DONE)


def _paid(posted: Mapping[bytes, bytes]) -> dict[int, dict[int, int]]:
    found: dict[int, dict[int, int]] = {}
    for name, cost in posted.items():
        index, attempt = map(int, name.split(b":"))
        found.setdefault(index, {})[attempt] = int(cost)
    return found


def _ended_record(index: int, ended: Mapping[str, Any], paid: Mapping[int, dict[int, int]]) -> TaskRecord:
    return TaskRecord(
        index=index,
        state=TaskState(ended["state"]),
        attempt=ended["attempt"],
        fence=ended["fence"],
        sends=ended["sends"],
        crashes=ended["crashes"],
        hold_usd_micros=0,
        paid=paid.get(index, {}),
        at_ms=ended["at"],
        failure=ended.get("failure"),
        same_as=ended.get("same_as"),
    )


def _live_record(index: int, fields: Mapping[bytes, bytes], paid: Mapping[int, dict[int, int]]) -> TaskRecord:
    attempt, fence, sends, crashes, hold, at_ms = (
        int(fields.get(name, 0)) for name in (b"attempt", b"fence", b"sends", b"crashes", b"hold", b"at")
    )
    failure, lane, doubt, claim_fence = (
        fields.get(name) for name in (b"failure", b"lane", b"doubt", b"claim_fence")
    )
    return TaskRecord(
        index=index,
        state=TaskState(fields[b"state"].decode()),
        attempt=attempt,
        fence=fence,
        sends=sends,
        crashes=crashes,
        hold_usd_micros=hold,
        paid=paid.get(index, {}),
        at_ms=at_ms,
        failure=unpack(failure) if failure else None,
        lane=lane.decode() if lane else None,
        doubt=doubt.decode() if doubt else None,
        claim_fence=int(claim_fence) if claim_fence else None,
    )
