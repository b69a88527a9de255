"""Finishing beside the event loop: a few processes of our own, one picture each at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from schemas.disclosure import Label
from schemas.finish_plan import FinishPlan
from schemas.rendition import Finished, Unfinished
from workers.children.child import Child, ChildDiedError
from workers.finishing.child import Commission
from workers.finishing.making import is_label_alone, make, renditions_of
from workers.finishing.opening import is_turned

_ENDED: TypeAdapter[Finished | Unfinished] = TypeAdapter(Finished | Unfinished)
_log = structlog.get_logger()


class Finisher:
    """Finishes pictures, as many at a time as there are processes; the others wait. Lives in one event loop.

    The processes start when they are first needed, and stay for the next picture. One that dies, or tells nonsense, takes
    nothing with it but its own picture, which is tried once more.

    Args:
        processes: at the same time; each takes a processor while it works.
        deadline_s: a picture that takes longer is given up, with its process.
        memory_bytes: what one process may take for its data.
    """

    def __init__(self, *, processes: int, deadline_s: float, memory_bytes: int) -> None:
        self._room = asyncio.Semaphore(processes)
        told = ("workers.finishing.child", str(memory_bytes))
        self._idle = [Child(_ENDED, *told) for _ in range(processes)]
        self._deadline_s = deadline_s

    async def finish(
        self, original: Path, plan: FinishPlan, label: Label, folder: Path
    ) -> Finished | Unfinished:
        """Makes the renditions of an original, as files of the folder that begin with the stem of its name.

        Where only the label is written, no picture is decoded, and no process of its own is needed.
        Cancelled, or unfinished: the process that was at it is gone, and its files too; the original is as it was.
        """
        if is_label_alone(plan, label) and not await asyncio.to_thread(is_turned, original):
            return await asyncio.to_thread(make, original, plan, label, folder)
        commission = Commission(original=original, plan=plan, label=label, folder=folder)
        async with self._room:
            child = self._idle.pop()
            try:
                ended = await self._tried(child, commission)
                if isinstance(ended, Unfinished) and ended.again:
                    ended = await self._tried(child, commission)
            finally:
                self._idle.append(child)
        return ended

    async def aclose(self) -> None:
        """Ends the processes; nothing may be with them any more."""
        for child in self._idle:
            await child.aclose()

    async def _tried(
        self, child: Child[Finished | Unfinished], commission: Commission
    ) -> Finished | Unfinished:
        ended: Finished | Unfinished | None = None
        try:
            ended = await child.ask(commission.model_dump_json(), within_s=self._deadline_s)
        except TimeoutError:
            ended = Unfinished(reason=f"finishing took longer than {self._deadline_s:g} s")
        except (ChildDiedError, ValidationError) as error:
            did = "died" if isinstance(error, ChildDiedError) else "told nonsense"
            ended = Unfinished(reason=f"the process that finished this picture {did}", again=True)
            _log.warning("finishing.interrupted", original=commission.original.name)
        except OSError as error:  # no memory or process number left for it: the picture goes on as it came
            ended = Unfinished(reason=f"no process could be started: {error.strerror}", again=True)
        finally:
            if not isinstance(ended, Finished):
                _remove_renditions(commission.original, commission.folder)
        return ended


def _remove_renditions(original: Path, folder: Path) -> None:
    for path in renditions_of(original, folder):
        path.unlink(missing_ok=True)
