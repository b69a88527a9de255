"""Places that the settings name: what the other side can reach, and what is Darkroom's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

TENANT = "{tenant}"
"""What stands in an opened place for the name of whoever asks."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (2026-11)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_PREFIX_BYTES = 256
"""A key of S3 has 1,024; what ours need behind the prefix is left."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and what all keys in it begin with, which may be nothing."""

    name: str
    prefix: str


def storage_place(url: str) -> Path | Bucket:
    """What an address of storage names.

    Args:
        url: `file:///absolute/folder` or `s3://bucket/prefix` (the prefix may be missing).

    Raises:
        ValueError: half a sentence that says what is wrong with it, and repeats no password.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("this holds '?' or '#': write them as %3F and %23")
    if _CONTROL.search(unquote(url)):
        raise ValueError("this holds a control character")
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.path == "/":
            raise ValueError("a folder is written file:///absolute/folder, with three slashes")
        return Path(unquote(parts.path))
    if parts.scheme == "s3":
        return _bucket(parts.netloc, unquote(parts.path).strip("/"))
    raise ValueError(
        f"this has the scheme {parts.scheme!r}; it has to be file:///absolute/folder or s3://bucket/prefix"
    )


def _bucket(name: str, prefix: str) -> Bucket:
    if not _BUCKET.fullmatch(name):
        raise ValueError(
            "this has to be s3://bucket/prefix; a bucket is 3 to 63 lower-case letters, digits, '.' and '-'"
        )
    if prefix and not {"", ".", ".."}.isdisjoint(prefix.split("/")):
        raise ValueError("its prefix has an empty segment, or one that is '.' or '..'; write the names out")
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ValueError(
            f"its prefix has more than {MAX_PREFIX_BYTES} bytes, of the 1,024 that a key may have"
        )
    return Bucket(name, prefix)


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine, by the name that it has."""
    return urlsplit(url).hostname in _LOOPBACK


def link_refusal(storage_url: str, endpoint_url: str | None, base_url: str) -> str | None:
    """Why a provider at `base_url` cannot read from storage by a signed link; None: as far as can be told it can.

    An Images API takes https:// links alone; only a stand-in on this machine reads others, and only from this machine.
    """
    if not storage_url.startswith("s3://"):
        return "it needs storage that signs links (DARKROOM_STORAGE__URL=s3://...); a folder has none"
    if endpoint_url is None or endpoint_url.startswith("https://"):
        return None
    if is_loopback(endpoint_url) and is_loopback(base_url):
        return None
    return "it needs storage that is read by https:// (DARKROOM_STORAGE__ENDPOINT_URL)"


def opened_to(source: str, tenant: str | None) -> str | None:
    """The beginning of what a tenant may read of an opened place; None: nothing of it is for this one."""
    if TENANT in source and not tenant:
        return None
    return source.replace(TENANT, tenant or "").removesuffix("/") + "/"


def source_refusal(source: str, storage_url: str) -> str | None:
    """Why a place must not be opened: in some tenant's hands it would lead to what Darkroom keeps of all of them."""
    kept, source = f"{storage_url.removesuffix('/')}/tenants/", f"{source.removesuffix('/')}/"
    begins = source.partition(TENANT)[0]
    if kept.startswith(begins) or begins.startswith(kept):
        return f"{source} would open what is kept there of every tenant ({kept}); open another place"
    return None
