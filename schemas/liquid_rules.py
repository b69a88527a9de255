"""Liquid as prompts use it: how an empty value behaves, what each filter may take and give, and the limits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.exceptions import (
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
    UndefinedError,
)
from liquid.undefined import StrictUndefined, Undefined

from schemas.wording import first_few

MAX_PROMPT_CHARS = 32_000
"""Source: OpenAI Images API, `prompt` of GPT image models, checked 2026-11-20."""

MAX_ITEMS = 10_000
MAX_TEXT_CHARS = 4 * MAX_PROMPT_CHARS
MAX_WORK = 2_000_000
"""Of one rendering: characters of text that its loops go through, and characters and items that its filters take."""
_MAX_NUMBER_BITS = 256
_TAKES_EMPTY = frozenset({"default", "size"})
_MULTIPLIES = frozenset({"replace", "join"})
_SIZED = (str, list, tuple, range)


class EmptyValueError(UndefinedError):
    """An empty value was printed or computed with; `path` is its dotted name."""

    def __init__(self, path: str) -> None:
        super().__init__(f"'{path}' is empty", token=None)
        self.path = path


class _Nothing(str):
    """What an empty value is in a comparison: equal to nil, `blank` and `empty`, and false."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or other == ""

    __hash__ = str.__hash__


Undefined.register(_Nothing)  # what Liquid takes for undefined is false


class EmptyValue:
    """Stands for an empty field: false, takes `default`, has no items, and cannot be printed or computed with."""

    __slots__ = ("path",)
    force_liquid_default = True

    def __init__(self, path: str) -> None:
        self.path = path

    def __liquid__(self) -> _Nothing:
        return _Nothing()

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: object) -> EmptyValue:
        if key == "size":
            raise TypeError("the size of an empty value is its length")
        return EmptyValue(_joined(self.path, key))

    def __str__(self) -> str:
        raise EmptyValueError(self.path)

    __repr__ = __str__


class Items(list[Any]):
    """A list of which every place beyond the end is an empty value."""

    def __init__(self, items: list[Any], path: str) -> None:
        super().__init__(items)
        self.path = path

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except IndexError:
            return EmptyValue(_joined(self.path, key))


class Fields(dict[str, Any]):
    """An object of named values. It has no text of its own: printing it is an error, never a Python dictionary."""

    def __init__(self, fields: Mapping[str, Any], path: str) -> None:
        super().__init__(fields)
        self.path = path

    def __str__(self) -> str:
        detail = f"'{self.path}' is an object; name one of its fields: {first_few(list(self), 10)}"
        raise UndefinedError(detail, token=None)

    __repr__ = __str__


def _joined(path: str, key: object) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}"


def _guarded(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that refuses empty values, and whatever would take or make more than a prompt can hold."""

    @functools.wraps(apply)
    def guarded(left: Any, *arguments: Any, context: _MeteredContext, **named: Any) -> Any:
        for value in (left, *arguments):
            context.work_on(_taken_by(name, value))
            if isinstance(value, EmptyValue) and name not in _TAKES_EMPTY:
                raise EmptyValueError(value.path)
            if isinstance(value, range) and len(value) > MAX_ITEMS:
                raise LoopIterationLimitError("loop iteration limit reached", token=None)
        if _made_by(name, left, arguments) > MAX_TEXT_CHARS:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        made = apply(left, *arguments, **named)
        if isinstance(made, int) and made.bit_length() > _MAX_NUMBER_BITS:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return EmptyValue(f"the result of '{name}'") if made is None else made

    guarded.with_context = True  # type: ignore[attr-defined]  # what the library looks at
    return guarded


def _taken_by(name: str, value: Any) -> int:
    """Characters or items that a filter looks at."""
    size = len(value) if isinstance(value, _SIZED) else 1
    return size * size if name == "uniq" else size  # that one compares each with each


def _made_by(name: str, left: Any, arguments: tuple[Any, ...]) -> int:
    """Characters that the filters which multiply would make, at most; 0 for the others."""
    if name not in _MULTIPLIES:
        return 0
    texts = [len(value) for value in arguments if isinstance(value, str)]
    if name == "replace" and isinstance(left, str) and len(texts) == 2:
        return len(left) + left.count(arguments[0]) * texts[1]
    if name == "join" and isinstance(left, list | tuple | range):
        return len(left) * sum(texts) + sum(len(item) for item in left if isinstance(item, str))
    return 0


class _MeteredContext(RenderContext):
    """Adds up the work of one rendering. The library's own limit is for each nest of loops, and any number may follow."""

    __slots__ = ("_one_of", "_work", "body_chars")

    def __init__(self, template: _MeteredTemplate, **given: Any) -> None:
        super().__init__(template, **given)
        self.body_chars = 0
        self._work = 0
        self._one_of = template.one_of

    def work_on(self, amount: int) -> None:
        """Raises: ResourceLimitError: with this amount it is more than one rendering may take."""
        self._work += amount * self._one_of
        if self._work > MAX_WORK:
            raise ResourceLimitError("work limit reached; loop less, or over fewer items", token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Called where a loop begins."""
        super().raise_for_loop_limit(length)
        self.work_on(length * self.body_chars)

    def assign(self, key: str, val: Any) -> None:
        """The library looks at every name that was assigned before."""
        self.work_on(len(self.locals))
        super().assign(key, val)

    def get_size_of_locals(self) -> int:
        return super().get_size_of_locals() * self._one_of


class _MeteredTemplate(BoundTemplate):
    """
    Attributes:
        one_of: into how many a template was cut of which this is a part; each may take an equal share of what one may.
    """

    context_class = _MeteredContext
    one_of = 1

    def make_globals(self, render_args: Mapping[str, object]) -> Mapping[str, object]:
        """What it is given, and nothing else: a prompt is looked up in fewer places."""
        return render_args


class _MeteredLoop(ForNode):
    """Tells, before each of its beginnings, how long its body is."""

    __slots__ = ("_chars",)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._chars = len(str(self))

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, _MeteredContext)
        context.body_chars = self._chars
        return super().render_to_output(context, buffer)


class _MeteredFor(ForTag):
    node_class = _MeteredLoop


class _PromptEnvironment(Environment):
    """The limits keep the rendering of one prompt within a second and some kilobytes, whatever its text."""

    template_class = _MeteredTemplate
    context_depth_limit = 20
    loop_iteration_limit = MAX_ITEMS
    local_namespace_limit = 200_000
    output_stream_limit = MAX_TEXT_CHARS  # counts UTF-8 bytes; the character limit is checked apart

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, strict_filters=True)
        self.add_tag(_MeteredFor)
        self.filters = {name: _guarded(name, apply) for name, apply in self.filters.items()}


ENVIRONMENT = _PromptEnvironment()


def cut_out(parts: Sequence[Node], *, one_of: int) -> BoundTemplate:
    """Some parts of a template as a template of its own; see `_MeteredTemplate`."""
    template = _MeteredTemplate(ENVIRONMENT, list(parts))
    template.one_of = one_of
    return template
