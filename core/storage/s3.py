"""A store in an S3 bucket, on AWS or on any server that speaks its protocol."""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.storage.disk import part_in, require_file
from core.storage.rules import (
    MAX_KEY_BYTES,
    RESERVED,
    check_folder,
    check_key,
    check_metadata,
    check_prefix,
    decode_value,
    encode_value,
    is_key,
)
from core.storage.store import ObjectInfo, UnreadableError
from core.storage.threads import Threads
from schemas.errors import AlreadyStoredError, DarkroomError, NotFoundError, TooLargeError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

DEFAULT_REGION = "us-east-1"
# Signature version 4 allows no longer link.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ShareObjectPreSignedURL.html (2026-11)
MAX_LINK_S = 7 * 24 * 3600
# A conflict means that another write of the same key is under way; it is over within one round trip.
CONFLICT_TRIES = 5
READ_BYTES = 1024 * 1024
CHECK_BYTES = b"darkroom"


@dataclass(frozen=True, slots=True)
class S3Limits:
    """How much at once and how long to wait; `attempts` counts the first one too."""

    threads: int = 32
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    attempts: int = 3


class S3Store:
    """An `ObjectStore` in a bucket, with one client for the whole process."""

    def __init__(
        self, bucket: str, prefix: str, *, endpoint_url: str | None = None, limits: S3Limits | None = None
    ) -> None:
        """Build the client; nothing is sent.

        Args:
            prefix: goes before every key, with a slash between; may be empty.
            endpoint_url: a server that is not AWS; its buckets are addressed by path, not by host name.
        """
        limits = limits or S3Limits()
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._name = _name(bucket, endpoint_url)
        self._client = _client(endpoint_url, limits)
        self._threads = Threads(limits.threads)

    async def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        check_metadata(metadata or {})
        request = self._request(key, media_type, metadata or {}, overwrite)
        await self._threads.run(self._put, key, data, request)

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        check_metadata(metadata or {})
        request = self._request(key, media_type, metadata or {}, overwrite)
        await self._threads.run(self._put_file, key, path, request)

    async def get_bytes(self, key: str, *, max_bytes: int | None = None) -> bytes:
        return await self._threads.run(self._get_bytes, key, max_bytes)

    async def get_file(self, key: str, into: Path) -> None:
        await self._threads.run(self._get_file, key, into)

    async def stat(self, key: str) -> ObjectInfo | None:
        return await self._threads.run(self._stat, key)

    def list_keys(self, prefix: str) -> AsyncIterator[str]:
        check_prefix(prefix)
        return self._threads.iterate(self._walk(prefix))

    def list_folders(self, prefix: str) -> AsyncIterator[str]:
        check_folder(prefix)
        return self._threads.iterate(self._folders(prefix))

    async def delete(self, key: str) -> None:
        await self._threads.run(self._delete, key)

    def url(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._full(key)}"

    async def link(self, key: str, *, expires_s: int, media_type: str | None = None) -> str | None:
        if not 1 <= expires_s <= MAX_LINK_S:
            raise ValueError(f"A link lasts 1 to {MAX_LINK_S} seconds, not {expires_s}.")
        return await self._threads.run(self._link, key, expires_s, media_type)

    async def check(self) -> None:
        await self._threads.run(self._check)

    async def aclose(self) -> None:
        await self._threads.aclose()
        self._client.close()

    def _request(
        self, key: str, media_type: str, metadata: Mapping[str, str], overwrite: bool
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": self._full(key),
            "ContentType": media_type,
            "Metadata": {name: encode_value(value) for name, value in metadata.items()},
        }
        return request if overwrite else request | {"IfNoneMatch": "*"}

    def _put_file(self, key: str, path: Path, request: dict[str, Any]) -> None:
        require_file(path)
        with self._translated("write", key), path.open("rb") as file:
            self._put(key, file, request)

    def _put(self, key: str, body: bytes | BinaryIO, request: dict[str, Any]) -> None:
        with self._translated("write", key):
            checksum = _crc32(body)
            for tries_left in reversed(range(CONFLICT_TRIES)):
                if not isinstance(body, bytes):
                    body.seek(0)
                try:
                    self._client.put_object(Body=body, ChecksumCRC32=checksum, **request)
                    return
                except ClientError as error:
                    if _code(error) != "ConditionalRequestConflict" or not tries_left:
                        raise

    def _get_bytes(self, key: str, max_bytes: int | None) -> bytes:
        with self._translated("read", key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._full(key))
            with closing(answer["Body"]) as body:
                size_bytes = answer["ContentLength"]
                if max_bytes is not None and size_bytes > max_bytes:
                    raise TooLargeError(f"{key} has {size_bytes} bytes, more than the {max_bytes} asked for.")
                return body.read()

    def _get_file(self, key: str, into: Path) -> None:
        with self._translated("read", key), part_in(into.parent) as part:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._full(key))
            with closing(answer["Body"]) as body, part.open("xb") as file:
                for chunk in body.iter_chunks(READ_BYTES):
                    file.write(chunk)
            os.replace(part, into)

    def _stat(self, key: str) -> ObjectInfo | None:
        try:
            with self._translated("look up", key):
                answer = self._client.head_object(Bucket=self._bucket, Key=self._full(key))
                return _info(key, answer)
        except NotFoundError:
            return None

    def _walk(self, prefix: str) -> Iterator[str]:
        start = self._prefix + prefix
        with self._translated("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start)
            for page in pages:
                yield from filter(
                    is_key, (item["Key"][len(self._prefix) :] for item in page.get("Contents", ()))
                )

    def _folders(self, prefix: str) -> Iterator[str]:
        start = self._prefix + prefix
        with self._translated("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=start, Delimiter="/"
            )
            for page in pages:
                names = (found["Prefix"][len(start) : -1] for found in page.get("CommonPrefixes", ()))
                yield from (name for name in names if prefix + name != RESERVED and is_key(prefix + name))

    def _delete(self, key: str) -> None:
        with self._translated("delete", key):
            self._client.delete_object(Bucket=self._bucket, Key=self._full(key))

    def _link(self, key: str, expires_s: int, media_type: str | None) -> str:
        where = {"Bucket": self._bucket, "Key": self._full(key)}
        if media_type is not None:
            where["ResponseContentType"] = media_type
        with self._translated("link", key):
            return self._client.generate_presigned_url("get_object", Params=where, ExpiresIn=expires_s)

    def _check(self) -> None:
        full = f"{self._prefix}{RESERVED}/check"
        with self._translated("write and read", full):
            self._client.put_object(Bucket=self._bucket, Key=full, Body=CHECK_BYTES)
            with closing(self._client.get_object(Bucket=self._bucket, Key=full)["Body"]) as body:
                if body.read(len(CHECK_BYTES) + 1) != CHECK_BYTES:
                    raise UnavailableError(f"{self._name} gives back other bytes than were stored.")

    def _full(self, key: str) -> str:
        check_key(key)
        full = self._prefix + key
        if len(full.encode()) > MAX_KEY_BYTES:
            raise ValueError(
                f"The key {key[:40]!r}... and the prefix of the store are over {MAX_KEY_BYTES} bytes."
            )
        return full

    @contextmanager
    def _translated(self, operation: str, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._refusal(error, operation, key) from error
        except (BotoCoreError, OSError, KeyError) as error:
            # KeyError: a field is missing that S3 always sends, so this is no S3. Only the kind of the error is
            # told: its text may quote a URL or what a credential helper printed.
            raise UnavailableError(
                f"{self._name} could not {operation} {key}: {type(error).__name__}. "
                "Check the endpoint, the credentials and the network."
            ) from error

    def _refusal(self, error: ClientError, operation: str, key: str) -> DarkroomError:
        code, status = _code(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == HTTPStatus.PRECONDITION_FAILED:
            return AlreadyStoredError(f"{self._name} already holds {key}.")
        if status == HTTPStatus.NOT_FOUND and code != "NoSuchBucket":
            return NotFoundError(f"{self._name} holds no {key}.")
        # An object in an archive is refused by the same number as one that a policy denies.
        is_refused = operation == "read" and status == HTTPStatus.FORBIDDEN
        return (UnreadableError if is_refused else UnavailableError)(
            f"{self._name} could not {operation} {key}: it answered {status} {code}."
        )


def _client(endpoint_url: str | None, limits: S3Limits) -> S3Client:
    """The cheapest client boto3 can be: a body is neither hashed for the signature nor sent in chunks.

    What protects it is TLS and our own CRC-32 in a header; to boto3's trailing checksums Ceph answers 411.
    """
    session = boto3.session.Session()
    return session.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=session.region_name or DEFAULT_REGION,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint_url else "auto", "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": limits.attempts},
            max_pool_connections=limits.threads,
            connect_timeout=limits.connect_timeout_s,
            read_timeout=limits.read_timeout_s,
        ),
    )


def _info(key: str, answer: HeadObjectOutputTypeDef) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size_bytes=answer["ContentLength"],
        etag=answer["ETag"].strip('"'),
        modified_at_ms=int(answer["LastModified"].timestamp() * 1000),
        media_type=answer["ContentType"],
        metadata={name: decode_value(value) for name, value in answer["Metadata"].items()},
    )


def _name(bucket: str, endpoint_url: str | None) -> str:
    """How messages call the store; without the user and password an endpoint URL may hold."""
    if endpoint_url is None:
        return f"The bucket {bucket}"
    return f"The bucket {bucket} at {urlsplit(endpoint_url).netloc.rpartition('@')[2]}"


def _crc32(body: bytes | BinaryIO) -> str:
    """The checksum that the store compares with what arrives; 0.15 ms a megabyte."""
    value = 0
    for chunk in (body,) if isinstance(body, bytes) else iter(lambda: body.read(READ_BYTES), b""):
        value = zlib.crc32(chunk, value)
    return base64.b64encode(value.to_bytes(4)).decode()


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")[:64]
