"""What one writes first: httpx as it comes, `.json()`, the standard base64, boto3 as it comes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import boto3
import httpx

from tests.benchmarks.pipeline.variant import BUCKET, PROMPT, Picture


@asynccontextmanager
async def opened(port: int, spool: Path) -> AsyncIterator[Picture]:
    url = f"http://127.0.0.1:{port}"
    s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    limits = httpx.Limits(max_connections=None)

    async with httpx.AsyncClient(timeout=600, limits=limits, trust_env=False) as client:

        async def picture(number: int) -> None:
            body = {"model": "gpt-image-2", "prompt": PROMPT}
            answer = await client.post(f"{url}/v1/images/generations", json=body)
            decoded = base64.b64decode(answer.json()["data"][0]["b64_json"])
            digest = {"sha256": hashlib.sha256(decoded).hexdigest()}
            path = spool / f"{number}.png"
            path.write_bytes(decoded)
            put = partial(s3.put_object, Bucket=BUCKET, Key=path.name, Body=decoded, Metadata=digest)
            await asyncio.to_thread(put)
            path.unlink()

        yield picture
