"""`darkroom ls`, `show`, `cancel`: batches and their tasks as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from cli.client import ServiceClient
from cli.commands.watching import write_batch
from cli.exits import ExitCode
from cli.output import Output, say, write_records

BATCH_COLUMNS = {
    "id": "id",
    "name": "name",
    "state": "state",
    "total": "counts.total",
    "done": "counts.done",
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
    "class": "failure.class",
    "message": "failure.message",
    "advice": "failure.advice",
    "picture": "asset.key",
}


def ls(service: ServiceClient, limit: int, output: Output) -> ExitCode:
    write_records(service.batches(limit), BATCH_COLUMNS, output)
    return ExitCode.DONE


def show(service: ServiceClient, batch_id: str, *, tasks: bool, failed: bool, output: Output) -> ExitCode:
    """The batch, or with `tasks` its tasks, or with `failed` those that failed or are in doubt."""
    if tasks or failed:
        found = _unfinished(service, batch_id) if failed else service.tasks(batch_id)
        write_records(found, TASK_COLUMNS, output)
    else:
        write_batch(service.batch(batch_id), output)
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
