"""Claims: handed out in blocks, held by a lease of the worker, taken back when the lease runs out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import command, translated
from core.state.scripts import Scripts
from schemas.claim import Claim, Wait
from schemas.task import TaskState

HORIZON_US = 2_000_000
"""How far ahead a permit may lie. A crash wastes at most that much of a lane's time."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent besides a batch's own cap, in micro-dollars; None for the month: nothing."""

    tenant_month_usd_micros: int | None
    house_day_usd_micros: int | None


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """A claim that was made and not yet sent."""

    batch_id: str
    index: int
    fence: int


@dataclass(frozen=True, slots=True)
class LostClaim:
    """A claim whose worker is gone."""

    worker: str
    batch_id: str
    index: int
    fence: int
    state: str
    attempt: int
    crashes: int


class ClaimStore:
    """The desk that hands out tasks."""

    def __init__(self, client: Redis, caps: Caps) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._caps = {"tenant_month": caps.tenant_month_usd_micros, "house_day": caps.house_day_usd_micros}

    async def claim(
        self, lane: str, *, worker: str, want: int, group: str | None = None
    ) -> tuple[list[Claim], Wait | None]:
        """Up to `want` tasks that a lane may start now, and how long to wait when there were fewer.

        Args:
            group: the lanes that share their work with this one; by default it has work of its own.

        Raises:
            UnavailableError: Redis did not answer; claims that were made are in `held`.
        Cancelled: a claim made is found by the rescuer.
        """
        question: dict[str, Any] = {
            "lane": lane,
            "group": group or lane,
            "worker": worker,
            "want": want,
            "horizon_us": HORIZON_US,
            "caps": {name: cap for name, cap in self._caps.items() if cap is not None},
        }
        answer = await self._scripts.ask("claim", question)
        claims = [
            Claim(
                lane=lane,
                tenant=found["tenant"],
                batch_id=found["batch"],
                index=found["index"],
                fence=found["fence"],
                attempt=found["attempt"],
                sends=found["sends"],
                crashes=found["crashes"],
                fetches=found["fetches"],
                start_in_ms=found["start_in_ms"],
                hold_usd_micros=found["hold"],
                tokens=found["tokens"],
            )
            for found in answer["claims"]
        ]
        return claims, Wait(answer["wait_ms"], answer["limited_by"]) if answer["wait_ms"] else None

    async def held(self, worker: str, lane: str) -> list[HeldClaim]:
        """What a worker has claimed in a lane and not yet sent; some of it may have moved on by now."""
        with translated():
            members = [
                member.decode().rpartition(":")
                for member in await command(self._client, "SMEMBERS", keys.claims(worker))
            ]
            async with self._client.pipeline(transaction=False) as pipe:
                for batch_id, _, index in members:
                    pipe.hmget(keys.task(batch_id, int(index)), ["state", "worker", "lane", "fence"])
                tasks = await pipe.execute()
        mine = [TaskState.CLAIMED.value.encode(), worker.encode(), lane.encode()]
        return [
            HeldClaim(batch_id, int(index), int(task[3]))
            for (batch_id, _, index), task in zip(members, tasks, strict=True)
            if task[:3] == mine
        ]

    async def lost(self, limit: int = 500) -> list[LostClaim]:
        """Claims of workers whose lease has run out."""
        answer = await self._scripts.ask_raw("lost", limit)
        return [
            LostClaim(
                worker=found["worker"],
                batch_id=found["batch"],
                index=found["index"],
                fence=found["fence"],
                state=found["state"],
                attempt=found["attempt"],
                crashes=found["crashes"],
            )
            for found in answer
        ]
