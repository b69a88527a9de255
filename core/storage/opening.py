"""From a URL in the settings to a store."""

from __future__ import annotations

from pathlib import Path

from core.places import storage_place
from core.storage.folder import FolderStore
from core.storage.store import ObjectStore


def open_store(url: str, *, endpoint_url: str | None, threads: int) -> ObjectStore:
    """The store that `url` names; nothing is read or written yet.

    Args:
        url: as `storage_place` takes it.
        endpoint_url: an S3-compatible server; None is AWS. A folder has none.
        threads: how many operations may run at once, 1 or more.

    Raises:
        ValueError: the URL names no store; the settings refuse it before.
    """
    place = storage_place(url)
    if isinstance(place, Path):
        return FolderStore(place, threads=threads)
    # boto3 takes a second to import; whoever stores in a folder does not pay for it.
    from core.storage.s3 import S3Limits, S3Store

    return S3Store(place.name, place.prefix, endpoint_url=endpoint_url, limits=S3Limits(threads=threads))
