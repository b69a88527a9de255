"""Checking rows: every text that will be needed is rendered once, so that no paid call meets a broken one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any
from unicodedata import normalize

import orjson

from schemas.asset import safe_key
from schemas.catalog import EMPTY_ROW, Row
from schemas.errors import Problem
from schemas.expansion import Cell
from schemas.manifest import Manifest
from schemas.picture import is_folder
from schemas.rendering import row_fields, row_values
from schemas.template import MAX_PROMPT_CHARS, TemplateError, parsed
from schemas.wording import nearest
from workers.catalogs.columns import snake
from workers.planning.files.finder import Masked, NeededFile
from workers.planning.filler import Filler
from workers.planning.linter import PromptLinter
from workers.planning.mistakes import Mistake, Mistakes, shortened
from workers.planning.twins import TwinFinder

PROMPTS_OF_A_TEMPLATE, SHOWN_PROMPTS = 3, 12
"""How many of the first prompts a plan shows; rows come one after the other, so each template has its turn."""

KEY = "/output/key"
_KEY_START = "{{ row.key }}/"
_ALIKE = "capitals and accents count as the same"
_CELL_NAMES = frozenset({"template", "variant_key", "size", "sample"})


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
        refusal_of: why a picture's address is not fetched from; None where it may be tried.
        mapping: canonical field -> source columns, so that a message names the producer's own column.
            Known once the catalog is open.
        rows: how many there will be; to be known before the first of them is checked.
    Attributes:
        tallies: by template.
        prompts: of the first templates, the first one rendered, to be shown.
        mistakes: of all rows so far.
    """

    manifest: Manifest
    refusal_of: Callable[[str], str | None]
    mapping: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    tallies: dict[str, PromptTally] = field(default_factory=dict)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    mistakes: Mistakes = field(default_factory=Mistakes)
    _keys: set[int] = field(default_factory=set)
    _longest: str | None = None

    def unknown_fields(self, attrs: Mapping[str, Any]) -> Iterator[Problem]:
        """Fields of a row that a template reads and no row has."""
        known = row_fields(attrs) if self.manifest.catalog else frozenset({"key", "number"})
        for pointer, text in self._texts():
            for name in sorted(_names_of_row(parsed(text).needs) - known):
                near = nearest(name, known)
                hint = f"; did you mean row.{near}?" if near else ""
                lack = "no row has" if self.manifest.catalog else "there is no catalog, so no row has"
                yield Problem(pointer, "unknown_field", f"{lack} a field or column '{name}'{hint}")

    @cached_property
    def linter(self) -> PromptLinter:
        """What the prompts give reason to advise."""
        return PromptLinter(self.manifest, self.rows)

    @cached_property
    def twins(self) -> TwinFinder:
        """Tasks that ask for the same picture as others."""
        return TwinFinder(self.manifest)

    @cached_property
    def _filler(self) -> Filler:
        return Filler(self.manifest)

    @cached_property
    def fields_read(self) -> frozenset[str]:
        """The fields of a row that any text reads by name; `*` when one reads a row as a whole."""
        return frozenset().union(*(_fields_read(text) for _, text in self._texts()))

    def filled(self, attrs: Mapping[str, None]) -> dict[str, None]:
        """Of the columns that some row has, those that every row is given, because a text reads them."""
        read = self.fields_read
        return dict(attrs) if read & {"attrs", "*"} else {name: None for name in attrs if name in read}

    def check(self, row: Row) -> list[NeededFile]:
        """The files that a row needs; its mistakes are noted."""
        return self._noted(self._check(row, row_values(row, self.fields_read)))

    def needed_by_all(self) -> list[NeededFile]:
        """The files that are needed whatever the rows are; mistakes in the texts that name them are noted."""
        return self._noted(
            found
            for name in self.manifest.templates
            for pointer, text in self._pictures(name)
            if not _fields_read(text)
            for found in self._check_picture(name, pointer, text, EMPTY_ROW, {})
        )

    def _noted(self, found: Iterable[Mistake | NeededFile]) -> list[NeededFile]:
        needed = list[NeededFile]()
        for each in found:
            if isinstance(each, NeededFile):
                needed.append(each)
            else:
                self.mistakes.note(each)
        return needed

    def _check(self, row: Row, values: Mapping[str, Any]) -> Iterator[Mistake | NeededFile]:
        self.linter.next_row()
        self._filler.next_row()
        for template in self.manifest.templates:
            made = blake2b(digest_size=8)
            yield from self._check_prompts(template, row, values, made.update)
            for pointer, text in self._pictures(template):
                yield from self._check_picture(template, pointer, text, row, values, made.update)
            self.twins.note(template, made.digest())
        self.twins.end_row(row.number)
        yield from self._check_keys(row, values)

    def _texts(self) -> Iterator[tuple[str, str]]:
        for name, template in self.manifest.templates.items():
            for piece, text in template.pieces.items():
                yield f"/templates/{name}/{piece}", text
            yield from self._pictures(name)
        yield KEY, self.manifest.output.key

    def _pictures(self, name: str) -> Iterator[tuple[str, str]]:
        yield from self.manifest.references_of(name)
        if (mask := self.manifest.templates[name].mask) is not None:
            yield f"/templates/{name}/mask", mask

    def _check_prompts(
        self, name: str, row: Row, values: Mapping[str, Any], note: Callable[[bytes], object]
    ) -> Iterator[Mistake]:
        template = self.manifest.templates[name]
        if template.upscale is not None:
            return
        pointer = f"/templates/{name}/{template.pointer}"
        tally = self.tallies.setdefault(name, PromptTally())
        for cell in self._filler.cells(name, parsed(template.text).reads):
            try:
                text = self._filler.filled(template.text, cell, values)
            except TemplateError as error:
                yield self._unfilled(row, error, pointer)
                return
            if not text:
                yield self._mistake(row, pointer, "bad_prompt", f"the prompt of '{name}' is empty")
                return
            if len(text) > MAX_PROMPT_CHARS:
                detail = f"the prompt of '{name}' is {len(text):,} characters long; at most {MAX_PROMPT_CHARS:,} fit"
                yield self._mistake(row, pointer, "bad_prompt", detail, kind="long")
                return
            if tally.count < PROMPTS_OF_A_TEMPLATE and len(self.prompts) < SHOWN_PROMPTS:
                key = row.key if self.manifest.catalog else None
                self.prompts.append(
                    {"template": name, "row_key": key, "variant": cell.variant_key, "prompt": text}
                )
            content = text.encode()
            tally.add(len(content))
            note(content + b"\0")
            self.linter.look(name, row.number, text)

    def _check_picture(
        self,
        name: str,
        pointer: str,
        text: str,
        row: Row,
        values: Mapping[str, Any],
        note: Callable[[bytes], object] = bool,
    ) -> Iterator[Mistake | NeededFile]:
        """Of one text that names a picture."""
        masked = self._masked_by(name, pointer)
        reads = tuple(dict.fromkeys((*parsed(text).reads, *(parsed(masked).reads if masked else ()))))
        for cell in self._filler.cells(name, reads):
            try:
                found = self._filler.filled(text, cell, values)
            except TemplateError as error:
                yield self._unfilled(row, error, pointer)
                return
            note(found.encode() + b"\0")
            if refusal := self._refusal_of(found, pointer):
                yield self._refused(row, pointer, text, found, refusal)
            elif "://" not in found or is_folder(found):
                place = self._blamed(row, text, pointer)
                first = self._masked(masked, cell, row, values) if masked else None
                yield NeededFile(found, place.pointer, place.row, name, pointer, first)

    def _masked(self, text: str, cell: Cell, row: Row, values: Mapping[str, Any]) -> Masked | None:
        """The picture that a mask is for; None where its text cannot be filled in, which is said of that text."""
        try:
            name = self._filler.filled(text, cell, values)
        except TemplateError:
            return None
        return Masked(name, self._blamed(row, text, "").row)

    def _masked_by(self, name: str, pointer: str) -> str | None:
        """The text of the first picture of a template, where the text at `pointer` is its mask and no parent comes first."""
        references = self.manifest.references_of(name)
        if not pointer.endswith("/mask") or not references or self.manifest.templates[name].parent:
            return None
        return references[0][1]

    def _refusal_of(self, found: str, pointer: str) -> str | None:
        """Why this is no picture that can be had, as far as its name says."""
        if not found:
            return "it names no picture"
        if is_folder(found) and pointer.endswith("/mask"):
            return "a mask is one picture, not a folder"
        return self.refusal_of(found) if "://" in found else None

    def _check_keys(self, row: Row, values: Mapping[str, Any]) -> Iterator[Mistake]:
        """Two pictures must not be stored under one key."""
        if self._longest is None:
            texts = self._filled_in(self.manifest.output.key, values)
        else:
            texts = iter((f"{row.key}/{self._longest}",))
        try:
            for key in map(safe_key, texts):
                digest = int.from_bytes(
                    blake2b(_as_a_disk_has_it(key).encode(), digest_size=8).digest(), "big"
                )
                if digest in self._keys:
                    detail = f"another picture is already stored as '{key}' ({_ALIKE}); make output.key tell them apart"
                    yield self._mistake(row, KEY, "key_collision", detail, kind="")
                    return
                self._keys.add(digest)
        except TemplateError as error:
            yield self._unfilled(row, error, KEY)
            return
        except ValueError as error:
            yield self._mistake(row, KEY, "bad_key", str(error))
            return
        if self._longest is None and self._name_text is not None:
            self._longest = max(self._filled_in(self._name_text, values), key=lambda name: len(name.encode()))

    def _filled_in(self, text: str, values: Mapping[str, Any]) -> Iterator[str]:
        """A text of the key, for every cell of a row."""
        for template in self.manifest.templates:
            for cell in self._filler.cells(template, ("variant", "size", "sample")):
                yield self._filler.filled(text, cell, values)

    @cached_property
    def _name_text(self) -> str | None:
        """The end of the key's text, where the beginning is the row's key as a folder, and the row decides nothing else."""
        text = self.manifest.output.key
        name = text.removeprefix(_KEY_START)
        is_alone = "/" not in name and "row" not in name and set(parsed(name).reads) <= _CELL_NAMES
        return name if text != name and is_alone else None

    def _mistake(
        self,
        row: Row,
        pointer: str,
        code: str,
        detail: str,
        *,
        column: str | None = None,
        kind: str | None = None,
    ) -> Mistake:
        """At the row, if there are any; else at the text.

        Args:
            kind: what it is, where `detail` says more than mistakes of other rows have in common.
        """
        problem = Problem.at_row(row.number, code, detail, column=column)
        if not self.manifest.catalog:
            problem = Problem(pointer, code, detail)
        return Mistake(problem, (pointer, code, detail if kind is None else kind))

    def _blamed(self, row: Row, text: str, pointer: str) -> Problem:
        """The place of the row where it has a part in a text, else that of the text."""
        has_part = self.manifest.catalog and _fields_read(text)
        return Problem.at_row(row.number, "", "") if has_part else Problem(pointer, "", "")

    def _unfilled(self, row: Row, error: TemplateError, pointer: str) -> Mistake:
        """A mistake of the text; or of the row and the producer's own column, where the complaint names its field."""
        if not error.field:
            return self._mistake(row, pointer, "bad_row", f"{pointer}: {error}")
        if not error.field.startswith("row."):
            detail = f"{error}; guard it with {{% if %}} or `default`"
            return Mistake(Problem(pointer, "empty_field", detail), (pointer, detail))
        column = self._column_of(row, error.field.removeprefix("row.").split("[")[0].split(".")[0])
        detail = f"{error}, and {pointer} needs it; fill it in, or guard it with {{% if %}} or `default`"
        return self._mistake(row, pointer, "empty_field", detail, column=column)

    def _column_of(self, row: Row, name: str) -> str:
        """The column to fill in for a field that is empty: of several the first that is empty in this row."""
        columns = [*self.mapping.get(name, ()), *(own for own in row.raw if snake(own) == name)]
        empty = next((column for column in columns if not row.raw.get(column)), None)
        return empty or (columns[0] if len(columns) == 1 else name)

    def _refused(self, row: Row, pointer: str, text: str, found: str, refusal: str) -> Mistake:
        """A name that no picture can be had by, in the cell that it comes from, where one holds it as it is."""
        place = self._blamed(row, text, pointer)
        if place.row is None:
            return Mistake(replace(place, code="bad_reference", detail=refusal), (pointer, refusal))
        column = next((own for own, cell in row.raw.items() if isinstance(cell, str) and found in cell), None)
        shown = f" names '{shortened(found)}'" if "://" in found else ""
        where = f" (column '{column}')" if column and shown else ""
        detail = f"{pointer}{shown}{where}: {refusal}"
        return self._mistake(
            row, pointer, "bad_reference", detail, column=column if shown else None, kind=refusal
        )


def row_of(line: bytes, filled: Mapping[str, None]) -> Row:
    """A row as workers will read it.

    Args:
        line: as the first pass wrote it.
        filled: see `RowChecker.filled`.
    """
    fields = orjson.loads(line)
    return Row(**{**fields, "attrs": {**filled, **fields["attrs"]}})


def _as_a_disk_has_it(key: str) -> str:
    """One text for all keys that are one file on macOS or Windows: neither case nor how an accent is put counts there."""
    return key.lower() if key.isascii() else normalize("NFC", normalize("NFC", key).casefold())


@lru_cache(maxsize=1024)
def _fields_read(text: str) -> frozenset[str]:
    """Names of row fields that a text may read; `*` where it reads the row as a whole."""
    reads = parsed(text).reads
    return _names_of_row(reads) | ({"*"} if "row" in reads else frozenset())


def _names_of_row(paths: Iterable[str]) -> frozenset[str]:
    parts = [path.split(".") for path in paths]
    return frozenset(part[1] for part in parts if part[0] == "row" and len(part) > 1)
