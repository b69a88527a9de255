"""Plans: kept for three days, so that a submission can name the plan it was shown."""

from __future__ import annotations

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import translated
from schemas.plan import Plan

KEPT_S = 72 * 3600


class PlanStore:
    """The shelf of plans."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def put(self, tenant: str, plan_id: str, plan: Plan) -> None:
        """Keeps a plan without its prompts, which Redis never holds: they are kept in storage, before this."""
        text = plan.model_dump_json(exclude={"prompts"})
        with translated():
            await self._client.set(keys.plan(tenant, plan_id), text, ex=KEPT_S)

    async def get(self, tenant: str, plan_id: str) -> Plan | None:
        """The plan without its prompts, or None when there is none (yet); a worker of a later version may have made it."""
        with translated():
            text = await self._client.get(keys.plan(tenant, plan_id))
        return None if text is None else Plan.model_validate_json(text, extra="ignore")
