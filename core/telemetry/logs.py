"""Logs: one JSON object a line on stderr, events named `noun.past_participle`, secrets and pictures left out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import orjson
import structlog

from core.settings import TelemetrySettings

_SECRET_NAMES = re.compile(r"key$|secret|password|authorization|token$|prompt$|b64|base64", re.IGNORECASE)
_SECRET_TEXTS = re.compile(
    r"sk-[A-Za-z0-9_-]{8,}|\b(?:dk|darkroom_[a-z]+)_[A-Za-z0-9_-]{16,}|Bearer\s+\S+|//[^/\s\"]+@"
    r"|(?i:X-Amz-)[^\s\"']+"
)
_INPUT = re.compile(r"input_value=.*?, input_type=", re.DOTALL)
"""What pydantic tripped over stands in its errors, and so in tracebacks: it may be a prompt."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_HARMLESS = frozenset({"row_key", "asset_key", "variant_key"})
_NOISY = ("httpx", "httpcore", "botocore", "boto3", "urllib3", "aiohttp", "asyncio", "uvicorn", "arq")


def redacted(value: Any) -> Any:
    """`value` without keys, credentials in addresses, base64, and what a value was that pydantic refused."""
    if isinstance(value, str):
        text = _INPUT.sub("input_value=[cut], input_type=", _SECRET_TEXTS.sub("[redacted]", value))
        return _BASE64.sub("[base64]", text)
    if isinstance(value, dict):
        return {
            name: "[redacted]" if _is_secret(str(name)) else redacted(inner) for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(inner) for inner in value]
    return value


def _is_secret(name: str) -> bool:
    return name not in _HARMLESS and _SECRET_NAMES.search(name) is not None


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    cleaned: MutableMapping[str, Any] = redacted(dict(event))
    return cleaned


def naming_trace(trace_id: str | None) -> AbstractContextManager[None]:
    """Lines that are written in this block name their trace, if there is one."""
    found = {} if trace_id is None else {"trace_id": trace_id}
    return structlog.contextvars.bound_contextvars(**found)


def configure(settings: TelemetrySettings, *, process: str) -> None:
    """Sets up logging of this process, once, at its start; `process` stands in every line."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(
            serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
        )
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
