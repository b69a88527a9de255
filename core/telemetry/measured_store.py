"""A store that is measured: how long its operations take, how they end, how many bytes go through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.storage.store import ObjectInfo, ObjectStore
from core.telemetry.metrics import Metrics
from schemas.errors import AlreadyStoredError, NotFoundError

_ANSWERS: dict[type[Exception], str] = {AlreadyStoredError: "already_stored", NotFoundError: "not_found"}
"""Errors that are answers; any other means that the store did not do it."""


class MeasuredStore(ObjectStore):
    """The store behind it, operation by operation. Listing is not measured: its time is that of who reads on.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, store: ObjectStore, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock

    @contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        started_s, outcome = self._clock(), "ok"
        try:
            yield
        except Exception as error:
            outcome = _ANSWERS.get(type(error), "failed")
            raise
        finally:
            self._metrics.storage_seconds.labels(operation).observe(self._clock() - started_s)
            self._metrics.storage_operations.labels(operation, outcome).inc()

    def _count_file(self, direction: str, path: Path) -> None:
        self._metrics.storage_bytes.labels(direction).inc(path.stat().st_size)

    async def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        with self._measured("put"):
            await self._store.put_bytes(
                key, data, media_type=media_type, metadata=metadata, overwrite=overwrite
            )
        self._metrics.storage_bytes.labels("written").inc(len(data))

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        with self._measured("put"):
            await self._store.put_file(
                key, path, media_type=media_type, metadata=metadata, overwrite=overwrite
            )
        self._count_file("written", path)

    async def get_bytes(self, key: str, *, max_bytes: int | None = None) -> bytes:
        with self._measured("get"):
            data = await self._store.get_bytes(key, max_bytes=max_bytes)
        self._metrics.storage_bytes.labels("read").inc(len(data))
        return data

    async def get_file(self, key: str, into: Path) -> None:
        with self._measured("get"):
            await self._store.get_file(key, into)
        self._count_file("read", into)

    async def stat(self, key: str) -> ObjectInfo | None:
        with self._measured("stat"):
            return await self._store.stat(key)

    def list_keys(self, prefix: str) -> AsyncIterator[str]:
        return self._store.list_keys(prefix)

    def list_folders(self, prefix: str) -> AsyncIterator[str]:
        return self._store.list_folders(prefix)

    async def delete(self, key: str) -> None:
        with self._measured("delete"):
            await self._store.delete(key)

    def url(self, key: str) -> str:
        return self._store.url(key)

    async def link(self, key: str, *, expires_s: int, media_type: str | None = None) -> str | None:
        return await self._store.link(key, expires_s=expires_s, media_type=media_type)

    async def check(self) -> None:
        with self._measured("check"):
            await self._store.check()

    async def aclose(self) -> None:
        await self._store.aclose()
