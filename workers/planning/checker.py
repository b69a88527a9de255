"""Checking rows: every text that will be needed is rendered once, so that no paid call meets a broken one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import blake2b
from itertools import product
from typing import Any

from schemas.catalog import Row
from schemas.errors import Problem, escaped
from schemas.expansion import Cell
from schemas.manifest import Manifest
from schemas.template import MAX_PROMPT_CHARS, TemplateError, parsed
from workers.catalogs.columns import snake
from workers.rendering import cell_values, output_key, row_fields, row_values

SHOWN_PROMPTS = 3
_KEPT_CELLS = 4096
_WEB = ("https://", "http://")
_KEY_START = "{{ row.key }}/"
_CELL_NAMES = frozenset({"template", "variant_key", "size", "sample"})


@dataclass(frozen=True, slots=True)
class NeededFile:
    """An uploaded file that has to be there; `pointer` is the place to blame when it is not."""

    name: str
    pointer: str


@dataclass(slots=True)
class PromptTally:
    """Lengths of a template's rendered prompts, in UTF-8 bytes."""

    count: int = 0
    total_bytes: int = 0
    longest_bytes: int = 0

    @property
    def mean_bytes(self) -> int:
        return -(-self.total_bytes // max(self.count, 1))

    def add(self, size_bytes: int) -> None:
        self.count += 1
        self.total_bytes += size_bytes
        self.longest_bytes = max(self.longest_bytes, size_bytes)


@dataclass
class RowChecker:
    """Checks rows one after another.

    Args:
        mapping: canonical field -> source columns, so that a message names the producer's own column.
    Attributes:
        tallies: by template.
        prompts: of the first templates, the first one rendered, to be shown.
    """

    manifest: Manifest
    mapping: Mapping[str, Any]
    tallies: dict[str, PromptTally] = field(default_factory=dict)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    _keys: set[int] = field(default_factory=set)
    _longest: Cell | None = None
    _fixed: dict[Cell, dict[str, Any]] = field(default_factory=dict)
    _said: set[Problem] = field(default_factory=set)

    def unknown_fields(self, attrs: Mapping[str, Any]) -> Iterator[Problem]:
        """Fields of a row that a template reads and no row has."""
        known = row_fields(attrs) if self.manifest.catalog else frozenset({"key", "number"})
        for pointer, text in self._texts():
            for name in sorted(_fields_read(text) - known):
                close = get_close_matches(name, known, n=1)
                hint = f"; did you mean row.{close[0]}?" if close else ""
                lack = "no row has" if self.manifest.catalog else "there is no catalog, so no row has"
                yield Problem(pointer, "unknown_field", f"{lack} a field or column '{name}'{hint}")

    @cached_property
    def fields_read(self) -> frozenset[str]:
        """The fields of a row that any text reads by name; `*` when one reads a row as a whole."""
        return frozenset().union(*(_fields_read(text, whole=True) for _, text in self._texts()))

    def check(self, row: Row) -> Iterator[Problem | NeededFile]:
        """Problems of one row, and the uploaded files it needs. What no row can mend is said once."""
        for found in self._check(row, row_values(row)):
            if isinstance(found, Problem):
                if found in self._said:
                    continue
                if not found.pointer.startswith("/catalog/rows/"):
                    self._said.add(found)
            yield found

    def _check(self, row: Row, values: Mapping[str, Any]) -> Iterator[Problem | NeededFile]:
        for template in self.manifest.templates:
            yield from self._check_prompts(template, row, values)
            yield from self._check_files(template, row, values)
        yield from self._check_keys(row, values)

    def _texts(self) -> Iterator[tuple[str, str]]:
        for name, template in self.manifest.templates.items():
            yield f"/templates/{name}/prompt", template.prompt
            yield from self._pictures(name)
        yield "/output/key", self.manifest.output.key

    def _pictures(self, name: str) -> Iterator[tuple[str, str]]:
        template = self.manifest.templates[name]
        for place, reference in enumerate(template.references):
            yield f"/templates/{name}/references/{place}", reference
        if template.mask is not None:
            yield f"/templates/{name}/mask", template.mask

    def _cells(self, template: str, reads: tuple[str, ...]) -> Iterator[Cell]:
        """One cell for each different rendering: only what the text reads is varied."""
        roots = {path.split(".")[0] for path in reads}
        axes = [tuple(choices) for choices in self.manifest.variants.values()]
        if "variant_key" not in roots and "variant" not in reads:
            axes = [
                choices if any(f"{path}.".startswith(f"variant.{axis}.") for path in reads) else choices[:1]
                for axis, choices in zip(self.manifest.variants, axes, strict=True)
            ]
        sizes = self.manifest.sizes_of(template)
        samples = range(1, self.manifest.samples + 1)
        yield from (
            Cell(-1, template, 0, variant, size, sample)
            for variant, size, sample in product(
                product(*axes),
                sizes if "size" in roots else sizes[:1],
                samples if "sample" in roots else samples[:1],
            )
        )

    def _values(self, cell: Cell, row: Mapping[str, Any]) -> dict[str, Any]:
        fixed = self._fixed.get(cell)
        if fixed is None:
            fixed = cell_values(self.manifest, cell, {})
            if len(self._fixed) < _KEPT_CELLS:
                self._fixed[cell] = fixed
        return {**fixed, "row": row}

    def _check_prompts(self, name: str, row: Row, values: Mapping[str, Any]) -> Iterator[Problem]:
        prompt, pointer = parsed(self.manifest.templates[name].prompt), f"/templates/{name}/prompt"
        tally = self.tallies.setdefault(name, PromptTally())
        for cell in self._cells(name, prompt.reads):
            try:
                text = prompt.render(self._values(cell, values))
            except TemplateError as error:
                yield self._row_problem(row, error, pointer)
                return
            if not text or len(text) > MAX_PROMPT_CHARS:
                length = f"{len(text):,} characters long; at most {MAX_PROMPT_CHARS:,} fit"
                yield self._at(row, "bad_prompt", f"the prompt of '{name}' is {length if text else 'empty'}")
                return
            if tally.count == 0 and len(self.prompts) < SHOWN_PROMPTS:
                shown = {"template": name, "row_key": row.key, "variant": cell.variant_key, "prompt": text}
                self.prompts.append(shown)
            tally.add(len(text.encode()))

    def _check_files(self, name: str, row: Row, values: Mapping[str, Any]) -> Iterator[Problem | NeededFile]:
        for pointer, text in self._pictures(name):
            source = parsed(text)
            blamed = f"/catalog/rows/{row.number}" if _fields_read(text, whole=True) else pointer
            for cell in self._cells(name, source.reads):
                try:
                    found = source.render(self._values(cell, values))
                except TemplateError as error:
                    yield self._row_problem(row, error, pointer)
                    break
                if not found:
                    yield Problem(blamed, "bad_reference", f"{pointer} names no picture")
                elif found.startswith(_WEB):
                    continue
                elif "://" in found:
                    detail = f"{pointer}: a picture is an uploaded file or an https:// address"
                    yield Problem(blamed, "bad_reference", detail)
                else:
                    yield NeededFile(found, blamed)

    def _check_keys(self, row: Row, values: Mapping[str, Any]) -> Iterator[Problem]:
        """Two pictures must not be stored under one key."""
        for cell in self._key_cells():
            try:
                key = output_key(self.manifest, self._values(cell, values))
            except TemplateError as error:
                yield self._row_problem(row, error, "/output/key")
                return
            except ValueError as error:
                yield self._at(row, "bad_key", str(error))
                return
            digest = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
            if digest in self._keys:
                detail = f"another picture is already stored as '{key}'; make output.key tell them apart"
                yield self._at(row, "key_collision", detail)
                return
            self._keys.add(digest)
        self._longest = self._longest or self._longest_cell()

    def _key_cells(self) -> Iterator[Cell]:
        """Every cell of a row; where the row decides the folder alone, one is enough after the first row."""
        if self._longest is not None and self._is_by_row:
            yield self._longest
            return
        for template in self.manifest.templates:
            yield from self._cells(template, ("variant", "size", "sample"))

    def _longest_cell(self) -> Cell:
        """The cell with the longest name, to which a long row key is added first."""
        return max(self._key_cells(), key=lambda cell: len(f"{cell.template}{cell.variant_key}{cell.size}"))

    @cached_property
    def _is_by_row(self) -> bool:
        """Whether the key is the row's key as a folder and one name below it that does not look at the row."""
        text = self.manifest.output.key
        name = text.removeprefix(_KEY_START)
        reads = set(parsed(text).reads) - {"row.key"}
        return text != name and "/" not in name and "row" not in name and reads <= _CELL_NAMES

    def _at(self, row: Row, code: str, detail: str) -> Problem:
        return Problem(f"/catalog/rows/{row.number}", code, detail)

    def _row_problem(self, row: Row, error: TemplateError, pointer: str) -> Problem:
        """A problem at the row and the producer's own column, where the template's complaint names a field."""
        if error.field and not error.field.startswith("row."):
            return Problem(pointer, "empty_field", f"{error}; guard it with {{% if %}} or `default`")
        if not error.field:
            return self._at(row, "bad_row", f"{pointer}: {error}")
        name = error.field.removeprefix("row.").split("[")[0].split(".")[0]
        column = next(iter(self.mapping.get(name, ())), None)
        column = column or next((own for own in row.raw if snake(own) == name), name)
        detail = f"{error}, and {pointer} needs it; fill it in, or guard it with {{% if %}} or `default`"
        return Problem(f"/catalog/rows/{row.number}/{escaped(column)}", "empty_field", detail)


def _fields_read(text: str, *, whole: bool = False) -> frozenset[str]:
    """Names of row fields that a text reads; with `whole`, `*` where it reads the row as a whole."""
    paths = [path.split(".") for path in parsed(text).reads]
    names = {path[1] for path in paths if path[0] == "row" and len(path) > 1}
    return frozenset(names | ({"*"} if whole and ["row"] in paths else set()))
