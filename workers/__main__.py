"""`python -m workers`: one worker process. SIGTERM or Ctrl-C drains; a second one ends it at once.

`python -m workers rebuild`: brings batches back that Redis has lost.
`python -m workers doctor`: looks at Redis, storage, provider and spool, and works on nothing.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from wsgiref.simple_server import WSGIServer

import structlog
import uvloop

from core.memory import return_large_blocks
from core.settings import Settings, TelemetrySettings, told_settings
from core.telemetry.logs import configure
from core.telemetry.metrics import WorkerMetrics
from schemas.errors import DarkroomError
from workers.doctor import visit
from workers.rebuilding import command

_log = structlog.get_logger()


def main() -> int:
    """Exit codes: 0 stopped and drained, 1 could not work or left calls in flight, 2 the settings are not usable."""
    if sys.argv[1:2] == ["rebuild"]:
        return command.main(sys.argv[2:])
    if sys.argv[1:2] == ["doctor"]:
        return visit.main(sys.argv[2:])
    settings = told_settings()
    if settings is None:
        return 2
    configure(settings.telemetry, process="worker")
    return_large_blocks()
    try:
        return uvloop.run(_work(settings))
    except DarkroomError as error:
        _log.error("worker.refused", reason=error.detail)
        return 1


async def _work(settings: Settings) -> int:
    from workers.app import build  # takes seconds, which the other commands do not need

    process = build(settings)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def asked_to_stop() -> None:
        if stop.is_set():
            sys.exit(1)
        stop.set()

    for received in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(received, asked_to_stop)
    server = _show(process.metrics, settings.telemetry)
    try:
        return 1 if await process.run(stop) else 0
    finally:
        if server is not None:
            server.shutdown()


def _show(metrics: WorkerMetrics, told: TelemetrySettings) -> WSGIServer | None:
    """Its figures, where they are wanted.

    Raises:
        DarkroomError: the port is taken, or the address is not of this machine.
    """
    host, port = told.worker_metrics_host, told.worker_metrics_port
    if port is None:
        return None
    try:
        return metrics.serve(host, port)[0]
    except OSError as error:
        raise DarkroomError(
            f"Metrics cannot be shown at {host}:{port}: it is taken, or not of this machine. Set another "
            "DARKROOM_TELEMETRY__WORKER_METRICS_PORT, each worker of a machine its own, or "
            "DARKROOM_TELEMETRY__WORKER_METRICS_HOST."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
