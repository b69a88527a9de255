"""`darkroom rebuild`: brings batches back that Redis has lost. Done by a process of the workers, on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from cli.environment import inherited
from cli.exits import ExitCode, WrongUsageError
from cli.output import Json, Output, say, write_records

COLUMNS = {
    "batch": "batch",
    "tenant": "tenant",
    "status": "status",
    "course": "course",
    "total": "total",
    "done": "done",
    "parked": "parked",
    "failed": "failed",
    "left": "left",
    "spent": "spent_usd",
    "why": "detail",
}


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """What was asked for."""

    from_storage: bool
    batch: str | None
    tenant: str | None
    dry_run: bool
    output: Output


def rebuild(options: RebuildOptions) -> ExitCode:
    """One record a batch; what is damaged is named on standard error.

    Raises:
        WrongUsageError: it was not said from what.
    """
    if not options.from_storage:
        raise WrongUsageError("Say `darkroom rebuild --from-storage`: there is nothing else to rebuild from.")
    with subprocess.Popen(
        (sys.executable, "-m", "workers", "rebuild", *_arguments(options)),
        env=inherited(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            found = list(_told(json.loads(line) for line in process.stdout))
        except KeyboardInterrupt:  # it has heard it as well, and says what is left
            return ExitCode.INTERRUPTED
    if found or options.output is not Output.TABLE:
        write_records(found, COLUMNS, options.output)
    elif process.returncode == 0:
        say(
            "There is nothing to bring back: Redis has every batch that is in storage. "
            "Should there be more, look at DARKROOM_STORAGE__URL."
        )
    return ExitCode(process.returncode) if process.returncode in tuple(ExitCode) else ExitCode.ERROR


def _arguments(options: RebuildOptions) -> list[str]:
    chosen = [("--batch", options.batch), ("--tenant", options.tenant)]
    named = [word for name, value in chosen if value is not None for word in (name, value)]
    return [*named, *(["--dry-run"] if options.dry_run else [])]


def _told(records: Iterator[Json]) -> Iterator[Json]:
    for record in records:
        for place in record["damaged"]:
            say(f"{record['batch']}: {place} is damaged or alone; its picture is not made again by itself.")
        yield record
