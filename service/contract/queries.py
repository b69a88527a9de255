"""Query parameters. An unknown one is refused: a misspelt filter must not show everything."""

from __future__ import annotations

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import Problem, escaped
from schemas.failure import FailureClass
from schemas.task import TaskState
from service.problems import ProblemError

MAX_PAGE = 200


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(20, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=2000, description="`next_cursor` of the page before.")


class TaskQuery(PageQuery):
    state: TaskState | None = Field(None, description="Only tasks in this state.")
    failure_class: FailureClass | None = Field(
        None, alias="class", description="Only tasks whose last attempt failed like this."
    )


async def no_query(request: Request) -> None:
    """
    Raises:
        ProblemError: there are query parameters, and this address takes none.
    """
    problems = [
        Problem(f"/query/{escaped(name)}", "extra_forbidden", "there is no such parameter here")
        for name in request.query_params
    ]
    if problems:
        raise ProblemError("bad_request", "This address takes no query parameters.", problems=problems)
