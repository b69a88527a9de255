"""Finishing in processes of its own: a bounded number, none of them irreplaceable, and never in anybody's way."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from schemas.disclosure import Label
from schemas.finish import Crop, Upscale
from schemas.finish_plan import plan_finish
from schemas.rendition import Finished, Unfinished
from tests.children import BREACHES, liar
from tests.unit.finishing.conftest import file_of, noise
from workers.finishing.finisher import Finisher
from workers.finishing.making import make

PLAN = plan_finish("64x48", [Crop(step="crop", to="32x32")])
GIGABYTE = 1024**3


MADE: list[Finisher] = []


@pytest.fixture(autouse=True)
async def ended() -> AsyncIterator[None]:
    """No process of a test is left when it is over."""
    yield
    while MADE:
        await MADE.pop().aclose()
    assert children() == set()


def finisher(processes: int = 1, deadline_s: float = 120, memory_bytes: int = GIGABYTE) -> Finisher:
    MADE.append(Finisher(processes=processes, deadline_s=deadline_s, memory_bytes=memory_bytes))
    return MADE[-1]


def original(folder: Path, name: str = "one") -> Path:
    path = folder / f"{name}.picture"
    path.write_bytes(file_of(noise(64, 48)))
    return path


class Endless:
    """An original that is never read to its end: a process that begins with it stays there."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._pipe = os.open(path, os.O_RDWR)
        self.bait()

    def bait(self) -> None:
        """Something that only a process which reads can take away."""
        os.write(self._pipe, b"x")

    def is_read(self) -> bool:
        left = fcntl.ioctl(self._pipe, termios.FIONREAD, b"\0" * 4)
        return left == b"\0" * 4

    def close(self) -> None:
        os.close(self._pipe)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Endless]:
    pipe = Endless(tmp_path / "endless.picture")
    yield pipe
    pipe.close()


def children() -> set[int]:
    """Our processes that finish pictures."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return {
        int(pid)
        for pid, parent, name in rows
        if int(parent) == os.getpid() and "workers.finishing.child" in name
    }


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def until_gone(pids: set[int]) -> None:
    await until(lambda: children() & pids == set())


def started(finisher: Finisher, path: Path, label: Label) -> asyncio.Task[Finished | Unfinished]:
    return asyncio.create_task(finisher.finish(path, PLAN, label, path.parent))


def kill(pids: set[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def test_a_picture_is_finished_as_it_would_be_here(tmp_path: Path, label: Label) -> None:
    path = original(tmp_path)

    done = await finisher().finish(path, PLAN, label, tmp_path)

    assert isinstance(done, Finished)
    assert done == make(path, PLAN, label, tmp_path)


async def test_a_process_stays_for_the_next_picture(tmp_path: Path, label: Label) -> None:
    one = finisher()
    await one.finish(original(tmp_path), PLAN, label, tmp_path)
    before = children()
    await one.finish(original(tmp_path, "two"), PLAN, label, tmp_path)
    assert (len(before), children()) == (1, before)


async def test_there_are_never_more_processes_than_allowed(tmp_path: Path, label: Label) -> None:
    two = finisher(2)
    paths = [original(tmp_path, f"picture{number}") for number in range(8)]

    done = await asyncio.gather(*(two.finish(path, PLAN, label, tmp_path) for path in paths))

    assert all(isinstance(it, Finished) for it in done)
    assert len(children()) == 2


async def test_while_one_picture_takes_long_the_loop_runs_and_others_are_finished(
    tmp_path: Path, endless: Endless, label: Label
) -> None:
    two = finisher(2)
    slow = started(two, endless.path, label)
    await until(endless.is_read)

    assert isinstance(await two.finish(original(tmp_path), PLAN, label, tmp_path), Finished)

    assert not slow.done()
    await cancelled(slow)


async def cancelled(task: asyncio.Task[Finished | Unfinished]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_picture_takes_its_process_and_its_files_with_it_and_makes_room(
    tmp_path: Path, endless: Endless, label: Label
) -> None:
    one = finisher(1)
    left = tmp_path / "endless.finished.main.png.part"
    left.write_bytes(b"half")
    first = started(one, endless.path, label)
    waiting = started(one, original(tmp_path), label)
    await until(endless.is_read)
    before = children()

    await cancelled(first)

    assert isinstance(await waiting, Finished)
    assert (len(before), children() & before) == (1, set())
    assert (left.exists(), endless.path.exists()) == (False, True)


async def test_who_is_cancelled_while_waiting_for_room_costs_nothing(
    tmp_path: Path, endless: Endless, label: Label
) -> None:
    one = finisher(1)
    first = started(one, endless.path, label)
    await until(endless.is_read)
    before = children()
    waiting = started(one, original(tmp_path), label)
    await asyncio.sleep(0)

    await cancelled(waiting)

    assert children() == before
    await cancelled(first)


async def test_a_killed_process_is_replaced_and_the_picture_finished(endless: Endless, label: Label) -> None:
    task = started(finisher(), endless.path, label)
    await until(endless.is_read)
    original(endless.path.parent).replace(endless.path)

    kill(children())

    assert isinstance(await task, Finished)


async def test_a_picture_that_kills_two_processes_is_given_up_and_others_are_not(
    tmp_path: Path, endless: Endless, label: Label
) -> None:
    one = finisher()
    task = started(one, endless.path, label)
    for _ in range(2):
        await until(endless.is_read)
        killed = children()
        kill(killed)
        await until_gone(killed)
        endless.bait()

    assert await task == Unfinished(reason="the process that finished this picture died", again=True)
    assert isinstance(await one.finish(original(tmp_path), PLAN, label, tmp_path), Finished)


async def test_a_picture_that_takes_too_long_is_given_up_with_its_process(
    tmp_path: Path, endless: Endless, label: Label
) -> None:
    hasty = finisher(deadline_s=0.01)

    done = await hasty.finish(endless.path, PLAN, label, tmp_path)

    assert done == Unfinished(reason="finishing took longer than 0.01 s")
    assert children() == set()


async def test_a_picture_that_needs_more_memory_than_allowed_ends_without_harm(
    tmp_path: Path, label: Label
) -> None:
    small, path = finisher(memory_bytes=200 * 1024**2), original(tmp_path)
    large = plan_finish("64x48", [Upscale(step="upscale", to="9000x6750"), Crop(step="crop", to="9000x6750")])

    done = await small.finish(path, large, label, tmp_path)

    assert done == Unfinished(reason="finishing this picture takes more memory than one may take")
    assert isinstance(await small.finish(path, PLAN, label, tmp_path), Finished)


async def test_where_no_process_can_be_started_the_picture_is_unfinished_and_not_stuck(
    tmp_path: Path, label: Label, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    ended = await finisher().finish(original(tmp_path), PLAN, label, tmp_path)
    assert ended == Unfinished(reason="no process could be started: No such file or directory", again=True)


@pytest.mark.parametrize("breach", list(BREACHES), ids=str)
async def test_a_process_that_breaks_its_word_is_replaced_and_the_picture_finished(
    tmp_path: Path, label: Label, monkeypatch: pytest.MonkeyPatch, breach: str
) -> None:
    monkeypatch.setattr(sys, "executable", liar(tmp_path, BREACHES[breach]))
    one, path = finisher(), original(tmp_path)

    done = await one.finish(path, PLAN, label, tmp_path)

    assert done == make(path, PLAN, label, tmp_path)
    assert isinstance(await one.finish(original(tmp_path, "two"), PLAN, label, tmp_path), Finished)


@pytest.mark.parametrize("breach", list(BREACHES), ids=str)
async def test_a_picture_whose_processes_break_their_word_is_given_up_without_an_error(
    tmp_path: Path, label: Label, monkeypatch: pytest.MonkeyPatch, breach: str
) -> None:
    monkeypatch.setattr(sys, "executable", liar(tmp_path, BREACHES[breach], times=2))

    done = await finisher().finish(original(tmp_path), PLAN, label, tmp_path)

    says = "told nonsense" if breach == "not json" else "died"
    assert done == Unfinished(reason=f"the process that finished this picture {says}", again=True)
    assert children() == set()
