"""Finishing beside the event loop: a few processes of our own, one picture each at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter
from anyio.to_process import run_sync

from schemas.disclosure import Label
from schemas.finish_plan import FinishPlan
from schemas.rendition import Finished, Unfinished
from workers.finishing.making import is_label_alone, make, make_within, renditions_of

_log = structlog.get_logger()


class Finisher:
    """Finishes pictures, as many at a time as there are processes; the others wait.

    The processes start when they are first needed, stay for the next picture, and end with the event loop. One that
    dies takes nothing with it but its own picture, which is tried once more.

    Args:
        processes: at the same time; each takes a processor while it works.
        deadline_s: a picture that takes longer is given up, with its process.
        memory_bytes: what one process may take for its data.
    """

    def __init__(self, *, processes: int, deadline_s: float, memory_bytes: int) -> None:
        self._room = asyncio.Semaphore(processes)
        self._processes = processes
        self._deadline_s = deadline_s
        self._memory_bytes = memory_bytes

    async def finish(
        self, original: Path, plan: FinishPlan, label: Label, folder: Path
    ) -> Finished | Unfinished:
        """Makes the renditions of an original, as files of the folder that begin with the stem of its name.

        Where only the label is written, no picture is decoded, and no process of its own is needed.
        Cancelled, or unfinished: the process that was at it is gone, and its files too; the original is as it was.
        """
        if is_label_alone(plan, label):
            return await asyncio.to_thread(make, original, plan, label, folder)
        async with self._room:
            ended = await self._tried(original, plan, label, folder)
            if isinstance(ended, Unfinished) and ended.again:
                ended = await self._tried(original, plan, label, folder)
        return ended

    async def _tried(
        self, original: Path, plan: FinishPlan, label: Label, folder: Path
    ) -> Finished | Unfinished:
        ended: Finished | Unfinished | None = None
        try:
            await asyncio.shield(asyncio.create_task(self._start()))
            async with asyncio.timeout(self._deadline_s):
                ended = await run_sync(
                    make_within, self._memory_bytes, original, plan, label, folder,
                    cancellable=True, limiter=CapacityLimiter(self._processes),
                )  # fmt: skip
        except TimeoutError:
            ended = Unfinished(reason=f"finishing took longer than {self._deadline_s:g} s")
        except BrokenWorkerProcess:
            ended = Unfinished(reason="the process that finished this picture died", again=True)
            _log.warning("finishing.interrupted", original=original.name)
        except OSError as error:  # no memory or process number left for it: the picture goes on as it came
            ended = Unfinished(reason=f"no process could be started: {error.strerror}", again=True)
        finally:
            if not isinstance(ended, Finished):
                _remove_renditions(original, folder)
        return ended

    async def _start(self) -> None:
        """Sees to it that a process is there. Never cancelled: anyio forgets one that is cancelled while it starts."""
        await run_sync(int, limiter=CapacityLimiter(self._processes))


def _remove_renditions(original: Path, folder: Path) -> None:
    for path in renditions_of(original, folder):
        path.unlink(missing_ok=True)
