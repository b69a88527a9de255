"""Bulk actions: tasks chosen once, and made again part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import command, translated
from core.state.scripts import Scripts, pack, unpack
from schemas.batch import Batch
from schemas.errors import NotFoundError

KEPT_S = 30 * 24 * 3600
PART = 500
"""Tasks in one script, some 40 us each, so that nobody else waits for Redis for long."""


class ActionState(StrEnum):
    """Where a bulk action stands."""

    DRY_RUN = "dry_run"  # chosen and priced; nothing more happens
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"  # its batch was cancelled before all parts were done


@dataclass(frozen=True, slots=True)
class BulkAction:
    """A replay as it stands now.

    Args:
        matched: tasks that were chosen when it was made.
        moved: tasks that were put back so far; one that is under way already is left alone.
        estimated_usd_micros: what `matched` pictures will likely cost.
        accepts_doubt: parked tasks are among them, whose earlier calls count as spent.
    """

    id: str
    tenant: str
    batch_id: str
    state: ActionState
    matched: int
    moved: int
    estimated_usd_micros: int
    accepts_doubt: bool
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A task to make again; `parent` is the task whose picture it starts from."""

    index: int
    parent: int | None


class ActionStore:
    """The shelf of bulk actions."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def create(self, action: BulkAction, chosen: Sequence[Chosen]) -> None:
        """Puts an action on the shelf, with its selection as it is to stay."""
        key = keys.action(action.id)
        fields: dict[str, Any] = {
            "tenant": action.tenant,
            "batch": action.batch_id,
            "state": action.state,
            "matched": action.matched,
            "moved": action.moved,
            "estimated": action.estimated_usd_micros,
            "accepts_doubt": int(action.accepts_doubt),
            "created_at": action.created_at_ms,
        }
        pairs = [(one.index, one.parent) for one in chosen]
        parts = [pack(pairs[start : start + PART]) for start in range(0, len(pairs), PART)]
        with translated():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping=fields)
                pipe.expire(key, KEPT_S)
                if action.state is ActionState.RUNNING:
                    pipe.sadd(keys.ACTIONS, action.id)
                    if parts:
                        pipe.rpush(f"{key}:parts", *parts)
                        pipe.expire(f"{key}:parts", KEPT_S)
                await pipe.execute()

    async def get(self, tenant: str, action_id: str) -> BulkAction:
        """The action as it stands.

        Raises:
            NotFoundError: there is none (any more), or it is another tenant's.
        """
        with translated():
            fields = await command(self._client, "HGETALL", keys.action(action_id))
        if fields.get(b"tenant") != tenant.encode():
            raise NotFoundError(f"There is no bulk action '{action_id}'; they are kept for 30 days.")
        return _action(action_id, fields)

    async def advance(self, action_id: str) -> ActionState:
        """Does the next part of an action. Safe to repeat, and from several processes at once.

        Raises:
            UnavailableError: Redis did not answer; the part may or may not be done.
        """
        return ActionState((await self._scripts.run("replay", action_id)).decode())

    async def under_way(self) -> list[str]:
        """Ids of the actions that have parts left."""
        with translated():
            return sorted(found.decode() for found in await command(self._client, "SMEMBERS", keys.ACTIONS))

    async def estimate(self, batch: Batch, indexes: Sequence[int]) -> int:
        """What these tasks will likely cost, in micro-dollars: their part of all holds, of what the plan estimated."""
        with translated():
            lanes = unpack(await command(self._client, "HGET", keys.batch(batch.id), "lanes"))
            packed = [
                await command(self._client, "HGET", keys.flow(batch.id, lane), "blocks") for lane in lanes
            ]
        blocks = [block for found in packed for block in unpack(found)]
        every = sum(block["count"] // len(block["holds"]) * sum(block["holds"]) for block in blocks)
        holds = sum(hold_of(blocks, index) for index in indexes)
        return -(-holds * batch.estimated_usd_micros // every) if every else 0


def hold_of(blocks: list[dict[str, Any]], index: int) -> int:
    """What is held for a task; the same sum as `price_of` in the scripts."""
    block = next(found for found in blocks if 0 <= index - found["first"] < found["count"])
    hold: int = block["holds"][(index - block["first"]) // block["samples"] % len(block["holds"])]
    return hold


def _action(action_id: str, fields: Mapping[bytes, bytes]) -> BulkAction:
    return BulkAction(
        id=action_id,
        tenant=fields[b"tenant"].decode(),
        batch_id=fields[b"batch"].decode(),
        state=ActionState(fields[b"state"].decode()),
        matched=int(fields[b"matched"]),
        moved=int(fields[b"moved"]),
        estimated_usd_micros=int(fields[b"estimated"]),
        accepts_doubt=fields[b"accepts_doubt"] == b"1",
        created_at_ms=int(fields[b"created_at"]),
    )
