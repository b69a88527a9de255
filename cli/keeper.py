"""Ends the processes of `darkroom up` when the pipe to it closes: after Ctrl-C, and when their parent was killed.

`python -m cli.keeper` reads one JSON object a line: a process group to keep in mind, or one to forget. At the end of
its input it asks each stage to stop, waits for it, ends what is left, and goes on to the next stage.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Kept:
    """A process group, named by the process that leads it. Lower stages stop first."""

    pid: int
    stage: int
    stop_within_s: float

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def forget_line(pid: int) -> str:
    return json.dumps({"forget": pid}) + "\n"


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # its own end is the pipe's
    kept: dict[int, Kept] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "forget" in order:
            kept.pop(order["forget"], None)
        else:
            kept[order["pid"]] = Kept(**order)
    stop_in_order(kept.values())


def stop_in_order(groups: Iterable[Kept]) -> None:
    waiting = sorted(groups, key=lambda kept: kept.stage)
    while waiting:
        stage = [kept for kept in waiting if kept.stage == waiting[0].stage]
        waiting = waiting[len(stage) :]
        for kept in stage:
            tell_group(kept.pid, signal.SIGTERM)
        _await(stage)
        for kept in stage:
            tell_group(kept.pid, signal.SIGKILL)


def _await(stage: list[Kept]) -> None:
    started_s = time.monotonic()
    while left := [kept for kept in stage if is_running(kept.pid)]:
        if time.monotonic() - started_s > max(kept.stop_within_s for kept in left):
            return
        time.sleep(LOOK_EVERY_S)


def tell_group(pid: int, number: signal.Signals) -> None:
    """Nothing happens when nobody is left in the group."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def is_running(pid: int) -> bool:
    """False also for a process that has ended and that nobody has asked about yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return not Path("/proc/self").exists()  # no /proc on this system: believe the signal
    return status.rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    main()
