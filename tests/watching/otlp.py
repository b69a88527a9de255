"""A receiver of traces, as a collector is one: it takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """A span; `process` is the service that wrote it, `parent` the empty text at a root."""

    process: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    facts: dict[str, Any]
    failed: bool
    lasted_ms: float


class Receiver:
    """What was received."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self._lock = Lock()

    def take(self, body: bytes) -> None:
        with self._lock:
            self.bodies.append(body)

    def spans(self) -> list[Seen]:
        with self._lock:
            return [span for body in self.bodies for span in _read(body)]

    def wait_for(self, is_there: Callable[[list[Seen]], bool]) -> list[Seen]:
        """All spans, once enough have come: they are sent every few seconds."""
        end_s = time.monotonic() + 180
        while not is_there(found := self.spans()):
            assert time.monotonic() < end_s, sorted((span.process, span.name) for span in found)
            time.sleep(0.2)
        return found


def _read(body: bytes) -> Iterator[Seen]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        process = _facts(resource.resource.attributes)["service.name"]
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield Seen(
                process=process,
                name=span.name,
                kind=span.kind,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                facts=_facts(span.attributes),
                failed=span.status.code == 2,
                lasted_ms=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
            )


def _facts(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver at an address of its own, until the end of the block."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            coded = self.headers.get("Content-Encoding") == "gzip"
            assert self.path == "/v1/traces"
            received.take(gzip.decompress(body) if coded else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    received.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
