"""A TCP proxy that spoils connections: between a worker and the Images API, Redis or storage, on real sockets.

It runs in a thread of its own. What it does to the bytes of a direction is told while it runs, and holds for
connections that are open as well as for new ones.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

_PIECE_BYTES = 65_536
CLOSE_S = 5.0
_SLICES_PER_S = 20
"""Into how many pieces a second of bandwidth is cut."""
_RESETS = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 s: closing sends RST. Source: man 7 socket, 2024-05-02."""


class Way(StrEnum):
    """Whose bytes: UP are those of the client, DOWN those of the server."""

    UP = "up"
    DOWN = "down"


class Ending(StrEnum):
    """How a connection ends, if a fault ends it."""

    CUT = "cut"  # an orderly end, to both sides
    RESET = "reset"  # RST, to both sides
    BLACKHOLE = "blackhole"  # nothing passes and nothing is said; it passes later, as TCP would repeat it


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the bytes of one way.

    Args:
        latency_s: how much later each piece arrives.
        bytes_per_s: what passes in a second; None: all.
        ending: strikes a connection when `after_bytes` have passed on it since the fault was told.
        times: how often it strikes; None: every connection. A blackhole strikes a connection once.
    """

    latency_s: float = 0.0
    bytes_per_s: int | None = None
    ending: Ending | None = None
    after_bytes: int = 0
    times: int | None = None


NOTHING = Fault()


class _StruckError(Exception):
    """A fault ended this connection."""


@dataclass(slots=True)
class _Force:
    """A fault in force on one way, until it is `over`."""

    fault: Fault
    struck: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def may_strike(self) -> bool:
        return self.fault.ending is not None and (self.fault.times is None or self.struck < self.fault.times)


class FaultProxy:
    """Passes connections on to `behind`; used as a context."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self.behind = behind
        self.port = 0
        self._forces: dict[Way, _Force] = {}
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def spoil(self, way: Way, fault: Fault = NOTHING) -> None:
        """This holds for `way` from now on, and what held before does not."""
        self._do(lambda: self._spoil(way, fault))

    def heal(self) -> None:
        """Everything passes, and what was held back arrives."""
        for way in Way:
            self.spoil(way)

    def struck(self, way: Way) -> int:
        """How often the fault of this way has struck."""
        return self._forces[way].struck

    def shut(self) -> None:
        """Connections are reset and new ones refused, as by a machine on which nothing listens."""
        self._do(self._shut)

    def open(self) -> None:
        """Listens again, on the port it had."""
        self._do(self._listen)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        async def do() -> None:
            await work()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(timeout=120)

    async def _begin(self) -> None:
        for way in Way:
            self._forces[way] = _Force(NOTHING)
        await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _spoil(self, way: Way, fault: Fault) -> None:
        self._forces[way].over.set()
        self._forces[way] = _Force(fault)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            _reset(writer)

    async def _end(self) -> None:
        for way in Way:
            await self._spoil(way, NOTHING)
        await self._shut()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        if carrying:
            await asyncio.wait(carrying, timeout=CLOSE_S)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.behind)
        except OSError:
            _reset(writer)
            return
        ends = {writer, far_writer}
        self._open |= ends
        pumps = [
            asyncio.create_task(self._pump(Way.UP, reader, far_writer, ends)),
            asyncio.create_task(self._pump(Way.DOWN, far_reader, writer, ends)),
        ]
        try:
            await asyncio.gather(*pumps)
        except (_StruckError, OSError):
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            for end in ends:
                end.close()
            self._open -= ends

    async def _pump(
        self,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: set[asyncio.StreamWriter],
    ) -> None:
        writer.transport.set_write_buffer_limits(0)  # so that what has passed is with the kernel
        force, passed = self._forces[way], 0
        while data := await reader.read(_PIECE_BYTES):
            while data:
                if force is not self._forces[way]:
                    force, passed = self._forces[way], 0
                piece, data = _cut(data, force, passed)
                await _pass(piece, force.fault, writer)
                passed += len(piece)
                if force.may_strike() and passed >= force.fault.after_bytes:
                    force.struck += 1
                    await _strike(force, ends)
        if writer.can_write_eof():
            writer.write_eof()


def _cut(data: bytes, force: _Force, passed: int) -> tuple[bytes, bytes]:
    """What passes now, and what is left of it."""
    fault, size = force.fault, len(data)
    if fault.bytes_per_s is not None:
        size = min(size, max(1, fault.bytes_per_s // _SLICES_PER_S))
    if force.may_strike():
        size = min(size, max(0, fault.after_bytes - passed))
    return data[:size], data[size:]


async def _pass(piece: bytes, fault: Fault, writer: asyncio.StreamWriter) -> None:
    wait_s = fault.latency_s + (len(piece) / fault.bytes_per_s if fault.bytes_per_s else 0.0)
    if wait_s:
        await asyncio.sleep(wait_s)
    if piece:
        writer.write(piece)
        await writer.drain()


async def _strike(force: _Force, ends: set[asyncio.StreamWriter]) -> None:
    """
    Raises:
        _StruckError: the connection is at its end.
    """
    if force.fault.ending is Ending.BLACKHOLE:
        await force.over.wait()
        return
    if force.fault.ending is Ending.RESET:
        for writer in ends:
            _reset(writer)
    raise _StruckError


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
    writer.transport.abort()
