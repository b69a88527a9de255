"""`/v1/bulk_actions`: replays of what failed or was cancelled."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response

from schemas.errors import NotFoundError
from schemas.ids import is_id
from service.auth import Tenant
from service.contract.openapi import body_of, keyed_problems
from service.contract.queries import no_query
from service.contract.requests import ReplayRequest
from service.contract.shapes import BulkActionAnswer
from service.equipment import Desk
from service.replay import Replayer, finish
from service.routes.incoming import found_batch, sent_model
from service.views import action_answer, action_path

router = APIRouter(prefix="/v1/bulk_actions", tags=["bulk actions"], dependencies=[Depends(no_query)])


@router.post(
    "",
    status_code=202,
    operation_id="createBulkAction",
    summary="Make failed pictures again",
    responses={
        200: {"model": BulkActionAnswer, "description": "Of a dry run: what would be made again."},
        **keyed_problems(404, 409, 413, 415),
    },
    openapi_extra=body_of(ReplayRequest),
)
async def create_bulk_action(
    request: Request, response: Response, background: BackgroundTasks, desk: Desk, tenant: Tenant
) -> BulkActionAnswer:
    """The tasks are chosen now and put back in the background; the cap of the batch holds for them as before. Pictures
    that start from another one come back once that one is there. Asking twice makes nothing twice: a task that is
    under way or done is left alone."""
    asked = await sent_model(request, desk, ReplayRequest)
    batch = await found_batch(asked.batch_id, desk, tenant)
    action = await (await Replayer.of(desk, batch)).create(asked.filter, dry_run=asked.dry_run)
    response.headers["Location"] = action_path(action.id)
    if asked.dry_run:
        response.status_code = 200
    else:
        background.add_task(finish, desk, action.id)
    return action_answer(action)


@router.get(
    "/{action_id}",
    operation_id="getBulkAction",
    summary="Look at a bulk action",
    responses=keyed_problems(404),
)
async def get_bulk_action(action_id: str, desk: Desk, tenant: Tenant) -> BulkActionAnswer:
    if not is_id(action_id, "action"):
        raise NotFoundError(f"There is no bulk action '{action_id[:100]}'.")
    return action_answer(await desk.actions.get(tenant, action_id))
