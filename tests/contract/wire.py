"""`python -m tests.contract.wire`: fetches URLs in a network of its own, and counts every packet on its wire.

In: one JSON object a line, `{"url", "is_open"}`; `is_open` allows private addresses. Out, for each:
`{"error", "packets", "dials"}`. Every address of this network is a way to this process itself, so whatever is dialled
makes a packet: to `10.0.0.1` as well as to `93.184.216.34`. Where the system lets nobody make a network, `packets` is
null, and the dials, which the interpreter reports, are all that is seen.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

from core.settings import FetchSettings
from tests.contract.test_fetching_refusals import Names
from workers.fetching import guard
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
ETH_P_ALL, TABLE_LOCAL, RTN_LOCAL = 0x0003, 255, 2
RTM_NEWROUTE, NLM_REQUEST_ACK_CREATE = 24, 0x1 | 0x4 | 0x400
RTA_OIF, RTA_TABLE = 4, 15


def main() -> None:
    is_own = enter_network()
    # Here every address is this machine's; only what an address is by itself may refuse it.
    setattr(guard, "is_own_address", lambda address: False)  # noqa: B010
    asyncio.run(answer_all(wire() if is_own else None))


async def answer_all(wire: socket.socket | None) -> None:
    dials: list[Any] = []
    sys.addaudithook(lambda event, found: dials.append(found[1]) if event == "socket.connect" else None)
    fetchers = {
        is_open: Fetcher(FetchSettings(allow_http=True, allow_private=is_open), resolver=Names())
        for is_open in (False, True)
    }
    for line in sys.stdin:
        asked = json.loads(line)
        dials.clear()
        error = await outcome(fetchers[asked["is_open"]], asked["url"])
        answer = {"error": error, "packets": None if wire is None else packets(wire), "dials": len(dials)}
        sys.stdout.write(json.dumps(answer) + "\n")
    for fetcher in fetchers.values():
        await fetcher.aclose()


def wire() -> socket.socket:
    """Sees every packet of this network, and waits for none."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    wire.setblocking(False)
    return wire


def enter_network() -> bool:
    """A new network with nothing but its loopback, which every address leads to; False where none can be made."""
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is None or (unshare(CLONE_NEWNET) != 0 and unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = b"lo".ljust(16, b"\0")
        flags = fcntl.ioctl(any_socket, SIOCGIFFLAGS, name + struct.pack("H", 0).ljust(16, b"\0"))
        up = struct.unpack("H", flags[16:18])[0] | IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, name + struct.pack("H", up).ljust(16, b"\0"))
    for family in (socket.AF_INET, socket.AF_INET6):
        lead_home(family)
    return True


def lead_home(family: int) -> None:
    """Adds the route `local default dev lo` (see rtnetlink(7))."""
    oif = struct.pack("HHi", 8, RTA_OIF, socket.if_nametoindex("lo"))
    table = struct.pack("HHI", 8, RTA_TABLE, TABLE_LOCAL)
    route = struct.pack("BBBBBBBBI", family, 0, 0, 0, TABLE_LOCAL, 4, 254, RTN_LOCAL, 0) + oif + table
    header = struct.pack("IHHII", 16 + len(route), RTM_NEWROUTE, NLM_REQUEST_ACK_CREATE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(header + route)
        answer = kernel.recv(4096)
    code = struct.unpack("i", answer[16:20])[0]
    if code != 0:
        raise OSError(-code, os.strerror(-code))


def packets(wire: socket.socket) -> int:
    """Packets since the last time. On a loopback they are there before the call that sent them comes back."""
    count = 0
    while True:
        try:
            wire.recv(65536)
        except BlockingIOError:
            return count
        count += 1


async def outcome(fetcher: Fetcher, url: str) -> str:
    """What the fetch ends with; empty where a file came."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            await fetcher.fetch(url, into=Path(folder) / "file", max_bytes=1000, deadline_s=2)
        except FetchError as error:
            return str(error)
    return ""


if __name__ == "__main__":
    main()
