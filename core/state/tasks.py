"""Tasks: read one by one or in pages, and moved in groups, many moves in one write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis

from core.state import keys
from core.state.connection import command, translated
from core.state.scripts import Scripts, pack, unpack
from schemas.batch import Batch
from schemas.errors import ConflictError, UnavailableError
from schemas.failure import FailureClass
from schemas.rendition import Checked, Result
from schemas.task import IN_FLIGHT, Task, TaskState

_LISTED = frozenset({"running", "waiting", "parked", "failed", "skipped", "cancelled"})
_SCAN = 500
_GROUP = 200
"""Moves in one script, some 50 us each, so that nobody else waits for Redis for long."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The answer to one move.

    Args:
        status: ok | stale | illegal | cancelled | duplicate | surplus; see `lua/move.lua`.
        fence: of a late result, the fence to go on with.
        same_as, state, asset: of a duplicate, the task that makes the same picture and where it stands; of a surplus,
            the picture that the task has.
    """

    status: str
    fence: int | None = None
    same_as: int | None = None
    state: str | None = None
    asset: str | None = None


_moved = msgspec.msgpack.Decoder(list[Moved]).decode


class TaskStore:
    """The shelf of tasks."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._pending: list[tuple[bytes, asyncio.Future[Moved]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def move(self, *, from_state: str | Collection[str] | None = None, **move: Any) -> Moved:
        """Moves one task, in one write with the moves of others that are asked for at the same moment.

        Args:
            from_state: the state or states that the move was decided on; it is stale when the task has left them.
            move: batch, index, fence, to and what `to` asks for; see `lua/move.lua`.
        Raises:
            ConflictError: the tasks of this batch were put away.
            TypeError, ValueError: this move cannot be packed; those of others are made.
            UnavailableError: Redis did not answer; the move may or may not have happened, and repeating it is safe.
        Cancelled: the move still happens.
        """
        origins = [from_state] if isinstance(from_state, str) else from_state
        packed = pack(move if origins is None else move | {"from": dict.fromkeys(origins, True)})
        future: asyncio.Future[Moved] = asyncio.get_running_loop().create_future()
        self._pending.append((packed, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        moved = await future
        if moved.status == "put_away":
            raise ConflictError(
                f"The tasks of batch '{move['batch']}' were put away; they come back when somebody asks for its results."
            )
        return moved

    async def finish(self, *, asset: str, sha256: str, checks: Checked | None = None, **done: Any) -> Moved:
        """Ends a spooled task with its picture: `stored` and `done`, in one write. The answer to the second of them.

        Args:
            checks: what the rules that the picture was held against came to.
            done: batch, index, fence, worker and what `done` asks for; see `lua/move.lua`. Raises as `move` does.
        """
        about = {name: done[name] for name in ("batch", "index", "fence", "worker")}
        facts = checks.model_dump(exclude_defaults=True) if checks else None
        stored = self.move(to="stored", asset=asset, sha256=sha256, **about)
        return (await asyncio.gather(stored, self.move(to="done", checks=facts, **done)))[1]

    async def _write(self) -> None:
        """Writes what has gathered until nothing is left; what arrives during a write goes with the next."""
        try:
            await asyncio.sleep(0)
            while self._pending:
                group, self._pending = self._pending[:_GROUP], self._pending[_GROUP:]
                await self._write_group(group)
        finally:
            self._writer = None

    async def _write_group(self, group: list[tuple[bytes, asyncio.Future[Moved]]]) -> None:
        """Writes some moves. Whatever goes wrong reaches those who asked for them, else they would wait for ever."""
        waiting = [future for _, future in group]
        try:
            packed = pack([msgspec.Raw(move) for move, _ in group])
            answers = _moved(await self._scripts.run("move", packed))
            for future, answer in list(zip(waiting, answers, strict=True)):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
            for future in waiting:
                if not future.done():
                    future.set_exception(error)

    async def get(self, batch: Batch, index: int) -> Task:
        """One task; the caller has checked that the index exists."""
        return (await self._read(batch, [index]))[0]

    async def several(self, batch: Batch, indexes: Sequence[int]) -> list[Task]:
        """Some hundred tasks at most, in this order; the caller has checked that the indexes exist."""
        return await self._read(batch, indexes) if indexes else []

    async def page(
        self,
        batch: Batch,
        *,
        start: int,
        limit: int,
        state: TaskState | None = None,
        failure_class: FailureClass | None = None,
        check: Result | None = None,
    ) -> tuple[list[Task], int | None]:
        """Up to `limit` tasks from index `start` on, ascending, and where the next page starts (None: at the end)."""
        found: list[Task] = []
        group = _listed_by(check) or await self._listing(batch, state, failure_class)
        async for task in self._from(batch, start, group, limit):
            wanted = (state, failure_class, check)
            if all(one in (None, has) for one, has in zip(wanted, _facts(task), strict=True)):
                if len(found) == limit:
                    return found, task.index
                found.append(task)
        return found, None

    async def _listing(
        self, batch: Batch, state: TaskState | None, failure_class: FailureClass | None
    ) -> str | None:
        """The group whose index names every task asked for. What ended untouched is in no index."""
        group = _group(state)
        if group not in ("failed", "cancelled"):
            return group
        with translated():
            reason = await command(self._client, "HGET", keys.batch(batch.id), "untouched_as")
        if reason is None or _ended_as(reason) != group or failure_class not in (None, reason.decode()):
            return group
        return None

    async def _from(self, batch: Batch, start: int, group: str | None, step: int) -> AsyncIterator[Task]:
        """Tasks from `start` on, through the group's index where there is one."""
        total, step = batch.counts["total"], min(max(step, 50) + 1, _SCAN)
        while start < total:
            indexes = list(range(start, min(start + step, total)))
            if group is not None:
                members = keys.members(batch.id, group)
                with translated():
                    found = await self._client.zrangebyscore(members, start, "+inf", 0, step)
                indexes = [int(index) for index in found]
            if not indexes:
                await self._read(batch, [])
                return
            for task in await self._read(batch, indexes):
                yield task
            start = indexes[-1] + 1

    async def _read(self, batch: Batch, indexes: Sequence[int]) -> list[Task]:
        with translated():
            async with self._client.pipeline(transaction=True) as pipe:
                for index in indexes:
                    pipe.hgetall(keys.task(batch.id, index))
                    pipe.hget(keys.ended(batch.id, index), str(index))
                pipe.hmget(keys.batch(batch.id), ["untouched_as", "put_away"])
                *answers, (untouched, put_away) = await pipe.execute()
        if put_away is not None:
            raise UnavailableError(f"The tasks of batch '{batch.id}' were put away just now; ask again.")
        pairs = zip(indexes, answers[::2], answers[1::2], strict=True)
        return [_task(index, live, ended, untouched) for index, live, ended in pairs]


def _group(state: TaskState | None) -> str | None:
    if state is None:
        return None
    group = "running" if state in IN_FLIGHT else state.value
    return group if group in _LISTED else None


def _listed_by(check: Result | None) -> str | None:
    """Pictures that pass are many, and in no index."""
    return None if check in (None, "pass") else f"check_{check}"


def _facts(task: Task) -> tuple[object, object, object]:
    """State, failure class and result of the checks: what tasks are chosen by."""
    failure_class = task.failure.get("class") if task.failure else None
    return task.state, failure_class, task.checks.result if task.checks else None


def _task(index: int, live: Mapping[bytes, bytes], ended: bytes | None, untouched: bytes | None) -> Task:
    if live:
        return _live_task(index, {name.decode(): value for name, value in live.items()})
    if ended is not None:
        record = unpack(ended)
        return Task(
            index=index,
            state=TaskState(record["state"]),
            attempts=record["attempt"],
            sends=record["sends"],
            cost_usd_micros=record["cost"],
            asset_key=record.get("asset"),
            sha256=record.get("sha256"),
            same_as=record.get("same_as"),
            failure=record.get("failure"),
            checks=Checked.model_validate(record["checks"], extra="ignore") if "checks" in record else None,
            updated_at_ms=record["at"],
        )
    if untouched is None:
        return Task(index, TaskState.QUEUED)
    return Task(index, _ended_as(untouched), failure={"class": untouched.decode()})


def _ended_as(reason: bytes) -> TaskState:
    return TaskState.FAILED if reason == b"expired" else TaskState.CANCELLED


def _live_task(index: int, fields: Mapping[str, bytes]) -> Task:
    failure, asset, sha256 = fields.get("failure"), fields.get("asset"), fields.get("sha256")
    return Task(
        index=index,
        state=TaskState(fields["state"].decode()),
        attempts=int(fields.get("attempt", 0)),
        sends=int(fields.get("sends", 0)),
        cost_usd_micros=int(fields.get("cost", 0)),
        asset_key=asset.decode() if asset else None,
        sha256=sha256.decode() if sha256 else None,
        failure=unpack(failure) if failure else None,
        next_at_ms=int(fields["next_at"]) if fields["state"] == b"waiting" and "next_at" in fields else None,
        updated_at_ms=int(fields.get("at", 0)),
    )
