"""Reference pictures: brought to local disk once, by digest, whatever they are named by."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from core.documents import Documents, PlannedRow, picture_key
from core.settings import FetchSettings
from core.state.batches import BatchStore
from core.state.tasks import TaskStore
from schemas.errors import NotFoundError
from schemas.image import Reference
from schemas.task import TaskState
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher
from workers.fetching.sniffing import sniff_picture

_KEPT_FILES = 2000


class BadReferenceError(ValueError):
    """A reference picture that cannot be had, or that the provider would refuse; the message is for a person.

    `transient`: the same address may answer later.
    """

    def __init__(self, detail: str, *, transient: bool = False) -> None:
        super().__init__(detail)
        self.transient = transient


class ReferenceKeeper:
    """Brings references and keeps the last `_KEPT_FILES` of them on local disk."""

    def __init__(
        self,
        folder: Path,
        *,
        documents: Documents,
        batches: BatchStore,
        tasks: TaskStore,
        fetcher: Fetcher,
        settings: FetchSettings,
    ) -> None:
        self._folder = folder
        self._documents = documents
        self._batches = batches
        self._tasks = tasks
        self._fetcher = fetcher
        self._settings = settings
        folder.mkdir(parents=True, exist_ok=True)

    async def named(self, tenant: str, row: PlannedRow, name: str) -> Reference:
        """The picture that a template names: an address to fetch, or an uploaded file as the plan pinned it.

        Raises:
            BadReferenceError: it cannot be had or is not a picture the provider takes.
            UnavailableError: storage does not answer.
        """
        if name.startswith(("https://", "http://")):
            return await self._fetched(name)
        digest = row.files.get(name)
        if digest is None:
            raise BadReferenceError(f"'{name}' was not uploaded when the batch was planned")
        return await self._kept(digest, lambda into: self._documents.get_upload(tenant, digest, into), name)

    async def parent(self, tenant: str, batch_id: str, index: int) -> Reference:
        """The stored picture of task `index`, or of the task that serves for it.

        Raises:
            BadReferenceError: there is none.
        """
        batch = await self._batches.get(tenant, batch_id)
        task = await self._tasks.get(batch, index)
        if task.state is TaskState.SKIPPED and task.same_as is not None:
            task = await self._tasks.get(batch, task.same_as)
        if task.asset_key is None or task.sha256 is None:
            raise BadReferenceError(f"task {index}, which this picture is made from, has no picture")
        key = picture_key(tenant, batch_id, task.asset_key)
        return await self._kept(
            task.sha256, lambda into: self._documents.store.get_file(key, into), task.asset_key
        )

    async def _fetched(self, url: str) -> Reference:
        """Fetched anew for every attempt: the bytes behind an address may change, and their digest says so."""
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            path = Path(scratch) / "picture"
            try:
                fetched = await self._fetcher.fetch(
                    url, into=path, max_bytes=self._settings.max_picture_bytes
                )
            except FetchError as error:
                raise BadReferenceError(str(error), transient=error.transient) from error
            kept = self._folder / fetched.sha256
            path.replace(kept)
        return _checked(kept, fetched.sha256, "the fetched reference")

    async def _kept(self, digest: str, bring: Callable[[Path], Awaitable[None]], name: str) -> Reference:
        path = self._folder / digest
        if not path.exists():
            try:
                await bring(path)
            except NotFoundError as error:
                raise BadReferenceError(f"'{name}' is not in storage any more") from error
            await asyncio.to_thread(self._forget_oldest)
        return _checked(path, digest, f"'{name}'")

    def _forget_oldest(self) -> None:
        files = [path for path in self._folder.iterdir() if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime)[:-_KEPT_FILES]:
            path.unlink(missing_ok=True)


def _checked(path: Path, digest: str, name: str) -> Reference:
    with path.open("rb") as file:
        media_type = sniff_picture(file.read(64))
    if media_type is None:
        raise BadReferenceError(f"{name} is not a PNG, JPEG or WebP picture")
    return Reference(path, digest, media_type)
