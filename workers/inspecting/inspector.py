"""The inspector: asks the child process what a picture is, one at a time, and never waits for it for long."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from schemas.picture import PictureFacts

WITHIN_S = 20.0
"""Of one picture, decoding included; the largest allowed one takes about 3 s."""


class PictureRefusedError(ValueError):
    """A picture that is not used; the message goes on after its name: `is damaged (OSError)`."""


class Inspector:
    """One child process, started when it is first needed, and anew after it died. Lives in one event loop."""

    def __init__(self, max_pixels: int, *, within_s: float = WITHIN_S) -> None:
        self._max_pixels = max_pixels
        self._within_s = within_s
        self._child: Process | None = None
        self._turn = asyncio.Lock()

    async def inspect(self, path: Path) -> PictureFacts:
        """What the picture is. All of it is decoded.

        Raises:
            PictureRefusedError: it is none that we take, or cannot be decoded within its limits.
            OSError: no process can be started.
        Cancelled: the child is killed; nothing is left of the question.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._within_s):
                    answer = await self._ask(path)
            except TimeoutError:
                await self._kill()
                raise PictureRefusedError(f"could not be decoded within {self._within_s:g} s") from None
            except BaseException:
                await self._kill()
                raise
        if "refusal" in answer:
            raise PictureRefusedError(answer["refusal"])
        return PictureFacts(**answer)

    async def aclose(self) -> None:
        await self._kill()

    async def _ask(self, path: Path) -> dict[str, Any]:
        child = await self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"path": str(path)}).encode() + b"\n")
        answer = b""
        try:
            await child.stdin.drain()
            answer = await child.stdout.readline()
        except ConnectionError:  # it is gone, as when it answers nothing
            pass
        if not answer:
            raise PictureRefusedError("takes more memory or time to decode than a picture may")
        found: dict[str, Any] = json.loads(answer)
        return found

    async def _started(self) -> Process:
        if self._child is None or self._child.returncode is not None:
            command = (sys.executable, "-I", "-m", "workers.inspecting.child", str(self._max_pixels))
            self._child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env={})
        return self._child

    async def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()
        await child.communicate()
