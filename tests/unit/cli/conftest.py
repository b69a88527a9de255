"""A stand-in for the service: a real HTTP server that keeps uploads, plans and batches in memory."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

Json = dict[str, Any]
KEY = "dk_test"
BATCH_ID = "batch_00000000000000000000000001"


def batch(state: str = "completed", **counts: int) -> Json:
    names = ("total", "queued", "waiting", "running", "done", "failed", "parked", "skipped", "cancelled")
    return {
        "id": BATCH_ID,
        "object": "batch",
        "name": "apparel",
        "state": state,
        "counts": {name: counts.get(name, 0) for name in names},
        "cost": {"currency": "USD", "estimated": "1.00", "held": "0.00", "spent": "0.50", "cap": "10.00"},
        "limited_by": None,
        "failures_by_class": {"server_error": counts["failed"]} if counts.get("failed") else {},
        "created_at": "2026-11-21T06:00:00Z",
        "finished_at": None,
        "errors": [],
        "refusal": None,
    }


def problem(status: int, code: str, detail: str, **more: Any) -> tuple[int, Json]:
    return status, {"type": f"/problems/{code}", "status": status, "code": code, "detail": detail, **more}


DIGEST = "d" * 64


@dataclass
class StandIn:
    """What the service answers, and what it was asked."""

    url: str = ""
    uploads: dict[str, bytes] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)  # names that plans list, besides the catalog
    plan_errors: list[Json] = field(default_factory=list)
    refusal: str | None = None
    cap: str | None = "10.00"
    plan_more: Json = field(default_factory=dict)  # further fields of the plan
    slow_plans: int = 0  # answers 202 so often before a plan
    plan_answer: tuple[int, Json] | None = None
    submit_answer: tuple[int, Json] | None = None
    batches: list[Json] = field(default_factory=list)  # each look takes one; the last stays
    tasks: list[Json] = field(default_factory=list)
    exports: dict[str, list[Any]] = field(
        default_factory=dict
    )  # address below the batch: bytes, next address
    export_headers: dict[str, str] = field(default_factory=dict)
    keys_seen: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def plan(self) -> Json:
        files = [{"name": name, "sha256": self.sha256(name)} for name in self.references]
        return {
            "id": "plan_1",
            "accepted": not self.plan_errors and self.refusal is None,
            "refusal": self.refusal,
            "name": "apparel",
            "tasks": {"total": 4, "by_template": {"hero": 4}, "by_size": {"square": 4}, "by_model": {"m": 4}},
            "cost": {"currency": "USD", "likely": "1.00", "high": "1.50", "cap": self.cap, "by_template": {}},
            "duration": {"seconds": 65.0, "limited_by": "images_per_minute", "slots_needed": 3},
            "catalog": {"rows": 4, "dialect": "csv", "mapping": {"sku": "sku"}},
            "files": files,
            "errors": self.plan_errors,
            "digest": DIGEST,
            **self.plan_more,
        }

    def sha256(self, name: str) -> str | None:
        return hashlib.sha256(self.uploads[name]).hexdigest() if name in self.uploads else None

    def look(self) -> Json:
        return self.batches.pop(0) if len(self.batches) > 1 else self.batches[0]


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.stand_in.asked.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self._answer(*problem(401, "unauthorized", "A valid API key is needed."))
            return
        place = urlsplit(self.path)
        if (
            export := self.stand_in.exports.get(self.path.removeprefix(f"/v1/batches/{BATCH_ID}/"))
        ) is not None:
            self._answer_file(*export)
            return
        answer = self._route(unquote(place.path), parse_qs(place.query), body)
        self._answer(*(answer or problem(404, "not_found", "There is no such thing.")))

    do_GET = do_POST = do_PUT = handle_any

    def _route(self, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any] | None:
        it = self.stand_in
        if path.startswith("/v1/uploads/"):
            return self._upload(path.removeprefix("/v1/uploads/"), body)
        if path in {"/v1/batches:plan", "/v1/plans/plan_1"}:
            return self._plan()
        if path == "/v1/batches" and self.command == "POST":
            it.keys_seen.append(self.headers["Idempotency-Key"])
            return it.submit_answer or (202, batch("planning"))
        if path == "/v1/batches":
            return 200, self._page(it.batches, query)
        return self._of_batch(path.removeprefix(f"/v1/batches/{BATCH_ID}"), query)

    def _of_batch(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any] | None:
        it = self.stand_in
        if path == "":
            return 200, it.look()
        if path == "/cancel":
            return 200, batch("cancelling", total=4, done=1)
        if path == "/results.jsonl":
            return 200, "".join(json.dumps(task) + "\n" for task in it.tasks)
        if path == "/tasks":
            chosen = [task for task in it.tasks if "state" not in query or task["state"] in query["state"]]
            if "check" in query:
                chosen = [task for task in chosen if task["asset"]["checks"]["result"] in query["check"]]
            return 200, self._page(chosen, query)
        return None

    def _upload(self, name: str, body: bytes) -> tuple[int, Json] | None:
        if self.command == "PUT":
            self.stand_in.uploads[name] = body
        sha256 = self.stand_in.sha256(name)
        return (200, {"name": name, "sha256": sha256, "bytes": 1}) if sha256 else None

    def _plan(self) -> tuple[int, Json]:
        if self.stand_in.slow_plans:
            self.stand_in.slow_plans -= 1
            return 202, {}
        if self.stand_in.plan_answer:
            return self.stand_in.plan_answer
        plan = self.stand_in.plan()
        if plan["errors"]:
            return problem(422, "manifest_invalid", "Problems.", errors=plan["errors"], plan=plan)
        return 200, plan

    def _page(self, records: list[Json], query: dict[str, list[str]]) -> Json:
        """One record a page, so that following is seen."""
        start = int(query.get("cursor", ["0"])[0])
        more = start + 1 < len(records)
        page = records[start : start + 1]
        return {
            "object": "list",
            "data": page,
            "has_more": more,
            "next_cursor": str(start + 1) if more else None,
        }

    def _answer_file(self, content: bytes, following: str | None = None) -> None:
        self.send_response(200)
        for name, value in self.stand_in.export_headers.items():
            self.send_header(name, value)
        if following is not None:
            self.send_header("Link", f'<{following}>; rel="next"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, status: int, body: Any) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        if status == 202:
            self.send_header("Location", "/v1/plans/plan_1")
        if isinstance(body, dict) and body.get("replayed"):
            self.send_header("Idempotent-Replayed", "true")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `asked` instead."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A stand-in that answers, named in DARKROOM_URL and DARKROOM_KEY."""
    stand_in = StandIn(batches=[batch(total=4, done=4)])
    handler = type("Handler", (_Handler,), {"stand_in": stand_in})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("DARKROOM_URL", stand_in.url)
    monkeypatch.setenv("DARKROOM_KEY", KEY)
    yield stand_in
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `darkroom ARGUMENTS` in this process."""
    from cli.main import app

    def runner(*arguments: str | os.PathLike[str]) -> Said:
        with pytest.raises(SystemExit) as ended:
            app([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    return runner


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest with a catalog and a photo beside it, in a folder of its own."""
    folder = tmp_path / "campaign"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(b"a photo")
    (folder / "products.csv").write_text("sku,image_url\nA,photos/a.jpg\n")
    path = folder / "manifest.yaml"
    path.write_text("darkroom: 1\nname: apparel\ncatalog: {source: products.csv}\n")
    return path
