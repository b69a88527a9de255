"""Plans: kept for three days, so that a submission can name the plan it was shown."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import command, translated
from schemas.plan import Plan

KEPT_S = 72 * 3600


def kept(plan: Plan) -> dict[str, Any]:
    """A plan as Redis keeps it: without its prompts, which Redis never holds; they are kept in storage, before this."""
    return {"text": plan.model_dump_json(exclude={"prompts"}), "kept_s": KEPT_S}


class PlanStore:
    """The shelf of plans."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def put(self, tenant: str, plan_id: str, plan: Plan) -> None:
        """Keeps the plan of a manifest that is not submitted. That of a batch is kept by what it decides."""
        with translated():
            await self._client.set(keys.plan(tenant, plan_id), kept(plan)["text"], ex=KEPT_S)

    async def begin(self, plan_id: str, worker: str) -> int:
        """Notes that a worker makes this plan. How many others did that died before its end."""
        key = keys.planners(plan_id)
        with translated():
            await command(self._client, "SADD", key, worker)
            await command(self._client, "EXPIRE", key, KEPT_S)
            others = await command(self._client, "SMEMBERS", key) - {worker.encode()}
            now_s, _ = await command(self._client, "TIME")
            leases = [await command(self._client, "ZSCORE", keys.WORKERS, other) for other in others]
        return sum(lease_ms is None or lease_ms <= now_s * 1000 for lease_ms in leases)

    async def end(self, plan_id: str, worker: str) -> None:
        """Notes that a worker makes this plan no more, and lives."""
        with translated():
            await command(self._client, "SREM", keys.planners(plan_id), worker)

    async def get(self, tenant: str, plan_id: str) -> Plan | None:
        """The plan without its prompts, or None when there is none (yet); a worker of a later version may have made it."""
        with translated():
            text = await self._client.get(keys.plan(tenant, plan_id))
        return None if text is None else Plan.model_validate_json(text, extra="ignore")
