"""`/v1/batches/{id}/tasks`: the single pictures of a batch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from schemas.errors import NotFoundError
from service.contract.openapi import keyed_problems
from service.contract.queries import TaskQuery, no_query
from service.contract.shapes import TaskAnswer, TaskPage
from service.equipment import Desk
from service.exports.describer import TaskDescriber
from service.routes.incoming import FoundPictures

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["tasks"])


@router.get("/tasks", operation_id="listTasks", summary="List tasks by index", responses=keyed_problems(404))
async def list_tasks(pictures: FoundPictures, desk: Desk, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    batch = pictures.batch
    of = f"{batch.tenant} tasks {batch.id} {query.state} {query.failure_class} {query.check}"
    start = int(desk.cursors.open(query.cursor, of=of)) if query.cursor else 0
    tasks, following = await desk.tasks.page(
        batch,
        start=start,
        limit=query.limit,
        state=query.state,
        failure_class=query.failure_class,
        check=query.check,
    )
    return TaskPage(
        data=await TaskDescriber(pictures).answers(tasks),
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
async def get_task(pictures: FoundPictures, index: int, desk: Desk) -> TaskAnswer:
    batch = pictures.batch
    if index >= batch.counts["total"]:
        raise NotFoundError(f"The batch has no task {index}; it has {batch.counts['total']}, counted from 0.")
    return await TaskDescriber(pictures).answer(await desk.tasks.get(batch, index))
