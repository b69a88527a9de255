"""Masks: looked into by the plan, with the pictures that they are for, as far as both were uploaded."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core.documents import Documents, Upload
from schemas.errors import NotFoundError, Problem
from schemas.picture import PictureFacts, mask_problem
from workers.inspecting.inspector import Inspector, PictureRefusedError
from workers.planning.files.finder import FileFinder, NeededFile
from workers.planning.files.together import together

MAX_LOOKED_INTO = 100
"""Pictures that a plan decodes, some tenths of a second each. What it finds is kept for the next plan; what is beyond is
looked into before it is sent."""

_AT_ONCE = 8


Looked = PictureFacts | PictureRefusedError | None
"""What a picture is, or why it cannot be used; None where it was not looked into."""


class MaskJudge:
    """Judges the masks of one plan. What is wrong is said to the finder of its files."""

    def __init__(self, tenant: str, documents: Documents, finder: FileFinder, inspector: Inspector) -> None:
        self._tenant = tenant
        self._documents = documents
        self._finder = finder
        self._inspector = inspector
        self._found: dict[str, Looked] = {}
        self._left = MAX_LOOKED_INTO
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def judge(self, rows: Sequence[Sequence[NeededFile]]) -> None:
        """Looks into what was not met before; what is wrong is said of each row that needs it.

        Raises:
            UnavailableError: storage does not answer.
        """
        masks = [file for needed in rows for file in needed if file.is_mask]
        pairs = [(self._finder.usable(file), self._masked(file)) for file in masks]
        new = {
            each.sha256: each for pair in pairs for each in pair if each and each.sha256 not in self._found
        }
        are_masks = {mask.sha256 for mask, _ in pairs if mask}
        self._found |= dict(zip(new, await self._all_looked(new.values(), are_masks), strict=True))
        for file, (mask, masked) in zip(masks, pairs, strict=True):
            if mask is not None:
                self._finder.say(self._problem(file, self._found[mask.sha256], masked))

    def _masked(self, file: NeededFile) -> Upload | None:
        """The upload that a mask is for, if it is one; of a folder the first."""
        if file.masked is None:
            return None
        names = self._finder.pictures_of(file.masked.name)
        return self._finder.usable(replace(file, name=names[0], text="")) if names else None

    def _problem(self, file: NeededFile, mask: Looked, masked: Upload | None) -> Problem | None:
        other = self._found[masked.sha256] if masked else None
        if isinstance(mask, PictureRefusedError):
            return file.problem("bad_mask", str(mask))
        if isinstance(other, PictureRefusedError):
            assert masked is not None
            return _at(file, replace(file, name=masked.name).problem("bad_reference", str(other)))
        if mask is None or (says := mask_problem(mask, other)) is None:
            return None
        alone = mask_problem(mask, None)
        return file.problem("bad_mask", alone) if alone else _at(file, file.problem("bad_mask", says))

    async def _all_looked(self, uploads: Iterable[Upload], masks: Container[str]) -> list[Looked]:
        """Looks into these. No look goes on when one has failed: they ask a child which is about to be ended.

        Args:
            masks: digests of those that are one.
        """
        async with together() as group:
            looks = [group.create_task(self._look(upload, upload.sha256 in masks)) for upload in uploads]
        return [look.result() for look in looks]

    async def _look(self, upload: Upload, is_mask: bool) -> Looked:
        async with self._slots:
            if known := await self._documents.find_facts(self._tenant, upload.sha256):
                return known
            if not self._left:
                return None
            self._left -= 1
            return await self._measured(upload, is_mask)

    async def _measured(self, upload: Upload, is_mask: bool) -> Looked:
        with tempfile.TemporaryDirectory(prefix="darkroom-mask-") as folder:
            path = Path(folder) / "picture"
            try:
                await self._documents.get_upload(self._tenant, upload.sha256, path)
                facts = await self._inspector.inspect(path)
                if is_mask and not facts.is_plain:
                    copy_bytes = await self._inspector.copy(path, into=Path(folder) / "copy")
                    facts = replace(facts, copy_bytes=copy_bytes)
            except PictureRefusedError as error:
                return error
            except NotFoundError:
                return None
        await self._documents.put_facts(self._tenant, upload.sha256, facts)
        return facts


def _at(file: NeededFile, problem: Problem) -> Problem:
    """The problem, at the row that chose the picture where one mask is for all of them."""
    if file.row is not None or file.masked is None or file.masked.row is None:
        return problem
    return Problem.at_row(file.masked.row, problem.code, problem.detail)
