"""What the endpoints work with. Built once by `app`, handed to every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from redis.asyncio import Redis

from core.clock import Clock
from core.documents import Documents
from core.queue import JobQueue
from core.settings import Settings
from core.state.actions import ActionStore
from core.state.batches import BatchStore
from core.state.plans import PlanStore
from core.state.shelving import ShelvingStore
from core.state.tasks import TaskStore
from core.telemetry.metrics import ServiceMetrics
from core.telemetry.traces import Traces
from service.contract.cursors import Cursors
from service.exports.thumbnails import Thumbnailer

Chance = Callable[[int], bytes]
"""So many random bytes."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """Doors and shelves. `redis` is for health and gauges alone; state is reached through the shelves."""

    settings: Settings
    clock: Clock
    chance: Chance
    metrics: ServiceMetrics
    traces: Traces
    redis: Redis
    documents: Documents
    batches: BatchStore
    tasks: TaskStore
    plans: PlanStore
    actions: ActionStore
    shelving: ShelvingStore
    queue: JobQueue
    thumbnailer: Thumbnailer
    cursors: Cursors


async def equipment_of(request: Request) -> Equipment:
    return cast(Equipment, request.app.state.equipment)


Desk = Annotated[Equipment, Depends(equipment_of)]
