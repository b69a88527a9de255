"""Twins that a plan can see: tasks of one batch that ask for exactly the same picture.

Two kinds are found: rows whose prompts and references come out the same, and variants on axes that nothing of a
template reads. What only shows later (two names for the same bytes, two texts that happen to agree in some variants)
is found when the pictures are made, so there may be more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

from schemas.combining import Combined
from schemas.expansion import Expansion
from schemas.manifest import Manifest
from schemas.plan import PlanDuplicates, PlanTwin
from schemas.template import parsed
from schemas.upscaling import original_size

MAX_KEPT = 500_000
"""Rows times templates that are remembered, some 100 bytes each; twins of later ones are not seen."""

MAX_TOLD = 20


@dataclass
class TwinFinder:
    """Is shown rows one after another."""

    manifest: Manifest
    _noted: dict[str, bytes] = field(default_factory=dict)
    _seen: dict[bytes, int] = field(default_factory=dict)
    _again: dict[str, int] = field(default_factory=dict)
    _told: list[PlanTwin] = field(default_factory=list)

    def note(self, template: str, digest: bytes) -> None:
        """A digest of what came out of the texts of a template in the present row."""
        self._noted[template] = digest

    def end_row(self, row: int) -> None:
        """
        Args:
            row: place of the present row in its source, to be told.
        """
        for name, chain in self._chains.items():
            key = _digest(b"".join(self._noted[one] + self._settings[one] for one in chain))
            twin = self._seen.get(key)
            if twin is None:
                if len(self._seen) < MAX_KEPT:
                    self._seen[key] = row
                continue
            self._again[name] = self._again.get(name, 0) + 1
            if len(self._told) < MAX_TOLD:
                self._told.append(PlanTwin(template=name, row=row, same_as_row=twin))

    def found(self, expansion: Expansion) -> PlanDuplicates:
        """How many tasks are twins of others; a sample is not looked at."""
        blocks = () if self.manifest.sample else expansion.grid.blocks
        by_template, axes, anew = {}, {}, 0
        for block in blocks:
            rows = expansion.rows - self._again.get(block.template, 0)
            read = expansion.grid.variants.read_by(self._reads(block.template))
            different = _different(expansion.grid.variants, read)
            twins = block.count - rows * different * len(block.sizes) * block.samples
            if twins:
                by_template[block.template] = twins
            if idle := self._idle(expansion.grid.variants, read, different):
                axes[block.template] = idle
            anew += (block.count - twins) * len(self.shared_sizes[block.template]) // len(block.sizes)
        return PlanDuplicates(
            total=sum(by_template.values()),
            by_template=by_template,
            rows=tuple(self._told) if blocks else (),
            axes=axes,
            finished_anew=anew,
        )

    @cached_property
    def shared_sizes(self) -> dict[str, frozenset[str]]:
        """By template: sizes for which the same is asked as for an earlier one. One call serves for both."""
        found = {}
        for name in self.manifest.templates:
            sizes = self.manifest.sizes_of(name)
            asked = [self._asked_for(name, size) for size in sizes]
            found[name] = frozenset(size for place, size in enumerate(sizes) if asked[place] in asked[:place])
        return found

    def _asked_for(self, name: str, size: str) -> tuple[str, ...]:
        """What decides the pixels of a picture, and of those that it is made from."""
        reads = {path.split(".")[0] for text in _texts(self.manifest, name) for path in parsed(text).reads}
        own = size if "size" in reads else generated_size(self.manifest, name, size)
        parent = self.manifest.templates[name].parent
        if parent is None:
            return (own,)
        sizes = self.manifest.sizes_of(parent)
        return (own, *self._asked_for(parent, size if size in sizes else sizes[0]))

    def _idle(self, variants: Combined, read: tuple[str, ...], different: int) -> tuple[str, ...]:
        """The axes on which pictures differ in nothing; not those that the read ones decide, as they go side by side.

        Args:
            different: combinations that differ on the axes that are read.
        """
        names = tuple(self.manifest.variants)
        others = ((name, tuple(one for one in names if one in (*read, name))) for name in names)
        return tuple(name for name, more in others if more != read and _different(variants, more) > different)

    def _reads(self, template: str) -> list[str]:
        return [
            path
            for name in self._chains[template]
            for text in _texts(self.manifest, name)
            for path in parsed(text).reads
        ]

    @cached_property
    def _chains(self) -> dict[str, list[str]]:
        """Each template with those that it is made from."""
        found = {}
        for name in self.manifest.templates:
            chain, parent = [name], self.manifest.templates[name].parent
            while parent is not None:
                chain.append(parent)
                parent = self.manifest.templates[parent].parent
            found[name] = chain
        return found

    @cached_property
    def _settings(self) -> dict[str, bytes]:
        """What decides the pictures of a template beside its texts."""
        apart = {"prompt", "parts", "references", "mask", "parent", "image", "sizes", "samples"}
        found = {}
        for name, template in self.manifest.templates.items():
            facts = (
                template.model_dump(exclude=apart),
                self.manifest.image_of(name).model_dump(exclude={"lane"}),
                self.manifest.sizes_of(name),
                self.manifest.samples_of(name),
                len(self.manifest.references_of(name)),
                template.mask is None,
            )
            found[name] = _digest(str(facts).encode())
        return found


def _different(variants: Combined, axes: tuple[str, ...]) -> int:
    """How many combinations differ in something on these axes."""
    return sum(1 for _ in variants.projected(axes))


def generated_size(manifest: Manifest, template: str, size: str) -> str:
    """The pixels that are asked for, or `auto`."""
    found = original_size(manifest, template, size)
    return "auto" if found is None else str(found)


def _texts(manifest: Manifest, name: str) -> Iterator[str]:
    template = manifest.templates[name]
    yield template.text
    for _, text in manifest.references_of(name):
        yield text
    if template.mask is not None:
        yield template.mask


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()
