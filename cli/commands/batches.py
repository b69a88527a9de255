"""`darkroom ls`, `show`, `cancel`: batches and their tasks as they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from cli.client import ServiceClient
from cli.commands.watching import write_batch
from cli.exits import ExitCode, WrongUsageError
from cli.output import CheckResult, Columns, Json, Output, say, write_records
from cli.progress import pictures_of

BATCH_COLUMNS = {
    "id": "id",
    "name": "name",
    "state": "state",
    "total": "counts.total",
    "done": "counts.done",
    "skipped": "counts.skipped",
    "failed": "counts.failed",
    "parked": "counts.parked",
    "spent": "cost.spent",
    "cap": "cost.cap",
    "created": "created_at",
}
TASK_COLUMNS = {
    "index": "index",
    "state": "state",
    "row": "row_key",
    "template": "template",
    "variant": "variant",
    "size": "size",
    "sample": "sample",
    "sends": "sends",
    "spent": "cost.spent",
    "same as": "same_as",
    "class": "failure.class",
    "charged": "failure.charged",
    "message": "failure.message",
    "advice": "failure.advice",
    "picture": "asset.key",
    "check": "asset.checks.result",
    "failed_rules": "asset.checks.failed",
    "warned_rules": "asset.checks.warned",
}


def _made(batch: Json) -> str:
    return f"{pictures_of(batch)}/{batch['counts']['total']}"


def _trouble(name: str) -> Callable[[Json], str]:
    return lambda batch: str(batch["counts"].get(name) or "")


def _spent(record: Json) -> str:
    """In cents: what a picture cost to the last decimal is in its receipt, and for programs."""
    amount = Decimal(record["cost"]["spent"])
    return "<$0.01" if 0 < amount < Decimal("0.005") else f"${amount:.2f}"


def _created(batch: Json) -> str:
    return str(batch.get("created_at") or "")[:16].replace("T", " ")


def _state(task: Json) -> str:
    twin = task.get("same_as")
    return task["state"] if twin is None else f"same as {twin}"


SHOWN_OF_BATCHES: Columns = {
    "id": "id",
    "state": "state",
    "done": _made,
    "failed": _trouble("failed"),
    "parked": _trouble("parked"),
    "spent": _spent,
    "created, utc": _created,
    "name": "name",
}
_PICTURE: Columns = {"index": "index", "state": _state, "row": "row_key", "template": "template"}
_WHICH: Columns = {"variant": "variant", "size": "size", "sample": "sample"}
SHOWN_OF_TASKS: Columns = {
    **_PICTURE,
    **_WHICH,
    "sends": "sends",
    "spent": _spent,
    "class": "failure.class",
    "check": "asset.checks.result",
}
SHOWN_OF_FAILURES: Columns = {
    **_PICTURE,
    "class": "failure.class",
    **_WHICH,
    "charged": "failure.charged",
    "message": "failure.message",
    "advice": "failure.advice",
}
SHOWN_OF_CHECKED: Columns = {
    "index": "index",
    "row": "row_key",
    "template": "template",
    "failed": "asset.checks.failed",
    "warned": "asset.checks.warned",
    **_WHICH,
    "picture": "asset.key",
}
SHOWN_OF_RESULTS: Columns = {
    **_PICTURE,
    **_WHICH,
    "spent": _spent,
    "class": "failure.class",
    "picture": "asset.key",
}


def ls(service: ServiceClient, limit: int, output: Output) -> ExitCode:
    found = service.batches(limit)
    write_records(found, BATCH_COLUMNS, output, none="There are no batches.", shown=SHOWN_OF_BATCHES)
    return ExitCode.DONE


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What is shown of a batch: its figures, or its `tasks`, those that `failed` or are in doubt, or those whose checks
    came to `check`."""

    tasks: bool
    failed: bool
    check: CheckResult | None
    output: Output


def show(service: ServiceClient, batch_id: str, chosen: ShowOptions) -> ExitCode:
    if chosen.failed and chosen.check:
        raise WrongUsageError("What failed has no picture to check: give --failed or --check.")
    if chosen.failed:
        none = (
            f"No picture of this batch failed or is in doubt. All of them: darkroom show {batch_id} --tasks"
        )
        found, shown = _unfinished(service, batch_id), SHOWN_OF_FAILURES
        write_records(found, TASK_COLUMNS, chosen.output, none=none, shown=shown)
    elif chosen.check:
        none = f"No picture of this batch has checks that came to '{chosen.check.value}' at worst."
        found = service.tasks(batch_id, check=chosen.check)
        write_records(found, TASK_COLUMNS, chosen.output, none=none, shown=SHOWN_OF_CHECKED)
    elif chosen.tasks:
        none = "This batch has no pictures yet: it is being planned, or was rejected."
        found = service.tasks(batch_id)
        write_records(found, TASK_COLUMNS, chosen.output, none=none, shown=SHOWN_OF_TASKS)
    else:
        write_batch(service.batch(batch_id), chosen.output)
    return ExitCode.DONE


def _unfinished(service: ServiceClient, batch_id: str) -> Iterator[Json]:
    return chain.from_iterable(service.tasks(batch_id, state=state) for state in ("failed", "parked"))


def cancel(service: ServiceClient, batch_id: str, output: Output) -> ExitCode:
    batch = service.cancel(batch_id)
    say(
        "Nothing new starts. What is in flight is paid, and is kept."
        if batch["state"] != "cancelled"
        else "Cancelled."
    )
    write_batch(batch, output)
    return ExitCode.DONE
