"""A manifest and the files it names, on this disk. Nothing outside the manifest's folder is ever read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from cli.client import Content, Document
from schemas.errors import DarkroomError, ManifestError, Problem

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class LocalManifest:
    """A manifest file. Names in it are relative to `folder`, which is resolved.

    Args:
        sources: the uploaded names of its catalog and of the mapping of that, where they are files.
    """

    document: Document
    folder: Path
    sources: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> LocalManifest:
        """
        Raises:
            ManifestError: it is not YAML or JSON, or names a catalog or mapping outside its folder.
            DarkroomError: it cannot be read.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DarkroomError(f"The manifest {path} cannot be read: {error.strerror}.") from error
        is_json = path.suffix.lower() == ".json"
        sources = _sources(_parsed(content, is_json))
        media_type = "application/json" if is_json else "application/yaml"
        manifest = cls(Document(content, media_type), path.resolve().parent, tuple(sources.values()))
        for pointer, name in sources.items():
            manifest.find(name, pointer=pointer)
        return manifest

    def find(self, name: str, *, pointer: str = "") -> Content | None:
        """The file of this name below the folder; of a folder, whose name ends in a slash, the list of what is in it.
        None when there is none.

        Raises:
            ManifestError: the name leads out of the folder, or is not written plainly.
            DarkroomError: the folder cannot be read.
        """
        plain = PurePosixPath(name)
        is_folder = name.endswith("/")
        written = name.removesuffix("/")
        if plain.is_absolute() or ".." in plain.parts or str(plain) != written or "\\" in name:
            detail = f"'{name}' must be a plain path below the manifest's folder, such as photos/shirt.jpg"
            raise ManifestError([Problem(pointer, "unsafe_path", detail)])
        path = (self.folder / plain).resolve()
        if not path.is_relative_to(self.folder):
            detail = f"'{name}' is a link that leads out of the manifest's folder"
            raise ManifestError([Problem(pointer, "unsafe_path", detail)])
        if is_folder:
            return _list_of(path) if path.is_dir() else None
        return path if path.is_file() else None

    def digest(self, file_digests: Iterable[str]) -> str:
        """Names what is submitted: the manifest's bytes and those of the files that go with it."""
        text = "\n".join([hashlib.sha256(self.document.content).hexdigest(), *sorted(file_digests)])
        return hashlib.sha256(text.encode()).hexdigest()


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


def _parsed(content: bytes, is_json: bool) -> Any:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        detail = f"line {line}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise ManifestError([Problem("", "not_utf8", detail)]) from error
    try:
        return json.loads(content) if is_json else yaml.load(content, _LOADER)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        detail = f"not {'JSON' if is_json else 'YAML'}: {_complaint(error)}"
        raise ManifestError([Problem("", "malformed", detail)]) from error


def _complaint(error: Exception) -> str:
    """What a parser does not like, with its place first; YAML's own text names a `<byte string>`."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    detail = str(getattr(error, "problem", "") or "this is not YAML")
    tab = "; indent with spaces, not with tabs" if "cannot start any token" in detail else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {detail}{tab}"


def _sources(data: Any) -> dict[str, str]:
    """Pointer -> name of each file that a plan cannot do without."""
    catalog = data.get("catalog") if isinstance(data, dict) else None
    found = catalog if isinstance(catalog, dict) else {}
    names = {f"/catalog/{field}": found.get(field) for field in ("source", "mapping")}
    return {
        place: name for place, name in names.items() if isinstance(name, str) and name and "://" not in name
    }
