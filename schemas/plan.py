"""The plan: what a manifest would do and cost, or everything that is wrong with it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PLAN_CHANGED = "plan_changed"
"""Code of the problem of a batch whose plan is not the one that its submission named."""
PLAN_FAILED = "plan_failed"
"""The same of one whose plan could not be made, by an error of ours."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True, validate_by_name=True)


class PlanTasks(_Part):
    """Pictures to make, in all and by what they are; `by_variant` is axis -> choice -> pictures."""

    total: int
    by_template: dict[str, int]
    by_size: dict[str, int]
    by_model: dict[str, int]
    by_variant: dict[str, dict[str, int]] = {}


class PlanCost(_Part):
    """Dollars as decimal strings. `low` is the least: calls that several pictures share are made once, as `reuse` has it,
    and each costs what its picture alone does, without prompt and references. `likely` makes one for each, and so does
    `by_template`. Both leave out what is `unchanged`. `high` is the most: every call at its highest price, and once more
    what `on_doubt: retry_once` may pay a second time. Only what somebody makes again by a replay comes on top."""

    currency: str = "USD"
    low: str = "0.00"
    likely: str
    high: str
    cap: str | None
    by_template: dict[str, str]


class PlanDuration(_Part):
    """About how many seconds the lane that takes longest needs, with the time that its pictures take of late, until the last
    answer is there (None: nothing is planned). What is `unchanged` takes none. `limited_by` is what binds on that lane: a
    limit of a minute, the calls that may be in flight, or the time of a call, for which few pictures wait, and for no limit.
    `slots_needed` is how many calls run side by side to use all of it, and no more than there are pictures to make."""

    seconds: float | None
    limited_by: str | None
    slots_needed: int | None = None


class PlanCatalog(_Part):
    """What was read, and how: `mapping` is canonical field -> source column; `left_out` counts rows not wanted; `advice` is
    what to look at, where a file seems to be more than it was read as. A manifest without a catalog has no rows."""

    rows: int
    dialect: str | None
    mapping: dict[str, str]
    left_out: int = 0
    advice: str | None = None


class PlanFile(_Part):
    """An uploaded file that the manifest reads; `sha256` is None when nothing was uploaded under this name."""

    name: str
    sha256: str | None


class PlanTemplate(_Part):
    """A template in the tree of what is made from what: parents come before children, a level deeper each."""

    name: str
    parent: str | None = Field(alias="from")
    depth: int
    model: str
    quality: str
    lane: str
    tasks: int
    cost: str


class PlanLint(_Part):
    """Advice on the prompts of a template: the rule, the first row where it was met, and in how many prompts of how many
    rows, of those that were looked at. `row` is null where no row has a part in it."""

    rule: str
    message: str
    template: str
    row: int | None
    count: int
    rows: int = 0


class PlanTwin(_Part):
    """A row whose pictures are the same as those of an earlier row."""

    template: str
    row: int
    same_as_row: int


class PlanDuplicates(_Part):
    """Pictures that are the same as another of the plan, as far as it can know. `rows` are the first that are alike; `axes`,
    by template, those whose choices make no difference, because nothing that decides its pictures reads them.

    `finished_anew` counts further ones that need no call: their size is made at the same pixels as another one, whose
    original is finished twice.
    """

    total: int = 0
    by_template: dict[str, int] = {}
    rows: tuple[PlanTwin, ...] = ()
    axes: dict[str, tuple[str, ...]] = {}
    finished_anew: int = 0


class PlanUnchanged(_Part):
    """Pictures that the tenant has already, and that cost nothing with `reuse: tenant`.

    `looked_at` pictures were looked for; where the plan makes more, they stand for the rest. `by_size`: of each template.
    `unknown` are not among them: they start from an address on the web, and what lies there is known when they are made.
    """

    total: int = 0
    by_template: dict[str, int] = {}
    by_size: dict[str, dict[str, int]] = {}
    looked_at: int = 0
    unknown: int = 0


class PlanProblem(_Part):
    """One problem with its place, as in an error answer. `row`: of the catalog, counted from 1."""

    pointer: str
    code: str
    detail: str
    row: int | None = None


class Plan(_Part):
    """A dry run. `accepted` is false when there are problems or the low cost is over a cap.

    `digest` names everything that decides what is made and what it costs: a submission that names it is refused when
    any of that has changed. `files` names missing uploads first, then the others, up to 10,000 of `files_total`.
    `lint` is advice on the prompts of `linted_rows` rows, spread over the catalog.
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
    templates: tuple[PlanTemplate, ...] = ()
    prompts: tuple[dict[str, Any], ...] = ()
    lint: tuple[PlanLint, ...] = ()
    linted_rows: int = 0
    duplicates: PlanDuplicates = PlanDuplicates()
    unchanged: PlanUnchanged = PlanUnchanged()
    files: tuple[PlanFile, ...] = ()
    files_total: int = 0
    errors: tuple[PlanProblem, ...] = ()
    errors_truncated: bool = False
