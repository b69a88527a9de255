"""Figures are shown in time, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.settings import BudgetSettings
from core.state.connection import connect
from core.telemetry.metrics import ServiceMetrics
from service.routes import operation


async def test_a_redis_that_takes_calls_and_says_nothing_is_down_before_prometheus_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert operation._FIGURES_WITHIN_S < 10, "as long as Prometheus waits"
    monkeypatch.setattr(operation, "_FIGURES_WITHIN_S", 0.1)
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    redis = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    desk = SimpleNamespace(redis=redis, settings=SimpleNamespace(budgets=BudgetSettings()))

    figures = await asyncio.wait_for(operation._figures(cast(Any, desk)), timeout=8)

    assert taken
    assert b"darkroom_redis_up 0.0" in ServiceMetrics().render("", figures)[0]
    await redis.aclose()
    for writer in taken:
        writer.close()
    server.close()
    await server.wait_closed()
