"""Child processes that never outlive their parent: each in a group of its own, all known to a keeper.

Cancelled: leaving the `with` block stops everything in order; a second Ctrl-C while that lasts ends it at once. When
the parent is killed, the keeper does the same.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cli.keeper import Kept, forget_line, tell_group
from schemas.errors import DarkroomError

LAST_LINES = 15
LOOK_EVERY_S = 0.05
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DiedEarlyError(DarkroomError):
    """A process that should run has ended."""

    code = "died_early"


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Args:
        folder: its working directory.
        log: takes its output, after what is there already.
        stage: lower stages stop first.
        stop_within_s: how long it may take to stop before it is ended.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    stage: int
    stop_within_s: float


class Processes:
    """Running programs. Made by `running`."""

    def __init__(self, keeper: subprocess.Popen[bytes]) -> None:
        self._keeper = keeper
        self._children: list[tuple[Program, subprocess.Popen[bytes]]] = []
        self._starting = self._interrupted = self._stopping = False
        self.was_cut_off = False
        """Whether somebody did not wait until everything had stopped by itself."""

    def start(self, program: Program) -> None:
        """An interruption is put off until the keeper knows of the process."""
        self._starting = True
        try:
            with program.log.open("ab") as log:
                child = subprocess.Popen(
                    program.argv,
                    env=dict(program.environment),
                    cwd=program.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._children.append((program, child))
            self._tell_keeper(Kept(child.pid, program.stage, program.stop_within_s).line())
        finally:
            self._starting = False
        if self._interrupted:
            raise KeyboardInterrupt

    def check(self) -> None:
        """
        Raises:
            DiedEarlyError: one has ended; with the last lines of its log.
        """
        for program, child in self._children:
            if child.poll() is not None:
                self._tell_keeper(forget_line(child.pid))
                raise DiedEarlyError(_obituary(program, child.returncode))

    def wait_until(self, ready: Callable[[], bool], what: str, *, within_s: float) -> None:
        """
        Raises:
            DiedEarlyError: a process has ended meanwhile.
            DarkroomError: not ready in time.
        """
        started_s = time.monotonic()
        while not ready():
            self.check()
            if time.monotonic() - started_s > within_s:
                logs = self._children[-1][0].log.parent if self._children else "-"
                raise DarkroomError(f"{what} was not ready within {within_s:.0f} s. Logs: {logs}")
            time.sleep(LOOK_EVERY_S)

    def wait(self) -> None:
        """Until something ends, or until Ctrl-C."""
        while True:
            self.check()
            time.sleep(LOOK_EVERY_S * 4)

    def begin_stopping(self) -> None:
        """From here on an interruption ends everything at once."""
        self._stopping = True

    def stop(self) -> None:
        """Everything, in order. The keeper does it; ended children are collected meanwhile. Again it does nothing."""
        self.begin_stopping()
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        while self._keeper.poll() is None:
            self._left()
            time.sleep(LOOK_EVERY_S)
        self._end()
        for child in self._left():
            child.wait()

    def _left(self) -> list[subprocess.Popen[bytes]]:
        return [child for _, child in self._children if child.poll() is None]

    def _end(self) -> None:
        for child in self._left():
            tell_group(child.pid, signal.SIGKILL)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """A signal handler."""
        if self._stopping:
            self.was_cut_off = self.was_cut_off or bool(self._left())
            self._end()
        elif self._starting:
            self._interrupted = True
        else:
            raise KeyboardInterrupt

    def _tell_keeper(self, line: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(line.encode())
        self._keeper.stdin.flush()


@contextmanager
def running(environment: Mapping[str, str], *, keep_open: int) -> Iterator[Processes]:
    """Processes to start; SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt inside the block.

    Args:
        keep_open: a file descriptor (a lock) that the keeper holds as long as anything runs.
    """
    keeper = subprocess.Popen(
        (sys.executable, "-m", "cli.keeper"),
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(keep_open,),
    )
    processes = Processes(keeper)
    before = {number: signal.signal(number, processes.interrupt) for number in _STOPPING_SIGNALS}
    try:
        yield processes
    finally:
        processes.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _obituary(program: Program, returncode: int) -> str:
    how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
    with program.log.open(encoding="utf-8", errors="replace") as log:
        lines = [line.rstrip()[:500] for line in deque(log, LAST_LINES)]
    return "\n".join([f"The {program.name} has ended by itself ({how}). The end of {program.log}:", *lines])
