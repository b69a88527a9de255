"""Prompt templates: Liquid, the merchant's own template language, with every limit set.

A template sees `row`, `variant`, `variant_key`, `template`, `size` and `sample`, and nothing else: no files,
no clock, no other templates. A row's own fields always exist; an empty one is false, takes `default`, and
cannot be printed: a prompt with a hole in it costs as much as a good one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from liquid import BoundTemplate
from liquid.exceptions import LiquidError, LiquidTypeError, ResourceLimitError, UndefinedError
from liquid.static_analysis import TemplateAnalysis, Variable

from schemas.liquid_rules import (
    ENVIRONMENT,
    MAX_PROMPT_CHARS,
    EmptyValue,
    EmptyValueError,
    Fields,
    Items,
    cut_out,
)
from schemas.passages import Passage, passages_of
from schemas.wording import nearest

__all__ = ["MAX_PROMPT_CHARS", "ROOTS", "PromptTemplate", "TemplateError", "condition", "parsed", "visible"]

ROOTS = frozenset({"row", "variant", "variant_key", "template", "size", "sample"})
_REFUSED_TAGS = frozenset({"include", "render", "extends", "block", "tablerow", "translate"})
_OTHER_ERRORS = (RecursionError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_PIECE = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}")
_NEVER_CLOSED = re.compile(r"expected tag end(\w+), found end of expression")
_SHOWN_CHARS = 12
_MOST_UNCLOSED = 100
_BRACKETED = re.compile(r"\[(?:'([^']*)'|\"([^\"]*)\")\]")


class TemplateError(ValueError):
    """A template that cannot be parsed, or cannot be rendered with these values.

    `field` is the dotted name of the value that was empty or unknown, when that was the reason.
    """

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class PromptTemplate:
    """A parsed template.

    Attributes:
        reads: dotted paths of the values it may read (`row.title`, `variant.season.light`), sorted. A computed
            path (`row[key]`) stops before the computed part.
        needs: those of them that must be there, because nothing before in the text gives their names a value of its own,
            be it for some rows only.
    """

    def __init__(self, text: str, *, written: str | None = None) -> None:
        """
        Args:
            written: the part of it that the producer wrote, in which places are counted; None: all of it.
        Raises:
            TemplateError: it cannot be parsed; says where.
        """
        spots = _Spots(text, text if written is None else written)
        spots.require_closed()
        try:
            self._template = ENVIRONMENT.from_string(text)
            analysis = self._template.analyze(include_partials=False)
        except LiquidError as error:
            raise spots.broken(error) from error
        except RecursionError as error:
            raise TemplateError("it is nested too deeply") from error
        _refuse_unknown(analysis, spots)
        self.version = hashlib.sha256(text.encode()).hexdigest()
        self.needs = _paths(analysis.globals.values())
        self.reads = _paths(found for name, found in analysis.variables.items() if name in ROOTS)

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """What it may be cut into; see `text_of`."""
        return passages_of(self._template, ROOTS)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text, with white space at both ends removed and every line ended by `\\n`.

        Raises:
            TemplateError: a value is unknown or empty, or a limit is passed. It names values and holds none.
        """
        return self._filled(self._template, values).strip()

    def text_of(self, place: int, values: Mapping[str, Any]) -> str:
        """The text of one of its passages.

        All of them joined, without white space at both ends, are what `render` gives, if they have no more than
        `MAX_PROMPT_CHARS`; of more, `render` decides.

        Raises:
            TemplateError: as `render`, or because it takes more than its share; `render` knows which.
        """
        return self._filled(self._cut[place], values)

    @cached_property
    def _cut(self) -> tuple[BoundTemplate, ...]:
        return tuple(cut_out(passage.parts, one_of=len(self.passages)) for passage in self.passages)

    def _filled(self, template: BoundTemplate, values: Mapping[str, Any]) -> str:
        try:
            return template.render(values)
        except EmptyValueError as error:
            raise TemplateError(str(error.message), field=error.path) from error
        except UndefinedError as error:
            raise self._unknown(str(error.message)) from error
        except ResourceLimitError as error:
            raise TemplateError(f"it makes or takes too much: {error.message}") from error
        except LiquidTypeError as error:
            raise TemplateError(str(error.message)) from error
        except LiquidError as error:
            raise TemplateError(_QUOTED.sub("'...'", str(error.message))) from error
        except _OTHER_ERRORS as error:
            raise TemplateError(f"a filter does not fit its value ({type(error).__name__})") from error

    def _unknown(self, message: str) -> TemplateError:
        """The library names the path it looked up, computed parts included: only what the text says is kept."""
        path, is_undefined, _ = message.partition(" is undefined")
        if not is_undefined:
            return TemplateError(message)
        names = _BRACKETED.sub(lambda found: f".{found[1] or found[2]}", path).strip("'").split(".")
        starts = [".".join(names[:count]) for count in range(len(names), 0, -1)]
        field = next((start for start in starts if start in self.reads), names[0])
        return TemplateError(f"'{field}' is unknown, or has no such part", field=field)


@lru_cache(maxsize=1024)
def parsed(text: str) -> PromptTemplate:
    """The parsed template of a text; parsing is paid once per process.

    Raises:
        TemplateError: the text is not a prompt template.
    """
    return PromptTemplate(text)


@lru_cache(maxsize=64)
def condition(text: str) -> PromptTemplate:
    """A condition on a row as a template that renders to nothing, or to `false`, where it does not hold.

    `text` is what stands in `{% if ... %}`; or, where that is not enough, a whole template.

    Raises:
        TemplateError: it is neither, or reads something that is not of the row.
    """
    is_whole = "{%" in text or "{{" in text
    found = parsed(text) if is_whole else PromptTemplate(f"{{% if {text} %}}true{{% endif %}}", written=text)
    if other := sorted({path.split(".")[0] for path in found.needs} - {"row"}):
        raise TemplateError(
            f"'{other[0]}' is not known here; a condition reads the row alone, such as row.color"
        )
    return found


def visible(value: Any, path: str) -> Any:
    """`value` as templates see it: plain data, in which what is empty knows its path.

    Of a row, empty texts are empty too; a variant may say on purpose that it adds nothing.
    """
    if isinstance(value, str):  # asked first, because nearly every value of a catalog is one
        return value if value or not path.startswith("row.") else EmptyValue(path)
    if value is None:
        return EmptyValue(path)
    if isinstance(value, Mapping):
        return Fields({str(name): visible(inner, f"{path}.{name}") for name, inner in value.items()}, path)
    if isinstance(value, list | tuple):
        if not value:
            return EmptyValue(path)
        return Items([visible(inner, f"{path}[{place}]") for place, inner in enumerate(value)], path)
    return value


class _Spots:
    """Places in a template: line and column, counted from 1, and the few characters that stand there."""

    def __init__(self, text: str, written: str) -> None:
        self._text = text
        self._written = written
        self._before = text.find(written)

    def error(self, detail: str, index: int | None) -> TemplateError:
        """Args: index: in the text; None or less than 0: nobody knows."""
        place = -1 if index is None or index < 0 else index - self._before
        if not 0 <= place < len(self._written):
            return TemplateError(detail)
        line, column = self._written.count("\n", 0, place) + 1, place - self._written.rfind("\n", 0, place)
        shown = self._written[place : place + _SHOWN_CHARS].splitlines()[0].strip()
        return TemplateError(f"{detail} (in its line {line}, column {column}, at '{shown}')")

    def require_closed(self) -> None:
        """
        Raises:
            TemplateError: the library would look for the end of each brace up to the end of the text.
        """
        for start, end in (("{{", "}}"), ("{%", "%}")):
            tail = self._text.rfind(end) + 1
            if self._text.count(start, tail) > _MOST_UNCLOSED:
                raise self.error(f"nothing closes '{start}'", self._text.find(start, tail))

    def broken(self, error: LiquidError) -> TemplateError:
        detail = str(error.message).strip()
        if unclosed := _NEVER_CLOSED.match(detail):
            name = unclosed[1]
            return self.error(
                f"nothing closes the tag '{name}'; end it with {{% end{name} %}}", self._open(name)
            )
        index = error.token.start_index if error.token is not None else -1
        return self.error(detail, index if index >= 0 else self._breaking(detail))

    def _open(self, name: str) -> int | None:
        """Where the last tag of this name begins that has no end."""
        starts: list[int] = []
        for found in re.finditer(rf"{{%-?\s*(end)?{name}\b", self._text):
            if not found[1]:
                starts.append(found.start())
            elif starts:
                starts.pop()
        return starts[-1] if starts else None

    def _breaking(self, detail: str) -> int | None:
        """The first piece that has this mistake by itself: at the end of one the library does not know where it is."""
        return next((p.start() for p in _PIECE.finditer(self._text) if _complaint(p[0]) == detail), None)


def _complaint(text: str) -> str | None:
    try:
        ENVIRONMENT.from_string(text)
    except LiquidError as error:
        return str(error.message).strip()
    return None


def _refuse_unknown(analysis: TemplateAnalysis, spots: _Spots) -> None:
    """What is found in the text before it is ever rendered.

    Raises:
        TemplateError: a tag, a filter or a name is not available.
    """
    for tag in sorted(_REFUSED_TAGS & analysis.tags.keys()):
        raise spots.error(f"the tag '{tag}' is not available in prompts", analysis.tags[tag][0].index)
    if dates := analysis.filters.get("date"):
        detail = "the filter 'date' is not available in prompts: it can read the clock"
        raise spots.error(detail, dates[0].index)
    for name in sorted(analysis.filters.keys() - ENVIRONMENT.filters.keys()):
        near = nearest(name, ENVIRONMENT.filters)
        hint = f"; did you mean '{near}'?" if near else ""
        raise spots.error(f"there is no filter '{name}'{hint}", analysis.filters[name][0].index)
    for name in sorted(analysis.globals.keys() - ROOTS):
        detail = f"'{name}' is not known here; a prompt reads {', '.join(sorted(ROOTS))}"
        raise spots.error(detail, analysis.globals[name][0].span.index)


def _paths(found: Iterable[Sequence[Variable]]) -> tuple[str, ...]:
    return tuple(sorted({_dotted(variable.segments) for variables in found for variable in variables}))


def _dotted(segments: Any) -> str:
    """`row.image_urls[0].x` as `row.image_urls`: names up to the first index or computed part."""
    names = []
    for segment in segments:
        if not isinstance(segment, str):
            break
        names.append(segment)
    return ".".join(names)
