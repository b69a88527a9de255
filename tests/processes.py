"""Real processes of ours and of others, on free ports of this machine, each gone when its test is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis as blocking_redis

from tests.conftest import free_port, redis_binary

ROOT = Path(__file__).parents[1]
STARTED_WITHIN_S, ENDED_WITHIN_S = 180.0, 120.0
"""Generous: other work may share the machine."""


class Process:
    """One process, whose output goes to a file."""

    def __init__(
        self, argv: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        self.log = log
        self._argv, self._environment = argv, {**kept, **(environment or {})}
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(self._argv, cwd=ROOT, env=self._environment, stdout=out, stderr=out)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """SIGTERM asks to stop, SIGKILL ends, SIGSTOP freezes, SIGCONT thaws."""
        self._process.send_signal(number)

    def exit_code(self, within_s: float = ENDED_WITHIN_S) -> int:
        """Waits for the end."""
        return self._process.wait(timeout=within_s)

    def kill(self) -> None:
        """Ends it at once, as a power cut would; also a frozen one, or one that has ended."""
        self._process.kill()
        self._process.wait(timeout=ENDED_WITHIN_S)

    def wait_until(self, is_up: Callable[[], bool]) -> None:
        """Waits for a sign of life; an early end is an error that shows the log."""
        end_s = time.monotonic() + STARTED_WITHIN_S
        while not is_up():
            if not self.is_running or time.monotonic() > end_s:
                self.kill()
                raise RuntimeError(f"{self._argv} did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)


class RedisServer(Process):
    """A Redis of its own, configured as Darkroom ships it."""

    _password: str | None = None

    def __init__(self, folder: Path, password: str | None = None) -> None:
        folder.mkdir()
        self._password = password
        self.port = free_port()
        argv = [redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        argv += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        argv += ["--requirepass", password] if password else []
        super().__init__([*argv, "--maxmemory-policy", "noeviction"], folder / "redis.log")
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self.wait_until(self._answers)

    def restart(self) -> None:
        """Starts it again, after it was killed, with the data it had."""
        self._process = self._started()
        self.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with blocking_redis.Redis(port=self.port, password=self._password) as client:
                return bool(client.ping())
        except (blocking_redis.ConnectionError, blocking_redis.BusyLoadingError):
            return False


class Simulator(Process):
    """A stand-in for the Images API, whose ledger is the oracle of every money test."""

    def __init__(self, log: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        limits = ["--requests-per-minute", "600000", "--images-per-minute", "600000"]
        limits += ["--tokens-per-minute", "2000000000", "--latency-factor", "0.005"]
        argv = [sys.executable, "-m", "simulator", "--port", str(self.port), *limits, *options]
        super().__init__(argv, log)
        self.wait_until(lambda: "listening" in log.read_text())

    def script(self, *rules: Mapping[str, Any]) -> None:
        """Which calls go wrong from now on, and how; see `python -m simulator --help`."""
        self._ask("POST", "faults", list(rules))

    def latency(self, factor: float) -> None:
        self._ask("POST", "latency", {"factor": factor})

    def limits(self, **per_minute: int) -> None:
        """New limits, of which nobody is told but by the next answer; every account starts with nothing used."""
        self._ask("POST", "limits", per_minute)

    def clear(self) -> None:
        """No faults, an empty ledger."""
        self._ask("DELETE", "faults")
        self._ask("DELETE", "ledger")

    def ledger(self, since: int = 0) -> dict[str, Any]:
        """Calls from number `since` on, and the totals of all."""
        return self._ask("GET", f"ledger?since={since}")

    def calls(self, batch_id: str) -> list[dict[str, Any]]:
        """What was asked for a batch, in the order it was settled."""
        return [
            call
            for call in self.ledger()["calls"]
            if (call["client_request_id"] or "").startswith(f"{batch_id}:")
        ]

    @property
    def in_flight(self) -> int:
        """Calls that it works on now."""
        return int(self.ledger(since=1_000_000)["totals"]["in_flight"])

    def _ask(self, method: str, what: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{what}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=ENDED_WITHIN_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


class Worker(Process):
    """`python -m workers` unless other `words` are given, up when it says so."""

    def __init__(self, log: Path, environment: Mapping[str, str], *words: str) -> None:
        super().__init__(words or (sys.executable, "-m", "workers"), log, environment)
        self.wait_until(lambda: self.has_logged("worker.started"))

    def events(self) -> list[dict[str, Any]]:
        """What it has logged."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def has_logged(self, event: str) -> bool:
        return any(line["event"] == event for line in self.events())

    def ended_attempts(self, batch_id: str) -> int:
        """How many attempts at tasks of a batch it has brought to an end."""
        return sum(
            event["event"] == "attempt.ended" and event.get("batch") == batch_id for event in self.events()
        )


class Service(Process):
    """`python -m service` on a free port of this machine."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        told = {**environment, "DARKROOM_SERVICE__PORT": str(port)}
        super().__init__((sys.executable, "-m", "service"), log, told)
        self.wait_until(lambda: "service listening" in log.read_text())
