"""Not one packet leaves for what must not be dialled: seen on the wire of a network that leads everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.contract.test_fetching_refusals import (
    CONFUSED_HOSTS,
    HOSTS,
    NAMED_HOSTS,
    REFUSED,
    V4_HOSTS,
    V6_HOSTS,
)

CAP_SYS_ADMIN = 21


def seen(urls: Sequence[str], *, is_open: bool = False) -> list[dict[str, Any]]:
    """What a process in a network of its own answers to each URL, and what was on the wire meanwhile."""
    lines = "".join(json.dumps({"url": url, "is_open": is_open}) + "\n" for url in urls)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.contract.wire"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert not may_make_networks() or all(each["packets"] is not None for each in found)
    return found


def may_make_networks() -> bool:
    """Whether this process has the right to for certain: packets are then what is counted, nothing less."""
    status = Path("/proc/self/status")
    rights = (
        [line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff")]
        if status.exists()
        else []
    )
    return bool(rights) and bool(int(rights[0], 16) >> CAP_SYS_ADMIN & 1)


def left(what: dict[str, Any]) -> bool:
    """Whether something was dialled, and seen on the wire where there is one."""
    return bool(what["dials"]) and what["packets"] != 0


def test_no_forbidden_url_makes_a_packet() -> None:
    urls = [*REFUSED, *(f"https://{host}/secret" for host in V4_HOSTS + V6_HOSTS + NAMED_HOSTS)]
    assert len(set(REFUSED)) >= 250
    assert len(set(HOSTS)) >= 150
    assert len(set(V4_HOSTS + V6_HOSTS + CONFUSED_HOSTS)) >= 150

    found = dict(zip(urls, seen(urls), strict=True))

    assert {url: what for url, what in found.items() if what["packets"] or what["dials"]} == {}
    assert all(what["error"] for what in found.values())


def test_the_wire_shows_each_dial_of_the_same_addresses_where_they_are_allowed() -> None:
    hosts = [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "192.168.0.1",
            "100.64.0.1",
            "172.16.0.1",
            "198.18.0.1",
        ),
        *(
            "[::1]",
            "[fd00:ec2::254]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "metadata.example",
            "public.example",
        ),
    ]

    found = seen([f"http://{host}/" for host in hosts], is_open=True)

    assert [host for host, what in zip(hosts, found, strict=True) if not left(what)] == []


def test_a_public_address_is_dialled_so_the_guard_is_what_keeps_the_others_off_the_wire() -> None:
    (found,) = seen(["http://public.example/"])
    assert left(found)
