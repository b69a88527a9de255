"""Everything on one machine: Redis, the simulator or the real API, the service, workers. Nothing needs installing.

The same processes as in production; only settings differ. What is kept lies in one folder: Redis' log of writes,
storage, spool, logs, and the key.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cli.environment import (
    Limits,
    Variables,
    live_variables,
    rehearsal_variables,
    service_variables,
    worker_variables,
)
from cli.exits import WrongUsageError
from cli.output import counted, say
from cli.processes import Processes, Program, running
from cli.progress import duration
from cli.redis_server import answers, config_text, find_server
from schemas.errors import DarkroomError

READY_WITHIN_S = 60.0
LOADED_WITHIN_S = 300.0
"""A Redis with much to load answers late."""
GRACE_S = 20.0
"""Longer than a service gives the answers that are under way."""
TARGETS = "targets"
"""In the data folder: what Prometheus reads to find service and workers, a file for each of its jobs."""
WORKERS, SERVICE, SIMULATOR, REDIS = range(4)  # in the order in which they stop
PORTS = range(10_000, 13_000)
"""Of our processes. Systems give higher ones to outgoing calls, and one of those would take a port between our look and
our process: Linux from 32768 on, macOS from 49152, gVisor from 16000. Source: ip_local_port_range in
https://docs.kernel.org/networking/ip-sysctl.html, RFC 6335 section 6 (2026-11-22)."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What to start.

    Args:
        port: of the service; 0 takes a free one.
        live: the real API, for real money.
        images_per_minute: limit of the account; None: tier 1 when live, else tier 5.
        latency_factor: of the simulator; 1 is as slow as the real API.
        drain_s: how long workers may take to finish what is under way; known once settings were looked at.
    """

    data: Path
    workers: int
    port: int
    live: bool
    images_per_minute: int | None
    latency_factor: float
    drain_s: float = 0.0

    @property
    def limits(self) -> Limits:
        images = self.images_per_minute or (5 if self.live else 250)
        return Limits(images, requests_per_minute=max(500, 2 * images), tokens_per_minute=8_000_000)


@dataclass(frozen=True, slots=True)
class Running:
    """What answers where."""

    port: int
    key: str
    images: str
    data: Path
    processes: Processes

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def everything(options: UpOptions, variables: Variables) -> Iterator[Running]:
    """Everything running and ready; stopped in order at the end of the block, however it ends.

    Raises:
        WrongUsageError: these options cannot be meant.
        DarkroomError: something does not start; with the end of its log.
    """
    if options.live and not variables.get("OPENAI_API_KEY"):
        raise WrongUsageError(
            "--live needs the account's key in OPENAI_API_KEY; without --live nothing is paid."
        )
    data = options.data.resolve()
    _make_folders(data)
    with _lock(data) as lock:
        key = variables.get("DARKROOM_SERVICE__BOOTSTRAP_KEY") or _kept_key(data)
        options = _checked(replace(options, data=data), variables, key)
        with running(variables, keep_open=lock) as processes:
            say("Starting Redis, the service and the workers ...")
            ready: Running | None = None
            try:
                ready = _started(options, processes, variables, key)
                yield ready
            finally:
                _end(processes, ready, options.drain_s)


def _end(processes: Processes, ready: Running | None, drain_s: float) -> None:
    """Stops everything, and tells what a person should know before and after."""
    processes.begin_stopping()
    if ready is None:
        say("Stopping what had started.")
        processes.stop()
        return
    under_way = _under_way(ready.port, ready.key)
    say(farewell(under_way, drain_s))
    processes.stop()
    if processes.was_cut_off:
        say(aftermath(under_way))


def farewell(under_way: Mapping[str, int] | None, drain_s: float) -> str:
    """What a person who stops everything should know before it takes a while.

    Args:
        under_way: pictures that workers have in hand, by the id of their batch; None: nobody knows.
    """
    many = None if under_way is None else sum(under_way.values())
    if many == 0:
        return "Stopping everything; no picture is under way."
    what = "What is" if many is None else f"{counted(many, 'picture')} {'is' if many == 1 else 'are'}"
    return (
        f"Stopping everything. {what} under way: waited for, because a real call would be paid, for at most "
        f"{duration(drain_s)} (DARKROOM_WORKER__DRAIN_S). Ctrl-C ends it at once, and leaves what was sent in doubt."
    )


def aftermath(under_way: Mapping[str, int] | None) -> str:
    """What a person should know who did not wait: what may have been charged, and how it is found again."""
    many = None if under_way is None else sum(under_way.values())
    if many == 0:
        return "It was ended at once; no picture was under way."
    what = (
        "What was" if many is None else f"Up to {counted(many, 'picture')} {'was' if many == 1 else 'were'}"
    )
    lines = [f"It was ended at once. {what} under way; calls that had left may have been charged."]
    taken_up = "takes up what is on disk here, and parks what is in doubt"
    lines.append(f"The same command again {taken_up} (on_doubt: retry_once makes it again). Then:")
    for batch in under_way or ["BATCH"]:
        lines.append(f"  darkroom show {batch} --failed    # lists what is parked")
        lines.append(f"  darkroom replay {batch} --class doubtful --accept-double-charge    # makes it again")
    return "\n".join(lines)


def _checked(options: UpOptions, variables: Variables, key: str) -> UpOptions:
    """The options with the port that is taken, and the time that workers have.

    Raises:
        WrongUsageError: settings are not usable, or the port is taken; with every problem.
    """
    looked = _settings(options, variables, key)
    port, problems = 0, [looked.stderr.strip()] if looked.returncode != 0 else []
    try:
        port = _checked_port(options.port) if options.port else next(_free_ports())
    except WrongUsageError as error:
        problems.append(error.detail)
    if problems:
        raise WrongUsageError("\n".join(problems))
    return replace(options, port=port, drain_s=float(looked.stdout))


def _settings(options: UpOptions, variables: Variables, key: str) -> subprocess.CompletedProcess[str]:
    """What `core.settings` says of them: every problem, or how long a worker may drain. They are looked at as the service
    and the workers will, but for addresses that are not known yet."""
    redis_url = variables.get("DARKROOM_REDIS__URL", "redis://127.0.0.1:6379/0")
    told = variables | service_variables(data=options.data, redis_url=redis_url, port=options.port, key=key)
    if options.live:
        told = live_variables(told, images_per_minute=options.limits.images_per_minute)
    else:
        told = rehearsal_variables(told, api_url="http://127.0.0.1:1/v1", limits=options.limits)
    argv = (sys.executable, "-m", "core.settings")
    return subprocess.run(argv, env=told, cwd=_folder(options), capture_output=True, text=True, check=False)


def _started(options: UpOptions, processes: Processes, variables: Variables, key: str) -> Running:
    start = _Start(options, processes)
    redis_url = start.redis(variables)
    told = variables | service_variables(data=options.data, redis_url=redis_url, port=options.port, key=key)
    told, images = start.images_api(told)
    start.service(told)
    start.workers(told)
    return Running(options.port, key, images, options.data, processes)


class _Start:
    """One process after the other."""

    def __init__(self, options: UpOptions, processes: Processes) -> None:
        self._options = options
        self._processes = processes
        self._ports = _free_ports(but=options.port)

    def redis(self, variables: Variables) -> str:
        """The address of a Redis: that of DARKROOM_REDIS__URL, else of one of our own. Sentinels know theirs."""
        if url := variables.get("DARKROOM_REDIS__URL"):
            return url
        if variables.get("DARKROOM_REDIS__SENTINELS"):
            return "redis://127.0.0.1:6379/0"  # of which host and port do not count
        server = find_server()
        port, password, folder = next(self._ports), secrets.token_hex(16), self._options.data / "redis"
        config = folder / "redis.conf"
        _write_secret(config, config_text(port=port, folder=folder, password=password))
        self._run("redis", (str(server), str(config)), variables, stage=REDIS)
        self._processes.wait_until(lambda: answers(port, password), "Redis", within_s=LOADED_WITHIN_S)
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def images_api(self, variables: Variables) -> tuple[Variables, str]:
        """The settings of the lane, and what it leads to."""
        options = self._options
        if options.live:
            told = live_variables(variables, images_per_minute=options.limits.images_per_minute)
            return told, f"the real API, at most ${told['DARKROOM_BUDGETS__TENANT_MONTH_USD']} a month"
        port, limits = next(self._ports), options.limits
        asked = {
            "--port": port,
            "--images-per-minute": limits.images_per_minute,
            "--requests-per-minute": limits.requests_per_minute,
            "--tokens-per-minute": limits.tokens_per_minute,
            "--latency-factor": options.latency_factor,
        }
        words = [str(word) for option in asked.items() for word in option]
        argv = (sys.executable, "-m", "simulator", *words)
        told = rehearsal_variables(variables, api_url=f"http://127.0.0.1:{port}/v1", limits=limits)
        self._run("simulator", argv, told, stage=SIMULATOR)
        self._processes.wait_until(
            lambda: _status(port, "/_sim/state") == 200, "The simulator", within_s=READY_WITHIN_S
        )
        return told, f"simulated at http://127.0.0.1:{port}/v1, nothing is paid"

    def service(self, variables: Variables) -> None:
        argv = (sys.executable, "-m", "service")
        self._run("service", argv, variables, stage=SERVICE, stop_within_s=GRACE_S)
        port = self._options.port
        self._processes.wait_until(
            lambda: _status(port, "/readyz") == 200, "The service", within_s=READY_WITHIN_S
        )

    def workers(self, variables: Variables) -> None:
        argv = (sys.executable, "-m", "workers")
        names = [f"worker-{number}" for number in range(1, self._options.workers + 1)]
        ports = dict(zip(names, self._ports, strict=False))  # there are more ports than workers
        _write_targets(self._options, ports)
        for name, port in ports.items():
            told = variables | worker_variables(metrics_port=port)
            self._run(name, argv, told, stage=WORKERS, stop_within_s=self._options.drain_s + 10)

    def _run(
        self,
        name: str,
        argv: tuple[str, ...],
        variables: Variables,
        *,
        stage: int,
        stop_within_s: float = 15.0,
    ) -> None:
        log = self._options.data / "logs" / f"{name}.log"
        folder = _folder(self._options)
        self._processes.start(Program(name, argv, variables, folder, log, stage, stop_within_s))


def _folder(options: UpOptions) -> Path:
    """Where processes run: a rehearsal reads nobody's darkroom.toml."""
    return Path.cwd() if options.live else options.data


def _under_way(port: int, key: str) -> dict[str, int] | None:
    """Pictures that workers have in hand, by batch; None where the service does not say."""
    _, text = _answer(port, "/v1/batches?limit=200", {"Authorization": f"Bearer {key}"})
    try:
        found = {str(batch["id"]): int(batch["counts"]["running"]) for batch in json.loads(text)["data"]}
    except (ValueError, KeyError):
        return None
    return {batch: running for batch, running in found.items() if running}


def _status(port: int, path: str) -> int | None:
    return _answer(port, path)[0]


def _answer(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int | None, bytes]:
    """Status and body; nothing where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


def _free_ports(*, but: int = 0) -> Iterator[int]:
    """Those of ours that nobody listens on, each once."""
    for port in secrets.SystemRandom().sample(PORTS, len(PORTS)):
        with suppress(WrongUsageError):
            if port != but:
                yield _checked_port(port)


def _checked_port(wanted: int) -> int:
    """Raises WrongUsageError if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise WrongUsageError(
                f"Port {wanted} of 127.0.0.1 is taken; name another with --port."
            ) from error
    return wanted


def _make_folders(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("redis", "storage", "spool", "logs", TARGETS):
            (data / name).mkdir(exist_ok=True)
    except OSError as error:
        raise WrongUsageError(
            f"Nothing can be kept in {data}: {error.strerror}; name another folder with --data."
        ) from error


def _kept_key(data: Path) -> str:
    path = data / "key"
    if not path.exists():
        _write_secret(path, f"dk_{secrets.token_urlsafe(24)}\n")
    return path.read_text("ascii").strip()


def _write_secret(path: Path, text: str) -> None:
    """Readable by the owner alone from the first moment on."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _write_targets(options: UpOptions, workers: Mapping[str, int]) -> None:
    """Where each process shows its figures, under the name of its log; a file at once, because Prometheus may be reading.

    Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config, 2026-11-22.
    """
    for job, found in {"darkroom-service": {"service": options.port}, "darkroom-worker": workers}.items():
        groups = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in found.items()
        ]
        place = options.data / TARGETS / f"{job}.json"
        new = place.with_suffix(".new")
        new.write_text(json.dumps(groups, indent=2), "utf-8")
        new.replace(place)


@contextmanager
def _lock(data: Path) -> Iterator[int]:
    """Held as long as anything runs on this folder: two Redis servers on one log would destroy it."""
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DarkroomError(
                f"Something runs on {data} already, or is still stopping; name another with --data."
            ) from error
        yield file.fileno()
