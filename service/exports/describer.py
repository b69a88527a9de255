"""Tasks as the API tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from core.clock import moment
from schemas.failure import FAILURE_RULES, FailureClass
from schemas.pricing import usd
from schemas.task import Task
from service.contract.shapes import AssetAnswer, PictureChecks, TaskAnswer, TaskCost, TaskFailure
from service.exports.pictures import Picture, Pictures


class TaskDescriber:
    """Tells tasks of one batch: an index alone says little, the manifest and the catalog say what it stands for."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    async def answers(self, tasks: Sequence[Task]) -> list[TaskAnswer]:
        found = {picture.index: picture for picture in await self._pictures.found(tasks)}
        return await asyncio.gather(*(self._answer(task, found.get(task.index)) for task in tasks))

    async def answer(self, task: Task) -> TaskAnswer:
        return (await self.answers([task]))[0]

    async def _answer(self, task: Task, picture: Picture | None) -> TaskAnswer:
        cell = self._pictures.expansion.cell(task.index)
        row = await self._pictures.row_of(cell) if picture is None else picture.row
        return TaskAnswer(
            index=task.index,
            state=task.state,
            template=cell.template,
            row=row.number,
            row_key=row.key,
            variant=dict(zip(self._pictures.manifest.variants, cell.variant, strict=True)),
            size=cell.size,
            sample=cell.sample,
            attempts=task.attempts,
            sends=task.sends,
            cost=TaskCost(spent=usd(task.cost_usd_micros)),
            asset=None if picture is None else await self._asset(picture),
            same_as=task.same_as,
            failure=None if task.failure is None else _failure(task.failure),
            next_at=None if task.next_at_ms is None else moment(task.next_at_ms),
            updated_at=None if not task.updated_at_ms else moment(task.updated_at_ms),
        )

    async def _asset(self, picture: Picture) -> AssetAnswer:
        documents, batch = self._pictures.documents, self._pictures.batch
        place = (batch.tenant, batch.id, picture.stored_as)
        link = await documents.picture_link(*place)
        return AssetAnswer(
            key=picture.key,
            url=documents.picture_url(*place),
            link=link,
            sha256=picture.sha256,
            checks=None if picture.checks is None else PictureChecks(**picture.checks.model_dump()),
            contains_synthetic_performer=self._pictures.manifest.disclosure.contains_synthetic_performer,
        )


def _failure(facts: dict[str, Any]) -> TaskFailure:
    """What nothing was sent for is kept without `charged`: then the class says it."""
    failure_class = FailureClass(facts["class"])
    rule = FAILURE_RULES[failure_class]
    return TaskFailure(
        failure_class=failure_class,
        charged=facts.get("charged", rule.charged),
        message=facts.get("message"),
        advice=rule.advice,
        code=facts.get("code"),
        param=facts.get("param"),
        http_status=facts.get("http_status"),
        request_id=facts.get("request_id"),
        stage=facts.get("stage"),
    )
