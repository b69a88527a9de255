"""The fetch: a URL becomes a file, within its limits of time, size and reach."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from core.settings import FetchSettings
from schemas.picture import is_folder
from workers.fetching.body import keep_body
from workers.fetching.buckets import S3, BucketReader
from workers.fetching.errors import FetchError, translated
from workers.fetching.guard import connector
from workers.fetching.urls import checked_url

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONNECT_TIMEOUT_S = 10.0
_HEADERS = {"User-Agent": "darkroom", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that arrived whole.

    `media_type` is what its server calls it, without parameters: hearsay. `final_url` is where the redirects
    ended; like the first URL it may be signed, so it is no text for logs.
    """

    sha256: str
    size_bytes: int
    media_type: str
    final_url: str


class Fetcher:
    """Fetches files by URL: `https://` over one pool of connections, `s3://` by a client of each bucket.

    Lives in one event loop; close it with `aclose`.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        resolver: AbstractResolver | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        """`endpoint_url` is the S3-compatible server of `s3://` addresses; None: AWS."""
        self._settings = settings
        self._buckets = BucketReader(settings, endpoint_url=endpoint_url)
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def fetch(
        self, url: str, *, into: Path, max_bytes: int, deadline_s: float = 30.0, tenant: str | None = None
    ) -> Fetched:
        """Puts the file at `url` into `into`, replacing what is there.

        Args:
            max_bytes: the largest file taken, as sent and as decoded.
            deadline_s: for all of it, names, redirects and body. 30 s suit a picture; a catalog needs more.
            tenant: who asks; buckets may be opened to some of them. None: whoever it is.

        Raises:
            FetchError: refused, not there, too large or too slow.
            OSError: the disk did not take it.
        Cancelled: nothing is left behind.
        """
        try:
            async with asyncio.timeout(deadline_s):
                if url.startswith(S3):
                    sha256, size_bytes = await self._buckets.read(url, tenant, into=into, max_bytes=max_bytes)
                    return Fetched(sha256, size_bytes, "", url)
                return await self._follow(url, into=into, max_bytes=max_bytes)
        except TimeoutError:
            raise FetchError(f"The file had not arrived after {deadline_s:g} s.", transient=True) from None

    async def names(
        self, url: str, *, most: int, deadline_s: float = 30.0, tenant: str | None = None
    ) -> list[str]:
        """What lies right below a folder of a bucket, as `BucketReader.names` tells it.

        Raises:
            FetchError: refused, or too slow.
        """
        try:
            async with asyncio.timeout(deadline_s):
                return await self._buckets.names(url, tenant, most=most)
        except TimeoutError:
            raise FetchError(f"The folder was not listed after {deadline_s:g} s.", transient=True) from None

    def refusal_of(self, url: str, *, tenant: str | None = None) -> str | None:
        """Why this address is never fetched from, or this folder listed, as far as it says so itself; None: it may be
        tried."""
        try:
            if url.startswith(S3):
                self._buckets.checked(url, tenant, is_folder=is_folder(url))
            else:
                checked_url(url, self._settings)
        except FetchError as error:
            return error.detail
        return None

    async def aclose(self) -> None:
        await self._buckets.aclose()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _follow(self, text: str, *, into: Path, max_bytes: int) -> Fetched:
        for _ in range(_MAX_REDIRECTS + 1):
            url = checked_url(text, self._settings)
            found = await self._ask(url, into=into, max_bytes=max_bytes)
            if isinstance(found, Fetched):
                return found
            text = found
        raise FetchError(f"The file lies behind more than {_MAX_REDIRECTS} redirects.")

    async def _ask(self, url: URL, *, into: Path, max_bytes: int) -> Fetched | str:
        """The file, or the URL it is redirected to, unchecked."""
        host = url.raw_host or ""
        with translated(host):
            async with self._open_session().get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    return _target(url, response, host)
                _require_file(response.status, host)
                sha256, size_bytes = await keep_body(response, into=into, max_bytes=max_bytes, host=host)
                return Fetched(sha256, size_bytes, response.content_type, str(url))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=connector(self._resolver, allow_private=self._settings.allow_private),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT_S),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def _require_file(status: int, host: str) -> None:
    if status != 200:
        raise FetchError(f"{host} answered {status} instead of a file.", transient=status in _PASSING)


def _target(url: URL, response: aiohttp.ClientResponse, host: str) -> str:
    try:
        return urljoin(str(url), response.headers["Location"])
    except (KeyError, ValueError):
        raise FetchError(f"{host} redirects to something that is not a URL.") from None
