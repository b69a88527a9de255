"""The stores that the suite runs against: a folder, moto, and a real server when the environment names one.

`DARKROOM_TEST_S3_URL` (and `DARKROOM_TEST_S3_ENDPOINT_URL`, unless it is AWS) name the real one; its
credentials are found as boto3 finds them. `../ceph_rgw.sh` starts such a server. What the suite stores there
stays, every test under a prefix of its own: give it a bucket that may be emptied.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from core.storage.opening import open_store
from core.storage.store import ObjectStore

REAL_URL = os.environ.get("DARKROOM_TEST_S3_URL")
REAL_ENDPOINT_URL = os.environ.get("DARKROOM_TEST_S3_ENDPOINT_URL")
BUCKETS = ["moto", "real"] if REAL_URL else ["moto"]
MOTO_URL = "s3://darkroom/conformance"


@dataclass(frozen=True)
class Place:
    """Where a fresh, empty store is.

    Args:
        atomic: of many conditional writes at once exactly one wins. S3 promises that; moto and Ceph look first and write
            then, so that on a busy machine two of them may win.
    """

    url: str
    endpoint_url: str | None
    atomic: bool = False

    def open(self) -> ObjectStore:
        return open_store(self.url, endpoint_url=self.endpoint_url, threads=8)


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Credentials of the real store, or any: moto takes all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        if not REAL_URL:
            patch.setenv("AWS_ACCESS_KEY_ID", "conformance")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "conformance")
        yield


@pytest.fixture(scope="session")
def moto_endpoint_url(credentials: None) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint_url = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint_url, region_name="us-east-1")
    client.create_bucket(Bucket="darkroom")
    client.close()
    yield endpoint_url
    server.stop()


@pytest.fixture
def place_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    def place_of(kind: str) -> Place:
        fresh = uuid.uuid4().hex
        if kind == "folder":
            return Place((tmp_path / "store").as_uri(), None, atomic=True)
        if kind == "moto":
            return Place(f"{MOTO_URL}/{fresh}", request.getfixturevalue("moto_endpoint_url"))
        request.getfixturevalue("credentials")
        return Place(f"{REAL_URL}/{fresh}", REAL_ENDPOINT_URL)

    return place_of


@pytest.fixture(params=["folder", *BUCKETS])
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Place:
    return place_of(request.param)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[ObjectStore]:
    opened = place.open()
    yield opened
    await opened.aclose()


@pytest.fixture(params=BUCKETS)
async def bucket(
    request: pytest.FixtureRequest, place_of: Callable[[str], Place]
) -> AsyncIterator[ObjectStore]:
    """Only the stores that speak S3."""
    opened = place_of(request.param).open()
    yield opened
    await opened.aclose()


@dataclass(frozen=True)
class Answer:
    """One answer of `ScriptedServer`; `sent_bytes` short of the whole body breaks the connection off."""

    status: int
    code: str = ""
    body: bytes = b""
    sent_bytes: int | None = None

    def whole(self) -> bytes:
        return self.body or (f"<Error><Code>{self.code}</Code></Error>".encode() if self.code else b"")


class ScriptedServer(ThreadingHTTPServer):
    """A store that answers what it is told to, request by request, over real sockets; then always 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.answers: list[Answer] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class ScriptedHandler(BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        answer = self.server.answers.pop(0) if self.server.answers else Answer(HTTPStatus.OK)
        body = answer.whole()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: answer.sent_bytes])
        self.close_connection = answer.sent_bytes is not None

    do_GET = do_HEAD = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what was recorded."""


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture
def scripted(credentials: None) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
