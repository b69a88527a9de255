"""`/v1/batches/{id}`: pause it, let it go on, give it another cap or class. Each counts from the next claim on."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from core.state.batches import Change
from schemas.batch import Batch, BatchState
from schemas.pricing import micros
from service.contract.openapi import body_of, keyed_problems
from service.contract.queries import no_query
from service.contract.requests import BatchPatch
from service.contract.shapes import BatchAnswer
from service.equipment import Desk, Equipment
from service.problems import ProblemError
from service.routes.incoming import FoundBatch, sent_model
from service.views import batch_answer

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["batches"], dependencies=[Depends(no_query)])

IfMatch = Annotated[
    str | None, Header(description="An `ETag` of the batch; it is left alone if it has changed since.")
]
_TAG = re.compile(r'\s*"(\d+)"\s*')


@router.post(
    "/pause", operation_id="pauseBatch", summary="Pause a batch", responses=keyed_problems(404, 409, 412)
)
async def pause_batch(
    batch: FoundBatch, desk: Desk, response: Response, if_match: IfMatch = None
) -> BatchAnswer:
    """Nothing new starts; calls in flight end and are kept."""
    return await _steered(desk, batch, Change(BatchState.PAUSED), if_match, response)


@router.post(
    "/resume", operation_id="resumeBatch", summary="Let it go on", responses=keyed_problems(404, 409, 412)
)
async def resume_batch(
    batch: FoundBatch, desk: Desk, response: Response, if_match: IfMatch = None
) -> BatchAnswer:
    """It goes on where it was."""
    return await _steered(desk, batch, Change(BatchState.RUNNING), if_match, response)


@router.patch(
    "",
    operation_id="changeBatch",
    summary="Change cap or priority",
    responses=keyed_problems(404, 409, 412, 413, 415),
    openapi_extra=body_of(BatchPatch),
)
async def change_batch(
    batch: FoundBatch, request: Request, desk: Desk, response: Response, if_match: IfMatch = None
) -> BatchAnswer:
    """A cap may be raised at any time, and lowered to what is held and spent. Both fields change, or none."""
    patch = await sent_model(request, desk, BatchPatch)
    cap = None if patch.cap_usd is None else micros(patch.cap_usd)
    change = Change(cap_usd_micros=cap, priority=patch.priority)
    return await _steered(desk, batch, change, if_match, response)


async def _steered(
    desk: Equipment, batch: Batch, change: Change, if_match: str | None, response: Response
) -> BatchAnswer:
    """
    Raises:
        ConflictError: see `BatchStore.steer`.
        ProblemError: the batch is at none of the versions in `if_match`.
    """
    found = await desk.batches.steer(batch, change, versions=_versions(if_match))
    if found is None:
        raise ProblemError("precondition_failed", "The batch has changed since; look at it again.")
    response.headers["ETag"] = f'"{found.version}"'
    return batch_answer(found)


def _versions(header: str | None) -> list[int] | None:
    """Versions in an `If-Match`; None: any. Weak tags and those of others match nothing.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1 (strong comparison), checked 2026-11-21.
    """
    if header is None or header.strip() == "*":
        return None
    return [int(found[1]) for tag in header.split(",") if (found := _TAG.fullmatch(tag[:40]))]
