"""`python -m service`: serves the HTTP API until SIGTERM or SIGINT; `--openapi` prints its OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import structlog
import uvicorn
from fastapi import FastAPI

from core.memory import return_large_blocks
from core.settings import ServiceSettings, told_settings
from core.telemetry.logs import configure
from schemas.errors import UnavailableError
from service.app import build, examine, openapi_document

_GRACE_S = 15
"""How long answers under way may take after SIGTERM."""

_USAGE = "usage: python -m service [--openapi]"

_log = structlog.get_logger()


class Server(uvicorn.Server):
    """Says where it listens, and ends with success when it is told to stop."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            where = f"{self.config.host}:{self.config.port}"
            reason = (
                f"Nothing can be listened to at {where}: it is taken, or not of this machine. Set another "
                "DARKROOM_SERVICE__PORT or DARKROOM_SERVICE__HOST."
            )
            _log.error("service.refused", reason=reason)
            raise
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"service listening on http://{shown}:{port}", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As the original, which raises the signal again at the end: to stop when asked is no failure."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(app: FastAPI, settings: ServiceSettings) -> int:
    """Runs until a signal; the exit code."""
    return_large_blocks()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = Server(config)
    server.run()
    return 0 if server.started else 1


def main(arguments: list[str]) -> int:
    """Exit codes: 0 stopped, 1 it could not serve or must not, 2 the settings or arguments are not usable."""
    if arguments == ["--openapi"]:
        print(json.dumps(openapi_document(), indent=2, ensure_ascii=False))
        return 0
    if arguments:
        print(_USAGE, file=sys.stderr)
        return 2
    settings = told_settings()
    if settings is None:
        return 2
    app = build(settings)
    configure(settings.telemetry, process="service")
    try:
        asyncio.run(examine(settings))
    except UnavailableError as error:
        _log.error("service.refused", reason=error.detail)
        return 1
    return serve(app, settings.service)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
