"""For machines and operators, without a key: health, figures, and what the problem types mean."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from core.state.connection import check
from core.state.overview import overview
from schemas.errors import NotFoundError, Problem, UnavailableError
from service.contract.openapi import problems
from service.contract.shapes import Health, ProblemPage
from service.equipment import Desk, Equipment
from service.problems import PROBLEM_TYPES, ProblemError
from service.routes.gauges import QueueFigures

router = APIRouter(tags=["operation"])
_FIGURES_WITHIN_S = 8.0
"""Prometheus waits for 10 s unless it is told otherwise; beyond that a Redis that says nothing would look like a service
that is gone. Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/ (scrape_timeout), 2026-11-22.
"""


@router.get("/livez", operation_id="getLiveness", summary="Is the process alive?", responses=problems())
async def livez() -> Health:
    return Health()


@router.get("/readyz", operation_id="getReadiness", summary="Can it do its work?", responses=problems())
async def readyz(desk: Desk) -> Health:
    """503 with the reasons while Redis or the object storage does not answer."""
    warnings, storage = await asyncio.gather(
        check(desk.redis), desk.documents.store.check(), return_exceptions=True
    )
    reasons = [
        Problem(f"/{door}", "unavailable", str(outcome))
        for door, outcome in (("redis", warnings), ("storage", storage))
        if isinstance(outcome, BaseException)
    ]
    if isinstance(warnings, BaseException) or reasons:
        raise ProblemError("unavailable", " ".join(reason.detail for reason in reasons), problems=reasons)
    return Health(warnings=warnings)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "content": {
                media_type: {"schema": {"type": "string"}}
                for media_type in ("text/plain", "application/openmetrics-text")
            }
        },
        **problems(),
    },
)
async def metrics(request: Request, desk: Desk) -> Response:
    text, media_type = desk.metrics.render(request.headers.get("accept", ""), await _figures(desk))
    return Response(text, headers={"Content-Type": media_type})


async def _figures(desk: Equipment) -> QueueFigures:
    """Without Redis the figures of this process are still worth having."""
    try:
        async with asyncio.timeout(_FIGURES_WITHIN_S):
            return QueueFigures(await overview(desk.redis), desk.settings.budgets)
    except (UnavailableError, TimeoutError):
        return QueueFigures(None, desk.settings.budgets)


@router.get(
    "/problems/{code}",
    operation_id="getProblemType",
    summary="What a problem type means",
    responses=problems(404),
)
async def problem_type(code: str) -> ProblemPage:
    kind = PROBLEM_TYPES.get(code)
    if kind is None:
        raise NotFoundError(f"There is no problem type '{code[:100]}'; known: {', '.join(PROBLEM_TYPES)}.")
    return ProblemPage(
        code=code, status=kind.status, title=kind.title, advice=kind.advice, retryable=kind.retryable
    )
