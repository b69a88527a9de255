"""Shelving: the tasks of batches that ended long ago leave Redis, where storage has them, and come back when asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from redis.asyncio import Redis

from core.record import KeptHash
from core.state import keys
from core.state.connection import command, translated
from core.state.scripts import Scripts, pack
from schemas.batch import Batch, BatchState

PART_PAGES = 20
"""Hundreds of tasks in one document, and in one script: some 5 us a task, so that nobody else waits for Redis for long."""

DROPPED_PAGES = 200
"""Hundreds of tasks that one script drops."""

ROUND_S = 3600
"""How often it is looked whether a batch is to be put away, by one worker of all."""

SOON_S = 60
"""How long after a turn that was cut short the next one begins."""

_LOOKED_AT = 500


def parts_of(batch: Batch) -> int:
    """In how many documents the tasks of a batch are kept."""
    return -(-batch.counts["total"] // (PART_PAGES * keys.ENDED_PER_KEY))


class ShelvingStore:
    """The way of ended tasks out of Redis and back."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def is_my_turn(self, worker: str) -> bool:
        """Whether this worker is to look for batches now; for an hour nobody else is."""
        with translated():
            return bool(await self._client.set(keys.SHELVING, worker, nx=True, ex=ROUND_S))

    async def cut_short(self) -> None:
        """Lets the next turn begin soon: this one did not come to its end."""
        with translated():
            await self._client.expire(keys.SHELVING, SOON_S)

    async def due(self, *, before_ms: int) -> AsyncIterator[str]:
        """Ids of batches that ended, or came back, or stopped halfway back, before then and have tasks in Redis."""
        with translated():
            tenants = sorted(await command(self._client, "SMEMBERS", keys.TENANTS))
        for tenant in tenants:
            start = "-"
            while ids := await self._ids(tenant.decode(), start):
                for batch_id in await self._ended(ids, before_ms):
                    yield batch_id
                start = f"({ids[-1]}"

    async def _ids(self, tenant: str, start: str) -> list[str]:
        with translated():
            found = await self._client.zrangebylex(keys.tenant_batches(tenant), start, "+", 0, _LOOKED_AT)
        return [each.decode() for each in found]

    async def _ended(self, ids: Sequence[str], before_ms: int) -> list[str]:
        names = ["state", "finished_at", "fetched_at", "total", "dropped", "fetched"]
        with translated():
            async with self._client.pipeline(transaction=False) as pipe:
                for batch_id in ids:
                    pipe.hmget(keys.batch(batch_id), names)
                answers = await pipe.execute()
        found = []
        for batch_id, (state, *numbers) in zip(ids, answers, strict=True):
            finished, fetched_at, total, dropped, fetched = (int(value or 0) for value in numbers)
            is_over = state in (BatchState.COMPLETED.value.encode(), BatchState.CANCELLED.value.encode())
            is_left = fetched > 0 or dropped * keys.ENDED_PER_KEY < total
            if is_over and is_left and max(finished, fetched_at) < before_ms:
                found.append(batch_id)
        return found

    async def times_back(self, batch: Batch) -> int:
        """How often the tasks came back from storage. To be asked before the first part is read, and told when all are."""
        with translated():
            return int(await command(self._client, "HGET", keys.batch(batch.id), "times_back") or 0)

    async def read(self, batch: Batch, part: int) -> list[KeptHash]:
        """What Redis has of the tasks of one part."""
        pages = range(part * PART_PAGES, min((part + 1) * PART_PAGES, _pages_of(batch)))
        with translated():
            async with self._client.pipeline(transaction=False) as pipe:
                for page in pages:
                    pipe.hgetall(keys.ended(batch.id, page * keys.ENDED_PER_KEY))
                    pipe.hgetall(keys.posted(batch.id, page * keys.ENDED_PER_KEY))
                answers = await pipe.execute()
        found = list[KeptHash]()
        for page, ended, posted in zip(pages, answers[::2], answers[1::2], strict=True):
            found += [KeptHash("ended", page, _flat(ended))] if ended else []
            found += [KeptHash("posted", page, _flat(posted))] if posted else []
        return found

    async def put_away(self, batch: Batch, token: str, *, times_back: int) -> bool:
        """Says that storage has the tasks as they were when the batch was read. False when it has changed since, was away in
        between, is not at rest, or somebody else was quicker."""
        return bool(await self._step(batch, "away", token, version=batch.version, times_back=times_back))

    async def again(self, batch: Batch, token: str, *, before_ms: int) -> None:
        """Lets the tasks be dropped anew, if some came back and the others have not followed: none since then."""
        await self._step(batch, "again", token, before=before_ms)

    async def drop(self, batch: Batch, token: str) -> bool:
        """Takes the tasks of a batch that is put away out of Redis. False when somebody else did, or brings them back."""
        left = 1
        while left > 0:
            left = await self._step(batch, "drop", token, pages=DROPPED_PAGES)
        return left == 0

    async def bring_back(self, batch: Batch, token: str, part: int, hashes: Sequence[KeptHash]) -> int | None:
        """Puts one part back. Which comes next; None when all of them are back."""
        asked = {"part": part, "parts": parts_of(batch)}
        sizes = [(found.kind, found.page, len(found.fields)) for found in hashes]
        words = [word for found in hashes for word in found.fields]
        following = await self._step(batch, "fetch", token, *words, hashes=sizes, **asked)
        return None if following < 0 else following

    async def _step(self, batch: Batch, step: str, token: str, *words: bytes, **asked: object) -> int:
        question = {"batch": batch.id, "step": step, "token": token, **asked}
        return int(await self._scripts.run("shelve", pack(question), *words))


def _pages_of(batch: Batch) -> int:
    return -(-batch.counts["total"] // keys.ENDED_PER_KEY)


def _flat(fields: Mapping[bytes, bytes]) -> list[bytes]:
    return [each for pair in fields.items() for each in pair]
