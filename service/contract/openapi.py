"""The OpenAPI document: what FastAPI finds in the routes, and what it cannot find there."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.manifest import Manifest
from service.contract.requests import BatchPatch, ReplayRequest
from service.contract.shapes import ProblemAnswer
from service.problems import MEDIA_TYPE, PROBLEM_TYPES

_REF = "#/components/schemas/{model}"
_TAGS = {
    "batches": "Submit manifests, watch them, steer them, cancel them.",
    "tasks": "The single pictures of a batch.",
    "results": "Everything that a batch made: as lines, tables, an archive, contact sheets, feeds for shops.",
    "bulk actions": "Many tasks at once: replays of what failed or was cancelled.",
    "plans": "Dry runs: what a manifest would make and cost, or everything that is wrong with it.",
    "uploads": "Catalogs and reference pictures, under names that manifests use.",
    "operation": "Health, figures, and what the problem types mean.",
}
_DESCRIPTION = """\
A catalog in, pictures out, never paid twice. Every error is `application/problem+json` (RFC 9457); money is a decimal
string in US dollars; moments are RFC 3339 in UTC; lists are read with the cursors they give; unknown query parameters
are refused; new values of enumerations may come."""

EXAMPLE_MANIFEST: dict[str, Any] = {
    "name": "autumn",
    "catalog": {"rows": [{"sku": "shirt-1", "title": "Linen shirt", "color": "blue"}], "key": "sku"},
    "image": {"model": "gpt-image-2", "quality": "medium", "format": "webp"},
    "templates": {
        "hero": {"prompt": "Product photo of {{ row.title }} in {{ row.color }}, plain background."}
    },
    "spend": {"cap_usd": "1.00"},
}
EXAMPLE_YAML = """\
name: autumn
catalog: {source: products.csv, key: sku}
image: {model: gpt-image-2, quality: medium, format: webp}
templates:
  hero: {prompt: "Product photo of {{ row.title }} in {{ row.color }}, plain background."}
spend: {cap_usd: "250.00"}
"""
_MANIFEST = {"$ref": _REF.format(model="Manifest")}
_BODY: dict[str, Any] = {
    "application/json": {"schema": _MANIFEST, "example": EXAMPLE_MANIFEST},
    "application/yaml": {"schema": _MANIFEST, "example": EXAMPLE_YAML},
}
_FORM = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["manifest"],
            "properties": {
                "manifest": {"type": "string", "description": "The manifest, as JSON or YAML."},
                "catalog": {
                    "type": "string",
                    "format": "binary",
                    "description": "A catalog file; it is uploaded under its name and becomes `catalog.source`.",
                },
            },
        }
    }
}
MANIFEST_BODY = {"requestBody": {"required": True, "content": _BODY}}
MANIFEST_OR_FORM_BODY = {"requestBody": {"required": True, "content": {**_BODY, **_FORM}}}
FILE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The body of a route that reads it itself, bounded; `document` adds the schema."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


def file_answer(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The answer of a route that streams a file, for `responses=`."""
    is_text = media_type.startswith("text/")
    schema = {"type": "string"} if is_text else {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Error answers of a route, for `responses=`; 500 and 503 are always among them."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {status: {"description": _title(status), "content": content} for status in (*statuses, 500, 503)}


def keyed_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for a route that needs a key."""
    return problems(400, 401, *statuses)


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, built once per application."""
    if app.openapi_schema is None:
        tags = [{"name": name, "description": text} for name, text in _TAGS.items()]
        built = get_openapi(
            title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes, tags=tags
        )
        _without_validation_errors(built)
        _, found = models_json_schema(
            [
                (Manifest, "validation"),
                (BatchPatch, "validation"),
                (ReplayRequest, "validation"),
                (ProblemAnswer, "serialization"),
            ],
            ref_template=_REF,
            by_alias=True,
        )
        models = found["$defs"]
        models["Problem"] = models.pop("ProblemAnswer")
        components = built.setdefault("components", {}).setdefault("schemas", {})
        components.update({name: model for name, model in models.items() if name not in components})
        app.openapi_schema = built
    return app.openapi_schema


def _without_validation_errors(built: dict[str, Any]) -> None:
    """FastAPI declares a 422 of its own wherever there are parameters; ours are 400 and look like every problem."""
    for name in ("HTTPValidationError", "ValidationError"):
        built["components"]["schemas"].pop(name, None)
    for operation in (one for path in built["paths"].values() for one in path.values()):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            del operation["responses"]["422"]


def _title(status: int) -> str:
    return "; or ".join(kind.title for kind in PROBLEM_TYPES.values() if kind.status == status)
