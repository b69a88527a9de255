"""A front before an S3 server, which passes everything on but what it is told to refuse."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Refuses = Callable[[str, str], bool]
"""By method and path."""


class StorageFront:
    """Runs in a thread of this process."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self.refuses: Refuses = _nothing
        self.refused = 0
        self.behind = behind
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def open(self) -> None:
        """Refuses nothing any more."""
        self.refuses = _nothing


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
        front = self.server.front
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if front.refuses(self.command, self.path):
            front.refused += 1
            return self._send(HTTPStatus.SERVICE_UNAVAILABLE, [], b"<Error><Code>SlowDown</Code></Error>")
        behind = http.client.HTTPConnection(*front.behind, timeout=30)
        try:
            behind.request(self.command, self.path, body, dict(self.headers))
            found = behind.getresponse()
            self._send(found.status, found.getheaders(), found.read())
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

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what came of it."""
