"""Answers, field by field. Nullable fields are always there; money is a decimal string; moments are RFC 3339, UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from core.state.actions import ActionState
from schemas.batch import BatchState
from schemas.failure import Charged, FailureClass
from schemas.manifest import Priority
from schemas.plan import PlanProblem
from schemas.rendition import Result
from schemas.task import TaskState

Usd = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,6}$", examples=["12.50"])]


class Answer(BaseModel):
    """What Python keeps for itself (`self`, `class`) is another name here, and an alias outside."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class Counts(Answer):
    """Tasks by where they stand; all but `total` add up to it."""

    total: int
    queued: int
    waiting: int
    running: int
    done: int
    failed: int
    parked: int
    skipped: int
    cancelled: int


class CheckCounts(Answer):
    """Pictures by the worst result of their checks, which are the rules of a channel; those of other sizes have none.
    A picture that serves for several tasks counts once."""

    passed: int = Field(alias="pass")
    warned: int = Field(alias="warn")
    failed: int = Field(alias="fail")


class BatchCost(Answer):
    """`held` is reserved for calls that are running or in doubt; `cap` is null without one."""

    currency: Literal["USD"] = "USD"
    estimated: Usd
    held: Usd
    spent: Usd
    cap: Usd | None


class BatchLinks(Answer):
    """Addresses on this service, relative to its root."""

    itself: str = Field(alias="self")
    tasks: str
    results: str
    cancel: str
    plan: str


class BatchAnswer(Answer):
    """A batch as it stands now."""

    id: str = Field(examples=["batch_01kagzx0t8e7v8r5m2q4w6y9zc"])
    object: Literal["batch"] = "batch"
    name: str
    state: BatchState
    priority: Priority
    tenant: str
    metadata: dict[str, str]
    counts: Counts
    checks: CheckCounts
    reused: int = Field(
        description="Pictures of `done` that were there already: they took no call and cost nothing."
    )
    cost: BatchCost
    budget_state: Literal["ok", "exhausted"]
    limited_by: str | None = Field(description="Why nothing starts although work is left.")
    failures_by_class: dict[str, int]
    rows: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    errors: list[PlanProblem] = Field(description="Of a rejected batch.")
    refusal: str | None = Field(description="Why a batch was rejected.")
    links: BatchLinks


class BulkActionLinks(Answer):
    """Addresses on this service, relative to its root."""

    itself: str = Field(alias="self")
    batch: str


class BulkActionAnswer(Answer):
    """A replay as it stands now."""

    id: str = Field(examples=["action_01kagzx0t8e7v8r5m2q4w6y9zc"])
    object: Literal["bulk_action"] = "bulk_action"
    action: Literal["replay"] = "replay"
    state: ActionState = Field(description="`stopped`: its batch was cancelled before it was done.")
    batch_id: str
    matched: int = Field(description="Tasks that were chosen when it was made.")
    moved: int = Field(description="Tasks that were put back so far.")
    estimated_cost_usd: Usd = Field(description="What `matched` pictures will likely cost.")
    created_at: datetime
    links: BulkActionLinks


class TaskCost(Answer):
    currency: Literal["USD"] = "USD"
    spent: Usd


class PictureChecks(Answer):
    """What the rules that a picture was held against came to: the worst `result`, and the rules that did not pass. What
    was measured is in its receipt."""

    result: Result
    failed: list[str]
    warned: list[str]


class AssetAnswer(Answer):
    """A stored picture. `link` can be read by anybody for a quarter of an hour; null where the store gives none. Of a
    skipped task it is the picture that serves for it, under a `key` of the task's own."""

    key: str
    url: str = Field(examples=["s3://bucket/prefix/shirt/hero-default-1024x1024-1.png"])
    link: str | None
    sha256: str | None
    checks: PictureChecks | None = Field(description="Null where its size has no rules.")
    contains_synthetic_performer: bool = Field(
        description="As the manifest discloses it; who advertises with the picture may owe a notice."
    )


class TaskFailure(Answer):
    """Why a task did not end in a picture, and what to do about it."""

    failure_class: FailureClass = Field(alias="class")
    charged: Charged = Field(
        description="Whether the provider took money for the call that failed. `unknown`: what the task says it has spent "
        "for it is the price that we expect, or its money is still held."
    )
    message: str | None
    advice: str
    code: str | None
    param: str | None
    http_status: int | None
    request_id: str | None = Field(description="The provider's, for its support.")
    stage: str | None


class TaskAnswer(Answer):
    """One picture to make: a template, a row, a variant, a size and a sample."""

    index: int
    object: Literal["task"] = "task"
    state: TaskState
    template: str
    row: int = Field(description="Place of the row in its source, counted from 1.")
    row_key: str
    variant: dict[str, str]
    size: str
    sample: int
    attempts: int
    sends: int = Field(description="Paid requests made, or possibly made.")
    cost: TaskCost
    asset: AssetAnswer | None
    same_as: int | None = Field(description="Of a skipped task: the task whose picture serves.")
    failure: TaskFailure | None
    next_at: datetime | None = Field(description="Of a waiting task: when it is due.")
    updated_at: datetime | None


class ArchiveLink(Answer):
    """Where an archive can be read without a key."""

    url: str = Field(description="On this service, relative to its root.")
    expires_at: datetime


class PendingPlan(Answer):
    """A plan that is still being made; ask again at its address."""

    id: str
    object: Literal["plan"] = "plan"
    state: Literal["planning"] = "planning"


class UploadAnswer(Answer):
    """A file under its name, which manifests may use as `catalog.source` or in references."""

    name: str
    sha256: str
    bytes: int
    media_type: str | None = Field(
        description="By its first bytes: of a picture, or application/octet-stream."
    )


Item = TypeVar("Item", bound=Answer)


class Page(Answer, Generic[Item]):
    """Part of a list. `next_cursor` is the `cursor` of the next request, null on the last page."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    next_cursor: str | None


class BatchPage(Page[BatchAnswer]):
    """Batches, newest first."""


class TaskPage(Page[TaskAnswer]):
    """Tasks, by index."""


class Health(Answer):
    """`warnings` are sentences about a set-up that works and should not stay as it is."""

    status: Literal["ok"] = "ok"
    warnings: list[str] = []


class ProblemPage(Answer):
    """What a problem type means."""

    code: str
    status: int
    title: str
    advice: str
    retryable: bool


class ProblemAnswer(BaseModel):
    """An error as RFC 9457 tells it. `errors` holds every problem with its place, at most 100."""

    type: str = Field(examples=["/problems/manifest_invalid"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str | None
    retryable: bool
    errors: list[PlanProblem]
    errors_truncated: bool
    plan: dict[str, Any] | None = Field(None, description="Of a dry run: the plan with its problems.")
    batch_id: str | None = Field(None, description="Of a submission: the batch that was rejected.")
