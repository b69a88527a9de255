"""Builds the server: the provider's paths, and the rehearsal's own under /_sim."""

import json
import math

from aiohttp import web
from aiohttp.typedefs import Handler

from simulator.calls import ImageCalls
from simulator.contract.errors import ApiError, model_not_found
from simulator.contract.models import MODELS_BY_ID
from simulator.contract.uploads import MAX_IMAGE_BYTES
from simulator.contract.upscaling import PATH as UPSCALE_PATH
from simulator.faults import FaultScript, parse
from simulator.upscales import UpscaleCalls
from simulator.usage import UsageReport

# Sixteen pictures, a mask, and room for the text around them.
_MAX_BODY_BYTES = 18 * MAX_IMAGE_BYTES


def build(
    calls: ImageCalls, shutdown_dates: dict[str, str] | None = None, usage: UsageReport | None = None
) -> web.Application:
    """The application around `calls`.

    Args:
        shutdown_dates: "YYYY-MM-DD" by model id, for models that announce their end.
        usage: by default one that shows every call at once.
    """
    app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_in_their_words])
    catalogue = _Catalogue(calls, shutdown_dates or {})
    usage = usage or UsageReport(calls)
    control, upscales = _Control(calls), UpscaleCalls(calls)
    app.add_routes(
        [
            web.post("/v1/images/generations", calls.handle),
            web.post("/v1/images/edits", calls.handle),
            web.post(UPSCALE_PATH, upscales.handle),
            web.get("/v1/user/balance", upscales.balance),
            web.get("/v1/models", catalogue.list_models),
            web.get("/v1/models/{id}", catalogue.show_model),
            web.get("/v1/organization/usage/images", usage.show),
            web.get("/_sim/state", control.show_state),
            web.post("/_sim/limits", control.change_limits),
            web.post("/_sim/latency", control.change_latency),
            web.get("/_sim/faults", control.show_faults),
            web.post("/_sim/faults", control.replace_faults),
            web.delete("/_sim/faults", control.clear_faults),
            web.get("/_sim/ledger", control.show_ledger),
            web.delete("/_sim/ledger", control.clear_ledger),
        ]
    )
    return app


@web.middleware
async def _in_their_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors outside of a picture call, in the provider's shape."""
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response(error.body(), status=error.status)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        unknown = ApiError(404, f"Invalid URL ({request.method} {request.path})")
        return web.json_response(unknown.body(), status=unknown.status)


class _Catalogue:
    """GET /v1/models."""

    def __init__(self, calls: ImageCalls, shutdown_dates: dict[str, str]) -> None:
        self._calls = calls
        self._shutdown_dates = shutdown_dates

    async def list_models(self, request: web.Request) -> web.Response:
        self._calls.account(request)
        return web.json_response({"object": "list", "data": [self._entry(name) for name in MODELS_BY_ID]})

    async def show_model(self, request: web.Request) -> web.Response:
        self._calls.account(request)
        name = request.match_info["id"]
        if name not in MODELS_BY_ID:
            raise model_not_found(name)
        return web.json_response(self._entry(name))

    def _entry(self, name: str) -> dict[str, object]:
        return {
            "id": name,
            "object": "model",
            "created": MODELS_BY_ID[name].created_unix_s,
            "owned_by": "system",
            "shutdown_date": self._shutdown_dates.get(name),
        }


class _Control:
    """What a rehearsal sets and reads; no part of the provider's contract."""

    def __init__(self, calls: ImageCalls) -> None:
        self._calls = calls

    async def show_state(self, request: web.Request) -> web.Response:
        settings = self._calls.limits.settings
        limits = {name: getattr(settings, name) for name in settings.__slots__}
        latency = {"factor": self._calls.latency_factor}
        return web.json_response({"limits": limits, "latency": latency, "faults": self._calls.faults.body()})

    async def change_limits(self, request: web.Request) -> web.Response:
        changes = await _object(request)
        try:
            settings = self._calls.limits.settings.changed(changes)
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        self._calls.limits.change(settings)
        return await self.show_state(request)

    async def change_latency(self, request: web.Request) -> web.Response:
        factor = (await _object(request)).get("factor")
        if not isinstance(factor, int | float) or not math.isfinite(factor) or factor < 0:
            raise ApiError(400, 'Send {"factor": F} with F a number of at least 0.')
        self._calls.latency_factor = float(factor)
        return await self.show_state(request)

    async def show_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._calls.faults.body())

    async def replace_faults(self, request: web.Request) -> web.Response:
        try:
            self._calls.faults = parse(json.loads(await request.read()))
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        return await self.show_faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._calls.faults = FaultScript()
        return await self.show_faults(request)

    async def show_ledger(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal():
            raise ApiError(400, "since must be a whole number of at least 0.")
        return web.json_response(self._calls.ledger.body(int(since)))

    async def clear_ledger(self, request: web.Request) -> web.Response:
        self._calls.ledger.clear()
        return await self.show_ledger(request)


async def _object(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "Send a JSON object.")
    return body
