"""`/v1/batches:plan` and `/v1/plans`: what a manifest would make and cost, before anything is spent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from schemas.errors import NotFoundError, Problem
from schemas.ids import is_id
from schemas.plan import Plan
from service.auth import Tenant
from service.contract.openapi import MANIFEST_BODY, keyed_problems
from service.contract.queries import PlanQuery, no_query
from service.contract.shapes import PendingPlan
from service.equipment import Desk
from service.problems import ProblemError
from service.routes.incoming import sent_manifest
from service.submission import Submitter
from service.views import plan_path

router = APIRouter(prefix="/v1", tags=["plans"])

_PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": PendingPlan, "description": "It is still being made; ask again at `Location`."}
}


@router.post(
    "/batches:plan",
    operation_id="planBatch",
    summary="Plan a manifest",
    response_model=Plan,
    responses={**_PENDING, **keyed_problems(413, 415, 422)},
    openapi_extra=MANIFEST_BODY,
)
async def plan_batch(
    request: Request, desk: Desk, tenant: Tenant, query: Annotated[PlanQuery, Query()]
) -> Plan | Response:
    """Reads the catalog, checks every row and prices every picture; nothing is spent. A plan over its cap is an answer
    with `accepted: false`; one with problems is a problem that carries the plan."""
    sent = await sent_manifest(request, desk, query.sample)
    plan_id, plan = await Submitter(desk, tenant).plan(sent.manifest)
    if plan is not None and plan.errors:
        problems = [Problem(error.pointer, error.code, error.detail, error.row) for error in plan.errors]
        raise ProblemError(
            "manifest_invalid",
            "The manifest or its catalog has problems.",
            problems=problems,
            truncated=plan.errors_truncated,
            members={"plan": plan.model_dump(mode="json")},
        )
    return _pending(plan_id) if plan is None else plan


@router.get(
    "/plans/{plan_id}",
    operation_id="getPlan",
    summary="Look at a plan",
    dependencies=[Depends(no_query)],
    response_model=Plan,
    responses={**_PENDING, **keyed_problems(404)},
)
async def get_plan(plan_id: str, desk: Desk, tenant: Tenant) -> Plan | Response:
    """Plans are kept for 72 hours; one with problems holds them in `errors`."""
    if not is_id(plan_id, "plan"):
        raise NotFoundError(f"There is no plan '{plan_id[:100]}'.")
    plan = await Submitter(desk, tenant).find_plan(plan_id)
    return _pending(plan_id) if plan is None else plan


def _pending(plan_id: str) -> Response:
    return Response(
        PendingPlan(id=plan_id).model_dump_json(),
        status_code=202,
        media_type="application/json",
        headers={"Location": plan_path(plan_id), "Retry-After": "2"},
    )
