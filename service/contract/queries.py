"""Query parameters. An unknown one is refused: a misspelt filter must not show everything."""

from __future__ import annotations

from enum import StrEnum

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import Problem, escaped
from schemas.failure import FailureClass
from schemas.rendition import Result
from schemas.task import ENDED, TaskState
from service.problems import ProblemError

MAX_PAGE = 200
MAX_NAMED = 100
"""Of one kind, in one query."""


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(20, ge=1, le=MAX_PAGE, description="How many at most.")
    cursor: str | None = Field(None, max_length=2000, description="`next_cursor` of the page before.")


class TaskQuery(PageQuery):
    state: TaskState | None = Field(None, description="Only tasks in this state.")
    failure_class: FailureClass | None = Field(
        None, alias="class", description="Only tasks whose last attempt failed like this."
    )
    check: Result | None = Field(
        None,
        description="Only pictures whose checks came to this at worst; each once, however many tasks it serves.",
    )


class Selection(StrEnum):
    """Which pictures of a batch are meant."""

    DONE = "done"

    @property
    def states(self) -> frozenset[TaskState]:
        """A skipped task is among them: another task's picture serves for it."""
        return frozenset({TaskState.DONE, TaskState.SKIPPED})


class ShopifyHeaders(StrEnum):
    """Names of the columns: as Shopify exports them since 2024, or as before. It imports both."""

    NEW = "new"
    OLD = "old"

    @property
    def names(self) -> tuple[str, ...]:
        if self is ShopifyHeaders.NEW:
            return ("Title", "URL handle", "Product image URL", "Image position", "Image alt text")
        return ("Title", "Handle", "Image Src", "Image Position", "Image Alt Text")


class ResultsQuery(BaseModel):
    """Tasks of a batch by what was made in them; `choice` knows which names there are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    template: tuple[str, ...] = Field(
        (), max_length=MAX_NAMED, description="Only of this template; may be repeated."
    )
    size: tuple[str, ...] = Field(
        (), max_length=MAX_NAMED, description="Only in this size, as the manifest writes it; may be repeated."
    )
    sample: tuple[int, ...] = Field(
        (), max_length=MAX_NAMED, description="Only this sample, counted from 1; may be repeated."
    )

    @property
    def states(self) -> frozenset[TaskState]:
        """Those to which nothing more happens by itself."""
        return ENDED | {TaskState.PARKED}

    @property
    def left_out(self) -> frozenset[Result]:
        """What the checks of a picture that is not wanted came to."""
        return frozenset()


class ExportQuery(ResultsQuery):
    select: Selection = Field(Selection.DONE, description="Which pictures: `done` is all that there are.")

    @property
    def states(self) -> frozenset[TaskState]:
        return self.select.states


class ArchiveQuery(ExportQuery):
    receipts: bool = Field(False, description="With the receipt beside each picture.")


class SheetQuery(ExportQuery):
    start: int = Field(0, ge=0, lt=1 << 53, description="Index of the task from which the sheet goes on.")


class LeaveOut(StrEnum):
    """Which pictures a feed goes without: those that fail a check, or those that a person should look at as well."""

    FAIL = "fail"
    WARN = "warn"

    @property
    def results(self) -> frozenset[Result]:
        return frozenset({"fail"} if self is LeaveOut.FAIL else {"fail", "warn"})


class FeedQuery(ExportQuery):
    leave_out: LeaveOut | None = Field(
        None,
        description="Goes without pictures whose checks came to this, or worse; all are in it by default.",
    )

    @property
    def left_out(self) -> frozenset[Result]:
        return frozenset() if self.leave_out is None else self.leave_out.results


class ShopifyQuery(FeedQuery):
    headers: ShopifyHeaders = Field(ShopifyHeaders.NEW, description="Names of the columns.")
    variants: bool = Field(
        False,
        description="Binds pictures to variants by their options, which the catalog must have: a Shopify export as it came. "
        "`Darkroom-Left-Out` says how many products are not in it, because a row of them names no options.",
    )


class MerchantQuery(FeedQuery):
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The column of the catalog that holds the ids of the main feed. Without it, the product id or the SKU.",
    )


class PlanQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sample: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Only so many pictures, spread over rows, variants and templates: a batch of its own.",
    )


class SubmitQuery(PlanQuery):
    plan: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="`digest` of the plan that was looked at; refused when anything has changed since.",
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
