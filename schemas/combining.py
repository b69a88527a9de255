"""Combinations: which choices on the axes of a manifest go together, each with its number.

Without rules it is the product of the axes and, where there are many, pure arithmetic. With rules the combinations are
listed once, which is why there may be only so many of them; finding one is a single step either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from schemas.errors import Problem
from schemas.manifest import Combinations, Manifest

MAX_LISTED = 10_000
"""Combinations that are listed, and that rules may choose from; that takes some milliseconds."""

Variant = tuple[str, ...]
"""One choice on every axis, in the order of the axes."""


class Combined:
    """The combinations of a manifest, numbered from 0: axes as written, the last one fastest."""

    def __init__(self, axes: Mapping[str, Iterable[str]], rules: Combinations) -> None:
        self.axes = tuple(map(tuple, axes.values()))
        self._names = tuple(axes)
        self._rules = rules
        self._has_rules = bool(rules.paired or rules.exclude)  # what is made already cannot be included
        self._is_listed = self._has_rules or prod(map(len, self.axes)) <= MAX_LISTED
        self._projections: dict[tuple[str, ...], tuple[Variant, ...]] = {}

    @cached_property
    def count(self) -> int:
        return len(self._listed) if self._has_rules else prod(map(len, self.axes))

    def __iter__(self) -> Iterator[Variant]:
        return iter(self._listed) if self._is_listed else product(*self.axes)

    def at(self, place: int) -> Variant:
        """The combination of this number."""
        if self._is_listed:
            return self._listed[place]
        choices = []
        for axis in reversed(self.axes):
            place, digit = divmod(place, len(axis))
            choices.append(axis[digit])
        return tuple(reversed(choices))

    def place_of(self, variant: Variant) -> int:
        """The number of a combination, the inverse of `at`."""
        if self._is_listed:
            return self._places[variant]
        place = 0
        for axis, choice in zip(self.axes, variant, strict=True):
            place = place * len(axis) + axis.index(choice)
        return place

    def read_by(self, reads: Iterable[str]) -> tuple[str, ...]:
        """The axes that a text looks at.

        Args:
            reads: dotted paths, as `PromptTemplate.reads` has them.
        """
        paths = [f"{path}." for path in reads]
        if any(path in ("variant.", "variant_key.") for path in paths):
            return self._names
        return tuple(
            name for name in self._names if any(path.startswith(f"variant.{name}.") for path in paths)
        )

    def projected(self, names: tuple[str, ...]) -> Iterable[Variant]:
        """One combination for each different choice on these axes, the first of its kind."""
        if names == self._names:
            return self
        if not self._has_rules:
            pairs = zip(self._names, self.axes, strict=True)
            return product(*(axis if name in names else axis[:1] for name, axis in pairs))
        if names not in self._projections:
            read = [place for place, name in enumerate(self._names) if name in names]
            first: dict[Variant, Variant] = {}
            for variant in self._listed:
                first.setdefault(tuple(variant[place] for place in read), variant)
            self._projections[names] = tuple(first.values())
        return self._projections[names]

    def counts(self) -> dict[str, dict[str, int]]:
        """By axis and choice: how many combinations have it."""
        found = {
            name: dict.fromkeys(axis, 0 if self._has_rules else self.count // len(axis))
            for name, axis in zip(self._names, self.axes, strict=True)
        }
        for variant in self._listed if self._has_rules else ():
            for name, choice in zip(self._names, variant, strict=True):
                found[name][choice] += 1
        return found

    @cached_property
    def _listed(self) -> tuple[Variant, ...]:
        """What is made, in the order of the product."""
        if not self._has_rules:
            return tuple(product(*self.axes))
        places = {name: place for place, name in enumerate(self._names)}
        dropped = [self._digits(rule, places) for rule in self._rules.exclude]
        kept = {found for found in self._paired(places) if not any(_has(found, rule) for rule in dropped)}
        for rule in self._rules.include:
            kept |= self._box(self._digits(rule, places))
        return tuple(
            tuple(axis[digit] for axis, digit in zip(self.axes, digits, strict=True))
            for digits in sorted(kept)
        )

    @cached_property
    def _places(self) -> dict[Variant, int]:
        return {variant: place for place, variant in enumerate(self._listed)}

    def _paired(self, places: Mapping[str, int]) -> Iterator[tuple[int, ...]]:
        """The product of the axes, those that are paired taking the same step together; as places of choices."""
        leader = {places[axis]: places[pair[0]] for pair in self._rules.paired for axis in pair}
        leaders = [place for place in range(len(self.axes)) if leader.get(place, place) == place]
        for steps in product(*(range(len(self.axes[place])) for place in leaders)):
            step_of = dict(zip(leaders, steps, strict=True))
            yield tuple(step_of[leader.get(place, place)] for place in range(len(self.axes)))

    def _digits(self, rule: Mapping[str, str], places: Mapping[str, int]) -> dict[int, int]:
        return {places[axis]: self.axes[places[axis]].index(choice) for axis, choice in rule.items()}

    def _box(self, digits: Mapping[int, int]) -> set[tuple[int, ...]]:
        """Every combination of the product that has these choices."""
        ranges = [
            (digits[place],) if place in digits else range(len(axis)) for place, axis in enumerate(self.axes)
        ]
        return set(product(*ranges))


def _has(found: Sequence[int], rule: Mapping[int, int]) -> bool:
    return all(found[place] == digit for place, digit in rule.items())


def combination_problems(manifest: Manifest) -> Iterator[Problem]:
    """Rules that name what is not there, do not fit together, or leave too many or none."""
    broken = [*_unknown(manifest), *_unpaired(manifest), *_idle(manifest)]
    yield from broken
    if broken:
        return
    most = _most(manifest)
    if most > MAX_LISTED:
        detail = (
            f"with rules there may be {MAX_LISTED:,} combinations to choose from; these axes have {most:,}"
        )
        yield Problem("/combinations", "too_many", detail)
    elif Combined(manifest.variants, manifest.combinations).count == 0:
        yield Problem("/combinations/exclude", "empty", "no combination is left; exclude fewer")


def _unknown(manifest: Manifest) -> Iterator[Problem]:
    rules, axes = manifest.combinations, manifest.variants
    named = [("exclude", place, entry) for place, entry in enumerate(rules.exclude)]
    named += [("include", place, entry) for place, entry in enumerate(rules.include)]
    for name, place, entry in named:
        for axis, choice in entry.items():
            pointer = f"/combinations/{name}/{place}/{axis}"
            if axis not in axes:
                yield _no_axis(pointer, axis, axes)
            elif choice not in axes[axis]:
                yield Problem(
                    pointer, "unknown", f"'{axis}' has no '{choice}'; it has {', '.join(axes[axis])}"
                )


def _unpaired(manifest: Manifest) -> Iterator[Problem]:
    axes, seen = manifest.variants, set[str]()
    for place, pair in enumerate(manifest.combinations.paired):
        pointer = f"/combinations/zip/{place}"
        yield from (_no_axis(pointer, axis, axes) for axis in pair if axis not in axes)
        if len(set(pair)) < len(pair) or seen & set(pair):
            yield Problem(
                pointer, "duplicate", "an axis can be paired only once; put all that go with it in one list"
            )
        lengths = {axis: len(axes[axis]) for axis in pair if axis in axes}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{axis} {length}" for axis, length in lengths.items())
            yield Problem(pointer, "unequal", f"paired axes have as many choices each; these have: {counts}")
        seen |= set(pair)


def _idle(manifest: Manifest) -> Iterator[Problem]:
    """`include` where nothing is left out: whoever wrote it believes that it chooses."""
    rules = manifest.combinations
    if rules.include and not (rules.paired or rules.exclude):
        detail = (
            "every combination is made already, so `include` adds none; it puts back what `zip` or `exclude` leave out. "
            "To make these alone, name the others in `exclude`"
        )
        yield Problem("/combinations/include", "adds_nothing", detail)


def _no_axis(pointer: str, axis: str, axes: Mapping[str, Any]) -> Problem:
    return Problem(pointer, "unknown", f"there is no axis '{axis}'; known: {', '.join(axes) or 'none'}")


def _most(manifest: Manifest) -> int:
    """The most combinations that have to be looked at to list what the rules leave."""
    rules, axes = manifest.combinations, manifest.variants
    if not (rules.paired or rules.exclude):
        return 0
    followers = {axis for pair in rules.paired for axis in pair[1:]}
    base = prod(len(choices) for axis, choices in axes.items() if axis not in followers)
    boxes = (
        prod(len(choices) for axis, choices in axes.items() if axis not in entry) for entry in rules.include
    )
    return max(base, sum(boxes))
