"""`darkroom ls`, `show`, `cancel`: batches and their tasks as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from cli.client import ServiceClient
from cli.commands.watching import write_batch
from cli.exits import ExitCode, WrongUsageError
from cli.output import CheckResult, Output, say, write_records

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
    "size": "size",
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


def ls(service: ServiceClient, limit: int, output: Output) -> ExitCode:
    write_records(service.batches(limit), BATCH_COLUMNS, output, none="There are no batches.")
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
        write_records(_unfinished(service, batch_id), TASK_COLUMNS, chosen.output, none=none)
    elif chosen.check:
        none = f"No picture of this batch has checks that came to '{chosen.check.value}' at worst."
        found = service.tasks(batch_id, check=chosen.check)
        write_records(found, TASK_COLUMNS, chosen.output, none=none)
    elif chosen.tasks:
        none = "This batch has no pictures yet: it is being planned, or was rejected."
        write_records(service.tasks(batch_id), TASK_COLUMNS, chosen.output, none=none)
    else:
        write_batch(service.batch(batch_id), chosen.output)
    return ExitCode.DONE


def _unfinished(service: ServiceClient, batch_id: str) -> Iterator[dict[str, Any]]:
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
