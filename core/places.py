"""Places that the settings name: what the other side can reach, and what is Darkroom's own."""

from __future__ import annotations

from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


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
