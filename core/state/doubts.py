"""Doubts: parked tasks that nobody has resolved yet, over all batches; and what the lanes have sent, by the minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import translated
from core.state.scripts import Scripts, pack
from schemas.failure import Charged
from schemas.manifest import OnDoubt


@dataclass(frozen=True, slots=True)
class Doubt:
    """A parked task whose last call may have been charged.

    Args:
        was: the state it was parked from.
        since_ms: when its request left, milliseconds since the epoch by the clock of Redis.
    """

    batch_id: str
    tenant: str
    index: int
    fence: int
    attempt: int
    sends: int
    lane: str
    was: str
    since_ms: int
    on_doubt: OnDoubt


@dataclass(frozen=True, slots=True)
class Minute:
    """The calls that a lane sent in one minute, as far as we know what became of them.

    Args:
        sent, closed: how many left, and of how many we know the end.
        charged, unsure: of those closed, how many were charged for, and of how many we cannot say.
        crossed: how many calls of earlier minutes, which ended since, were on their way when it began.
        at_ms: when one of these calls last began or ended.
    """

    sent: int = 0
    closed: int = 0
    charged: int = 0
    unsure: int = 0
    crossed: int = 0
    at_ms: int = 0

    @property
    def open(self) -> int:
        return max(0, self.sent - self.closed)


class Settled(StrEnum):
    """What settling a doubt led to."""

    QUEUE = "queue"  # its money is settled, and it is in the queue, or has ended with its batch
    PARKED = "parked"  # it stays so, unless somebody replays it
    STALE = "stale"  # it is not in doubt any more


class DoubtStore:
    """The shelf of doubts."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def due(self, *, limit: int, again_ms: int) -> tuple[list[Doubt], int]:
        """Doubts to be looked at, and the time by the clock of Redis. Others are given them only after `again_ms`."""
        answer = await self._scripts.ask_raw("doubts", limit, again_ms)
        found = [
            Doubt(
                batch_id=each["batch"],
                tenant=each["tenant"],
                index=each["index"],
                fence=each["fence"],
                attempt=each["attempt"],
                sends=each["sends"],
                lane=each["lane"],
                was=each["was"],
                since_ms=each["since"],
                on_doubt=OnDoubt(each["on_doubt"]),
            )
            for each in answer["doubts"]
        ]
        return found, answer["now_ms"]

    async def settle(
        self, doubt: Doubt, *, charged: Charged, again: bool, says: str | None = None
    ) -> Settled:
        """Settles the money of a doubt: given back, or spent, or held on when nobody knows and it is not made again.

        Args:
            again: it is made again; where it was charged, as far as the batch's budget for that goes.
            says: the sentence for who looks at it when it stays parked; none: the one it was parked with.

        Raises:
            UnavailableError: Redis did not answer; asking again is safe, and finds it stale if it was settled.
        """
        question: dict[str, Any] = {
            "batch": doubt.batch_id,
            "index": doubt.index,
            "fence": doubt.fence,
            "charged": charged.value,
            "again": again,
            "says": says,
        }
        known = {name: value for name, value in question.items() if value is not None}
        return Settled((await self._scripts.run("resolve", pack(known))).decode())

    async def minutes(self, lane: str, first: int, last: int) -> dict[int, Minute]:
        """What a lane sent from minute `first` to minute `last` since the epoch; minutes without calls are left out."""
        with translated():
            async with self._client.pipeline(transaction=True) as pipe:
                for minute in range(first, last + 1):
                    pipe.hgetall(keys.calls(lane, minute))
                answers = await pipe.execute()
        return {first + place: _minute(fields) for place, fields in enumerate(answers) if fields}


def _minute(fields: Mapping[bytes, bytes]) -> Minute:
    counts = {name.decode(): int(value) for name, value in fields.items()}
    at_ms = counts.pop("at", 0)
    return Minute(**counts, at_ms=at_ms)
