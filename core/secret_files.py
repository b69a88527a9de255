"""Settings in files, each named as its variable: how containers and services are given secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import NestedSecretsSettingsSource

_NAMES = "DARKROOM_*"


class SecretFiles(NestedSecretsSettingsSource):
    """Settings in the files of a folder; files of others are left alone. What `complaints` tells counts as empty."""

    @classmethod
    def load_secrets(cls, path: Path) -> dict[str, str]:
        return {name: _content(path / name) for name in names(path)}


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob(_NAMES))


def complaints(folder: Path) -> Mapping[str, str]:
    """What is wrong with files, by the variable: an empty one would count as set."""
    found = {}
    for name in names(folder):
        try:
            if not _read(folder / name):
                found[name] = (
                    f"{name}: the file in {folder} is empty; write the value into it, or take it away"
                )
        except (OSError, UnicodeDecodeError) as error:
            found[name] = f"{name}: the file in {folder} cannot be read ({type(error).__name__})"
    return found


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


def _content(file: Path) -> str:
    try:
        return _read(file)
    except (OSError, UnicodeDecodeError):
        return ""
