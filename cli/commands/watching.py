"""`darkroom watch`: looks at a batch until it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from cli.client import ServiceClient, problems_of
from cli.exits import ExitCode, InterruptedCommandError
from cli.output import Output, complain, counted, say, write_record
from cli.progress import (
    Pace,
    Progress,
    display_on_stderr,
    dollars,
    done_words,
    duration,
    pictures_of,
    spent,
    trouble_words,
)
from schemas.errors import ManifestError, SpendRefusedError, UnavailableError

Json = dict[str, Any]
LOOK_EVERY_S = 1.0
SILENCE_S = 60.0
"""How long a service that stopped answering is waited for: a restart takes less."""
ENDED_STATES = {"rejected", "cancelled", "completed"}


def watch_command(service: ServiceClient, batch_id: str, output: Output) -> ExitCode:
    final = watch_interruptibly(service, batch_id)
    if output is not Output.TABLE:
        write_batch(final, output)
    return outcome_of(final)


def watch_interruptibly(service: ServiceClient, batch_id: str) -> Json:
    """
    Raises:
        InterruptedCommandError: Ctrl-C; the batch goes on.
    """
    try:
        return watch(service, batch_id)
    except KeyboardInterrupt:
        raise InterruptedCommandError(
            f"The batch goes on. To watch it again: darkroom watch {batch_id}\n"
            f"To stop it: darkroom cancel {batch_id}"
        ) from None


def watch(
    service: ServiceClient,
    batch_id: str,
    *,
    check: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Json:
    """The batch when it has ended, after telling how it went.

    Args:
        check: called before every look at the batch; may raise.
    Raises:
        UnavailableError: the service has not answered for `SILENCE_S`.
    """
    started_s = answered_s = clock()
    batch = service.batch(batch_id)
    pace = Pace()
    with display_on_stderr() as display:
        while True:
            now_s = clock()
            pace.add(now_s, Progress(batch, None))
            remark = (
                "the service does not answer, trying again" if now_s - answered_s > 2 * LOOK_EVERY_S else ""
            )
            display.show(Progress(batch, pace.per_minute, remark, is_settled=pace.is_settled), now_s)
            if batch["state"] in ENDED_STATES:
                break
            sleep(LOOK_EVERY_S)
            check()
            try:
                batch, answered_s = service.batch(batch_id), clock()
            except UnavailableError:
                if clock() - answered_s > SILENCE_S:
                    raise
    _tell(batch, clock() - started_s)
    return batch


def _tell(batch: Json, watched_s: float) -> None:
    if batch["state"] == "rejected":
        if batch.get("errors"):
            complain(ManifestError(problems_of(batch["errors"])))
        if batch.get("refusal"):
            complain(SpendRefusedError(batch["refusal"]))
        return
    ended = f"{pictures_of(batch)} {done_words(batch)}, {trouble_words(batch)}"
    say(
        f"{batch['name']} {batch['state']}: {ended}; {spent(batch)} spent; watched for {duration(watched_s)}."
    )
    if batch.get("failures_by_class"):
        say("By class: " + ", ".join(f"{name} {count}" for name, count in batch["failures_by_class"].items()))
        say(f"To see them: darkroom show {batch['id']} --failed")
    for sentence in (*remarks_on_checks(batch), *remarks_on_calls(batch)):
        say(sentence)


def remarks_on_calls(batch: Json) -> Iterator[str]:
    """What took no call, and what may have taken one that is not known of."""
    if reused := batch.get("reused"):
        yield f"Of the pictures done, {reused} had been made before: they took no call, and cost nothing."
    if batch["counts"].get("parked"):
        again = f"darkroom replay {batch['id']} --class doubtful --accept-double-charge"
        yield f"Parked pictures may have been charged, so they are not repeated. To make them again: {again}"


def remarks_on_checks(batch: Json) -> list[str]:
    """What a person should look at, and how; nothing where all pictures are as their channels want them."""
    found, show = batch.get("checks") or {}, f"darkroom show {batch['id']} --check"
    failed, warned = int(found.get("fail", 0)), int(found.get("warn", 0))
    fail = "fails a check of its" if failed == 1 else "fail a check of their"
    remarks = [f"{counted(failed, 'picture')} {fail} channel: {show} fail"] if failed else []
    return [*remarks, f"{counted(warned, 'picture')} should be looked at: {show} warn"] if warned else remarks


def outcome_of(batch: Json) -> ExitCode:
    if batch["state"] == "rejected":
        return ExitCode.INVALID if batch.get("errors") else ExitCode.REFUSED
    counts = batch["counts"]
    return (
        ExitCode.FAILURES
        if any(counts.get(name) for name in ("failed", "parked", "cancelled"))
        else ExitCode.DONE
    )


def write_batch(batch: Json, output: Output) -> None:
    write_record(batch, batch_lines(batch), output)


def _where_they_stand(batch: Json) -> list[str]:
    """Those that are there first; none is named of which there are none."""
    counts, there = batch["counts"], pictures_of(batch)
    others = {name: count for name, count in counts.items() if name not in ("total", "done", "skipped")}
    stand = [f"{there} {done_words(batch)}"] if there else []
    return stand + [f"{count} {name}" for name, count in others.items() if count]


def batch_lines(batch: Json) -> dict[str, str]:
    counts, cost = batch["counts"], batch["cost"]
    lines = {
        "batch": batch["id"],
        "name": batch["name"],
        "priority": batch.get("priority") or "",
        "state": batch["state"]
        + (f" (nothing starts: {batch['limited_by']})" if batch.get("limited_by") else ""),
        "pictures": ", ".join([f"{counts['total']} total", *_where_they_stand(batch)]),
        "cost": f"{spent(batch)} spent, {dollars(cost['held'])} held, {dollars(cost['estimated'])} estimated",
        "created": batch.get("created_at") or "",
        "finished": batch.get("finished_at") or "",
    }
    if batch.get("failures_by_class"):
        lines["failures"] = ", ".join(f"{name} {count}" for name, count in batch["failures_by_class"].items())
    if batch.get("reused"):
        lines["reused"] = f"{batch['reused']} of those done had been made before, and cost nothing"
    if checks := ", ".join(f"{count} {name}" for name, count in batch.get("checks", {}).items() if count):
        lines["checks"] = checks
    if batch.get("refusal"):
        lines["refusal"] = batch["refusal"]
    for number, problem in enumerate(problems_of(batch.get("errors") or []), start=1):
        lines[f"problem {number}"] = str(problem)
    return lines
