"""What workers run: the Images client and the S3 store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.storage.s3 import S3Store
from schemas.image import Generated, ImageFormat, ImageRequest
from tests.benchmarks.pipeline.variant import BUCKET, PROMPT, Picture
from workers.images.client import ImagesClient


@asynccontextmanager
async def opened(port: int, spool: Path) -> AsyncIterator[Picture]:
    client = ImagesClient(f"http://127.0.0.1:{port}/v1", "sk-benchmark", clock=time.monotonic)
    store = S3Store(BUCKET, "", endpoint_url=f"http://127.0.0.1:{port}")

    async def picture(number: int) -> None:
        request = ImageRequest(
            model="gpt-image-2",
            prompt=PROMPT,
            size="1024x1024",
            quality="low",
            format=ImageFormat.PNG,
            client_request_id=f"batch:{number}:1",
        )
        path = spool / f"{number}.png"
        answer = await client.generate(request, into=path)
        assert isinstance(answer.outcome, Generated), answer
        digest = {"sha256": answer.outcome.sha256}
        await store.put_file(f"{number}.png", path, media_type="image/png", metadata=digest, overwrite=False)
        path.unlink()

    yield picture
    await client.aclose()
    await store.aclose()
