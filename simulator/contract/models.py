"""The live models, and what each of them is asked and how long it takes.

Source: developers.openai.com/api/docs/guides/image-generation and /changelog, as of 2026-11-20.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

# Token formula: community.openai.com/t/1382699 (2026-06-05); the 2.5 factors are inferred from published counts.
_AXIS_2 = {"low": 16, "medium": 48, "high": 96}
_AXIS_25 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
# 2.6 low and medium are reported to use 3-4 times the tokens of 2.5 (docs.laozhang.ai, 2026-11).
_MULTIPLE_26 = {"low": Fraction(7, 2), "medium": Fraction(7, 2)}


@dataclass(frozen=True, slots=True)
class Model:
    """One model under all the ids it answers to.

    Attributes:
        axis_factors: the factor q of the token formula by quality; its keys are the qualities, cheapest first.
        seconds: seconds for one 1024x1024 picture, by quality.
        token_multiples: factors on top of the token formula, by quality.
    """

    ids: tuple[str, ...]
    created_unix_s: int
    axis_factors: Mapping[str, int]
    seconds: Mapping[str, float]
    token_multiples: Mapping[str, Fraction] = field(default_factory=dict)
    has_complexity: bool = False
    fixes_input_fidelity: bool = False

    @property
    def alias(self) -> str:
        return self.ids[0]

    @property
    def qualities(self) -> tuple[str, ...]:
        return tuple(self.axis_factors)


# Measured: gpt-image-2 medium ~80 s, high median 195 s (ofox.ai/blog/gpt-image-2-generation-failures-fixes);
# 2.6 flare 8-12 s (docs.laozhang.ai, 2026-11-05). All the other seconds are assumptions between those.
LIVE_MODELS: tuple[Model, ...] = (
    Model(
        ("gpt-image-2", "gpt-image-2-2026-04-21"),
        1776729600,
        _AXIS_2,
        {"low": 20, "medium": 80, "high": 195},
        fixes_input_fidelity=True,
    ),
    Model(
        ("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"),
        1788825600,
        _AXIS_25,
        {"low": 15, "medium": 25, "high": 45, "xhigh": 80, "max": 150},
    ),
    Model(
        ("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08"),
        1788825600,
        _AXIS_25,
        {"low": 7, "medium": 10, "high": 15, "xhigh": 25, "max": 45},
    ),
    Model(
        ("gpt-image-2.6-sunburst",),
        1793750400,
        _AXIS_25,
        {"low": 15, "medium": 20, "high": 25, "xhigh": 45, "max": 90},
        _MULTIPLE_26,
        has_complexity=True,
    ),
    Model(
        ("gpt-image-2.6-flare",),
        1793750400,
        _AXIS_25,
        {"low": 6, "medium": 8, "high": 10, "xhigh": 15, "max": 25},
        _MULTIPLE_26,
        has_complexity=True,
    ),
)
MODELS_BY_ID: Mapping[str, Model] = {name: model for model in LIVE_MODELS for name in model.ids}

# gpt-image-2 high takes 200-250 s at 2048x2048 against 195 s at 1024x1024: four times the pixels, about 1.15
# times the seconds (learn.microsoft.com/en-us/answers/a/12770558).
_PIXEL_EXPONENT = 0.1
_REFERENCE_PIXELS = 1024 * 1024
# Complexity is said to add latency, by how much is not; omitted means high.
_COMPLEXITY_FACTORS = {"low": 0.8, "medium": 0.9, "high": 1.0}
_JITTER = 0.15


def latency_s(model: Model, quality: str, pixels: int, complexity: str, digest: str) -> float:
    """Seconds the provider takes at factor 1, within 15% of the table, the same for equal requests.

    Args:
        digest: hexadecimal request digest the jitter is derived from.
    """
    size_factor = math.pow(pixels / _REFERENCE_PIXELS, _PIXEL_EXPONENT)
    spread = int(digest[:8], 16) / 0xFFFFFFFF * 2 - 1
    seconds = model.seconds[quality] * size_factor * _COMPLEXITY_FACTORS[complexity]
    return seconds * (1 + _JITTER * spread)
