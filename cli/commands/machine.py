"""`darkroom up`, `demo`, `simulate`, `doctor`: processes on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cli.client import ServiceClient
from cli.commands.planning import ask, plan_lines, prepare, require_accepted
from cli.commands.watching import outcome_of, watch
from cli.environment import CODE, inherited
from cli.exits import ExitCode
from cli.output import Output, counted, say, write, write_record
from cli.progress import dollars
from cli.up import TARGETS, Running, UpOptions, everything
from schemas.errors import DarkroomError

EXAMPLE = CODE / "examples" / "apparel.yaml"


def up(options: UpOptions) -> ExitCode:
    """Until Ctrl-C or SIGTERM."""
    with everything(options, inherited()) as machine:
        _introduce(machine, options)
        with suppress(KeyboardInterrupt):  # which is how it ends
            machine.processes.wait()
    say("Everything has stopped.")
    return ExitCode.DONE


def _introduce(machine: Running, options: UpOptions) -> None:
    say(f"Darkroom is up: {counted(options.workers, 'worker')}; images: {machine.images}.")
    say(f"Data and logs: {machine.data}. Metrics: Prometheus finds them by {machine.data / TARGETS}.")
    say("Ctrl-C stops everything. In another terminal:")
    write(f"export DARKROOM_URL={machine.url} DARKROOM_KEY={machine.key}")


def demo(options: UpOptions, *, yes: bool) -> ExitCode:
    """Everything up, the example made, everything stopped."""
    if not EXAMPLE.is_file():
        raise DarkroomError(f"The demo makes {EXAMPLE}, which is not there; run it from a clone.")
    with everything(options, inherited()) as machine:
        say(
            f"Darkroom is up at {machine.url}: {counted(options.workers, 'worker')}; images: {machine.images}."
        )
        with closing(ServiceClient(machine.url, machine.key)) as service:
            code = _make_example(service, machine, consent=yes or not options.live)
    return code


def _make_example(service: ServiceClient, machine: Running, *, consent: bool) -> ExitCode:
    prepared = prepare(service, EXAMPLE)
    require_accepted(prepared)
    write_record(prepared.plan, plan_lines(prepared.plan), Output.TABLE)
    if not consent:
        ask(f"Spend about {dollars(prepared.plan['cost']['likely'])} of real money?")
    batch, _ = service.submit(prepared.manifest.document, prepared.digest)
    final = watch(service, batch["id"], check=machine.processes.check)
    if folder := _folder_of_pictures(service, batch["id"]):
        say("The pictures are in:")
        write(folder)
    return outcome_of(final)


def _folder_of_pictures(service: ServiceClient, batch_id: str) -> str | None:
    tasks: list[dict[str, Any]] = list(service.tasks(batch_id, state="done"))
    places = [unquote(urlsplit(task["asset"]["url"]).path) for task in tasks if task.get("asset")]
    return os.path.commonpath([str(Path(place).parent) for place in places]) if places else None


def simulate(arguments: list[str]) -> ExitCode:
    """Becomes the simulator; it stops like any other command."""
    os.execve(sys.executable, [sys.executable, "-m", "simulator", *arguments], inherited())


def doctor(arguments: list[str]) -> ExitCode:
    """Becomes the doctor, who has the settings that a worker started from here would have."""
    os.execve(sys.executable, [sys.executable, "-m", "workers", "doctor", *arguments], inherited())
