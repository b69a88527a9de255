"""Places that the settings name: what the other side can reach, and what is Darkroom's own."""

from __future__ import annotations

from urllib.parse import urlsplit

TENANT = "{tenant}"
"""What stands in an opened place for the name of whoever asks."""

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
