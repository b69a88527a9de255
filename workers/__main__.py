"""`python -m workers`: one worker process. SIGTERM or Ctrl-C drains; a second one ends it at once."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog
import uvloop

from core.settings import Settings, SettingsError, load_settings
from core.telemetry.logs import configure
from schemas.errors import DarkroomError
from workers.app import build

_log = structlog.get_logger()


def main() -> int:
    """Exit codes: 0 stopped and drained, 1 could not work or left calls in flight, 2 the settings are not usable."""
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    configure(settings.telemetry, process="worker")
    try:
        return uvloop.run(_work(settings))
    except DarkroomError as error:
        _log.error("worker.refused", reason=error.detail)
        return 1


async def _work(settings: Settings) -> int:
    process = build(settings)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def asked_to_stop() -> None:
        if stop.is_set():
            sys.exit(1)
        stop.set()

    for received in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(received, asked_to_stop)
    server = None
    if (port := settings.telemetry.worker_metrics_port) is not None:
        server, _ = process.metrics.serve(settings.telemetry.worker_metrics_host, port)
    try:
        return 1 if await process.run(stop) else 0
    finally:
        if server is not None:
            server.shutdown()


if __name__ == "__main__":
    sys.exit(main())
