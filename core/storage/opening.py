"""From a URL in the settings to a store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.storage.folder import FolderStore
from core.storage.rules import check_key
from core.storage.store import ObjectStore

# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (2026-11)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def open_store(url: str, *, endpoint_url: str | None, threads: int) -> ObjectStore:
    """The store that `url` names; nothing is read or written yet.

    Args:
        url: `file:///absolute/folder` or `s3://bucket/prefix` (the prefix may be missing).
        endpoint_url: an S3-compatible server; None is AWS. A folder has none.
        threads: how many operations may run at once, 1 or more.

    Raises:
        ValueError: a sentence that says what is wrong with the URL.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("The storage URL holds '?' or '#': write them as %3F and %23.")
    if parts.scheme == "file":
        return FolderStore(_folder(parts.netloc, parts.path), threads=threads)
    if parts.scheme == "s3":
        return _s3(parts.netloc, parts.path, endpoint_url, threads)
    raise ValueError(
        f"The storage URL has the scheme {parts.scheme!r}: it must be file:///absolute/folder or s3://bucket/prefix."
    )


def _folder(host: str, path: str) -> Path:
    if host not in ("", "localhost") or not path.startswith("/") or path == "/":
        raise ValueError("A storage folder is written file:///absolute/folder, with three slashes.")
    folder = unquote(path)
    if "\x00" in folder:
        raise ValueError("The storage folder holds a control character.")
    return Path(folder)


def _s3(bucket: str, path: str, endpoint_url: str | None, threads: int) -> ObjectStore:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            "The storage URL is s3://bucket/prefix: a bucket is 3 to 63 lower-case letters, digits, '.' and '-'."
        )
    prefix = unquote(path).strip("/")
    if prefix:
        check_key(prefix)
    if endpoint_url is not None and urlsplit(endpoint_url).scheme not in ("http", "https"):
        raise ValueError("The endpoint URL of the storage must start with http:// or https://.")
    # boto3 takes a second to import; whoever stores in a folder does not pay for it.
    from core.storage.s3 import S3Limits, S3Store

    return S3Store(bucket, prefix, endpoint_url=endpoint_url, limits=S3Limits(threads=threads))
