"""The composition root of the service: it opens doors, and nothing else chooses implementations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from secrets import token_bytes
from typing import Any

import structlog
from fastapi import FastAPI

from core.clock import Clock, SystemClock
from core.documents import Documents
from core.queue import JobQueue
from core.settings import Settings
from core.state.actions import ActionStore
from core.state.batches import BatchStore
from core.state.connection import check, connect, connect_for_jobs
from core.state.plans import PlanStore
from core.state.shelving import ShelvingStore
from core.state.tasks import TaskStore
from core.storage.opening import open_store
from core.storage.store import ObjectStore
from core.telemetry.measured_store import MeasuredStore
from core.telemetry.metrics import ServiceMetrics
from core.telemetry.opening import open_traces
from core.telemetry.traces import Traces
from service import problems
from service.contract import openapi
from service.contract.cursors import Cursors
from service.equipment import Chance, Equipment
from service.exports.thumbnails import Thumbnailer
from service.middleware import RequestObserver
from service.replay import finish_left_over
from service.routes import actions, batches, exports, operation, plans, results, steering, tasks, uploads

API_VERSION = "1.0"

log = structlog.get_logger()


def build(settings: Settings, *, clock: Clock | None = None, chance: Chance = token_bytes) -> FastAPI:
    """The application. Redis and the queue are opened when it starts; everything is closed when it stops."""
    clock, metrics = clock or SystemClock(), ServiceMetrics()
    traces = open_traces(settings.telemetry, process="service")
    storage = settings.storage
    opened = open_store(storage.url, endpoint_url=storage.endpoint_url, threads=storage.threads)
    store = MeasuredStore(opened, metrics, clock.monotonic)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seeing = (metrics, traces)
        async with _opened(settings, store, clock=clock, chance=chance, seeing=seeing) as equipment:
            app.state.equipment = equipment
            left_over = asyncio.create_task(finish_left_over(equipment))
            yield
            left_over.cancel()
            await asyncio.gather(left_over, return_exceptions=True)

    app = _assembled(lifespan)
    key = settings.service.bootstrap_key
    app.add_middleware(RequestObserver, metrics=metrics, traces=traces, clock=clock, chance=chance, key=key)
    return app


async def examine(settings: Settings) -> None:
    """Looks at Redis before anything is served, and says in the log what about it is not as it should be.

    Raises:
        UnavailableError: it does not answer, or it must not be used.
    """
    redis = connect(settings.redis.address)
    try:
        for warning in await check(redis):
            log.warning("redis.misconfigured", reason=warning)
    finally:
        await redis.aclose()


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document; it does not depend on settings."""
    return openapi.document(_assembled(None))


def _assembled(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None) -> FastAPI:
    app = FastAPI(
        title="Darkroom",
        version=API_VERSION,
        lifespan=lifespan,
        docs_url=None,  # the pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for module in (batches, steering, tasks, results, exports, actions, plans, uploads, operation):
        app.include_router(module.router)
    app.include_router(exports.links)
    problems.install(app)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _opened(
    settings: Settings,
    store: ObjectStore,
    *,
    clock: Clock,
    chance: Chance,
    seeing: tuple[ServiceMetrics, Traces],
) -> AsyncIterator[Equipment]:
    """
    Args:
        seeing: what the process is watched by.
    Raises:
        UnavailableError: Redis does not answer.
    """
    metrics, traces = seeing
    async with AsyncExitStack() as closing:
        closing.callback(traces.close)
        closing.push_async_callback(store.aclose)
        redis = connect(settings.redis.address)
        closing.push_async_callback(redis.aclose)
        queue = JobQueue(connect_for_jobs(settings.redis.address))
        closing.push_async_callback(queue.aclose)
        thumbnailer = Thumbnailer()
        closing.push_async_callback(thumbnailer.aclose)
        key = settings.service.bootstrap_key
        yield Equipment(
            settings=settings,
            clock=clock,
            chance=chance,
            metrics=metrics,
            traces=traces,
            redis=redis,
            documents=Documents(store),
            batches=BatchStore(redis),
            tasks=TaskStore(redis),
            plans=PlanStore(redis),
            actions=ActionStore(redis),
            shelving=ShelvingStore(redis),
            queue=queue,
            thumbnailer=thumbnailer,
            cursors=Cursors(key.get_secret_value().encode() if key else chance(32)),
        )
