"""The other side, in a process of its own: an Images API that takes a second, and storage that takes PUTs."""

from __future__ import annotations

import asyncio
import base64
import json
import os

from aiohttp import web

PICTURE_BYTES = 3_000_000
LATENCY_S = 1.0
_BACKLOG = 1024


def _answer() -> bytes:
    usage = {"input_tokens": 20, "output_tokens": 1756, "total_tokens": 1776}
    picture = base64.b64encode(os.urandom(PICTURE_BYTES)).decode()
    return json.dumps({"created": 1, "data": [{"b64_json": picture}], "usage": usage}).encode()


async def _serve() -> None:
    body = _answer()

    async def make(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(LATENCY_S)
        return web.Response(body=body, content_type="application/json")

    async def take(request: web.Request) -> web.Response:
        async for _ in request.content.iter_any():
            pass
        return web.Response(headers={"ETag": '"0"'})

    app = web.Application()
    app.add_routes([web.post("/v1/images/generations", make), web.put("/{key:.*}", take)])
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=30)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=_BACKLOG).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
