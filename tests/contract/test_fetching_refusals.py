"""What must never be dialled is not: every spelling of a forbidden address, over watched real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from core.settings import FetchSettings
from workers.fetching import guard
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"


def words(text: str) -> list[str]:
    return text.split()


def in_script(text: str, zero: int) -> str:
    """The digits of `text` in the script whose zero has this code point."""
    return text.translate({ord("0") + digit: zero + digit for digit in range(10)})


V4_HOSTS = words("""
    127.0.0.1 127.0.0.2 127.255.255.254 127.1 127.0.1 127.0.0.1. 127.0.0.1.. 127.1. 2130706433 2130706433.
    02130706433 6425673729 0x7f000001 0X7F000001 0x7f.1 0x7F.0.1 0x7f.0x0.0x0.0x1 0x7f.0.0.1 127.0.0.0x1
    0x00000000007f.0.0.1 0177.0.0.1 0177.1 0177.0.01 017700000001 00000000000000000177.0.0.01
    127.000.000.001 127.00.0.1 383.256.256.257 169.254.169.254 169.254.169.254. 2852039166 0xa9fea9fe
    0xA9FEA9FE 025177524776 0xa9.0xfe.0xa9.0xfe 169.254.1 0251.0376.0251.0376 169.254.43518 169.16689662
    0xa9.254.0251.254 10.0.0.1 10.1 167772161 0xa.1 012.0.0.1 172.16.0.1 172.31.255.255 0254.020.0.1
    192.168.0.1 192.168.1 3232235521 0xc0a80001 0300.0250.0.1 100.64.0.1 100.100.100.200 0.0.0.0 0 0. 00
    0x0 0.0.0.0. 0.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.7 192.88.99.1 224.0.0.1
    239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 4294967295 0xffffffff 1.1.1 1.1 256.1.1.1
    1.1.1.1.1 1.1.1.0x1 8.8.8.010
""")

V6_HOSTS = words("""
    [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0001] [::] [::0.0.0.1]
    [::ffff:127.0.0.1] [::FFFF:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::ffff:0:0]
    [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:10.0.0.1] [::ffff:8.8.8.8] [::127.0.0.1]
    [::7f00:1] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::a00:1]
    [2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:1::1] [2001:0:7f00:1::] [2001::1] [2001:10::1]
    [2001:20::1] [2001:db8::1] [3fff::1] [2001:2::1] [100::1] [fc00::1] [fd00:ec2::254] [fe80::1]
    [fe80::1%25eth0] [fe80::1%eth0] [fe80::1%1] [::1%25lo] [::1%lo] [fec0::1] [ff02::1] [ff0e::1]
    [5f00::1] [4000::1] [::1 ::1 ::1] [[::1]] [127.0.0.1] [v1.fe80::a] [2606:4700::1111%25eth0] []
    [::1].example [::ffff:0x7f.0.0.1] [::ffff:127.1] [1::2::3]
""")

UNICODE_HOSTS = [
    *(in_script("127.0.0.1", zero) for zero in (0xFF10, 0x1D7CE, 0x1D7F6, 0x660, 0x6F0, 0x966)),
    *words("①②⑦.⓪.⓪.① ⑯⑨。②⑤④.169.254 127。0。0。1 127｡0｡0｡1 127.0.0.1。 ⓛocalhost [::ﬀﬀ:127.0.0.1]"),
    *("127\uff0e0\uff0e0\uff0e1", "localho\u017ft", "\uff4cocalhost", "[\uff1a\uff1a1]", "lo\u00adcalhost"),
    *("bücher.example", "127.0.0.1\u200b", "\u2060127.0.0.1", "127.0.0.1\u00a0", "127.0.0.1\u2028"),
]

CONFUSED_HOSTS = [
    *words(r"""
    public.example@127.0.0.1 user:hunter2@127.0.0.1 user@public.example @127.0.0.1 :@127.0.0.1
    a:b@c@127.0.0.1 127.0.0.1@public.example public.example%40127.0.0.1 public.example&@127.0.0.1
    public.example:443@127.0.0.1:80 public.example\@127.0.0.1 127.0.0.1\@public.example
    public.example\.127.0.0.1 127.0.0.1%00 %31%32%37.0.0.1 127.0.0.1%00.public.example
    127.0.0.1%2f.public.example 127.0.0.1%23.public.example . .. .127.0.0.1 127..0.1 - a..b
    public.example. public.example.. *.example a,b $(hostname) {host} <host> 127.0.0.1;public.example
    127.0.0.1,public.example 127.0.0.1|x 127.0.0.1:22 127.0.0.1:6379 public.example:8080 public.example:22
    public.example:0 public.example: public.example:65536 public.example:99999 public.example:-1
    public.example:+80 public.example:80:80 public.example:٨٠ public.example:8_0 public.example:0x50
    [::1]:80:80 [::1]80
"""),
    *("", "127.0.0.1\t", "127.\t0.0.1", "127.0.0.1\n", "127.0.0.1\r\nHost: x", " 127.0.0.1", "127.0.0.1 "),
    *("127.0.0.1\x00", "public.example: 80", "a" * 254, "a" * 64 + ".example"),
]

NAMED_HOSTS = words("""
    localhost LOCALHOST sub.localhost loopback.example metadata.example mixed.example mixed6.example
    mapped.example nat64.example teredo.example zone.example v6only.example cgnat.example
    127.0.0.1.nip.example xn--lcal-5na.example my_host.example unknown.example
""")

OTHER_URLS = [
    *words(r"""
    file:///etc/passwd FILE:///etc/passwd file://127.0.0.1/etc/passwd file:/etc/passwd
    gopher://127.0.0.1/_x data:text/plain,x data:image/png;base64,AAAA ftp://127.0.0.1/x
    dict://127.0.0.1:11211/stat ldap://127.0.0.1/ tftp://127.0.0.1/x jar:http://127.0.0.1!/x
    javascript:alert(1) ws://127.0.0.1/ wss://127.0.0.1/ php://input unix:///var/run/docker.sock
    http+unix://%2fvar%2frun%2fdocker.sock/x netdoc:///etc/passwd s3://bucket/key url:http://127.0.0.1/
    view-source:http://127.0.0.1/ blob:http://127.0.0.1/x / //127.0.0.1/ 127.0.0.1 127.0.0.1/x
    http:127.0.0.1 http:/127.0.0.1/ http:///127.0.0.1/ http:\\127.0.0.1\ http:/\127.0.0.1/ \\127.0.0.1\x
    hTTp://127.0.0.1/ HTTPS://127.0.0.1/ http//127.0.0.1/ http://127.0.0.1?@public.example/
    http://127.0.0.1#@public.example/
"""),
    *("", " ", " http://127.0.0.1/", "\thttp://127.0.0.1/", "ht\ntp://127.0.0.1/", "http://127.0.0.1"),
    *(
        "http://public.example/\r\nX: y",
        "http://1.1.1.1 &@127.0.0.1# @3.3.3.3/",
        "http://public.example/\ud800",
    ),
]

HOSTS = V4_HOSTS + V6_HOSTS + UNICODE_HOSTS + CONFUSED_HOSTS + NAMED_HOSTS
REFUSED = [f"http://{host}/secret" for host in HOSTS] + OTHER_URLS

ADDRESSES_OF = {
    "localhost": ["127.0.0.1"],
    "sub.localhost": ["::1", "127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "xn--lcal-5na.example": ["127.0.0.1"],
    "my_host.example": ["10.1.2.3"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": [PUBLIC, "10.0.0.1"],
    "mixed6.example": [PUBLIC, PUBLIC_V6, "fd00::1"],
    "mapped.example": ["::ffff:169.254.169.254"],
    "nat64.example": ["64:ff9b::a9fe:a9fe"],
    "teredo.example": ["2001:0:7f00:1::"],
    "zone.example": ["fe80::1%2"],
    "v6only.example": ["::1"],
    "cgnat.example": ["100.64.0.1"],
    "public.example": [PUBLIC],
    "dual.example": [PUBLIC_V6, PUBLIC],
}


class Names(AbstractResolver):
    """A name server with a script: each lookup of a name takes its next answer, the last one stays."""

    def __init__(self, **script: list[list[str]]) -> None:
        self.script = {name: [addresses] for name, addresses in ADDRESSES_OF.items()}
        self.script |= {f"{name}.example": answers for name, answers in script.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.script.get(host)
        if answers is None:  # what the machine itself would make of odd numbers, without asking anybody
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            addresses = [str(info[4][0]) for info in found]
        else:
            addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


class Wire:
    """Sees every TCP dial of this process, and lets each one reach a real listener on loopback."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.port = int(listener.getsockname()[1])
        self.dialled: list[tuple[str, int]] = []

    def knocks(self) -> int:
        count = 0
        while True:
            try:
                self.listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    dial = socket.socket.connect
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.setblocking(False)
        wire = Wire(listener)

        def connect(self: socket.socket, address: tuple[str, int]) -> None:
            if (
                self.type != socket.SOCK_STREAM
            ):  # a datagram socket asks the kernel for a route and sends nothing
                return dial(self, address)
            wire.dialled.append(address[:2])
            return dial(
                self, ("::ffff:127.0.0.1" if self.family == socket.AF_INET6 else "127.0.0.1", wire.port)
            )

        monkeypatch.setattr(socket.socket, "connect", connect)
        yield wire


@asynccontextmanager
async def redirects_to(wire: Wire, *locations: str) -> AsyncIterator[None]:
    """Whatever is dialled answers with the next redirect."""
    queue = list(locations)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: ")
        writer.write(queue.pop(0).encode() + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        wire.port = server.sockets[0].getsockname()[1]
        yield


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def refusal(
    url: str, folder: Path, *, names: Names | None = None, settings: FetchSettings | None = None
) -> FetchError:
    """The error of a fetch that must fail, leave nothing behind, and end soon."""
    settings = settings or FetchSettings(allow_http=True)
    fetcher = Fetcher(settings, resolver=names or Names())
    try:
        with pytest.raises(FetchError) as refused:
            await fetcher.fetch(url, into=folder / "file", max_bytes=1000, deadline_s=2)
    finally:
        await fetcher.aclose()
    assert contents(folder) == []
    return refused.value


@pytest.mark.parametrize("url", REFUSED)
async def test_a_forbidden_url_is_refused_and_nothing_is_dialled(
    url: str, wire: Wire, tmp_path: Path
) -> None:
    error = await refusal(url, tmp_path)
    assert (wire.dialled, wire.knocks()) == ([], 0)
    assert "secret" not in str(error) and "hunter2" not in str(error)


@pytest.mark.parametrize("host", V4_HOSTS + V6_HOSTS + NAMED_HOSTS)
async def test_https_opens_no_way_around_the_addresses(host: str, wire: Wire, tmp_path: Path) -> None:
    await refusal(f"https://{host}/secret", tmp_path, settings=FetchSettings())
    assert (wire.dialled, wire.knocks()) == ([], 0)


async def test_http_is_refused_by_default(wire: Wire, tmp_path: Path) -> None:
    await refusal("http://public.example/", tmp_path, settings=FetchSettings())
    assert wire.dialled == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "localhost", "metadata.example", "10.0.0.1", "mixed.example"]
)
async def test_the_watch_sees_a_dial_where_private_addresses_are_allowed(
    host: str, wire: Wire, tmp_path: Path
) -> None:
    settings = FetchSettings(allow_http=True, allow_private=True)
    async with redirects_to(wire, "http://:/"):
        await refusal(f"http://{host}/", tmp_path, settings=settings)
    assert len(wire.dialled) == 1


@pytest.mark.parametrize(
    ("host", "dialled"),
    [
        (PUBLIC, PUBLIC),
        (f"[{PUBLIC_V6}]", PUBLIC_V6),
        ("public.example", PUBLIC),
        ("dual.example", PUBLIC_V6),
    ],
)
async def test_a_public_address_is_dialled_as_checked(
    host: str, dialled: str, wire: Wire, tmp_path: Path
) -> None:
    async with redirects_to(wire, "http://:/"):
        await refusal(f"http://{host}/", tmp_path)
    assert wire.dialled == [(dialled, 80)]


@pytest.mark.parametrize(
    "location",
    words(r"""
    http://127.0.0.1/ //127.0.0.1/ https://127.0.0.1/ http://2130706433/ http://0x7f.1/ http://[::1]/
    http://[::ffff:127.0.0.1]/ http://[64:ff9b::a9fe:a9fe]/ http://localhost/ http://metadata.example/
    //mixed.example/ http://public.example:8080/ //public.example:22/ http://user:hunter2@public.example/
    //@127.0.0.1/ file:///etc/passwd gopher://127.0.0.1/_x data:text/plain,x \\127.0.0.1\x http://[::1
    http://①②⑦.⓪.⓪.①/ http://public.example\@127.0.0.1/ http://10.0.0.1.
    """),
)
async def test_a_redirect_is_checked_like_a_first_url(location: str, wire: Wire, tmp_path: Path) -> None:
    async with redirects_to(wire, location):
        error = await refusal("http://public.example/", tmp_path)
    assert wire.dialled == [(PUBLIC, 80)]
    assert "hunter2" not in str(error)


async def test_a_chain_of_redirects_is_checked_at_every_step(wire: Wire, tmp_path: Path) -> None:
    async with redirects_to(wire, "/next", "http://dual.example/", "http://metadata.example/latest"):
        await refusal("http://public.example/", tmp_path)
    assert wire.dialled == [(PUBLIC, 80), (PUBLIC, 80), (PUBLIC_V6, 80)]


async def test_a_name_that_turns_private_between_two_redirects_is_refused(wire: Wire, tmp_path: Path) -> None:
    names = Names(rebinding=[[PUBLIC], ["127.0.0.1"]])
    async with redirects_to(wire, "http://rebinding.example/again"):
        await refusal("http://rebinding.example/", tmp_path, names=names)
    assert (names.asked, wire.dialled) == (["rebinding.example"] * 2, [(PUBLIC, 80)])


async def test_a_name_is_looked_up_once_per_dial_and_never_again_after_its_check(
    wire: Wire, tmp_path: Path
) -> None:
    names = Names(rebinding=[[PUBLIC], ["127.0.0.1"]])
    async with redirects_to(wire, "http://:/"):
        await refusal("http://rebinding.example/", tmp_path, names=names)
    assert (names.asked, wire.dialled) == (["rebinding.example"], [(PUBLIC, 80)])


async def test_a_public_address_of_this_very_machine_is_refused(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "is_own_address", lambda address: address == PUBLIC)
    error = await refusal("http://public.example/", tmp_path)
    assert (wire.dialled, str(error)) == (
        [],
        "public.example is not fetched: it leads to an address of this machine. Use a public address.",
    )


async def test_a_literal_address_is_refused_though_no_name_is_resolved(wire: Wire, tmp_path: Path) -> None:
    names = Names()
    error = await refusal("http://169.254.169.254/latest", tmp_path, names=names)
    assert names.asked == []
    assert "a link-local address" in str(error)


def test_no_socket_is_made_for_an_address_however_it_came_there() -> None:
    with pytest.raises(guard.AddressRefusedError, match="a link-local address"):
        guard.checked_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80)))


class Failing(Names):
    """A resolver that fails by one of its codes, or is silent."""

    def __init__(self, code: int | None) -> None:
        super().__init__()
        self.code = code

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if self.code is None:
            await asyncio.Event().wait()
        raise socket.gaierror(self.code, "as the system says it")


@pytest.mark.parametrize(
    ("code", "is_ours"),
    [
        (socket.EAI_NONAME, False),
        (socket.EAI_NODATA, False),
        (socket.EAI_AGAIN, True),
        (socket.EAI_FAIL, True),
    ],
)
async def test_a_name_that_does_not_exist_is_told_apart_from_a_resolver_that_does_not_answer(
    tmp_path: Path, code: int, is_ours: bool
) -> None:
    error = await refusal("http://public.example/", tmp_path, names=Failing(code))
    assert (error.transient, error.is_ours) == (True, is_ours)


async def test_a_silent_resolver_counts_as_one_that_cannot_answer_now() -> None:
    resolver = guard.PromptResolver(Failing(None), timeout_s=0.01)
    with pytest.raises(socket.gaierror) as raised:
        await resolver.resolve("public.example")
    assert raised.value.errno == socket.EAI_AGAIN


async def test_a_proxy_of_the_environment_is_not_used(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    async with redirects_to(wire, "http://:/"):
        await refusal("http://public.example/", tmp_path)
    assert wire.dialled == [(PUBLIC, 80)]
