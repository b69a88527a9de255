"""A child: a process of a module of ours, which answers a line of JSON with a line of JSON, one at a time."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack, suppress
from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class ChildDiedError(RuntimeError):
    """The process ended before it answered with a whole line, or its line has no end; the next question has a new one."""


class Child(Generic[T]):
    """Started when it is first asked, and anew after it died. Lives in one event loop, and sees no environment.

    Args:
        answers: what its answers are.
        module: whose `main` serves.
        words: what it is told on its command line.
    """

    def __init__(self, answers: TypeAdapter[T], module: str, *words: str) -> None:
        self._answers = answers
        self._command = (sys.executable, "-I", "-m", module, *words)
        self._process: Process | None = None

    async def ask(self, question: str, *, within_s: float) -> T:
        """The answer. To start the process does not count as time.

        Raises:
            ChildDiedError: there is none, or not a whole one.
            ValidationError: it is nonsense; the process may be out of step, and was killed.
            TimeoutError: there is none yet; the process was killed.
            OSError: no process can be started.
        Cancelled: the process is killed; nothing is left of the question.
        """
        async with AsyncExitStack() as on_trouble:
            on_trouble.push_async_callback(self.aclose)
            process = await self._started()
            async with asyncio.timeout(within_s):
                answer = self._answers.validate_json(await _answer(process, question))
            on_trouble.pop_all()
        return answer

    async def aclose(self) -> None:
        """Ends the process, whatever it is at."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.communicate()

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, env={}
            )
        return self._process


async def _answer(process: Process, question: str) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    answer = b""
    process.stdin.write(question.encode() + b"\n")
    with suppress(ConnectionError, ValueError):  # it is gone, as when it answers nothing; a line without end
        await process.stdin.drain()
        answer = await process.stdout.readline()
    if not answer.endswith(b"\n"):
        raise ChildDiedError
    return answer
