"""The patient storage: whether it keeps bytes, and above all whether it refuses to overwrite them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from core.clock import Clock
from core.settings import FetchSettings
from core.storage.store import ObjectStore
from schemas.errors import AlreadyStoredError, DarkroomError
from workers.doctor.finding import Finding, Level, failed, ok, warning
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher

FIRST, SECOND = b"darkroom doctor: the first", b"darkroom doctor: the second"
LINK_S = 60
MOST_SKEW_MS = 60_000
"""S3 refuses requests that are a quarter of an hour off.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed, 2026-11)."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A key that nobody else uses; `linking` are the lanes whose provider reads links from outside."""

    store: ObjectStore
    key: str
    clock: Clock
    linking: Sequence[str]


async def examine(
    store: ObjectStore, *, name: str, clock: Clock, linking: Sequence[str] = ()
) -> list[Finding]:
    """Looks at a store, with an object `doctor/<name>` that is gone afterwards.

    Args:
        name: that no other visit has.
        linking: lanes whose provider, outside, reads references by signed links.
    """
    scratch = Scratch(store, f"doctor/{name}", clock, linking)
    found = []
    for look in LOOKS:
        found.append(await _tried(look, scratch))
        if found[0].level is Level.FAILED:  # nothing was stored
            break
    return found


async def _tried(look: Look, scratch: Scratch) -> Finding:
    """What a look finds; a store that does not do it fails the check of that name."""
    check = look.__name__.strip("_").replace("_", " ")
    try:
        return await look(scratch)
    except DarkroomError as error:
        return failed(check, f"{error.detail} See DARKROOM_STORAGE__URL, the credentials and their rights.")


async def _write(scratch: Scratch) -> Finding:
    await scratch.store.put_bytes(scratch.key, FIRST, media_type="text/plain", overwrite=True)
    return ok("write", f"an object was stored at {scratch.store.url(scratch.key)}")


async def _read(scratch: Scratch) -> Finding:
    if await scratch.store.get_bytes(scratch.key, max_bytes=1000) != FIRST:
        return failed("read", "other bytes came back than were stored; this is no store to use")
    return ok("read", "it came back as it was")


async def _list(scratch: Scratch) -> Finding:
    if await _is_listed(scratch):
        return ok("list", "it is listed")
    return failed("list", "what was just stored is not listed; a store has to be consistent")


async def _no_overwriting(scratch: Scratch) -> Finding:
    """Two workers may bring a picture of the same task: the first that is stored has to stay."""
    try:
        await scratch.store.put_bytes(scratch.key, SECOND, media_type="text/plain", overwrite=False)
        is_refused = False
    except AlreadyStoredError:
        is_refused = True
    stays = await scratch.store.get_bytes(scratch.key, max_bytes=1000) == FIRST
    if is_refused and stays:
        return ok("no overwriting", "a second write of the same key was refused, and the bytes stayed")
    told = "was refused, and yet the bytes changed" if is_refused else "was not refused"
    return failed(
        "no overwriting",
        f"a conditional write (If-None-Match: *) of a key that exists {told}, so that a paid picture can be lost; "
        "use a store that knows conditional writes",
    )


async def _clock(scratch: Scratch) -> Finding:
    stored = await scratch.store.stat(scratch.key)
    if stored is None:
        return failed("clock", "what was just stored is not found; a store has to be consistent")
    skew_ms = stored.modified_at_ms - scratch.clock.now_ms()
    if abs(skew_ms) > MOST_SKEW_MS:
        told = f"{abs(skew_ms) / 1000:,.0f} s {'ahead of' if skew_ms > 0 else 'behind'} this machine's"
        return warning(
            "clock", f"its clock is {told}; signed requests are refused from 15 minutes on: synchronise"
        )
    return ok("clock", f"within {MOST_SKEW_MS // 1000} s of this machine's")


async def _link(scratch: Scratch) -> Finding:
    link = await scratch.store.link(scratch.key, expires_s=LINK_S)
    if link is None:
        return ok("link", "a folder has no links; results name the files")
    if problem := await _problem_with(link, FetchSettings(allow_http=True, allow_private=True)):
        return warning("link", f"{problem}; pictures cannot be fetched by link")
    return ok("link", "a signed link leads to it, without credentials")


async def _link_from_outside(scratch: Scratch) -> Finding:
    """A provider reads as a stranger does: by https, and from public addresses alone."""
    if not scratch.linking:
        return ok("link from outside", "no lane needs it: references are sent as files")
    lanes = ", ".join(scratch.linking)
    link = await scratch.store.link(scratch.key, expires_s=LINK_S)
    problem = await _problem_with(link or "", FetchSettings())
    if problem is None:
        return ok("link from outside", f"the provider of {lanes} can read references, as far as is seen here")
    told = f"{problem}, so that the provider of {lanes} cannot read references"
    return failed("link from outside", f"{told}; set DARKROOM_LANES__<NAME>__REFERENCES=upload there")


async def _problem_with(link: str, settings: FetchSettings) -> str | None:
    """Why a link does not lead to the scratch; None: it does."""
    fetcher = Fetcher(settings)
    try:
        with TemporaryDirectory(prefix="darkroom-doctor-") as folder:
            into = Path(folder) / "linked"
            await fetcher.fetch(link, into=into, max_bytes=1000)
            return None if into.read_bytes() == FIRST else "a signed link leads to other bytes"
    except FetchError as error:
        return f"a signed link does not lead to it: {str(error).removesuffix('.')}"
    finally:
        await fetcher.aclose()


async def _delete(scratch: Scratch) -> Finding:
    await scratch.store.delete(scratch.key)
    if await _is_listed(scratch):
        return warning("delete", f"{scratch.key} was deleted and is still listed")
    return ok("delete", "it is gone again")


async def _is_listed(scratch: Scratch) -> bool:
    return scratch.key in [key async for key in scratch.store.list_keys(scratch.key)]


Look = Callable[[Scratch], Awaitable[Finding]]
LOOKS: tuple[Look, ...] = (
    _write,
    _read,
    _list,
    _no_overwriting,
    _clock,
    _link,
    _link_from_outside,
    _delete,
)
