"""`/v1/batches/{id}/results.*`: what became of the tasks of a batch, as JSON lines or as a table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from service.contract.choice import Choice
from service.contract.openapi import file_answer, keyed_problems
from service.contract.queries import ResultsQuery
from service.exports.downloads import attachment
from service.exports.pictures import Pictures
from service.exports.results_table import resting, results_csv
from service.routes.incoming import FoundPictures

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["results"])


@router.get(
    "/results.jsonl",
    operation_id="streamResults",
    summary="Read all results",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One task a line, by index: those that ended or are parked.",
            "content": {"application/jsonl": {"schema": {"$ref": "#/components/schemas/TaskAnswer"}}},
        },
        **keyed_problems(404),
    },
)
async def stream_results(
    pictures: FoundPictures, query: Annotated[ResultsQuery, Query()]
) -> StreamingResponse:
    """Streamed, whatever the size of the batch. An answer that breaks off is not complete: ask again."""
    return StreamingResponse(
        _lines(pictures, Choice(pictures.manifest, query)), media_type="application/jsonl"
    )


async def _lines(pictures: Pictures, choice: Choice) -> AsyncIterator[bytes]:
    async for answers in resting(pictures, choice):
        if answers:
            yield b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)


@router.get(
    "/results.csv",
    operation_id="streamResultsTable",
    summary="Read all results as a table",
    response_class=StreamingResponse,
    responses={
        **file_answer("text/csv", "The same as a table; no cell is a formula."),
        **keyed_problems(404),
    },
)
async def stream_results_table(
    pictures: FoundPictures, query: Annotated[ResultsQuery, Query()]
) -> StreamingResponse:
    """Every cell is in quotes, and one that a spreadsheet would take for a formula begins with an apostrophe."""
    lines = results_csv(pictures, Choice(pictures.manifest, query))
    return StreamingResponse(lines, media_type="text/csv", headers=attachment(pictures.batch, "results.csv"))
