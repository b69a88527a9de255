"""The results as a table: one line for each task that rests, as `results.jsonl` has it, flat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from schemas.rendition import Checked
from service.contract.choice import Choice
from service.contract.shapes import TaskAnswer
from service.exports.cells import CHECK_COLUMNS, PERFORMER_COLUMN, check_cells, csv_line
from service.exports.describer import TaskDescriber
from service.exports.pictures import Pictures, task_pages

_BEFORE = ("index", "state", "template", "row", "row_key")
_AFTER = ("size", "sample", "attempts", "sends", "cost_usd", "key", "url", "link", "sha256", "same_as")
_FAILURE = ("class", "charged", "message", "advice", "code", "param", "http_status", "request_id", "stage")


async def resting(pictures: Pictures, choice: Choice) -> AsyncIterator[list[TaskAnswer]]:
    """The tasks of the results that are meant, by index, a page at a time."""
    describer, cell = TaskDescriber(pictures), pictures.expansion.cell
    async for tasks in task_pages(pictures.tasks, pictures.batch):
        yield await describer.answers([task for task in tasks if choice.has(task, cell(task.index))])


async def results_csv(pictures: Pictures, choice: Choice) -> AsyncIterator[bytes]:
    """A head, then the tasks; `variant.<axis>` is a column for each axis of the manifest."""
    axes = tuple(pictures.manifest.variants)
    yield csv_line(
        (
            *_BEFORE,
            *(f"variant.{axis}" for axis in axes),
            *_AFTER,
            *(f"failure_{name}" for name in _FAILURE),
            "updated_at",
            *CHECK_COLUMNS,
            PERFORMER_COLUMN,
        )
    )
    async for answers in resting(pictures, choice):
        yield b"".join(csv_line(_cells(answer, axes)) for answer in answers)


def _cells(answer: TaskAnswer, axes: Iterable[str]) -> Iterable[object]:
    flat = answer.model_dump(mode="json", by_alias=True)
    asset, failure = flat["asset"] or {}, flat["failure"] or {}
    flat |= {name: asset.get(name) for name in ("key", "url", "link", "sha256")}
    flat["cost_usd"] = flat["cost"]["spent"]
    yield from (flat[name] for name in _BEFORE)
    yield from (flat["variant"][axis] for axis in axes)
    yield from (flat[name] for name in _AFTER)
    yield from (failure.get(name) for name in _FAILURE)
    yield flat["updated_at"]
    yield from check_cells(Checked(**asset["checks"]) if asset.get("checks") else None)
    yield asset.get("contains_synthetic_performer")
