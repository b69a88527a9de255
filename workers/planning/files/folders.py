"""Folders of reference pictures: what is in one, in the order of the names, as far as can be said without decoding it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from core.documents import Documents, Upload
from schemas.errors import TooLargeError, UnavailableError
from schemas.picture import MAX_REFERENCES
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher

MAX_LIST_BYTES = 64 * 1024
"""Of the list of an uploaded folder: sixteen names of the longest kind are 4 KB."""

_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")


class _UnusableError(ValueError):
    """This folder cannot be used; `code` and the end of a sentence."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    Args:
        upload: its list; None where none was uploaded. Of a bucket's folder, the list that was found.
        pictures: their names, with that of the folder in front.
        refusal: why it cannot be used, as a problem's code and the end of its sentence.
    """

    upload: Upload | None
    pictures: tuple[str, ...] = ()
    refusal: tuple[str, str] | None = None


class FolderReader:
    """Reads the folders that manifests name."""

    def __init__(self, documents: Documents, fetcher: Fetcher) -> None:
        self._documents = documents
        self._fetcher = fetcher

    async def read(self, tenant: str, name: str) -> Folder:
        """The folder of this name, which ends in a slash."""
        upload: Upload | None = None
        try:
            if name.startswith("s3://"):
                names = await self._in_bucket(tenant, name)
                text = "\n".join(names).encode()
                upload = Upload(name, hashlib.sha256(text).hexdigest(), len(text))
            else:
                upload = await self._documents.find_upload(tenant, name)
                names = await self._listed(tenant, name, upload)
            return Folder(upload, tuple(f"{name}{each}" for each in _checked(names)))
        except _UnusableError as error:
            return Folder(upload, refusal=(error.code, str(error)))

    async def _listed(self, tenant: str, name: str, upload: Upload | None) -> list[str]:
        if upload is None:
            says = f"is a folder, and was not uploaded: upload the names in it, one a line, as '{name}'"
            raise _UnusableError("missing_file", says)
        try:
            content = await self._documents.read_upload(tenant, upload.sha256, max_bytes=MAX_LIST_BYTES)
            lines = content.decode().splitlines()
        except TooLargeError:
            raise _too_many() from None
        except UnicodeDecodeError:
            raise _UnusableError("bad_folder", "is a list of names that is not UTF-8 text") from None
        return sorted({line.strip() for line in lines if line.strip() and not line.startswith(".")})

    async def _in_bucket(self, tenant: str, url: str) -> list[str]:
        try:
            names = await self._fetcher.names(url, most=MAX_REFERENCES + 1, tenant=tenant)
        except FetchError as error:
            if error.transient:
                raise UnavailableError(str(error)) from error
            raise _UnusableError("bad_reference", f"cannot be listed: {error}") from error
        if other := next((name for name in names if not name.lower().endswith(_EXTENSIONS)), None):
            raise _UnusableError("not_a_picture", f"holds '{other}', which is not called a picture")
        return names


def _checked(names: list[str]) -> list[str]:
    if other := next((name for name in names if "/" in name or "\\" in name), None):
        raise _UnusableError("not_a_picture", f"holds '{other}', which is no picture right in it")
    if not names:
        raise _UnusableError("empty_folder", "is a folder without pictures")
    if len(names) > MAX_REFERENCES:
        raise _too_many()
    return names


def _too_many() -> _UnusableError:
    return _UnusableError("too_many", f"holds more than the {MAX_REFERENCES} pictures that may be sent")
