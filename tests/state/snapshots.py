"""All of Redis as a value: to go back to, and to tell whether two moments are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis

from core.state import keys
from core.state.connection import command
from schemas.task import TaskState
from workers.retry_policy import MAX_CRASHES

TAKE = """
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(1', '+inf')) do
  redis.call('ZADD', KEYS[1], '9000000000000000', worker)
end
local names = redis.call('KEYS', '*')
table.sort(names)
local all = {}
for _, key in ipairs(names) do
  local kind, content = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then content = redis.call('SMEMBERS', key) end
  all[#all + 1] = { key, kind, content, redis.call('DUMP', key) }
end
return all
"""
"""Leases that have not run out last for ever from now on: only the model takes them away."""

GO_BACK = """
redis.call('FLUSHDB')
for place = 1, #ARGV, 2 do redis.call('RESTORE', ARGV[place], 0, ARGV[place + 1]) end
"""

Image = tuple[bytes, ...]
"""Keys and what DUMP gave for them, by turns."""

_TIMES = {
    b"version",
    b"at",
    b"claimed_at",
    b"started_at",
    b"finished_at",
    b"created_at",
    b"next_at",
    b"sent_at",
}
_PLACES = {b"virtual", b"finish", b"retry_tenths", b"retries_at"}
"""What differs from moment to moment and decides nothing here: there is one batch, and nothing limits it. Crashes are
told apart up to the number that makes a task poison."""


@dataclass(frozen=True, slots=True)
class View:
    """What the steps depend on.

    Args:
        states: those that tasks of the batch are in.
        alive, expired: workers whose lease lasts, and whose lease has run out.
        holders: workers that hold claims.
        doubts: whether any are listed.
        same: a line for each key, without times.
    """

    states: frozenset[TaskState]
    alive: frozenset[str]
    expired: frozenset[str]
    holders: frozenset[str]
    doubts: bool
    same: tuple[str, ...]


async def take(client: Redis, batch_id: str, tasks: int) -> tuple[Image, View]:
    """What is in Redis, and how it looks."""
    answer: Any = await command(client, "EVAL", TAKE, 1, keys.WORKERS)
    found = {key: (kind, content) for key, kind, content, _ in answer}
    image = tuple(part for key, _, _, dump in answer for part in (key, dump))
    return image, _view(found, batch_id, tasks)


async def go_back(client: Redis, image: Image) -> None:
    """Makes Redis what it was."""
    await command(client, "EVAL", GO_BACK, 0, *image)


def _view(found: dict[bytes, tuple[bytes, Any]], batch_id: str, tasks: int) -> View:
    scores = _pairs(found.get(keys.WORKERS.encode(), (b"", []))[1])
    start, end = f"{keys.PREFIX}worker:".encode(), b":claims"
    holders = {key[len(start) : -len(end)].decode() for key in found if key.startswith(start)}
    expired = {name.decode() for name, score in scores.items() if float(score) <= 1}
    return View(
        states=frozenset(_state(found, batch_id, index) for index in range(tasks)),
        alive=frozenset(name.decode() for name in scores) - expired,
        expired=frozenset(expired),
        holders=frozenset(holders),
        doubts=f"{keys.PREFIX}doubts".encode() in found,
        same=tuple(repr((key, _plain(key, *about))) for key, about in found.items() if not _only_counts(key)),
    )


def _only_counts(key: bytes) -> bool:
    """Whether a key says what has been, and decides nothing here."""
    return b":calls:" in key or key in (keys.ENDINGS.encode(), keys.FLEET.encode())


def _state(found: dict[bytes, tuple[bytes, Any]], batch_id: str, index: int) -> TaskState:
    live = found.get(keys.task(batch_id, index).encode())
    if live:
        return TaskState(_pairs(live[1])[b"state"].decode())
    ended = _pairs(found.get(keys.ended(batch_id, index).encode(), (b"", []))[1]).get(str(index).encode())
    return TaskState(msgspec.msgpack.decode(ended)["state"]) if ended else TaskState.QUEUED


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _plain(key: bytes, kind: bytes, content: Any) -> Any:
    """The content of a key without times."""
    if kind == b"hash":
        kept = {name: value for name, value in _pairs(content).items() if name not in _TIMES | _PLACES}
        if b":ended:" in key:
            return sorted((name, _untimed(value)) for name, value in kept.items())
        if b"crashes" in kept:
            kept[b"crashes"] = min(kept[b"crashes"], b"%d" % MAX_CRASHES)
        return sorted(kept.items())
    if kind == b"zset" and key == keys.WORKERS.encode():
        return sorted((name, float(score) > 1) for name, score in _pairs(content).items())
    if kind == b"zset":
        return list(_pairs(content))  # in the order of their scores
    return sorted(content or [])


def _untimed(packed: bytes) -> Any:
    record = msgspec.msgpack.decode(packed)
    return sorted((name, str(value)) for name, value in record.items() if name not in ("at", "crashes"))
