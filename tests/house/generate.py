"""`python -m tests.house.generate`: writes the parts of docs/ that are made from the code.

`make docs` runs it; a test fails when a document is not what this would write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import schemas.errors
from cli.exits import ExitCode, exit_code_of
from core.settings import Settings
from schemas.errors import DarkroomError
from schemas.failure import FAILURE_RULES, Reaction
from schemas.model import live_models
from schemas.preset import Preset, Rules, presets
from schemas.pricing import quote_call, usd
from schemas.upscaler import Upscaler, upscalers
from service.app import openapi_document
from service.problems import PROBLEM_TYPES
from tests.house import manual
from tests.house.tree import DOCS, ROOT

_MADE = "<!-- Made by `make docs` from the code; changes here are lost. -->\n"

REACTIONS = {
    Reaction.RETRY_FREE: "Tried again after a random pause; not counted as a send.",
    Reaction.WAIT: "Goes back to the head of the queue; waiting is not an attempt. The lane learns from it.",
    Reaction.PAUSE_LANE: "The lane rests; the task goes back to the head of the queue.",
    Reaction.RETRY: "Tried again after a random pause that doubles, at most 3 sends a task; 30 while the whole lane fails.",
    Reaction.DOUBT: "Parked, and its money stays held until the doubt is resolved: see [states.md](states.md).",
    Reaction.RETRY_PAID: "Failed; or one paid retry by `on_doubt: retry_once`, as far as the batch may pay twice.",
    Reaction.RETRY_PUT: "Storing is repeated until it works; the call is not.",
    Reaction.FINAL: "Failed; no repetition helps.",
}

EXITS = {
    ExitCode.DONE: "Done; a batch that was watched has all of its pictures.",
    ExitCode.ERROR: "Something is missing or does not answer; the message says what.",
    ExitCode.USAGE: "The command cannot be meant like this.",
    ExitCode.INVALID: "The manifest or its catalog has problems; nothing was spent.",
    ExitCode.FAILURES: "The batch has ended, and some of its pictures failed, are parked or were cancelled.",
    ExitCode.REFUSED: "Over a cap, or without a budget; nothing was spent.",
    ExitCode.INTERRUPTED: "Ctrl-C; a batch that was watched goes on.",
}


def settings() -> str:
    parts = [
        _MADE,
        "# Settings\n",
        "A process reads its settings once, when it starts. An environment variable wins over a file of its name in",
        "`/run/secrets`, or in the folder of the credentials that systemd loads, `CREDENTIALS_DIRECTORY`, and that over",
        "`darkroom.toml` in the working directory, where the same setting is `name` in a",
        "table `[group]`. Every problem is reported at once, with the variable to set. Lists are written with commas;",
        "durations are seconds. Values marked *secret* are never logged.\n",
    ]
    for name, field in Settings.model_fields.items():
        group = _group_of(field.annotation)
        prefix = f"DARKROOM_{name.upper()}__" + ("<LANE>__" if name == "lanes" else "")
        parts += [f"## {name}\n", f"{_sentence(group)}\n"]
        if name == "lanes":
            parts.append("`<LANE>` is a name of your choice, such as `MAIN`; each lane has these settings.\n")
        rows = (_setting(f"{prefix}{key.upper()}", inner) for key, inner in group.model_fields.items())
        parts += _table(("variable", "value", "default", "meaning"), rows)
    return "\n".join(parts)


def _group_of(annotation: Any) -> type[BaseModel]:
    found: type[BaseModel] = get_args(annotation)[1] if get_origin(annotation) is dict else annotation
    return found


def _setting(variable: str, field: FieldInfo) -> tuple[str, ...]:
    kind = "dollars" if variable.endswith("_USD") else _kind(field.annotation)
    return f"`{variable}`", ", ".join([kind, *_range(field)]), _default(field), field.description or ""


def _range(field: FieldInfo) -> Iterator[str]:
    limits = {type(limit): limit for limit in _metadata(field)}
    if Ge in limits and Le in limits:
        yield f"{limits[Ge].ge} to {limits[Le].le}"
    elif Ge in limits:
        yield f"{limits[Ge].ge} or more"
    elif Gt in limits:
        yield f"more than {limits[Gt].gt}"


def _metadata(field: FieldInfo) -> Iterator[Any]:
    for found in (*field.metadata, *_inner_metadata(field.annotation)):
        yield from found.metadata if isinstance(found, FieldInfo) else (found,)


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        if get_origin(part) is Annotated:
            yield from get_args(part)[1:]


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_kind(part) for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "words"
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Path: "path"}
    return {**names, SecretStr: "text, *secret*"}[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None or field.default is PydanticUndefined:
        return "see meaning"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def manifest_schema() -> str:
    return _json({"$schema": "https://json-schema.org/draft/2020-12/schema", **manual.schema()})


def openapi() -> str:
    return _json(openapi_document())


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def errors() -> str:
    tree = (schemas.errors.__doc__ or "").partition("```\n")[2].partition("```")[0]
    parts = [
        _MADE,
        "# Errors\n",
        "## Failure classes\n",
        "Why an attempt did not end in a stored picture. *Charged* is whether the provider took money for it, unless",
        "the facts say otherwise.\n",
        *_table(
            ("class", "charged", "what happens", "what to do"),
            (
                (f"`{name}`", rule.charged.value, REACTIONS[rule.reaction], rule.advice)
                for name, rule in FAILURE_RULES.items()
            ),
        ),
        "## Answers of the HTTP API\n",
        "Every error is `application/problem+json` (RFC 9457) with one of these codes; `/problems/<code>` explains it.\n",
        *_table(
            ("code", "status", "meaning", "what to do", "again?"),
            (
                (f"`{code}`", str(kind.status), kind.title, kind.advice, "yes" if kind.retryable else "no")
                for code, kind in PROBLEM_TYPES.items()
            ),
        ),
        "## Exit codes of the command line\n",
        *_table(("code", "meaning"), ((str(int(code)), EXITS[code]) for code in ExitCode)),
        "## Classes\n",
        "What the code raises. A class stands for a different reaction, not for a different place.\n",
        f"```text\n{tree}```\n",
        *_table(
            ("class", "exit code", "says by default"),
            ((f"`{kind.__name__}`", str(int(_exit_code(kind))), _sentence(kind)) for kind in error_classes()),
        ),
    ]
    return "\n".join(parts)


def error_classes() -> list[type[DarkroomError]]:
    """The classes of `schemas.errors`, in the order they are written."""
    kinds: list[type[DarkroomError]] = [DarkroomError, *DarkroomError.__subclasses__()]
    return [kind for kind in kinds if kind.__module__ == DarkroomError.__module__]


def _exit_code(kind: type[DarkroomError]) -> ExitCode:
    return exit_code_of(kind.__new__(kind))


def models() -> str:
    """The models that can be asked for, with what they allow."""
    return "\n".join(
        [
            _MADE,
            "# Models\n",
            "The models a manifest may name, and what each allows. Facts, prices and limits are dated data files in",
            "`schemas/data`, each entry with its source. A model that is shut down is refused, with the name of what",
            "replaces it.\n",
            *_table(
                ("model", "qualities", "complexities", "backgrounds", "confidence"),
                (
                    (
                        f"`{model.name}`",
                        ", ".join(model.qualities),
                        ", ".join(model.complexities) or "none",
                        ", ".join(model.backgrounds),
                        str(model.confidence),
                    )
                    for model in live_models()
                ),
            ),
            "## Upscalers\n",
            "What `upscale` of a template may name: pictures made larger, at a flat price for each.\n",
            *_table(
                ("upscaler", "adapter of its lane", "factors", "takes", "price", "confidence"),
                map(_upscaler, upscalers()),
            ),
        ]
    )


def _upscaler(one: Upscaler) -> tuple[str, ...]:
    price, factors = quote_call(one.name), ", ".join(map(str, one.factors))
    takes = f"{one.min_edge_px} to {one.max_edge_px:,} pixels an edge, {one.max_pixels:,} pixels in all"
    cost = f"${usd(price.high_usd_micros)}" if price else "not known, so it is refused"
    return f"`{one.name}`", f"`{one.adapter}`", factors, takes, cost, str(one.confidence)


def preset_table() -> str:
    """The presets, with what is done to their pictures and what they are checked for."""
    return "\n".join(
        [
            _MADE,
            "# Presets\n",
            "Names that a manifest may write where it has a size. The model is asked for *made at*, and finishing leads",
            "from there to the *target*; a finished picture is checked for what its channel wants. Entries that are not",
            "*official* come from others than the channel itself: look there before you rely on them. The data, with the",
            "source of each entry, is `schemas/data/presets.toml`.\n",
            *_table(
                ("preset", "target", "made at", "steps", "checked for", "confidence", "checked on"),
                map(_preset, presets()),
            ),
        ]
    )


def _preset(preset: Preset) -> tuple[str, ...]:
    steps = (_step(step.model_dump(exclude_none=True)) for step in preset.finish)
    told = (f"`{preset.name}`", str(preset.target), str(preset.generate_at), ", ".join(steps) or "none")
    return (*told, ", ".join(_rules(preset.rules)), str(preset.confidence), str(preset.checked_on))


def _step(step: dict[str, Any]) -> str:
    if step["step"] != "encode":
        return str(step["step"])
    cap = f", {step['max_bytes'] / 1e6:g} MB at most" if "max_bytes" in step else ""
    return f"{step['format']} ({step['quality']}{cap})"


def _rules(rules: Rules) -> Iterator[str]:
    yield f"pixels, at least {rules.min_size}" if rules.min_size else "pixels"
    if rules.formats:
        yield " or ".join(rules.formats)
    if rules.max_bytes:
        yield f"{rules.max_bytes / 1e6:g} MB"
    words = {"srgb": "sRGB", "opaque": "no transparency", "white_corners": "white corners"}
    yield from (word for name, word in words.items() if getattr(rules, name))
    if rules.fill_percent:
        yield f"product fills {rules.fill_percent[0]} to {rules.fill_percent[1]} %"
    if not rules.enlarged:
        yield "not enlarged"
    if rules.safe_zone:
        edges = (
            (name, getattr(rules.safe_zone, f"{name}_px")) for name in ("top", "bottom", "left", "right")
        )
        yield "clear: " + " ".join(f"{name} {px} px" for name, px in edges if px)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    body = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *body, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n\n")[0]


DOCUMENTS: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "errors.md": errors,
    "models.md": models,
    "presets.md": preset_table,
    "manifest.md": manual.manual,
    "manifest.schema.json": manifest_schema,
    "openapi.json": openapi,
}


def main() -> int:
    for name, made in DOCUMENTS.items():
        (DOCS / name).write_text(made(), encoding="utf-8")
        print((DOCS / name).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
