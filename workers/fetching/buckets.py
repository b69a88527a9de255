"""Objects that manifests name as `s3://bucket/key`: from the buckets that the operator opened, and no others."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

from core.places import opened_to
from core.settings import FetchSettings
from core.storage.opening import open_store
from core.storage.rules import check_key
from core.storage.store import ObjectStore
from schemas.errors import NotFoundError, UnavailableError
from workers.fetching.errors import FetchError

S3 = "s3://"
_THREADS = 8
_MOST_HIDDEN = 1000
_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.+)", re.DOTALL)


class BucketReader:
    """Reads objects of several buckets. A bucket's client is made when it is first asked."""

    def __init__(self, settings: FetchSettings, *, endpoint_url: str | None) -> None:
        self._sources = settings.s3_sources
        self._endpoint_url = endpoint_url
        self._stores: dict[str, ObjectStore] = {}

    def checked(self, url: str, tenant: str | None, *, is_folder: bool = False) -> tuple[str, str]:
        """Bucket and key; the key is taken as it is written, but for the slash at the end of a folder.

        Raises:
            FetchError: it is no such URL, or not in a place that is opened to this tenant.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise FetchError("This is not a URL of the form s3://bucket/key.")
        try:
            key = found["key"].removesuffix("/") if is_folder else found["key"]
            check_key(key)
        except ValueError as error:
            raise FetchError(f"This is no key of an object: {error}") from None
        opened = filter(None, (opened_to(source, tenant) for source in self._sources))
        if not url.startswith(tuple(opened)):
            raise FetchError(
                f"The bucket {found['bucket']} is not opened to manifests, or not this part of it; "
                "the operator opens one with DARKROOM_FETCH__S3_SOURCES."
            )
        return found["bucket"], key

    async def names(self, url: str, tenant: str | None, *, most: int) -> list[str]:
        """What lies right below a folder, in order: names without the folder, those of folders with a slash at the end.
        Hidden ones are left out. It ends with `most` of them, or with the first folder.

        Raises:
            FetchError: refused, too much is hidden in it, or S3 does not answer.
        """
        bucket, folder = self.checked(url, tenant, is_folder=True)
        found, hidden = list[str](), 0
        try:
            store = await self._store(bucket)
            async for key in store.list_keys(f"{folder}/"):
                name, slash, _ = key.removeprefix(f"{folder}/").partition("/")
                if not name.startswith("."):
                    found.append(name + slash)
                elif (hidden := hidden + 1) > _MOST_HIDDEN:
                    raise FetchError(f"The folder '{folder}/' holds more than {_MOST_HIDDEN:,} hidden files.")
                if (slash and found) or len(found) >= most:
                    break
        except UnavailableError as error:
            raise FetchError(f"The bucket {bucket} cannot be read: {error.detail}", transient=True) from error
        return found

    async def read(self, url: str, tenant: str | None, *, into: Path, max_bytes: int) -> tuple[str, int]:
        """Puts the object into a file; its SHA-256 in hex and its size.

        Raises:
            FetchError: refused, not there, too large, or S3 does not answer.
        """
        bucket, key = self.checked(url, tenant)
        try:
            store = await self._store(bucket)
            known = await store.stat(key)
            if known is None:
                raise FetchError(f"There is no such object in the bucket {bucket}.")
            if known.size_bytes <= max_bytes:
                await store.get_file(key, into)
        except NotFoundError as error:
            raise FetchError(f"There is no such object in the bucket {bucket}.") from error
        except UnavailableError as error:
            raise FetchError(f"The bucket {bucket} cannot be read: {error.detail}", transient=True) from error
        if known.size_bytes > max_bytes:
            raise FetchError(f"The object in {bucket} is larger than the {max_bytes} bytes allowed.")
        return await asyncio.to_thread(_digest, into)

    async def aclose(self) -> None:
        for store in self._stores.values():
            await store.aclose()
        self._stores.clear()

    async def _store(self, bucket: str) -> ObjectStore:
        if bucket not in self._stores:
            store = await asyncio.to_thread(
                open_store, f"{S3}{bucket}", endpoint_url=self._endpoint_url, threads=_THREADS
            )
            if bucket in self._stores:  # another fetch was quicker
                await store.aclose()
            else:
                self._stores[bucket] = store
        return self._stores[bucket]


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
