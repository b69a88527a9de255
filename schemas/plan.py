"""The plan: what a manifest would do and cost, or everything that is wrong with it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanTasks(_Part):
    """Pictures to make, in all and by what they are."""

    total: int
    by_template: dict[str, int]
    by_size: dict[str, int]
    by_model: dict[str, int]


class PlanCost(_Part):
    """Dollars as decimal strings. `likely` counts each picture once; `high` is what is held while it runs."""

    currency: str = "USD"
    likely: str
    high: str
    cap: str | None
    by_template: dict[str, str]


class PlanDuration(_Part):
    """Seconds at the lanes' limits, and the limit that binds (None: the lanes declare no limit)."""

    seconds: float | None
    limited_by: str | None
    slots_needed: int | None = None


class PlanCatalog(_Part):
    """What was read, and how: `mapping` is canonical field -> source column."""

    rows: int
    dialect: str | None
    mapping: dict[str, str]


class PlanFile(_Part):
    """An uploaded file that the manifest reads; `sha256` is None when nothing was uploaded under this name."""

    name: str
    sha256: str | None


class PlanProblem(_Part):
    """One problem with its place, as in an error answer."""

    pointer: str
    code: str
    detail: str


class Plan(_Part):
    """A dry run. `accepted` is false when there are problems or the likely cost is over the cap.

    `files` names missing uploads first, then the others, up to 10,000 of `files_total`.
    """

    id: str
    accepted: bool
    refusal: str | None = None
    digest: str | None = None
    name: str
    tasks: PlanTasks
    cost: PlanCost
    duration: PlanDuration
    catalog: PlanCatalog
    prompts: tuple[dict[str, Any], ...] = ()
    files: tuple[PlanFile, ...] = ()
    files_total: int = 0
    errors: tuple[PlanProblem, ...] = ()
    errors_truncated: bool = False
