"""Pricing a checked manifest: what each picture will likely cost, what is held for it, and by which lane it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.settings import Settings
from core.state.batches import Flow
from schemas.batch import most_resends
from schemas.errors import Problem
from schemas.expansion import Block, Expansion
from schemas.lane import Limits, duration_s, slots_needed
from schemas.manifest import OnDoubt, Spend
from schemas.model import Model, find_model
from schemas.plan import PlanCost, PlanDuration, PlanTasks
from schemas.pricing import Quote, micros, quote, quote_call, usd
from schemas.size import resolve_size
from workers.planning.checker import PromptTally

ASSUMED_LATENCY_S = 80.0
"""Of a medium 1024 x 1024 picture of gpt-image-2, until a lane has made one. Source: ofox.ai, 2026."""


@dataclass(frozen=True, slots=True)
class PricedBlock:
    """A template's tasks with their lane and one quote per size."""

    block: Block
    model: str
    lane: str
    quotes: tuple[Quote, ...]

    @property
    def per_size(self) -> int:
        return self.block.count // len(self.block.sizes)

    @property
    def high_usd_micros(self) -> int:
        return sum(priced.high_usd_micros for priced in self.quotes) * self.per_size

    @property
    def likely_tokens(self) -> int:
        return sum(priced.likely_tokens for priced in self.quotes) * self.per_size


class Pricer:
    """Prices the blocks of one expansion."""

    def __init__(
        self,
        expansion: Expansion,
        tallies: Mapping[str, PromptTally],
        settings: Settings,
        references: Mapping[str, int],
    ) -> None:
        """`references`: by template, the most pictures that one of its tasks starts from."""
        self._references = references
        self._expansion = expansion
        self._manifest = expansion.manifest
        self._settings = settings
        self._tallies = tallies

    def problems(self) -> Iterator[Problem]:
        """Models that no lane serves, and pictures that need more tokens than a lane has in a minute."""
        for name in self._manifest.templates:
            lane, pointer = self._lane(name), self._pointer(name)
            if lane is None:
                yield Problem(pointer, "no_lane", self._laneless(name))
                continue
            if not self._quotes(name):
                detail = f"nobody knows what a call to {self._model_name(name)} costs"
                yield Problem(pointer, "unpriced", detail)
                continue
            members = [self._settings.lanes[member] for member in self._settings.groups[lane]]
            limit = min((one.tokens_per_minute for one in members if one.tokens_per_minute), default=None)
            most = max(priced.high_tokens for priced in self._quotes(name))
            if limit is not None and most > limit:
                detail = f"one picture may need {most:,} tokens, and lane '{lane}' has {limit:,.0f} a minute"
                yield Problem(pointer, "over_limit", detail)

    def blocks(self) -> list[PricedBlock]:
        """Every block priced; call it when `problems` found none."""
        found, quotes = [], dict[str, dict[str, Quote]]()
        for name in self._manifest.templates:
            quotes[name] = dict(zip(self._manifest.sizes_of(name), self._quotes(name), strict=True))
        for block in self._expansion.blocks:
            lane = self._lane(block.template)
            assert lane is not None, "problems() names templates without a lane"
            priced = tuple(
                quotes[block.template][size] for size in block.sizes
            )  # in a sample it has one of them
            found.append(PricedBlock(block, self._model_name(block.template), lane, priced))
        return found

    def _lane(self, template: str) -> str | None:
        """The lane or group that a template's pictures go to: the one it names, else the first that serves its model."""
        named, serving = (
            self._manifest.image_of(template).lane,
            self._settings.serving(self._model_name(template)),
        )
        if named is None:
            return next(iter(serving), None)
        return named if named in serving else None

    def _pointer(self, template: str) -> str:
        """Where the manifest says which lane it is: the lane, or the model."""
        parts, field = self._manifest.templates[template], "lane"
        if self._manifest.image_of(template).lane is None:
            field = "model"
        if parts.upscale is not None:
            return f"/templates/{template}/upscale/{field}"
        own = parts.image
        return (
            f"/templates/{template}/image/{field}" if getattr(own, field) is not None else f"/image/{field}"
        )

    def _laneless(self, template: str) -> str:
        image, groups = self._manifest.image_of(template), self._settings.groups
        serving = ", ".join(self._settings.serving(image.model or "")) or "none"
        if image.lane is None and self._manifest.templates[template].upscale:
            adapter = "DARKROOM_LANES__<NAME>__ADAPTER=stability"
            return f"no lane serves {image.model} here; set {adapter}, or use the finishing step `upscale`"
        if image.lane is None:
            return f"no lane serves {image.model} here; lanes: {', '.join(groups) or 'none is configured'}"
        if image.lane in groups:
            return f"lane '{image.lane}' does not serve {image.model}; those that do: {serving}"
        if image.lane in self._settings.lanes:
            group = self._settings.lanes[image.lane].group
            return f"lane '{image.lane}' shares its work with group '{group}'; name the group"
        return f"there is no lane '{image.lane}'; those that serve {image.model}: {serving}"

    def _model_name(self, template: str) -> str:
        return self._manifest.image_of(template).model or ""

    def _model(self, template: str) -> Model:
        model = find_model(self._model_name(template))
        assert model is not None, "an accepted manifest names live models"
        return model

    def _quotes(self, name: str) -> tuple[Quote, ...]:
        """One quote per size: likely by the mean prompt, high by the longest. None where the price is not known."""
        template, image = self._manifest.templates[name], self._manifest.image_of(name)
        if template.upscale is not None:
            flat = quote_call(template.upscale.model)
            return () if flat is None else (flat,) * len(self._manifest.sizes_of(name))
        model = self._model(name)
        tally = self._tallies.get(name, PromptTally())
        references = self._references[name]

        def quoted(size: str, prompt_bytes: int) -> Quote:
            return quote(
                model,
                quality=image.quality or "auto",
                size=None if size == "auto" else resolve_size(size, model),
                prompt_bytes=prompt_bytes,
                references=references,
                mask=template.mask is not None,
            )

        return tuple(
            replace(likely, high_usd_micros=high.high_usd_micros, high_tokens=high.high_tokens)
            for likely, high in (
                (quoted(size, tally.mean_bytes), quoted(size, tally.longest_bytes))
                for size in self._manifest.sizes_of(name)
            )
        )


def flows_of(blocks: Sequence[PricedBlock]) -> list[Flow]:
    """The batch's share of each lane, as the claim script counts through it."""
    return [
        Flow(
            lane=lane,
            length=sum(
                priced.block.count for priced in blocks if priced.lane == lane and not priced.block.parent
            ),
            blocks=tuple(
                {
                    "first": priced.block.first,
                    "count": priced.block.count,
                    "samples": priced.block.samples,
                    "dependent": priced.block.parent is not None,
                    "holds": [found.high_usd_micros for found in priced.quotes],
                    "tokens": [found.high_tokens for found in priced.quotes],
                }
                for priced in blocks
                if priced.lane == lane
            ),
        )
        for lane in sorted({priced.lane for priced in blocks})
    ]


def tasks_of(blocks: list[PricedBlock]) -> PlanTasks:
    by_template, by_size, by_model = Counter[str](), Counter[str](), Counter[str]()
    for priced in blocks:
        by_template[priced.block.template] += priced.block.count
        by_model[priced.model] += priced.block.count
        for size in priced.block.sizes:
            by_size[size] += priced.per_size
    return PlanTasks(total=by_template.total(), by_template=by_template, by_size=by_size, by_model=by_model)


@dataclass(frozen=True, slots=True)
class Spared:
    """Pictures that need no call of their own, by template.

    Args:
        same: how many are the same as others.
        sizes: those whose call is that of another size.
        there: how many the tenant has already, of each size.
    """

    same: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    there: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def cost_of(blocks: list[PricedBlock], spend: Spend, spared: Spared) -> PlanCost:
    """`low` leaves out all that is spared, `likely` only what the tenant has already, `high` nothing, and adds what may be
    paid a second time."""
    likely, low, counts = Counter[str](), Counter[str](), Counter[str]()
    for priced in blocks:
        counts[priced.block.template] += priced.block.count
    for priced, size, each, count in _to_make(blocks, spared.there):
        name, is_spared = priced.block.template, size in spared.sizes.get(priced.block.template, frozenset())
        likely[name] += each.likely_usd_micros * count
        low[name] += 0 if is_spared else each.low_usd_micros * count
    same = {name: cost * spared.same.get(name, 0) // counts[name] for name, cost in low.items()}
    return PlanCost(
        low=usd(low.total() - sum(same.values())),
        likely=usd(likely.total()),
        high=usd(sum(priced.high_usd_micros for priced in blocks) + _paid_again(blocks, spend.on_doubt)),
        cap=None if spend.cap_usd is None else usd(micros(spend.cap_usd)),
        by_template={name: usd(cost) for name, cost in likely.items()},
    )


def _paid_again(blocks: Sequence[PricedBlock], on_doubt: OnDoubt) -> int:
    """The most that `retry_once` can pay a second time: the dearest pictures, as many as the batch may send again."""
    if on_doubt is not OnDoubt.RETRY_ONCE:
        return 0
    holds = [(each.high_usd_micros, priced.per_size) for priced in blocks for each in priced.quotes]
    left, paid = most_resends(sum(count for _, count in holds)), 0
    for hold, count in sorted(holds, reverse=True):
        taken = min(left, count)
        left, paid = left - taken, paid + taken * hold
    return paid


def _to_make(
    blocks: Sequence[PricedBlock], there: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[PricedBlock, str, Quote, int]]:
    """Each block and size with its quote, and how many of its pictures are not there yet."""
    left = Counter({(name, size): count for name, each in there.items() for size, count in each.items()})
    for priced in blocks:
        for size, each in zip(priced.block.sizes, priced.quotes, strict=True):
            spare = min(priced.per_size, left[priced.block.template, size])
            left[priced.block.template, size] -= spare
            yield priced, size, each, priced.per_size - spare


def duration_of(
    blocks: list[PricedBlock],
    limits: Mapping[str, Limits],
    slots: Mapping[str, int],
    latencies_s: Mapping[str, float],
    there: Mapping[str, Mapping[str, int]],
) -> PlanDuration:
    """Lanes work side by side, so the slowest decides; then the last picture, and what is made from it, is waited for.

    Args:
        slots: calls that may be in flight on a lane.
        latencies_s: how long a picture takes on a lane, where that is known.
        there: see `Spared`; those take no time.
    """
    images, tokens = Counter[str](), Counter[str]()
    for priced, _, each, count in _to_make(blocks, there):
        images[priced.lane] += count
        tokens[priced.lane] += each.likely_tokens * count
    levels, found = _levels(blocks), list[PlanDuration]()
    for lane in sorted(images):
        least_s = duration_s(images[lane], tokens[lane], limits[lane])
        latency_s = latencies_s.get(lane, ASSUMED_LATENCY_S)
        found.append(_duration(lane, images[lane], least_s, (slots[lane], latency_s), levels))
    return max(found, key=lambda one: one.seconds or 0)


def _duration(
    lane: str, images: int, least_s: tuple[float, str | None], calls: tuple[int, float], levels: int
) -> PlanDuration:
    """How long a lane takes. What keeps the last picture waiting for longer than the first one takes, binds; if nothing
    does, the time of a call.

    Args:
        least_s: by the limits of a minute, with the one that decides.
        calls: how many may be in flight, and how long one takes.
        levels: pictures that wait for each other, at most.
    """
    if not images:
        return PlanDuration(seconds=0.0, limited_by=None, slots_needed=0)
    slots, latency_s = calls
    by_minute_s, dimension = least_s
    in_turns_s = (
        max(0, images - slots) * latency_s / slots
    )  # until the last one has a call that has come back
    sent_s, binding = max((by_minute_s, f"{dimension} a minute"), (in_turns_s, "calls in flight"))
    needed = slots_needed(round(images * 60 / by_minute_s, 6), latency_s) if by_minute_s else images
    return PlanDuration(
        seconds=round(sent_s + latency_s * levels, 1),
        limited_by=f"{lane}: {binding if sent_s > latency_s else 'time of a call'}",
        slots_needed=min(images, slots, needed),
    )


def _levels(blocks: list[PricedBlock]) -> int:
    """Pictures in the longest chain."""
    parents = {priced.block.template: priced.block.parent for priced in blocks}

    def depth(template: str | None) -> int:
        return 0 if template is None else 1 + depth(parents.get(template))

    return max(map(depth, parents))
