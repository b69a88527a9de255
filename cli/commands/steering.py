"""`darkroom pause`, `resume`, `set` and `replay`: what a person does to a batch that runs, or that has failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cli.client import ServiceClient
from cli.commands.planning import ask
from cli.commands.watching import write_batch
from cli.exits import ExitCode, WrongUsageError
from cli.output import Output, counted, say, write_record
from cli.progress import dollars

Json = dict[str, Any]
MODERATION, DOUBTFUL, REFERENCE = "moderation_blocked", "doubtful", "bad_reference"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to make again, and whether to ask first; empty lists choose everything."""

    classes: list[str]
    templates: list[str]
    accept_double_charge: bool
    dry_run: bool
    yes: bool
    output: Output

    @property
    def filter(self) -> Json:
        chosen: Json = {"class": self.classes, "template": self.templates}
        found = {name: words for name, words in chosen.items() if words}
        return {**found, "accept_double_charge": True} if self.accept_double_charge else found


def pause(service: ServiceClient, batch_id: str, output: Output) -> ExitCode:
    batch = service.pause(batch_id)
    say(f"Nothing new starts; what is in flight ends and is kept. To go on: darkroom resume {batch_id}")
    write_batch(batch, output)
    return ExitCode.DONE


def resume(service: ServiceClient, batch_id: str, output: Output) -> ExitCode:
    write_batch(service.resume(batch_id), output)
    return ExitCode.DONE


def change(
    service: ServiceClient, batch_id: str, *, cap: str | None, priority: str | None, output: Output
) -> ExitCode:
    """
    Raises:
        WrongUsageError: there is nothing to change, or the service cannot read it.
    """
    wanted = {"cap_usd": cap, "priority": priority}
    patch = {name: value for name, value in wanted.items() if value is not None}
    if not patch:
        raise WrongUsageError("There is nothing to change; add --cap or --priority.")
    with _in_words_of({"/cap_usd": "--cap", "/priority": "--priority"}):
        changed = service.change(batch_id, patch)
    write_batch(changed, output)
    return ExitCode.DONE


def replay(service: ServiceClient, batch_id: str, options: ReplayOptions) -> ExitCode:
    """Counts and prices first; what is made again is chosen anew once somebody has agreed.

    Raises:
        WrongUsageError, SpendRefusedError: see `ask`.
    """
    named = {f"/filter/class/{place}": f"--class {name}" for place, name in enumerate(options.classes)}
    with _in_words_of(named):
        found = service.replay(batch_id, options.filter, dry_run=True)
    if found["matched"]:
        _warn_of_failing_again(service.batch(batch_id), options)
    if options.dry_run or not found["matched"]:
        _write_action(found, options.output)
        _tell_of_parked(service.batch(batch_id), options)
        return ExitCode.DONE
    if not options.yes:
        ask(f"{_summary(found)}{_doubts(options)}. Make them?")
    _write_action(service.replay(batch_id, options.filter, dry_run=False), options.output)
    say(f"To watch it: darkroom watch {batch_id}")
    return ExitCode.DONE


@contextmanager
def _in_words_of(options: Mapping[str, str]) -> Iterator[None]:
    """What the service says of a field is said of the option that sets it."""
    try:
        yield
    except WrongUsageError as error:
        pointer, mark, rest = error.detail.partition(":")
        raise WrongUsageError(f"{options.get(pointer, pointer)}{mark}{rest}") from error


def _warn_of_failing_again(batch: Json, options: ReplayOptions) -> None:
    """Said also with --yes: a log should tell why the same pictures fail once more."""
    failed: dict[str, int] = batch.get("failures_by_class") or {}
    chosen = {name: count for name, count in failed.items() if not options.classes or name in options.classes}
    if refused := chosen.get(MODERATION, 0):
        say(
            f"Of this batch {counted(refused, 'picture')} {'was' if refused == 1 else 'were'} refused by moderation. "
            "A replay sends the same prompts, which are likely refused again; other words need another manifest."
        )
    if broken := chosen.get(REFERENCE, 0):
        say(
            f"Of this batch {counted(broken, 'picture')} failed of a reference. Where that is as it was "
            f"{'it fails' if broken == 1 else 'they fail'} again, and {'costs' if broken == 1 else 'cost'} nothing: "
            "the sum is for references that were put back."
        )


def _tell_of_parked(batch: Json, options: ReplayOptions) -> None:
    """They are not among those that were counted, unless somebody agreed to pay twice."""
    parked = batch["counts"].get("parked", 0)
    is_asked = not options.classes or DOUBTFUL in options.classes
    if parked and is_asked and not options.accept_double_charge:
        say(
            f"{counted(parked, 'picture')} more {'is' if parked == 1 else 'are'} parked, as they may have been charged: "
            f"--class {DOUBTFUL} --accept-double-charge makes them again, and may pay for them twice."
        )


def _doubts(options: ReplayOptions) -> str:
    return "; their earlier calls count as spent" if options.accept_double_charge else ""


def _summary(action: Json) -> str:
    wanted = counted(action["matched"], "picture")
    return f"{wanted} to make again, for about {dollars(action['estimated_cost_usd'])}"


def _write_action(action: Json, output: Output) -> None:
    lines = {"replay": action["id"], "batch": action["batch_id"], "state": action["state"]}
    write_record(action, {**lines, "pictures": _summary(action)}, output)
