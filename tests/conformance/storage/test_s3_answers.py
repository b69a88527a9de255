"""What a bucket may answer, or not answer, and what becomes of it; over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.httpchecksum import Crc32Checksum

from core.storage.opening import open_store
from core.storage.s3 import S3Limits, S3Store
from core.storage.store import ObjectStore, UnreadableError
from schemas.errors import AlreadyStoredError, NotFoundError, UnavailableError

PNG = "image/png"
IMPATIENT = S3Limits(threads=2, connect_timeout_s=0.5, read_timeout_s=0.5, attempts=1)


def bucket_at(endpoint_url: str, limits: S3Limits = IMPATIENT) -> S3Store:
    return S3Store("darkroom", "", endpoint_url=endpoint_url, limits=limits)


async def put(store: ObjectStore, data: bytes = b"picture") -> None:
    await store.put_bytes("t/k", data, media_type=PNG, overwrite=False)


async def test_a_put_is_conditional_unsigned_in_its_body_and_has_a_checksum(scripted: Any) -> None:
    await put(bucket_at(scripted.url))
    (headers,) = scripted.headers
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["x-amz-checksum-crc32"] == Crc32Checksum().handle(b"picture")
    assert "transfer-encoding" not in headers and "x-amz-trailer" not in headers


async def test_a_put_that_may_overwrite_has_no_condition(scripted: Any) -> None:
    await bucket_at(scripted.url).put_bytes("k", b"", media_type=PNG, overwrite=True)
    assert "if-none-match" not in scripted.headers[0]


async def test_a_412_means_that_something_is_stored(scripted: Any, answer: Callable[..., Any]) -> None:
    scripted.answers = [answer(412, "PreconditionFailed")]
    with pytest.raises(AlreadyStoredError, match="t/k"):
        await put(bucket_at(scripted.url))


async def test_a_conflict_is_tried_again_with_the_whole_body(
    scripted: Any, answer: Callable[..., Any], tmp_path: Path
) -> None:
    scripted.answers = [answer(409, "ConditionalRequestConflict")] * 2
    (tmp_path / "picture").write_bytes(b"picture")
    await bucket_at(scripted.url).put_file("t/k", tmp_path / "picture", media_type=PNG, overwrite=False)
    assert scripted.bodies == [b"picture"] * 3


async def test_a_conflict_that_does_not_end_is_unavailable(scripted: Any, answer: Callable[..., Any]) -> None:
    scripted.answers = [answer(409, "ConditionalRequestConflict")] * 9
    with pytest.raises(UnavailableError, match="409 ConditionalRequestConflict"):
        await put(bucket_at(scripted.url))
    assert len(scripted.bodies) == 5


async def test_an_object_that_is_not_given_out_is_told_apart_from_a_store_that_is_away(
    scripted: Any, answer: Callable[..., Any]
) -> None:
    store = bucket_at(scripted.url)
    kinds = []
    for given in (answer(403, "AccessDenied"), answer(403, "InvalidObjectState"), answer(503, "SlowDown")):
        scripted.answers = [given]
        with pytest.raises(UnavailableError) as raised:
            await store.get_bytes("t/k")
        kinds.append(type(raised.value))
    scripted.answers = [answer(403, "AccessDenied")]
    with pytest.raises(UnavailableError) as raised:
        await put(store)
    assert [*kinds, type(raised.value)] == [
        UnreadableError, UnreadableError, UnavailableError, UnavailableError
    ]  # fmt: skip


async def test_a_503_is_tried_again(scripted: Any, answer: Callable[..., Any]) -> None:
    scripted.answers = [answer(503, "SlowDown")]
    await put(bucket_at(scripted.url, S3Limits(attempts=3)))
    assert scripted.bodies == [b"picture"] * 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (500, "InternalError"),
        (403, "AccessDenied"),
        (404, "NoSuchBucket"),
        (409, "Other"),
        (502, ""),
    ],
)
async def test_a_refusal_names_store_operation_key_and_answer(
    scripted: Any, answer: Callable[..., Any], status: int, code: str
) -> None:
    scripted.answers = [answer(status, code)]
    with pytest.raises(UnavailableError) as raised:
        await put(bucket_at(scripted.url))
    assert str(raised.value).startswith(
        f"The bucket darkroom at 127.0.0.1:{scripted.server_port} could not write t/k"
    )
    assert f"{status} {code}" in str(raised.value)


async def test_a_missing_bucket_is_not_a_missing_object(scripted: Any, answer: Callable[..., Any]) -> None:
    scripted.answers = [answer(404, "NoSuchKey"), answer(404, "NoSuchBucket")]
    store = bucket_at(scripted.url)
    with pytest.raises(NotFoundError):
        await store.get_bytes("t/k")
    with pytest.raises(UnavailableError):
        await store.get_bytes("t/k")


async def test_an_answer_that_is_no_s3_is_unavailable(scripted: Any, answer: Callable[..., Any]) -> None:
    page = answer(200, body=b"<html>a login page</html")
    scripted.answers = [page, answer(200), answer(200), page]
    store = bucket_at(scripted.url)
    with pytest.raises(UnavailableError, match="list"):
        await anext(store.list_keys(""))
    with pytest.raises(UnavailableError, match="look up"):
        await store.stat("t/k")
    with pytest.raises(UnavailableError, match="other bytes"):
        await store.check()


async def test_a_body_that_breaks_off_is_no_object(
    scripted: Any, answer: Callable[..., Any], tmp_path: Path
) -> None:
    scripted.answers = [answer(200, body=b"x" * 1000, sent_bytes=500)] * 2
    store = bucket_at(scripted.url)
    with pytest.raises(UnavailableError):
        await store.get_bytes("t/k")
    with pytest.raises(UnavailableError):
        await store.get_file("t/k", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


async def test_nobody_listening_is_unavailable(credentials: None) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        store = bucket_at(f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(UnavailableError, match="EndpointConnectionError"):
            await store.check()


async def test_a_server_that_never_answers_is_unavailable_after_the_read_timeout(credentials: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = bucket_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnavailableError, match="ReadTimeoutError"):
            await asyncio.wait_for(store.check(), timeout=60)


async def test_no_credentials_are_unavailable(
    scripted: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UnavailableError, match="NoCredentialsError"):
        await put(bucket_at(scripted.url))
    assert scripted.bodies == []


async def test_no_error_text_holds_a_credential(
    scripted: Any, answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    scripted.answers = [answer(403, "SignatureDoesNotMatch")]
    with pytest.raises(UnavailableError) as raised:
        await put(bucket_at(scripted.url.replace("//", "//canary-user:canary-password@")))
    assert "canary" not in str(raised.value)


async def test_a_link_lets_anybody_read_one_object(bucket: ObjectStore) -> None:
    await bucket.put_bytes("t/größe.png", b"picture", media_type=PNG, overwrite=False)
    link = await bucket.link("t/größe.png", expires_s=60)
    assert link is not None and "X-Amz-Expires=60" in link
    async with httpx.AsyncClient() as anybody:
        read = await anybody.get(link)
    assert (read.status_code, read.content, read.headers["content-type"]) == (200, b"picture", PNG)


async def test_a_link_lasts_a_second_to_a_week(scripted: Any) -> None:
    for expires_s in (0, 604_801):
        with pytest.raises(ValueError, match="604800"):
            await bucket_at(scripted.url).link("k", expires_s=expires_s)


async def test_the_folder_markers_of_a_console_are_not_listed(moto_endpoint_url: str) -> None:
    store = open_store("s3://darkroom/marked", endpoint_url=moto_endpoint_url, threads=1)
    await store.put_bytes("a/k", b"", media_type=PNG, overwrite=False)
    client = boto3.client("s3", endpoint_url=moto_endpoint_url, region_name="us-east-1")
    client.put_object(Bucket="darkroom", Key="marked/a/")
    client.close()
    assert [key async for key in store.list_keys("")] == ["a/k"]


async def test_a_bucket_that_is_not_there_fails_its_check(moto_endpoint_url: str) -> None:
    store = open_store("s3://no-such-bucket", endpoint_url=moto_endpoint_url, threads=1)
    with pytest.raises(UnavailableError, match="NoSuchBucket"):
        await store.check()


async def test_the_url_is_for_people(credentials: None) -> None:
    store = open_store("s3://darkroom/a/b/", endpoint_url=None, threads=1)
    assert store.url("t/k") == "s3://darkroom/a/b/t/k"


async def test_prefix_and_key_together_fit_into_a_key(credentials: None) -> None:
    store = open_store("s3://darkroom/" + "p" * 100, endpoint_url=None, threads=1)
    with pytest.raises(ValueError, match="1024"):
        store.url("k" * 1000)
