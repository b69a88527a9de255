"""A manifest and the files it names, on this disk. Nothing outside the manifest's folder is ever read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cli.client import Content, Document
from cli.manifests.places import Places
from schemas.errors import DarkroomError, Problem

MISSING, UNSAFE = "missing_file", "unsafe_path"
_SOURCES = ("/catalog/source", "/catalog/mapping")


@dataclass(frozen=True, slots=True)
class LocalManifest:
    """A manifest file. Names in it are relative to `folder`, which is resolved.

    What is wrong with its text is the service's to say: one that cannot be read has no sources.
    """

    document: Document
    path: Path
    folder: Path
    places: Places

    @classmethod
    def read(cls, path: Path) -> LocalManifest:
        """
        Raises:
            DarkroomError: it cannot be read.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DarkroomError(f"The manifest {path} cannot be read: {error.strerror}.") from error
        is_json = path.suffix.lower() == ".json"
        document = Document(content, "application/json" if is_json else "application/yaml")
        return cls(document, path, path.resolve().parent, Places.read(content, is_json=is_json))

    @property
    def sources(self) -> dict[str, str]:
        """Pointer -> name of its catalog and of the mapping of that, where they are files."""
        found = {pointer: self.places.text_at(pointer) for pointer in _SOURCES}
        return {pointer: name for pointer, name in found.items() if name and "://" not in name}

    def find(self, name: str) -> Content | None:
        """The file of this name below the folder; of a folder, whose name ends in a slash, the list of what is in it.
        None when there is none, or when it must not be read.

        Raises:
            DarkroomError: it is there and cannot be read.
        """
        try:
            if self.refusal_of(name):
                return None
            path = (self.folder / name).resolve()
            if name.endswith("/"):
                return _list_of(path) if path.is_dir() else None
            if not path.is_file():
                return None
            path.open("rb").close()
        except OSError as error:
            says = f"'{name}', which {self.path} names, cannot be read: {error.strerror or error}."
            raise DarkroomError(says) from error
        return path

    def refusal_of(self, name: str) -> str | None:
        """Why a file of this name is never read, be there one or not; None when it may be."""
        plain, written = PurePosixPath(name), name.removesuffix("/")
        if plain.is_absolute() or ".." in plain.parts or str(plain) != written or "\\" in name:
            example = "photos/" if name.endswith("/") else "photos/shirt.jpg"
            return f"'{name}' must be a plain path below the manifest's folder, such as {example}"
        try:
            is_outside = not (self.folder / plain).resolve().is_relative_to(self.folder)
        except RuntimeError:  # which is how Python 3.11 says it
            return f"'{name}' is a link that leads to itself"
        return f"'{name}' is a link that leads out of the manifest's folder" if is_outside else None

    def told(self, problems: Iterable[Problem], lacking: Iterable[str]) -> list[Problem]:
        """Everything that is wrong, with the line of the manifest, and of files in the words of this disk.

        Args:
            problems: as the service found them; it speaks of uploads.
            lacking: names that were asked for, and that neither this folder nor the service has.
        """
        names = sorted(lacking)
        found = [self._in_own_words(problem, names) for problem in problems]
        found += [problem for name in names if (problem := self._unsaid(found, name))]
        return [replace(problem, line=self.places.line_of(problem)) for problem in found]

    def _unsaid(self, found: Iterable[Problem], name: str) -> Problem | None:
        """What the service did not say: it looks for catalogs last, and may have an older file under a refused name."""
        pointer = next((place for place, source in self.sources.items() if source == name), "")
        is_said = any(f"'{name}'" in one.detail or (pointer and one.pointer == pointer) for one in found)
        return self._blame(pointer, name) if not is_said and (pointer or self.refusal_of(name)) else None

    def digest(self, file_digests: Iterable[str]) -> str:
        """Names what is submitted: the manifest's bytes and those of the files that go with it."""
        text = "\n".join([hashlib.sha256(self.document.content).hexdigest(), *sorted(file_digests)])
        return hashlib.sha256(text.encode()).hexdigest()

    def _in_own_words(self, problem: Problem, lacking: Iterable[str]) -> Problem:
        name = next((name for name in lacking if f"'{name}'" in problem.detail), None)
        if problem.code != MISSING or name is None:
            return problem
        return replace(self._blame(problem.pointer, name), row=problem.row)

    def _blame(self, pointer: str, name: str) -> Problem:
        if refusal := self.refusal_of(name):
            return Problem(pointer, UNSAFE, refusal)
        kind = "folder" if name.endswith("/") else "file"
        if kind == "file" and (self.folder / name).is_dir():
            return Problem(pointer, MISSING, f"'{name}' is a folder in {self.folder}; name a file")
        return Problem(pointer, MISSING, f"there is no {kind} '{name}' in {self.folder}")


def _list_of(folder: Path) -> bytes:
    """The names in a folder, one a line, with a slash behind those of folders; hidden ones are left out."""
    try:
        found = sorted(
            f"{entry.name}/" if entry.is_dir() else entry.name
            for entry in folder.iterdir()
            if not entry.name.startswith(".")
        )
    except OSError as error:
        raise DarkroomError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    return "".join(f"{name}\n" for name in found).encode()
