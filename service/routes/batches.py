"""`/v1/batches`: submit, list, look at, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from service.auth import Tenant
from service.contract.openapi import MANIFEST_OR_FORM_BODY, keyed_problems
from service.contract.queries import PageQuery, SubmitQuery, no_query
from service.contract.shapes import BatchAnswer, BatchPage
from service.equipment import Desk
from service.routes.incoming import FoundBatch, sent_submission
from service.submission import Submitter
from service.views import batch_answer, batch_path

router = APIRouter(prefix="/v1/batches", tags=["batches"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=255, description="Repeating a submission with its key makes no second batch."
    ),
]


@router.post(
    "",
    status_code=202,
    operation_id="submitBatch",
    summary="Submit a manifest",
    responses=keyed_problems(402, 409, 412, 413, 415, 422),
    openapi_extra=MANIFEST_OR_FORM_BODY,
)
async def submit_batch(
    request: Request,
    response: Response,
    desk: Desk,
    tenant: Tenant,
    query: Annotated[SubmitQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> BatchAnswer:
    """Takes a manifest, as the body or as a part of a form beside its catalog. Problems that show within a moment are
    the answer (422, or 402 for the budget); otherwise the batch is planned and then runs by itself."""
    sent = await sent_submission(request, desk, tenant, query.sample)
    batch, is_replay = await Submitter(desk, tenant).submit(
        sent.manifest, fingerprint=sent.fingerprint, idempotency_key=idempotency_key, expects=query.plan
    )
    response.headers.update({"Location": batch_path(batch.id), "Retry-After": "5"})
    if is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    return batch_answer(batch)


@router.get("", operation_id="listBatches", summary="List batches, newest first", responses=keyed_problems())
async def list_batches(desk: Desk, tenant: Tenant, query: Annotated[PageQuery, Query()]) -> BatchPage:
    of = f"{tenant} batches"
    before = desk.cursors.open(query.cursor, of=of) if query.cursor else None
    batches = await desk.batches.page(tenant, limit=query.limit + 1, before=before)
    shown, has_more = batches[: query.limit], len(batches) > query.limit
    return BatchPage(
        data=[batch_answer(batch) for batch in shown],
        has_more=has_more,
        next_cursor=desk.cursors.seal(shown[-1].id, of=of) if has_more else None,
    )


@router.get(
    "/{batch_id}",
    operation_id="getBatch",
    summary="Look at a batch",
    response_model=BatchAnswer,
    dependencies=[Depends(no_query)],
    responses={
        304: {"description": "It has not changed since the `ETag` that was sent."},
        **keyed_problems(404),
    },
)
async def get_batch(
    batch: FoundBatch, response: Response, if_none_match: Annotated[str | None, Header()] = None
) -> BatchAnswer | Response:
    """The `ETag` grows with every change, so that asking again with `If-None-Match` costs next to nothing."""
    headers = {"ETag": f'"{batch.version}"', "Cache-Control": "private, no-cache"}
    if _matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return batch_answer(batch)


@router.post(
    "/{batch_id}/cancel",
    operation_id="cancelBatch",
    summary="Cancel a batch",
    dependencies=[Depends(no_query)],
    responses=keyed_problems(404, 409),
)
async def cancel_batch(batch: FoundBatch, desk: Desk) -> BatchAnswer:
    """Nothing new starts; calls in flight are paid for, so they end and are kept."""
    return batch_answer(await desk.batches.cancel(batch.tenant, batch.id))


def _matches(header: str | None, etag: str) -> bool:
    """Source: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2 (weak comparison), checked 2026-11-20."""
    return header is not None and (
        header.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in header.split(",")}
    )
