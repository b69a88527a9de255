"""What servers answer, honest and not: files arrive whole and hashed, or not at all and with a reason."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.settings import FetchSettings
from workers.fetching.body import Intake
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetched, Fetcher

PICTURE = bytes(range(256)) * 40
OPEN = FetchSettings(allow_http=True, allow_private=True)


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = -1) -> bytes:
    """A raw answer; `length` -1 tells the truth, None keeps silent."""
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length < 0 else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Site:
    """A server that sends exactly the bytes it is given for a path, and remembers what it was asked."""

    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hangs: bool = False
    url: str = ""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        try:
            writer.write(self.pages[head.split()[1]])
            await writer.drain()
            if self.hangs:
                await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.gone.set()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with await asyncio.start_server(site.handle, "127.0.0.1", 0) as server:
        site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield site


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(OPEN)
    yield fetcher
    await fetcher.aclose()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "arrived"


def contents(into: Path) -> dict[str, bytes]:
    """Every file in the folder of `into`, parts and leftovers included."""
    return {path.name: path.read_bytes() for path in into.parent.iterdir()}


async def failure(
    fetcher: Fetcher, url: str, into: Path, *, max_bytes: int = 20_000, deadline_s: float = 60
) -> FetchError:
    """The error of a fetch that must fail and leave nothing behind."""
    with pytest.raises(FetchError) as failed:
        await fetcher.fetch(url, into=into, max_bytes=max_bytes, deadline_s=deadline_s)
    assert contents(into) == {}
    return failed.value


async def test_a_file_arrives_whole_with_its_digest_and_type(
    site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a.png?X-Sig=a%2Fb"] = answer(PICTURE, "Content-Type: image/png; charset=binary")
    url = f"{site.url}/a.png?X-Sig=a%2Fb"
    fetched = await fetcher.fetch(url, into=into, max_bytes=len(PICTURE))
    assert fetched == Fetched(hashlib.sha256(PICTURE).hexdigest(), len(PICTURE), "image/png", url)
    assert contents(into) == {"arrived": PICTURE}


async def test_a_file_replaces_the_one_before_it_and_leaves_no_part(
    site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"] = answer(b"old")
    await fetcher.fetch(f"{site.url}/a", into=into, max_bytes=20_000)
    site.pages["/a"] = answer(PICTURE)
    await fetcher.fetch(f"{site.url}/a", into=into, max_bytes=20_000)
    assert contents(into) == {"arrived": PICTURE}


async def test_three_redirects_are_followed_and_nothing_of_them_is_carried_along(
    site: Site, fetcher: Fetcher, into: Path
) -> None:
    home = site.url.replace("127.0.0.1", "localhost")  # cookie jars take nothing from bare addresses
    cookie = "Set-Cookie: session=abc; Path=/"
    site.pages |= {
        "/0": answer(b"moved", "Location: /1", cookie, status="301 Moved"),
        "/1": answer(b"moved", f"Location: {home}/2", cookie, status="307 Moved"),
        "/2": answer(b"moved", "Location: 3?x=1#part", cookie, status="303 Moved"),
        "/3?x=1": answer(PICTURE),
    }
    fetched = await fetcher.fetch(f"{home}/0", into=into, max_bytes=20_000)
    assert (fetched.final_url, fetched.media_type) == (f"{home}/3?x=1", "application/octet-stream")
    headers = [head.split("\r\n")[1:] for head in site.asked]
    assert headers == [headers[0]] * 4
    assert not any(line.lower().startswith(("cookie", "referer", "authorization")) for line in headers[0])


async def test_a_fourth_redirect_is_one_too_many(site: Site, fetcher: Fetcher, into: Path) -> None:
    site.pages["/loop"] = answer(b"", "Location: /loop", status="302 Found")
    error = await failure(fetcher, f"{site.url}/loop", into)
    assert (str(error), len(site.asked)) == ("The file lies behind more than 3 redirects.", 4)


async def test_a_redirect_without_a_target_is_refused(site: Site, fetcher: Fetcher, into: Path) -> None:
    site.pages["/a"] = answer(b"", status="302 Found")
    assert "not a URL" in str(await failure(fetcher, f"{site.url}/a", into))


@pytest.mark.parametrize(
    ("status", "transient"),
    [("404 Not Found", False), ("403 Forbidden", False), ("204 No Content", False), ("206 Partial", False),
     ("304 Not Modified", False), ("429 Too Many Requests", True), ("503 Service Unavailable", True)],
)  # fmt: skip
async def test_any_other_answer_is_named_by_its_status_and_not_by_its_body(
    status: str, transient: bool, site: Site, fetcher: Fetcher, into: Path
) -> None:
    bodyless = status.startswith(("204", "304"))
    site.pages["/a?token=t0ken"] = answer(b"" if bodyless else b"root:x:0:0", status=status)
    error = await failure(fetcher, f"{site.url}/a?token=t0ken", into)
    assert (str(error), error.transient) == (f"127.0.0.1 answered {status[:3]} instead of a file.", transient)


@pytest.mark.parametrize(
    "reply",
    [
        answer(PICTURE),
        answer(PICTURE, length=None),
        answer(PICTURE, length=10**15),
        answer(
            f"{len(PICTURE):x}\r\n".encode() + PICTURE + b"\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked",
            length=None,
        ),
        answer(gzip.compress(PICTURE), "Content-Encoding: gzip"),
    ],
    ids=["true length", "no length", "boasting length", "chunked", "gzip"],
)
async def test_a_file_over_the_cap_is_refused_however_it_is_announced(
    reply: bytes, site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"] = reply
    error = await failure(fetcher, f"{site.url}/a", into, max_bytes=len(PICTURE) - 1)
    assert str(error) == "The file of 127.0.0.1 is larger than the 10239 bytes allowed."
    assert not error.transient


async def test_a_file_announced_too_large_is_refused_before_its_body(
    site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"], site.hangs = answer(b"", length=10**15), True
    assert "larger than" in str(await failure(fetcher, f"{site.url}/a", into))


async def test_an_endless_file_is_cut_off_at_the_cap(site: Site, fetcher: Fetcher, into: Path) -> None:
    site.pages["/a"] = answer(b"x" * 50_000_000, length=None)
    assert "larger than" in str(await failure(fetcher, f"{site.url}/a", into))
    await asyncio.wait_for(site.gone.wait(), 60)


@pytest.mark.parametrize(
    "reply",
    [
        answer(PICTURE, length=len(PICTURE) + 1),
        answer(b"more than four", length=4),
        answer(b"ff\r\nshort", "Transfer-Encoding: chunked", length=None),
        answer(gzip.compress(PICTURE)[:-9], "Content-Encoding: gzip"),
        answer(b"", "Content-Encoding: gzip"),
        answer(PICTURE, "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
    ids=[
        "short",
        "long",
        "short chunk",
        "short gzip",
        "empty gzip",
        "no gzip",
        "short head",
        "no http",
        "nothing",
    ],
)
async def test_a_broken_answer_is_no_file_and_may_be_tried_again(
    reply: bytes, site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"] = reply
    error = await failure(fetcher, f"{site.url}/a", into)
    assert error.transient
    assert "127.0.0.1" in str(error) and "OpenSSH" not in str(error)


@pytest.mark.parametrize("members", [1, 3])
async def test_gzip_that_nobody_asked_for_is_unpacked(
    members: int, site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"] = answer(gzip.compress(PICTURE) * members, "Content-Encoding: gzip")
    fetched = await fetcher.fetch(f"{site.url}/a", into=into, max_bytes=100_000)
    assert "Accept-Encoding: identity" in site.asked[0]
    assert (fetched.sha256, contents(into)) == (
        hashlib.sha256(PICTURE * members).hexdigest(),
        {"arrived": PICTURE * members},
    )


async def test_a_gzip_bomb_goes_off_no_further_than_the_cap(
    site: Site, fetcher: Fetcher, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inflated: list[int] = []
    monkeypatch.setattr("workers.fetching.body.hashlib", _Scales(inflated))
    site.pages["/a"] = answer(gzip.compress(bytes(200_000_000), 1), "Content-Encoding: gzip")
    await failure(fetcher, f"{site.url}/a", into, max_bytes=2_000_000)
    assert 1_000_000 < sum(inflated) <= 2_000_000


class _Scales:
    """Stands in for hashlib and weighs what is hashed: all that was inflated and taken."""

    def __init__(self, weights: list[int]) -> None:
        self._weights = weights

    def sha256(self) -> _Scales:
        return self

    def update(self, piece: bytes) -> None:
        self._weights.append(len(piece))


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip\r\nContent-Encoding: br"])
async def test_other_encodings_are_refused(encoding: str, site: Site, fetcher: Fetcher, into: Path) -> None:
    site.pages["/a"] = answer(PICTURE, f"Content-Encoding: {encoding}")
    assert "encoding" in str(await failure(fetcher, f"{site.url}/a", into))


@pytest.mark.parametrize("reply", [b"", answer(b"half", length=8)], ids=["silence", "half a body"])
async def test_a_slow_server_meets_the_deadline(
    reply: bytes, site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"], site.hangs = reply, True
    error = await failure(fetcher, f"{site.url}/a", into, deadline_s=0.2)
    assert (str(error), error.transient) == ("The file had not arrived after 0.2 s.", True)


async def test_a_cancelled_fetch_leaves_nothing_behind(
    site: Site, fetcher: Fetcher, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving = asyncio.Event()
    monkeypatch.setattr(Intake, "count", lambda _intake, _block: arriving.set())
    site.pages["/a"], site.hangs = answer(b"half", length=8), True
    fetch = asyncio.create_task(fetcher.fetch(f"{site.url}/a", into=into, max_bytes=100))
    await arriving.wait()
    before = len(contents(into))
    fetch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetch
    assert (before, contents(into)) == (1, {})


async def test_a_server_that_is_not_there_may_be_tried_again(
    site: Site, fetcher: Fetcher, into: Path
) -> None:
    error = await failure(fetcher, "http://127.0.0.1:1/a", into)
    assert (str(error), error.transient) == ("127.0.0.1 could not be connected to.", True)


async def test_a_disk_that_takes_no_files_is_not_the_fault_of_the_url(
    site: Site, fetcher: Fetcher, into: Path
) -> None:
    site.pages["/a"] = answer(PICTURE)
    with pytest.raises(FileNotFoundError):
        await fetcher.fetch(f"{site.url}/a", into=into / "missing" / "folder", max_bytes=20_000)


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for `name` with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("named", "trusted", "outcome"),
    [
        ("localhost", True, "arrives"),
        ("localhost", False, "did not prove"),
        ("other.example", True, "did not prove"),
    ],
)
async def test_tls_is_verified_against_the_host_name_of_the_url(
    named: str, trusted: bool, outcome: str, into: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = certificate(tmp_path_factory.mktemp("tls"), named)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    asked_names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked_names.append(name)
    site = Site(pages={"/a": answer(PICTURE)})
    fetcher = Fetcher(FetchSettings(allow_private=True))
    async with await asyncio.start_server(site.handle, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/a"
        try:
            await fetcher.fetch(url, into=into, max_bytes=20_000)
            seen = "arrives"
        except FetchError as error:
            seen = str(error)
        finally:
            await fetcher.aclose()
    assert outcome in seen
    assert asked_names == ["localhost"]
