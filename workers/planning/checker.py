"""Checking rows: every text that will be needed is rendered once, so that no paid call meets a broken one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import blake2b
from itertools import product
from typing import Any

from schemas.catalog import Row
from schemas.errors import Problem
from schemas.expansion import Cell, Expansion
from schemas.manifest import Manifest, Output
from schemas.template import MAX_PROMPT_CHARS, TemplateError, parsed
from workers.rendering import cell_values, output_key, row_fields, row_values

_URL = ("https://", "http://")


@dataclass(slots=True)
class PromptTally:
    """Lengths of a template's rendered prompts, in UTF-8 bytes."""

    count: int = 0
    total_bytes: int = 0
    longest_bytes: int = 0

    @property
    def mean_bytes(self) -> int:
        return -(-self.total_bytes // max(self.count, 1))


@dataclass(slots=True)
class RowChecker:
    """Checks rows one after another.

    Args:
        mapping: canonical field -> source columns, so that a message names the producer's own column.
    Attributes:
        tallies: by template.
        prompts: the first few rendered ones, to be shown.
    """

    manifest: Manifest
    expansion: Expansion
    mapping: Mapping[str, Any]
    tallies: dict[str, PromptTally] = field(default_factory=dict)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    _keys: set[int] = field(default_factory=set)

    def unknown_fields(self, attrs: Mapping[str, Any]) -> Iterator[Problem]:
        """Fields of a row that a template reads and no row has."""
        known = row_fields(attrs)
        for pointer, text in self._texts():
            for path in parsed(text).reads:
                name = path.split(".")[1] if path.startswith("row.") else None
                if name is not None and name not in known:
                    close = get_close_matches(name, known, n=1)
                    hint = f"; did you mean row.{close[0]}?" if close else ""
                    yield Problem(pointer, "unknown_field", f"no row has a field or column '{name}'{hint}")

    def check(self, row: Row) -> Iterator[Problem | str]:
        """Problems of one row, and the names of the uploaded files it needs."""
        values = row_values(row)
        for template in self.manifest.templates:
            yield from self._check_prompts(template, row, values)
            yield from self._check_files(template, row, values)
        yield from self._check_keys(row, values)

    def _texts(self) -> Iterator[tuple[str, str]]:
        for name, template in self.manifest.templates.items():
            yield f"/templates/{name}/prompt", template.prompt
            for place, reference in enumerate(template.references):
                yield f"/templates/{name}/references/{place}", reference
            if template.mask:
                yield f"/templates/{name}/mask", template.mask
        yield "/output/key", self.manifest.output.key

    def _cells(self, template: str, reads: tuple[str, ...]) -> Iterator[Cell]:
        """One cell for each different rendering: only what the text reads is varied."""
        roots = {path.split(".")[0] for path in reads}
        variants = (
            self.expansion.variants if roots & {"variant", "variant_key"} else self.expansion.variants[:1]
        )
        sizes = self.manifest.sizes_of(template) if "size" in roots else self.manifest.sizes_of(template)[:1]
        samples = range(1, self.manifest.samples + 1) if "sample" in roots else (1,)
        for variant, size, sample in product(variants, sizes, samples):
            yield Cell(-1, template, 0, variant, size, sample)

    def _check_prompts(self, name: str, row: Row, values: Mapping[str, Any]) -> Iterator[Problem]:
        prompt = parsed(self.manifest.templates[name].prompt)
        tally = self.tallies.setdefault(name, PromptTally())
        for cell in self._cells(name, prompt.reads):
            try:
                text = prompt.render(cell_values(self.manifest, cell, values))
            except TemplateError as error:
                yield self._row_problem(row, error, f"/templates/{name}/prompt")
                return
            if not text or len(text) > MAX_PROMPT_CHARS:
                length = (
                    "empty"
                    if not text
                    else f"{len(text):,} characters long; at most {MAX_PROMPT_CHARS:,} fit"
                )
                yield Problem(
                    f"/catalog/rows/{row.number}", "bad_prompt", f"the prompt of '{name}' is {length}"
                )
                return
            self._count(tally, name, row, cell, text)

    def _count(self, tally: PromptTally, name: str, row: Row, cell: Cell, text: str) -> None:
        size_bytes = len(text.encode())
        tally.count += 1
        tally.total_bytes += size_bytes
        tally.longest_bytes = max(tally.longest_bytes, size_bytes)
        if len(self.prompts) < 3:
            self.prompts.append(
                {"template": name, "row_key": row.key, "variant": cell.variant_key, "prompt": text}
            )

    def _check_files(self, name: str, row: Row, values: Mapping[str, Any]) -> Iterator[Problem | str]:
        template = self.manifest.templates[name]
        for text in (*template.references, *([template.mask] if template.mask else [])):
            source = parsed(text)
            for cell in self._cells(name, source.reads):
                try:
                    found = source.render(cell_values(self.manifest, cell, values))
                except TemplateError as error:
                    yield self._row_problem(row, error, f"/templates/{name}/references")
                    break
                if not found.startswith(_URL):
                    yield found

    def _check_keys(self, row: Row, values: Mapping[str, Any]) -> Iterator[Problem]:
        """Two pictures must not be stored under one key. The default key names all that tells the pictures of a row
        apart, so there one cell per row is enough."""
        default = self.manifest.output.key == Output().key
        for template in list(self.manifest.templates)[: 1 if default else None]:
            for cell in self._cells(template, () if default else ("variant", "size", "sample")):
                try:
                    key = output_key(self.manifest, cell_values(self.manifest, cell, values))
                except TemplateError as error:
                    yield self._row_problem(row, error, "/output/key")
                    return
                except ValueError as error:
                    yield Problem(f"/catalog/rows/{row.number}", "bad_key", str(error))
                    return
                digest = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big")
                if digest in self._keys:
                    detail = f"another picture is already stored as '{key}'; make output.key tell them apart"
                    yield Problem(f"/catalog/rows/{row.number}", "key_collision", detail)
                    return
                self._keys.add(digest)

    def _row_problem(self, row: Row, error: TemplateError, pointer: str) -> Problem:
        """A problem at the row and the producer's own column, where the template's complaint names a field."""
        if not error.field or not error.field.startswith("row."):
            return Problem(f"/catalog/rows/{row.number}", "bad_row", f"{pointer}: {error}")
        canonical = error.field.removeprefix("row.").split("[")[0].split(".")[0]
        column = next(iter(self.mapping.get(canonical, ())), canonical)
        detail = f"{error}, and {pointer} needs it; fill it in, or guard it with {{% if %}} or `default`"
        return Problem(f"/catalog/rows/{row.number}/{column}", "empty_field", detail)
