"""A provider that repeats what it was told, prompt and key, in every answer; what it answers stands in the prompt."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any

from PIL import Image

Answer = tuple[int, str, bytes]
"""Status, media type, body."""


def picture() -> str:
    """A small picture of the size that is asked for, in base64."""
    made = BytesIO()
    Image.new("RGB", (1024, 1024), "white").save(made, "JPEG")
    return base64.b64encode(made.getvalue()).decode()


PICTURE = picture()


def error(status: int, code: str, said: str, **facts: Any) -> Answer:
    """An error in the provider's shape, whose every part repeats."""
    told = {"message": said, "type": said, "code": code or said, "param": said, **facts}
    return status, "application/json", json.dumps({"error": told, "revised_prompt": said}).encode()


def success(said: str, **changes: Any) -> Answer:
    body = {"created": 1, "data": [{"b64_json": PICTURE, "revised_prompt": said}], "echo": said, **changes}
    return 200, "application/json", json.dumps(body).encode()


ANSWERS: Mapping[str, Callable[[str], Answer]] = {
    "fine": success,
    "refused": lambda said: error(400, "", f"Invalid value: {said}"),
    "moderated": lambda said: error(
        400, "moderation_blocked", said, moderation_details={"moderation_stage": said, "categories": [said]}
    ),
    "failing": lambda said: error(500, "", said),
    "overloaded": lambda said: error(503, "server_is_overloaded", said),
    "limited": lambda said: error(429, "rate_limit_exceeded", f"Rate limit reached for {said}"),
    "gateway": lambda said: (502, "text/html", f"<html><b>Bad gateway</b> {said}</html>".encode()),
    "broken": lambda said: (200, "application/json", success(said)[2][:-40]),
    "spoilt": lambda said: success(
        said, data=[{"b64_json": base64.b64encode(b"I draw no such thing").decode()}]
    ),
    "garbled": lambda said: success(said, data=[{"b64_json": f"*{said}*"}]),
    "empty": lambda said: success(said, data=[]),
    "erring": lambda said: (200, "application/json", error(200, "server_error", said)[2]),
    "unknown": lambda said: error(401, "invalid_api_key", f"Incorrect API key provided: {said}"),
}
ONCE = ("limited", "overloaded")
"""After these the same task would be asked for ever: the second time it is fine."""


class Parrot(BaseHTTPRequestHandler):
    """Takes one picture call, and looks in its prompt for `answer: WORD`."""

    met: set[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
        found = re.search(r"answer: (\w+)", body)
        word = found[1] if found else "fine"
        if word in ONCE and word in self.met:
            word = "fine"
        self.met.add(word)
        prompt = json.loads(body)["prompt"] if body.startswith("{") else body
        key = self.headers["Authorization"]
        coded = base64.b64encode(f"{prompt} {key}".encode()).decode()
        self._send(*ANSWERS[word](f"{key} {prompt} {coded}"))

    def do_GET(self) -> None:
        """The models, the usage report, and a reference that is refused, with its whole address."""
        self._send(*error(403, "", f"{self.headers['Authorization']} {self.path}"))

    def _send(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-request-id", "req_parrot")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """It says enough as it is."""


@contextmanager
def parrot() -> Iterator[str]:
    """Its address, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Fresh", (Parrot,), {"met": set()}))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
