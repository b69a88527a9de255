"""The inspector: asks child processes about pictures, one at a time, and never waits for them for long."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from schemas.picture import PictureFacts
from workers.children.child import Child, ChildDiedError

WITHIN_S = 20.0
"""Of one picture, decoding included; the largest allowed one takes about 3 s."""


@dataclass(frozen=True, slots=True)
class _Refused:
    refusal: str


@dataclass(frozen=True, slots=True)
class _Copied:
    size_bytes: int


_FOUND: TypeAdapter[PictureFacts | _Refused] = TypeAdapter(PictureFacts | _Refused)
_MADE: TypeAdapter[_Copied | _Refused] = TypeAdapter(_Copied | _Refused)
T = TypeVar("T")


class PictureRefusedError(ValueError):
    """A picture that is not used; the message goes on after its name: `is damaged (OSError)`."""


class Inspector:
    """One child process for all pictures, and another one for copies once there is one to make. Lives in one event loop."""

    def __init__(self, max_pixels: int, *, within_s: float = WITHIN_S) -> None:
        self._child = Child(_FOUND, "workers.inspecting.child", str(max_pixels))
        self._copier = Child(_MADE, "workers.inspecting.copier", str(max_pixels))
        self._within_s = within_s
        self._turn = asyncio.Lock()

    async def inspect(self, path: Path) -> PictureFacts:
        """What the picture is. All of it is decoded.

        Raises:
            PictureRefusedError: it is none that we take, or cannot be decoded within its limits.
            OSError: no process can be started.
        Cancelled: the child is killed; nothing is left of the question.
        """
        return await self._asked(self._child, {"path": str(path)})

    async def copy(self, path: Path, *, into: Path) -> int:
        """Writes an upright copy of the picture, without EXIF, in its own format; how many bytes that are.

        Raises:
            PictureRefusedError: as `inspect` does, or the copy is too large to be sent; `into` may be there in part.
            OSError: no process can be started.
        Cancelled: the child is killed; `into` may be there in part.
        """
        made = await self._asked(self._copier, {"path": str(path), "into": str(into)})
        return made.size_bytes

    async def _asked(self, child: Child[T | _Refused], question: dict[str, str]) -> T:
        async with self._turn:
            try:
                found = await child.ask(json.dumps(question), within_s=self._within_s)
            except TimeoutError:
                raise PictureRefusedError(f"could not be decoded within {self._within_s:g} s") from None
            except ChildDiedError:
                raise PictureRefusedError("takes more memory or time to decode than a picture may") from None
            except ValidationError:
                raise PictureRefusedError("made the process that decoded it tell nonsense") from None
        if isinstance(found, _Refused):
            raise PictureRefusedError(found.refusal)
        return found

    async def aclose(self) -> None:
        await self._child.aclose()
        await self._copier.aclose()
