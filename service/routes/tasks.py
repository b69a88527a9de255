"""`/v1/batches/{id}/tasks` and `results.jsonl`: the single pictures of a batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from core.state.tasks import TaskStore
from schemas.batch import Batch
from schemas.errors import NotFoundError
from schemas.task import ENDED, TaskState
from service.contract.openapi import keyed_problems
from service.contract.queries import TaskQuery, no_query
from service.contract.shapes import TaskAnswer, TaskPage
from service.equipment import Desk
from service.routes.incoming import FoundBatch
from service.views import TaskDescriber

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["tasks"])

RESULTS = ENDED | {TaskState.PARKED}
"""Tasks that show in the results: nothing more happens to them by itself."""

_STREAM_PAGE = 500


@router.get("/tasks", operation_id="listTasks", summary="List tasks by index", responses=keyed_problems(404))
async def list_tasks(batch: FoundBatch, desk: Desk, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    of = f"{batch.tenant} tasks {batch.id} {query.state} {query.failure_class}"
    start = int(desk.cursors.open(query.cursor, of=of)) if query.cursor else 0
    tasks, following = await desk.tasks.page(
        batch, start=start, limit=query.limit, state=query.state, failure_class=query.failure_class
    )
    describer = await TaskDescriber.of(desk.documents, batch)
    return TaskPage(
        data=await describer.answers(tasks),
        has_more=following is not None,
        next_cursor=None if following is None else desk.cursors.seal(str(following), of=of),
    )


@router.get(
    "/tasks/{index:int}",
    operation_id="getTask",
    summary="Look at a task",
    dependencies=[Depends(no_query)],
    responses=keyed_problems(404),
)
async def get_task(batch: FoundBatch, index: int, desk: Desk) -> TaskAnswer:
    if index >= batch.counts["total"]:
        raise NotFoundError(f"The batch has no task {index}; it has {batch.counts['total']}, counted from 0.")
    describer = await TaskDescriber.of(desk.documents, batch)
    return await describer.answer(await desk.tasks.get(batch, index))


@router.get(
    "/results.jsonl",
    operation_id="streamResults",
    summary="Read all results",
    response_class=StreamingResponse,
    dependencies=[Depends(no_query)],
    responses={
        200: {
            "description": "One task a line, by index: those that ended or are parked.",
            "content": {"application/jsonl": {"schema": {"$ref": "#/components/schemas/TaskAnswer"}}},
        },
        **keyed_problems(404),
    },
)
async def stream_results(batch: FoundBatch, desk: Desk) -> StreamingResponse:
    """Streamed, whatever the size of the batch. An answer that breaks off is not complete: ask again."""
    describer = await TaskDescriber.of(desk.documents, batch)
    return StreamingResponse(_lines(desk.tasks, batch, describer), media_type="application/jsonl")


async def _lines(store: TaskStore, batch: Batch, describer: TaskDescriber) -> AsyncIterator[bytes]:
    start: int | None = 0
    while start is not None:
        tasks, start = await store.page(batch, start=start, limit=_STREAM_PAGE)
        answers = await describer.answers(task for task in tasks if task.state in RESULTS)
        if answers:
            yield b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)
