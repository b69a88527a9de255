"""A front before an S3 server, which passes everything on but what it is told to refuse."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Asked = Callable[[str, str], bool]
"""By method and path."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a store answers instead; `is_late`: it has done what was asked all the same.

    Source: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, 2026-11.
    """

    status: HTTPStatus
    code: str
    is_late: bool = False


SLOW_DOWN = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown")
INTERNAL_ERROR = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError")
CONFLICT = Refusal(HTTPStatus.CONFLICT, "ConditionalRequestConflict")


class StorageFront:
    """Runs in a thread of this process."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self.refused = 0
        self.behind = behind
        self._answer = SLOW_DOWN
        self._is_refused: Asked = _nothing
        self._server = _Server(self)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def refuse(self, asked: Asked, answer: Refusal = SLOW_DOWN) -> None:
        """From now on what is `asked` gets this answer."""
        self._answer, self._is_refused = answer, asked

    def open(self) -> None:
        """Refuses nothing any more."""
        self._is_refused = _nothing

    def refusal(self, method: str, path: str) -> Refusal | None:
        """What a request is refused with, counted; None where it passes."""
        if not self._is_refused(method, path):
            return None
        self.refused += 1
        return self._answer


def _nothing(_: str, __: str) -> bool:
    return False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, front: StorageFront) -> None:
        self.front = front
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        refusal = self.server.front.refusal(self.command, self.path)
        if refusal is None:
            return self._send(*self._passed_on(body))
        if refusal.is_late:
            self._passed_on(body)
        return self._send(refusal.status, [], f"<Error><Code>{refusal.code}</Code></Error>".encode())

    def _passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        behind = http.client.HTTPConnection(*self.server.front.behind, timeout=120)
        try:
            behind.request(self.command, self.path, body, dict(self.headers))
            found = behind.getresponse()
            return found.status, found.getheaders(), found.read()
        finally:
            behind.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        length = next((value for name, value in headers if name.lower() == "content-length"), len(body))
        own = {"content-length", "connection", "transfer-encoding", "date", "server"}
        for name, value in headers:
            if name.lower() not in own:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = answer

    def handle(self) -> None:
        """A client that goes away in the middle is what these tests are about."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what came of it."""
