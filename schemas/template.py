"""Prompt templates: Liquid, the merchant's own template language, with every limit set.

A template sees `row`, `variant`, `variant_key`, `template`, `size` and `sample`, and nothing else: no files,
no clock, no other templates. A row's own fields always exist; an empty one is falsy, takes `default`, and
cannot be printed: a prompt with a hole in it costs as much as a good one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from liquid import Environment
from liquid.exceptions import LiquidError, UndefinedError
from liquid.undefined import FalsyStrictUndefined, StrictUndefined

MAX_PROMPT_CHARS = 32_000
"""Source: OpenAI Images API, `prompt` of GPT image models, checked 2026-11-20."""

ROOTS = frozenset({"row", "variant", "variant_key", "template", "size", "sample"})
_REFUSED_TAGS = frozenset({"include", "render", "extends", "block", "tablerow", "translate"})


class TemplateError(ValueError):
    """A template that cannot be parsed, or cannot be rendered with these values.

    `field` is the dotted name of the value that was empty or unknown, when that was the reason.
    """

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class _EmptyValue(FalsyStrictUndefined):
    """Stands for an empty field of a row: falsy, nil in comparisons, replaced by `default`, never printed."""

    force_liquid_default = True
    allowed_properties = FalsyStrictUndefined.allowed_properties | {"force_liquid_default"}


class _PromptEnvironment(Environment):
    """The limits keep the rendering of one prompt within milliseconds and kilobytes."""

    context_depth_limit = 20
    loop_iteration_limit = 10_000
    local_namespace_limit = 200_000
    output_stream_limit = 4 * MAX_PROMPT_CHARS  # counts UTF-8 bytes; the character limit is checked apart


_ENVIRONMENT = _PromptEnvironment(undefined=StrictUndefined, strict_filters=True)


class PromptTemplate:
    """A parsed template.

    Attributes:
        reads: dotted paths of the values it reads (`row.title`, `variant.season.light`), sorted. A computed
            path (`row[key]`) stops before the computed part.
    """

    def __init__(self, text: str) -> None:
        try:
            self._template = _ENVIRONMENT.from_string(text)
            analysis = self._template.analyze(include_partials=False)
        except (LiquidError, RecursionError) as error:
            raise TemplateError(_sentence(error)) from error
        refused = _REFUSED_TAGS & analysis.tags.keys()
        if refused:
            raise TemplateError(f"the tag '{min(refused)}' is not available in prompts")
        if "date" in analysis.filters:
            raise TemplateError("the filter 'date' is not available in prompts: it can read the clock")
        self.version = hashlib.sha256(text.encode()).hexdigest()
        self.reads = tuple(
            sorted({_dotted(v.segments) for found in analysis.globals.values() for v in found})
        )
        unknown = {path.split(".")[0] for path in self.reads} - ROOTS
        if unknown:
            raise TemplateError(
                f"'{min(unknown)}' is not known here; a prompt reads {', '.join(sorted(ROOTS))}"
            )

    def render(self, values: Mapping[str, Any]) -> str:
        """The text, with white space at both ends removed.

        Raises:
            TemplateError: a value is unknown or empty, or a limit is passed.
        """
        try:
            return self._template.render(values).strip()
        except UndefinedError as error:
            raise TemplateError(_sentence(error), field=self._field_of(error)) from error
        except (LiquidError, RecursionError, ValueError, TypeError) as error:
            raise TemplateError(_sentence(error)) from error

    def _field_of(self, error: UndefinedError) -> str | None:
        """The value that was missing: by its own name, else by the only list the template indexes."""
        message = str(error.message)
        if "'" in message:
            return message.split("'")[1]
        return next((path for path in self.reads if path == "row.image_urls"), None)


@lru_cache(maxsize=1024)
def parsed(text: str) -> PromptTemplate:
    """The parsed template of a text; parsing is paid once per process.

    Raises:
        TemplateError: the text is not a prompt template.
    """
    return PromptTemplate(text)


def visible(value: Any, path: str) -> Any:
    """`value` as templates see it: plain data, with every None replaced by an empty value that knows its path."""
    if value is None:
        return _EmptyValue(path, token=None, hint=f"'{path}' is empty")
    if isinstance(value, Mapping):
        return {str(name): visible(inner, f"{path}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [visible(inner, f"{path}[{place}]") for place, inner in enumerate(value)]
    return value


def _dotted(segments: Any) -> str:
    """`row.image_urls[0].x` as `row.image_urls`: names up to the first index or computed part."""
    names = []
    for segment in segments:
        if not isinstance(segment, str):
            break
        names.append(segment)
    return ".".join(names)


def _sentence(error: BaseException) -> str:
    """The message without the excerpt of the template that python-liquid prints below it."""
    text = str(error.message) if isinstance(error, LiquidError) else str(error)
    return text.strip() or type(error).__name__
