"""Bodies of requests, other than manifests: small, and strict about names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from schemas.failure import FailureClass
from schemas.manifest import Priority
from schemas.notation import Dollars


class Asked(BaseModel):
    """What Python keeps for itself (`class`) has another name here, and an alias outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BatchPatch(Asked):
    """What is to be different about a batch from its next claim on; at least one of the fields."""

    cap_usd: Dollars | None = Field(
        None, description="Not under what is held and spent.", examples=["300.00"]
    )
    priority: Priority | None = Field(None, description="The class its pictures compete in.")

    @model_validator(mode="after")
    def _says_something(self) -> BatchPatch:
        given = [getattr(self, name) for name in self.model_fields_set]
        if not given or None in given:
            raise ValueError("name a cap_usd, a priority or both; neither can be null")
        return self


class ReplayFilter(Asked):
    """Which of the failed and cancelled tasks; all of them where nothing is said. Lists are ors, fields are ands."""

    classes: Annotated[list[FailureClass], Field(min_length=1)] | None = Field(
        None, alias="class", description="Why they failed; `cancelled` for cancelled ones."
    )
    templates: Annotated[list[str], Field(min_length=1)] | None = Field(None, alias="template")
    rows: Annotated[frozenset[PositiveInt], Field(min_length=1)] | None = Field(
        None, description="`row` of the tasks: places in the source, counted from 1."
    )
    accept_double_charge: bool = Field(
        False,
        description="With the class `doubtful`: also parked tasks. Their earlier calls may have been charged, so what "
        "was held for them counts as spent.",
    )

    @model_validator(mode="after")
    def _names_what_it_accepts(self) -> ReplayFilter:
        if self.accept_double_charge and FailureClass.DOUBTFUL not in (self.classes or ()):
            raise ValueError("accept_double_charge goes with the class doubtful, which has to be named")
        return self


class ReplayRequest(Asked):
    """Makes pictures of a batch again that failed or were cancelled. The selection is made once, now."""

    action: Literal["replay"]
    batch_id: str = Field(max_length=100)
    filter: ReplayFilter = ReplayFilter()
    dry_run: bool = Field(False, description="Only count and price.")
