"""Reference pictures: found once for a batch, brought to local disk by digest, and looked into before anything is sent."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from core.documents import Documents, PlannedRow, Upload, owned_key, upload_key
from core.settings import FetchSettings
from core.state.batches import BatchStore
from core.state.tasks import TaskStore
from schemas.errors import AlreadyStoredError, NotFoundError
from schemas.image import Reference
from schemas.picture import MAX_MASK_BYTES, PictureFacts, mask_problem
from schemas.task import TaskState
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher
from workers.inspecting.inspector import Inspector, PictureRefusedError

_KEPT_FILES = 2000
_KEPT_ANSWERS = 10_000
_COPY = ".upright"
T = TypeVar("T")


class BadReferenceError(ValueError):
    """A reference picture that cannot be had, or that the provider would refuse; the message is for a person.

    Args:
        transient: the same address may answer later.
        is_ours: nothing can be looked up here now, whatever the address.
    """

    def __init__(self, detail: str, *, transient: bool = False, is_ours: bool = False) -> None:
        super().__init__(detail)
        self.transient = transient
        self.is_ours = is_ours


class _Answers(Generic[T]):
    """Answers by key, each found out once however many ask; what failed is asked anew."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, asyncio.Task[T]] = OrderedDict()

    async def get(self, key: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        if key not in self._found:
            self._found[key] = asyncio.ensure_future(_awaited(find))
            while len(self._found) > _KEPT_ANSWERS:
                self._found.popitem(last=False)
        task = self._found[key]
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._found.get(key) is task:
                del self._found[key]
            raise

    def forget(self, key: Hashable) -> None:
        self._found.pop(key, None)

    def close(self) -> None:
        """Nobody waits for what is not found yet."""
        for task in self._found.values():
            task.cancel()


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
        self._inspector = Inspector(settings.max_picture_pixels)
        self._pins = _Answers[Upload]()
        self._arrivals = _Answers[None]()
        self._facts = _Answers[PictureFacts]()
        folder.mkdir(parents=True, exist_ok=True)

    async def aclose(self) -> None:
        self._pins.close()
        self._arrivals.close()
        self._facts.close()
        await self._inspector.aclose()

    async def named(self, tenant: str, batch_id: str, row: PlannedRow, name: str) -> Reference:
        """The picture that a template names: an uploaded file as the plan pinned it, or what its batch found under an
        address when it first asked.

        Raises:
            BadReferenceError: it cannot be had or is not a picture the provider takes.
            UnavailableError: storage does not answer.
        """
        if "://" in name:
            find = lambda: self._pin(tenant, batch_id, name)  # noqa: E731
            digest, name = (
                (await self._pins.get((tenant, batch_id, name), find)).sha256,
                "the fetched reference",
            )
        else:
            found = row.files.get(name)
            if found is None:
                raise BadReferenceError(f"'{name}' was not uploaded when the batch was planned")
            digest, name = found, f"'{name}'"
        return await self._kept(tenant, digest, upload_key(tenant, digest), name)

    async def parent(self, tenant: str, batch_id: str, index: int) -> Reference:
        """What the provider sent for task `index`, or for the task that serves for it, before it was finished.

        Raises:
            BadReferenceError: there is none.
        """
        batch = await self._batches.get(tenant, batch_id)
        task = await self._tasks.get(batch, index)
        if task.state is TaskState.SKIPPED and task.same_as is not None:
            task = await self._tasks.get(batch, task.same_as)
        try:
            receipt = task.asset_key and await self._documents.find_receipt(tenant, batch_id, task.asset_key)
        except ValueError as error:
            raise BadReferenceError(
                f"the receipt of task {index}, which this picture is made from, is damaged"
            ) from error
        if not receipt or receipt.original is None:
            raise BadReferenceError(f"task {index}, which this picture is made from, has no picture")
        key = owned_key(tenant, batch_id, receipt.original.key)
        return await self._kept(tenant, receipt.original.sha256, key, f"'{task.asset_key}'")

    async def check_mask(self, mask: Reference, masked: Reference) -> None:
        """
        Raises:
            BadReferenceError: the provider would refuse this mask for this picture, or change nothing.
        """
        facts = await self._looked_at(mask.path, mask.path.name, "the mask")
        other = await self._looked_at(masked.path, masked.path.name, "the first reference")
        size_bytes = (await asyncio.to_thread(mask.path.stat)).st_size
        if problem := mask_problem(facts, other):
            raise BadReferenceError(f"the mask {problem}")
        if size_bytes > MAX_MASK_BYTES:
            raise BadReferenceError(f"the mask has {size_bytes:,} bytes; it may have {MAX_MASK_BYTES:,}")

    async def _pin(self, tenant: str, batch_id: str, url: str) -> Upload:
        """What the batch uses for an address: as it found it at first, so that all tasks and tries use the same bytes."""
        pinned = await self._documents.find_pin(tenant, batch_id, url)
        if pinned is not None:
            return pinned
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            path = Path(scratch) / "picture"
            try:
                fetched = await self._fetcher.fetch(
                    url, into=path, max_bytes=self._settings.max_picture_bytes, tenant=tenant
                )
            except FetchError as error:
                raise BadReferenceError(
                    str(error), transient=error.transient, is_ours=error.is_ours
                ) from error
            await self._looked_at(path, fetched.sha256, "the fetched reference")
            return await self._documents.pin(tenant, batch_id, url, path)

    async def _kept(self, tenant: str, digest: str, key: str, name: str) -> Reference:
        path = self._folder / digest
        await self._brought(path, name, lambda: self._documents.store.get_file(key, path))
        facts = await self._looked_at(path, digest, name)
        if facts.is_plain:
            return Reference(path, digest, facts.media_type, key)
        copy, copied = self._folder / f"{digest}{_COPY}", upload_key(tenant, digest, shelf="copies")
        await self._brought(copy, name, lambda: self._copy(path, copy, copied, facts.media_type))
        return Reference(copy, digest, facts.media_type, copied, is_copy=True)

    async def _brought(self, path: Path, name: str, bring: Callable[[], Awaitable[None]]) -> None:
        """Has the file on local disk, however many ask."""
        if await asyncio.to_thread(_touched, path):
            return
        try:
            await self._arrivals.get(path.name, bring)
        except NotFoundError as error:
            raise BadReferenceError(f"{name} is not in storage any more") from error
        except PictureRefusedError as error:
            raise BadReferenceError(f"{name} {error}") from error
        self._arrivals.forget(path.name)  # it may be cleared away again
        await asyncio.to_thread(self._forget_oldest)

    async def _copy(self, path: Path, into: Path, key: str, media_type: str) -> None:
        """The copy that the first worker made of a picture, so that all send the same bytes."""
        store = self._documents.store
        if await store.stat(key) is None:
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as scratch:
                made = Path(scratch) / "picture"
                await self._inspector.copy(path, into=made)
                with suppress(AlreadyStoredError):
                    await store.put_file(key, made, media_type=media_type, overwrite=False)
        await store.get_file(key, into)

    async def _looked_at(self, path: Path, key: str, name: str) -> PictureFacts:
        """
        Args:
            key: by which what the file is is remembered.
        """
        try:
            return await self._facts.get(key, lambda: self._inspector.inspect(path))
        except PictureRefusedError as error:
            raise BadReferenceError(f"{name} {error}") from error

    def _forget_oldest(self) -> None:
        """Files with a dot in front are still being written; others may be gone by the time they are looked at."""
        ages: list[tuple[float, Path]] = []
        for path in self._folder.glob("[!.]*"):
            with suppress(FileNotFoundError):
                ages.append((path.stat().st_mtime, path))
        for _, path in sorted(ages)[:-_KEPT_FILES]:
            path.unlink(missing_ok=True)


async def _awaited(find: Callable[[], Awaitable[T]]) -> T:
    return await find()


def _touched(path: Path) -> bool:
    """Whether the file is there; it then counts as used just now."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True
