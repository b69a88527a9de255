"""Machines: network namespaces with an address each, on one switch. Their cables can be pulled.

What they share with this machine is its disk, so a test gives each folders of its own; all else goes over the wire.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count
from pathlib import Path
from typing import Self

import redis as blocking_redis

from tests.conftest import free_port, redis_binary
from tests.processes import Process, RedisServer

_SWITCHES = count()


class Switch:
    """A switch that this machine is connected to as well, so that it can look at everything."""

    def __init__(self) -> None:
        number = os.getpid() + 1000 * next(_SWITCHES)  # the kernel may still be at the ends of the last one
        self._name = f"dk{number % 100_000}"
        self._net = f"10.{100 + number % 100}.{number % 251}"
        self.machines: list[Machine] = []
        self.address = f"{self._net}.254"

    def __enter__(self) -> Self:
        ip("link", "add", self._name, "type", "bridge")
        ip("address", "add", f"{self.address}/24", "dev", self._name)
        ip("link", "set", self._name, "up")
        return self

    def __exit__(self, *reason: object) -> None:
        for machine in self.machines:
            ip("netns", "delete", machine.name)
        ip("link", "delete", self._name)

    def machine(self) -> Machine:
        """One more, connected."""
        number = len(self.machines) + 1
        machine = Machine(f"{self._name}-{number}", f"{self._net}.{number}", f"{self._name}p{number}")
        ip("netns", "add", machine.name)
        self.machines.append(machine)
        ip("link", "add", machine.port, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        ip("link", "set", machine.port, "master", self._name, "up")
        ip("-netns", machine.name, "address", "add", f"{machine.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-netns", machine.name, "link", "set", device, "up")
        return machine


class Machine:
    """A machine; `port` is its port of the switch."""

    def __init__(self, name: str, address: str, port: str) -> None:
        self.name, self.address, self.port = name, address, port

    def words(self, *command: str) -> tuple[str, ...]:
        """A command as it is given here to run there, as one process."""
        return ("ip", "netns", "exec", self.name, *command)

    def pull_cable(self) -> None:
        ip("link", "set", self.port, "down")

    def plug_in(self) -> None:
        ip("link", "set", self.port, "up")


class FarRedis(RedisServer):
    """A Redis on another machine."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self._host = machine.address
        argv = machine.words(
            redis_binary(), "--port", str(self.port), "--bind", machine.address, "--dir", str(folder)
        )
        argv += (
            "--save",
            "",
            "--appendonly",
            "yes",
            "--protected-mode",
            "no",
            "--maxmemory-policy",
            "noeviction",
        )
        Process.__init__(self, argv, folder / "redis.log")
        self.url = f"redis://{machine.address}:{self.port}/0"
        self.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with blocking_redis.Redis(host=self._host, port=self.port) as client:
                return bool(client.ping())
        except (blocking_redis.ConnectionError, blocking_redis.BusyLoadingError):
            return False


def ip(*words: str) -> None:
    """Runs iproute2.

    Raises:
        RuntimeError: it did not work; with what it says.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
