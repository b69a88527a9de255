from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.environment import inherited
from cli.keeper import is_running
from cli.processes import DiedEarlyError, Processes, Program, running

PYTHON = sys.executable
ROOT = Path(__file__).parents[3]
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
FAMILY = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); print('ready', flush=True); time.sleep(60)"
LOGGING = (
    "import signal, sys, time\n"
    "def end(*_): print(sys.argv[1], file=open('order', 'a')); sys.exit()\n"
    "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
)
PARENT = """
import sys, time
from pathlib import Path
from cli.environment import inherited
from cli.processes import Program, running
lock = open("lock", "w")
with running(inherited(), keep_open=lock.fileno()) as processes:
    for stage in (1, 0):
        argv = (sys.executable, "-c", Path("child.py").read_text(), str(stage))
        processes.start(Program("child", argv, inherited(), Path("."), Path(f"log-{stage}"), stage, 5.0))
    print(*[child.pid for _, child in processes._children], flush=True)
    processes.wait()
"""


def wait_for(happened: Callable[[], object], within_s: float = 60.0) -> None:
    end_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.02)


def program(tmp_path: Path, code: str, *, stop_within_s: float = 5.0) -> Program:
    return Program(
        "child", (PYTHON, "-c", code), inherited(), tmp_path, tmp_path / "child.log", 0, stop_within_s
    )


def start(processes: Processes, wanted: Program) -> int:
    processes.start(wanted)
    processes.wait_until(lambda: "ready" in wanted.log.read_text(), "the child", within_s=60)
    return processes._children[-1][1].pid


@pytest.fixture
def parent(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that runs two children of two stages."""
    (tmp_path / "child.py").write_text(LOGGING)
    return subprocess.Popen(
        [PYTHON, "-c", PARENT],
        cwd=tmp_path,
        env=inherited(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children_of(parent: subprocess.Popen[str], tmp_path: Path) -> list[int]:
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    wait_for(lambda: all("ready" in (tmp_path / f"log-{stage}").read_text() for stage in (0, 1)))
    return pids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_children_end_in_order_however_their_parent_ends(
    parent: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    pids = children_of(parent, tmp_path)
    parent.send_signal(number)
    parent.communicate(timeout=60)
    wait_for(lambda: not any(is_running(pid) for pid in pids))
    assert (tmp_path / "order").read_text().split() == ["0", "1"]


def test_a_child_that_does_not_stop_is_ended(tmp_path: Path) -> None:
    with open(os.devnull) as lock, running(inherited(), keep_open=lock.fileno()) as processes:
        pid = start(processes, program(tmp_path, STUBBORN, stop_within_s=0.2))
    assert not is_running(pid)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    with open(os.devnull) as lock, running(inherited(), keep_open=lock.fileno()) as processes:
        pid = start(processes, program(tmp_path, FAMILY))
    groups = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    assert not [
        line for line in groups.splitlines() if line.split()[0] == str(pid) and "Z" not in line.split()[1]
    ]


def test_a_child_that_dies_early_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    dying = program(tmp_path, "import sys; print('the disk is full'); sys.exit(7)")
    with open(os.devnull) as lock, running(inherited(), keep_open=lock.fileno()) as processes:
        processes.start(dying)
        with pytest.raises(DiedEarlyError, match=r"exit code 7.*\n.*the disk is full"):
            processes.wait()


def test_a_second_interruption_ends_everything_at_once(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(STUBBORN)
    parent = subprocess.Popen(
        [PYTHON, "-c", PARENT.replace("5.0", "600.0")], cwd=tmp_path, env=inherited(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pids = children_of(parent, tmp_path)
    end_s = time.monotonic() + 60
    while parent.poll() is None and time.monotonic() < end_s:
        parent.send_signal(signal.SIGINT)
        time.sleep(0.2)
    parent.communicate(timeout=60)
    assert not any(is_running(pid) for pid in pids)
