"""GET /v1/organization/usage/images: what the ledger charged, in buckets, as late as the provider's report is.

Source: developers.openai.com/api/reference (Usage) and openai-python 3.52.0, read 2026-11-21. Unpublished, so ours to
choose: to which bucket a call belongs (here the one it arrived in) and how long a call takes to show up.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiohttp import web

from simulator.calls import ImageCalls
from simulator.contract.errors import ApiError, bad_request, unsupported_value
from simulator.ledger import Call

_WIDTHS_S = {"1m": 60, "1h": 3600, "1d": 86_400}
_LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
"""Buckets in a page: as a rule, and at most."""

_GROUPS = ("project_id", "user_id", "api_key_id", "model", "size", "source")
_PROJECT, _USER = "proj_simulator", "user-simulator"
_SOURCES = {"/v1/images/generations": "image.generation", "/v1/images/edits": "image.edit"}
_FILTERS = {
    "api_key_ids": "api_key_id",
    "models": "model",
    "sizes": "size",
    "sources": "source",
    "project_ids": "project_id",
    "user_ids": "user_id",
}


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked for; times in unix seconds, whole buckets."""

    start: int
    end: int
    width_s: int
    limit: int
    group_by: tuple[str, ...]
    filters: tuple[tuple[str, frozenset[str]], ...]


class UsageReport:
    """The report of one organization, to which every key belongs.

    Args:
        admin_key: the only key that may read it; None lets in every key that begins like one of them.
        lag_s: a call shows up so long after it arrived, and not before it has ended.
    """

    def __init__(self, calls: ImageCalls, *, admin_key: str | None = None, lag_s: float = 0.0) -> None:
        self._calls = calls
        self._admin_key = admin_key
        self._lag_s = lag_s

    async def show(self, request: web.Request) -> web.Response:
        self._let_in(request)
        now_s = self._calls.wall_clock()
        asked = _question(request, now_s)
        seen = [
            call
            for call in self._calls.ledger.charged()
            if call.at <= now_s - self._lag_s and _matches(call, asked)
        ]
        starts = range(asked.start, asked.end, asked.width_s)[: asked.limit]
        buckets = [_bucket(seen, start, asked) for start in starts]
        following = asked.start + asked.limit * asked.width_s
        more = following < asked.end
        page = f"page_{following}" if more else None
        return web.json_response({"object": "page", "data": buckets, "has_more": more, "next_page": page})

    def _let_in(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else ""
        is_known = key == self._admin_key if self._admin_key else key.startswith("sk-admin-")
        if not is_known:
            raise ApiError(
                403, "You have insufficient permissions for this operation. Missing scopes: api.usage.read."
            )


def _question(request: web.Request, now_s: float) -> _Question:
    """Raises ApiError 400 where the query is not as it has to be."""
    width = _one_of(request, "bucket_width", tuple(_WIDTHS_S), default="1d")
    width_s, (usual, most) = _WIDTHS_S[width], _LIMITS[width]
    limit = _number(request, "limit", usual)
    if not 1 <= limit <= most:
        raise bad_request(
            "invalid_value", "limit", f"limit must be between 1 and {most} for {width} buckets."
        )
    start, end = _number(request, "start_time", None), _number(request, "end_time", int(now_s) + 1)
    page = request.query.get("page")
    if page is not None:
        cursor = re.fullmatch(r"page_([0-9]+)", page)
        if cursor is None:
            raise bad_request("invalid_value", "page", f"Invalid page: '{page}'.")
        start = int(cursor[1])
    groups = _listed(request, "group_by")
    if unknown := [group for group in groups if group not in _GROUPS]:
        raise unsupported_value("group_by", unknown[0], _GROUPS)
    filters = ((field, frozenset(_listed(request, name))) for name, field in _FILTERS.items())
    wanted = tuple((field, values) for field, values in filters if values)
    return _Question(start // width_s * width_s, end, width_s, limit, groups, wanted)


def _number(request: web.Request, name: str, default: int | None) -> int:
    text = request.query.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"[0-9]{1,12}", text):
        raise bad_request("invalid_value", name, f"{name} must be a whole number.")
    return int(text)


def _one_of(request: web.Request, name: str, words: Sequence[str], *, default: str) -> str:
    word = request.query.get(name, default)
    if word not in words:
        raise unsupported_value(name, word, words)
    return word


def _listed(request: web.Request, name: str) -> tuple[str, ...]:
    """A parameter that may be repeated, with brackets behind its name or without."""
    return (*request.query.getall(name, ()), *request.query.getall(f"{name}[]", ()))


def _facts(call: Call) -> dict[str, str | None]:
    return {
        "project_id": _PROJECT,
        "user_id": _USER,
        "api_key_id": f"key_{call.account}",
        "model": call.model,
        "size": call.size,
        "source": _SOURCES.get(call.path),
    }


def _matches(call: Call, asked: _Question) -> bool:
    facts = _facts(call)
    return all(facts[field] in values for field, values in asked.filters)


def _bucket(calls: Iterable[Call], start: int, asked: _Question) -> dict[str, object]:
    """One bucket; nothing is listed in one without calls."""
    end = start + asked.width_s
    counts: dict[tuple[str | None, ...], list[int]] = {}
    for call in calls:
        if start <= call.at < min(end, asked.end):
            facts = _facts(call)
            group = tuple(facts[name] if name in asked.group_by else None for name in _GROUPS)
            counted = counts.setdefault(group, [0, 0])
            counted[0] += call.images
            counted[1] += 1
    results = [
        {
            "object": "organization.usage.images.result",
            "images": images,
            "num_model_requests": requests,
            **dict(zip(_GROUPS, group, strict=True)),
        }
        for group, (images, requests) in counts.items()
    ]
    return {"object": "bucket", "start_time": start, "end_time": end, "results": results}
