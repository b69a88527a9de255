"""Batches: one hash each, whatever their size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import msgspec
from redis.asyncio import Redis

from core.record import PlannedBatch
from core.state import keys
from core.state.connection import command, translated
from core.state.plans import kept
from core.state.scripts import Scripts, pack
from schemas.batch import COUNTS, Batch, BatchState
from schemas.errors import ConflictError, NotFoundError, Problem
from schemas.manifest import Priority
from schemas.plan import Plan
from schemas.pricing import usd
from schemas.rendition import Result

IDEMPOTENCY_KEPT_S = 72 * 3600
CLOSING = b"closing"
"""What `lua/close.lua` answers while parts are left."""

_COUNTED = tuple(name for name in COUNTS if name not in ("total", "queued"))
"""Those that Redis keeps; what is left of the total is queued."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """What is known of a batch before its plan; `expects` is the digest that the plan must have, `trace` its traceparent."""

    id: str
    tenant: str
    name: str
    priority: Priority
    metadata: dict[str, str]
    plan_id: str
    cap_usd_micros: int | None
    on_doubt: str
    reuse: str
    deadline_ms: int | None
    created_at_ms: int
    expects: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """A batch's share of one lane, or of one group of lanes.

    Args:
        lane: name of the lane or group.
        length: how many tasks the cursor counts through.
        blocks: {first, count, samples, dependent, holds [usd_micros per size], tokens [per size]} of its templates.
    """

    lane: str
    length: int
    blocks: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different about a batch from its next claim on; None: as it is."""

    state: Literal[BatchState.PAUSED, BatchState.RUNNING] | None = None
    cap_usd_micros: int | None = None
    priority: Priority | None = None


class BatchStore:
    """The shelf of batches."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def create(self, batch: NewBatch) -> Batch:
        """Puts a new batch on the shelf, in `planning`; one of that id that is there already stays as it is."""
        fields: dict[str, Any] = {
            "tenant": batch.tenant,
            "name": batch.name,
            "class": batch.priority,
            "state": BatchState.PLANNING,
            "metadata": json.dumps(batch.metadata),
            "plan": batch.plan_id,
            "on_doubt": batch.on_doubt,
            "reuse": batch.reuse,
            "created_at": batch.created_at_ms,
            "version": 1,
        }
        if batch.cap_usd_micros is not None:
            fields["cap"] = batch.cap_usd_micros
        if batch.expects is not None:
            fields["expects"] = batch.expects
        if batch.trace is not None:
            fields["trace"] = batch.trace
        if batch.deadline_ms is not None:
            fields["deadline"] = batch.deadline_ms
        question = {"batch": batch.id, "tenant": batch.tenant, "fields": fields}
        await self._scripts.run("create", pack(question))
        return await self.get(batch.tenant, batch.id)

    async def take_plan(self, batch_id: str) -> int:
        """Takes the plan of a batch: nobody who took it before can open the batch any more.

        Returns its fence, 1 or more; 0 when the batch does not wait for a plan (any more).
        """
        return int(await self._scripts.run("plan", batch_id))

    async def holds_plan(self, batch_id: str, fence: int) -> bool:
        """Whether the batch still waits for the plan of this fence: nobody has decided it, or taken its plan, since."""
        with translated():
            state, last = await command(self._client, "HMGET", keys.batch(batch_id), "state", "plan_fence")
        return bool(state == BatchState.PLANNING.value.encode() and int(last or 0) == fence)

    async def start(self, planned: PlannedBatch, plan: Plan) -> bool:
        """Opens a batch with its plan. False when it was cancelled in the meantime, or somebody else has taken its plan."""
        fields = {
            "total": planned.total,
            "rows": planned.rows,
            "rows_fence": planned.rows_fence,
            "estimated": planned.estimated_usd_micros,
        }
        about = {"class": planned.priority, "tenant": planned.tenant}
        question = {
            "batch": planned.id,
            "fields": fields,
            "fence": planned.rows_fence,
            "plan": kept(plan),
            "deadline_ms": planned.deadline_ms,
            "flows": [flow | about for flow in planned.flows],
        }
        return bool(await self._scripts.run("start", pack(question)))

    async def reject(
        self,
        batch_id: str,
        *,
        fence: int,
        plan: Plan | None,
        refusal: str,
        problems: list[Problem],
        finished_at_ms: int,
    ) -> bool:
        """Ends a batch that never started; nothing was queued, nothing was spent. False when it was decided already, or
        somebody else has taken its plan.

        Args:
            fence: as `take_plan` gave it.
            plan: the one that says so; none: there is no plan, and will be none.
        """
        question = {
            "batch": batch_id,
            "fence": fence,
            "plan": None if plan is None else kept(plan),
            "refusal": refusal,
            "problems": json.dumps([asdict(problem) for problem in problems]),
            "finished_at": finished_at_ms,
        }
        known = {name: value for name, value in question.items() if value is not None}
        return bool(await self._scripts.run("reject", pack(known)))

    async def get(self, tenant: str, batch_id: str) -> Batch:
        """The batch as it stands.

        Raises:
            NotFoundError: there is none, or it is another tenant's.
        """
        found = await self._read([batch_id])
        if not found or found[0].tenant != tenant:
            raise NotFoundError(f"There is no batch '{batch_id}'.")
        return found[0]

    async def _read(self, ids: list[str]) -> list[Batch]:
        """Those of the batches that exist."""
        with translated():
            async with self._client.pipeline(transaction=True) as pipe:
                for batch_id in ids:
                    pipe.hgetall(keys.batch(batch_id))
                    pipe.hgetall(keys.failures(batch_id))
                answers = await pipe.execute()
        found = zip(ids, answers[::2], answers[1::2], strict=True)
        return [_batch(batch_id, fields, failures) for batch_id, fields, failures in found if fields]

    async def page(self, tenant: str, *, limit: int, before: str | None = None) -> list[Batch]:
        """Up to `limit` batches, newest first, older than `before`."""
        start = f"({before}" if before else "+"
        with translated():
            ids = await self._client.zrevrangebylex(keys.tenant_batches(tenant), start, "-", 0, limit)
        return await self._read([found.decode() for found in ids])

    async def close(self, batch: Batch, *, reason: str) -> Batch:
        """Ends a batch early; `reason` is cancelled or expired. Goes on with one that somebody began to close.

        Raises:
            ConflictError: it had already ended, or is to expire before its deadline.
            UnavailableError: Redis did not answer; nothing new starts if the first part was done, and asking again is safe.
        Cancelled: a worker goes on with it.
        """
        answer = await self._scripts.run("close", batch.id, reason)
        if not answer:
            raise ConflictError(f"The batch is {batch.state}; only one that has not ended can be {reason}.")
        while answer == CLOSING:
            answer = await self._scripts.run("close", batch.id, reason)
        return await self.get(batch.tenant, batch.id)

    async def closing(self) -> list[str]:
        """Ids of the batches that somebody began to close and has not closed yet."""
        with translated():
            return sorted(found.decode() for found in await command(self._client, "SMEMBERS", keys.CLOSING))

    async def cancel(self, tenant: str, batch_id: str) -> Batch:
        """Nothing new starts; what is in flight is paid and is kept.

        Raises:
            NotFoundError, ConflictError: as `get` and `close`.
        """
        return await self.close(await self.get(tenant, batch_id), reason="cancelled")

    async def steer(
        self, batch: Batch, change: Change, *, versions: Sequence[int] | None = None
    ) -> Batch | None:
        """Changes a running or paused batch, or lets it be; None when it is at none of `versions`.

        Raises:
            ConflictError: it has ended or has not started, or the new cap is under what it holds and has spent.
        """
        question = {
            "batch": batch.id,
            "versions": versions,
            "state": change.state,
            "cap": change.cap_usd_micros,
            "class": change.priority,
        }
        known = {name: value for name, value in question.items() if value is not None}
        answer = await self._scripts.ask("steer", known)
        status, spent, held = answer["status"], answer.get("spent", 0), answer.get("held", 0)
        if status == "stale":
            return None
        if status == "ended":
            raise ConflictError(
                f"The batch is {answer['state']}; only one that is running or paused takes this."
            )
        if status == "low":
            raise ConflictError(
                f"${usd(spent)} is spent and ${usd(held)} is held for calls in flight or in doubt; "
                f"a cap may not be less than both together, ${usd(spent + held)}."
            )
        return await self.get(batch.tenant, batch.id)

    async def overdue(self, now_ms: int) -> list[str]:
        """Ids of running batches whose deadline has passed."""
        with translated():
            return [
                found.decode() for found in await self._client.zrangebyscore(keys.DEADLINES, "-inf", now_ms)
            ]

    async def owner_of(self, batch_id: str) -> str | None:
        """The tenant of a batch, for processes that work for all of them."""
        with translated():
            tenant = await command(self._client, "HGET", keys.batch(batch_id), "tenant")
        return tenant.decode() if tenant else None

    async def idempotent(self, tenant: str, key: str, fingerprint: str, batch_id: str) -> str | None:
        """Remembers a submission for 72 hours; the id of the earlier one when this is a repetition.

        Raises:
            ConflictError: the key was used for something else.
        """
        name, value = keys.idempotency(tenant, key), f"{fingerprint} {batch_id}"
        with translated():
            if await self._client.set(name, value, nx=True, ex=IDEMPOTENCY_KEPT_S):
                return None
            earlier, _, earlier_id = (await self._client.get(name) or b"").decode().partition(" ")
        if earlier != fingerprint:
            raise ConflictError("This Idempotency-Key was used for another request.")
        return earlier_id


def _batch(batch_id: str, fields: Mapping[bytes, bytes], failures: Mapping[bytes, bytes]) -> Batch:
    def text(name: str) -> str | None:
        value = fields.get(name.encode())
        return None if value is None else value.decode()

    def number(name: str) -> int:
        return int(text(name) or 0)

    def maybe(name: str) -> int | None:
        value = text(name)
        return None if value is None else int(value)

    counts = {"total": number("total"), "queued": 0, **{name: number(f"n_{name}") for name in _COUNTED}}
    counts["queued"] = counts["total"] - sum(counts[name] for name in _COUNTED)
    return Batch(
        id=batch_id,
        tenant=text("tenant") or "",
        name=text("name") or "",
        priority=Priority(text("class") or ""),
        state=BatchState(text("state") or ""),
        metadata=json.loads(text("metadata") or "{}"),
        plan_id=text("plan") or "",
        counts=counts,
        checks={result: number(f"n_check_{result}") for result in get_args(Result)},
        reused=number("n_reused"),
        rows=number("rows"),
        rows_fence=number("rows_fence"),
        estimated_usd_micros=number("estimated"),
        held_usd_micros=number("held"),
        spent_usd_micros=number("spent"),
        cap_usd_micros=maybe("cap"),
        failures_by_class={
            name.decode(): int(count) for name, count in sorted(failures.items()) if int(count)
        },
        created_at_ms=number("created_at"),
        started_at_ms=maybe("started_at"),
        finished_at_ms=maybe("finished_at"),
        limited_by=text("limited_by"),
        refusal=text("refusal"),
        problems=msgspec.json.decode(text("problems") or "[]", type=tuple[Problem, ...]),
        version=number("version"),
        expects=text("expects"),
        trace=text("trace"),
        put_away=text("put_away"),
    )
