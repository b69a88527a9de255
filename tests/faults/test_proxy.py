"""The fault proxy itself: what it passes, and how it ends what it ends."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Ending, Fault, FaultProxy, Way

PAYLOAD = bytes(range(256)) * 400
AT_ONCE_S = 0.3


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listening.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    self.got += data
                    connection.sendall(data)
            except OSError:
                pass
        self.ended.set()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy(echo.address) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with connected(proxy) as client:
        yield client


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=60)


def received(client: socket.socket, count: int) -> bytes:
    """`count` bytes, or what came before the end."""
    got = b""
    while len(got) < count and (data := client.recv(count - len(got))):
        got += data
    return got


def is_silent(client: socket.socket) -> bool:
    client.settimeout(AT_ONCE_S)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(20)
    return False


def test_without_a_fault_everything_passes_in_both_ways(client: socket.socket, echo: Echo) -> None:
    threading.Thread(target=client.sendall, args=(PAYLOAD,)).start()
    assert received(client, len(PAYLOAD)) == PAYLOAD == bytes(echo.got)


def test_the_end_of_one_side_reaches_the_other(client: socket.socket, echo: Echo) -> None:
    client.sendall(b"all")
    client.shutdown(socket.SHUT_WR)
    assert received(client, 10) == b"all"
    assert echo.ended.wait(20)


def test_a_cut_answer_ends_in_order_after_as_many_bytes_as_told(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.spoil(Way.DOWN, Fault(ending=Ending.CUT, after_bytes=1000))
    client.sendall(PAYLOAD[:5000])
    assert received(client, 5000) == PAYLOAD[:1000]
    assert bytes(echo.got) == PAYLOAD[:5000]
    assert proxy.struck(Way.DOWN) == 1


def test_a_cut_question_is_cut_before_the_server(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.spoil(Way.UP, Fault(ending=Ending.CUT, after_bytes=10))
    client.sendall(PAYLOAD[:50])
    assert echo.ended.wait(20)
    assert bytes(echo.got) == PAYLOAD[:10]


def test_a_reset_is_seen_as_one_by_client_and_server(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.spoil(Way.DOWN, Fault(ending=Ending.RESET))
    client.sendall(b"question")
    with pytest.raises(ConnectionResetError):
        received(client, 100)
    assert echo.ended.wait(20)


def test_a_fault_strikes_no_more_often_than_told_and_bytes_are_counted_from_then(
    proxy: FaultProxy, client: socket.socket
) -> None:
    client.sendall(PAYLOAD[:900])
    assert len(received(client, 900)) == 900
    proxy.spoil(Way.DOWN, Fault(ending=Ending.CUT, after_bytes=500, times=1))
    client.sendall(PAYLOAD[:900])
    assert received(client, 900) == PAYLOAD[:500]
    with connected(proxy) as second:
        second.sendall(PAYLOAD[:900])
        assert received(second, 900) == PAYLOAD[:900]
    assert proxy.struck(Way.DOWN) == 1


def test_what_a_blackhole_held_back_arrives_when_it_is_gone(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.spoil(Way.DOWN, Fault(ending=Ending.BLACKHOLE, after_bytes=4))
    client.sendall(b"swallowed")
    assert received(client, 4) == b"swal"
    assert is_silent(client)
    assert bytes(echo.got) == b"swallowed"
    proxy.heal()
    assert received(client, 5) == b"lowed"


def test_a_blackhole_of_questions_keeps_them_from_the_server(
    proxy: FaultProxy, client: socket.socket, echo: Echo
) -> None:
    proxy.spoil(Way.UP, Fault(ending=Ending.BLACKHOLE))
    client.sendall(b"question")
    assert is_silent(client)
    assert not echo.got
    proxy.heal()
    assert received(client, 8) == b"question"


def test_latency_and_bandwidth_take_their_time_and_no_byte(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.spoil(Way.UP, Fault(latency_s=0.2))
    proxy.spoil(Way.DOWN, Fault(bytes_per_s=20_000))
    started_s = time.monotonic()
    client.sendall(PAYLOAD[:6000])
    assert received(client, 6000) == PAYLOAD[:6000]
    assert time.monotonic() - started_s >= 0.45


def test_nothing_listens_where_it_is_shut_until_it_is_opened_again(
    proxy: FaultProxy, client: socket.socket
) -> None:
    client.sendall(b"a")
    assert received(client, 1) == b"a"
    proxy.shut()
    with pytest.raises(ConnectionResetError):
        received(client, 1)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.open()
    with connected(proxy) as again:
        again.sendall(b"b")
        assert received(again, 1) == b"b"


def test_a_client_is_reset_where_nothing_listens_behind(echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        behind = free.getsockname()
    with FaultProxy(behind) as proxy, pytest.raises(ConnectionResetError), connected(proxy) as client:
        received(client, 1)


async def test_many_connections_at_once_keep_apart(proxy: FaultProxy) -> None:
    async def ask(number: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        asked = bytes([number]) * 2000
        writer.write(asked)
        answer = await reader.readexactly(2000)
        writer.close()
        await writer.wait_closed()
        return answer == asked

    assert all(await asyncio.gather(*(ask(number) for number in range(50))))
