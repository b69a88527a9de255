"""A mapping: where each canonical field of a row comes from, for catalogs that no dialect fits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal

from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathQuery
from jsonpath_rfc9535.exceptions import JSONPathError
from jsonpath_rfc9535.filter_expressions import FilterQuery, RelativeFilterQuery
from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment, JSONPathSegment
from jsonpath_rfc9535.selectors import FilterSelector, NameSelector
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

MAX_PATH_CHARS = 500

CanonicalField = Literal[
    "product_id",
    "sku",
    "parent_id",
    "title",
    "description",
    "brand",
    "product_type",
    "category_path",
    "color",
    "size",
    "material",
    "gtin",
    "price",
    "url",
    "image_urls",
    "locale",
]


class _PathEnvironment(JSONPathEnvironment):
    """JSONPath (RFC 9535) without regular expressions: one of those can take for ever on a hostile text."""

    max_recursion_depth = 20

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        del self.function_extensions["match"], self.function_extensions["search"]


_ENVIRONMENT = _PathEnvironment()


@lru_cache(maxsize=1024)
def parsed_path(text: str) -> JSONPathQuery:
    """The parsed JSONPath of a text.

    Raises:
        ValueError: it is none.
    """
    try:
        path = _ENVIRONMENT.compile(text)
    except (JSONPathError, RecursionError) as error:
        detail = str(error).splitlines()[0] if str(error) else "nested too deeply"
        raise ValueError(f"not a JSONPath such as $.values.name[0].data: {detail}") from error
    if refusal := _refusal_of(path):
        raise ValueError(f"a path that could take for ever: {refusal}")
    return path


def _refusal_of(path: JSONPathQuery) -> str | None:
    """Why a path may look at some part of a row more often than once for each level it is nested."""
    descents = [part for part in path.segments if isinstance(part, JSONPathRecursiveDescentSegment)]
    if len(descents) > 1:
        return "`..` stands in it more than once"
    if any(_may_repeat(part) for part in path.segments):
        return "brackets hold one selector, or several different names"
    filters = [one for part in path.segments for one in part.selectors if isinstance(one, FilterSelector)]
    for query in (query for each in filters for query in _queries_in(each.expression)):
        if not isinstance(query, RelativeFilterQuery) or not query.query.singular_query():
            return "a filter asks for single values below `@`, such as [?@.locale == 'en_US']"
    return None


def _may_repeat(part: JSONPathSegment) -> bool:
    names = [selector.name for selector in part.selectors if isinstance(selector, NameSelector)]
    return len(part.selectors) > 1 and len(set(names)) != len(part.selectors)


def _queries_in(expression: Any) -> Iterator[FilterQuery]:
    if isinstance(expression, FilterQuery):
        yield expression
    for name in ("expression", "left", "right"):
        if (inner := getattr(expression, name, None)) is not None:
            yield from _queries_in(inner)
    for argument in getattr(expression, "args", ()):
        yield from _queries_in(argument)


def _path(text: str) -> str:
    parsed_path(text)
    return text


def _columns(value: Any) -> Any:
    return (
        {"columns": [value]}
        if isinstance(value, str)
        else {"columns": value}
        if isinstance(value, list)
        else value
    )


ColumnName = Annotated[str, Field(min_length=1, max_length=200, title="column")]


class FieldSource(BaseModel):
    """Where one field comes from: the best column that is not blank (of images: all), a path into the row, or a value.

    A text stands for one column, a list for several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: tuple[ColumnName, ...] | None = Field(
        None,
        min_length=1,
        max_length=50,
        description="The first of these columns that is not blank; of images all of them. A list alone says the same.",
    )
    path: Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARS), AfterValidator(_path)] | None = (
        Field(
            None,
            title="JSONPath",
            description="A path into the row, without the functions `match` and `search`.",
        )
    )
    value: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description="The same for every row."
    )

    @model_validator(mode="after")
    def _one_source(self) -> FieldSource:
        if sum(given is not None for given in (self.columns, self.path, self.value)) != 1:
            raise ValueError(
                "a field comes from one of: a column, a list of columns, {path: ...}, {value: ...}"
            )
        return self

    @property
    def shown(self) -> tuple[str, ...]:
        """For a person who reads the plan."""
        return self.columns or ((self.path,) if self.path else (f"= {self.value}",))


_Given = BeforeValidator(_columns, json_schema_input_type=ColumnName | list[ColumnName] | FieldSource)

Mapping = Annotated[
    dict[CanonicalField, Annotated[FieldSource, _Given]], Field(min_length=1, title="sources by field")
]
"""Canonical field -> its source; fields that are not named are found as without a mapping."""

_FileName = Annotated[str, Field(min_length=1, max_length=1000, title="name of a file")]

MappingOrFile = Annotated[
    Annotated[Mapping, Tag("fields")] | Annotated[_FileName, Tag("file")],
    Discriminator(lambda value: "file" if isinstance(value, str) else "fields"),
]
"""A mapping, or the name of the uploaded file that holds one."""
