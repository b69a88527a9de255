"""The finder: looks up every uploaded file and folder that rows name, and says what is missing or will not do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from core.documents import Documents, PlannedRow, Upload
from schemas.catalog import Row
from schemas.errors import Problem
from schemas.manifest import Manifest
from schemas.picture import MAX_MASK_BYTES, MAX_REFERENCES, NOT_A_PICTURE, is_folder
from workers.planning.files.folders import Folder, FolderReader

MAX_PROBLEMS = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Masked:
    """The picture that a mask is for: a name or an address, and the row that chooses it; None where all have the same."""

    name: str
    row: int | None


@dataclass(frozen=True, slots=True)
class NeededFile:
    """A picture, or a folder of some, that has to be there under this name.

    Args:
        pointer: the place to blame if not, with `row`, from 1.
        template: that needs it; `text` is the place of the text that names it.
        masked: of a mask, what it is for; None where that is made first.
    """

    name: str
    pointer: str
    row: int | None
    template: str
    text: str
    masked: Masked | None = None

    @property
    def is_mask(self) -> bool:
        return self.text.endswith("/mask")

    @property
    def is_folder(self) -> bool:
        return is_folder(self.name)

    @property
    def is_upload(self) -> bool:
        return "://" not in self.name

    def problem_with(self, upload: Upload | None, *, max_bytes: int) -> Problem | None:
        """What is wrong with the upload of this name, as far as can be said without decoding it."""
        if upload is None:
            return self.problem("missing_file", "was not uploaded")
        if upload.media_type == NOT_A_PICTURE:
            return self.problem(
                "not_a_picture", "is not a still PNG, JPEG or WebP picture; upload one under this name"
            )
        if upload.bytes > max_bytes:
            return self.problem(
                "too_large", f"has {upload.bytes:,} bytes; a reference has at most {max_bytes:,}"
            )
        if self.is_mask and upload.media_type not in ("image/png", None):
            return self.problem("bad_mask", f"is {upload.media_type}; a mask is a PNG with an alpha channel")
        if self.is_mask and upload.bytes > MAX_MASK_BYTES:
            return self.problem(
                "bad_mask", f"has {upload.bytes:,} bytes; a mask has at most {MAX_MASK_BYTES:,}"
            )
        return None

    def problem(self, code: str, says: str) -> Problem:
        return Problem(self.pointer, code, f"'{self.name}' {says}", self.row)


class FileFinder:
    """What is known of the files of one plan.

    Attributes:
        files: by name; None where nothing was uploaded under it. A folder stands here with its list.
        problems: what is wrong, each once, in the order of the rows.
        most: by template, the most pictures that one of its tasks starts from.
    """

    def __init__(
        self, tenant: str, manifest: Manifest, documents: Documents, folders: FolderReader, *, max_bytes: int
    ) -> None:
        self._tenant = tenant
        self._documents = documents
        self._reader = folders
        self._max_bytes = max_bytes
        self._folders: dict[str, Folder] = {}
        self.files: dict[str, Upload | None] = {}
        self.problems: dict[Problem, None] = {}
        self.most = {
            name: len(manifest.references_of(name)) + (template.parent is not None)
            for name, template in manifest.templates.items()
        }
        self._least = dict(self.most)

    def pictures_of(self, name: str) -> tuple[str, ...]:
        """The names behind a name: of a folder its pictures, else itself."""
        return self._folders[name].pictures if name in self._folders else (name,)

    def usable(self, file: NeededFile) -> Upload | None:
        """The upload of this name, if it is there and nothing is wrong with it as far as was looked."""
        upload = self.files.get(file.name)
        return None if file.problem_with(upload, max_bytes=self._max_bytes) else upload

    async def find(self, rows: Sequence[Sequence[NeededFile]]) -> None:
        """Looks up what was not met before, side by side; what is wrong is said of each row that needs it."""
        folders = {file.name for needed in rows for file in needed if file.is_folder} - self._folders.keys()
        found = await _side_by_side(folders, lambda name: self._reader.read(self._tenant, name))
        self._folders |= found
        self.files |= {name: folder.upload for name, folder in found.items()}
        expanded = [[each for file in needed for each in self._expanded(file)] for needed in rows]
        new = {file.name for needed in expanded for file in needed if file.is_upload} - self.files.keys()
        self.files |= await _side_by_side(new, self._found)
        for needed, files in zip(rows, expanded, strict=True):
            self._judge(needed, files)

    def planned(self, row: Row, needed: Sequence[NeededFile]) -> PlannedRow:
        """The row with what it needs pinned, for who makes its pictures."""
        files = [file for each in needed for file in self._expanded(each) if file.is_upload]
        pinned = {file.name: upload.sha256 for file in files if (upload := self.files[file.name]) is not None}
        folders = {file.name: self.pictures_of(file.name) for file in needed if file.is_folder}
        return PlannedRow(row, pinned, folders)

    def _expanded(self, file: NeededFile) -> list[NeededFile]:
        return [replace(file, name=name) for name in self.pictures_of(file.name)]

    def _judge(self, needed: Sequence[NeededFile], files: Sequence[NeededFile]) -> None:
        for file in needed:
            if file.is_folder and (refusal := self._folders[file.name].refusal):
                self.say(file.problem(*refusal))
        for file in files:
            if file.is_upload:
                self.say(file.problem_with(self.files[file.name], max_bytes=self._max_bytes))
        for template, last, count in self._counted(needed):
            self.most[template] = max(self.most[template], count)
            if count > MAX_REFERENCES:
                says = f"makes it {count} pictures for '{template}'; at most {MAX_REFERENCES} may be sent"
                self.say(last.problem("too_many", says))

    def _counted(self, needed: Sequence[NeededFile]) -> list[tuple[str, NeededFile, int]]:
        """By template with a folder: the last of them, and the most pictures that a task of this row starts from."""
        sizes: dict[str, dict[str, int]] = defaultdict(dict)
        last: dict[str, NeededFile] = {}
        for file in (file for file in needed if file.is_folder):
            of_texts = sizes[file.template]
            of_texts[file.text] = max(of_texts.get(file.text, 1), len(self.pictures_of(file.name)))
            last[file.template] = file
        return [
            (name, last[name], self._least[name] + sum(size - 1 for size in of_texts.values()))
            for name, of_texts in sizes.items()
        ]

    def say(self, problem: Problem | None) -> None:
        """Adds what was found to be wrong, if anything was."""
        if problem is not None and len(self.problems) <= MAX_PROBLEMS:
            self.problems[problem] = None

    async def _found(self, name: str) -> Upload | None:
        try:
            return await self._documents.find_upload(self._tenant, name)
        except ValueError:  # not a name that anything can be stored under
            return None


async def _side_by_side(names: Collection[str], look: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    ordered = sorted(names)
    return dict(zip(ordered, await asyncio.gather(*(look(name) for name in ordered)), strict=True))
