"""What a call uses and costs.

Source: developers.openai.com/api/docs/pricing (August 2026); token formula community.openai.com/t/1382699;
input patches community.openai.com/t/1382940.
"""

from dataclasses import dataclass
from fractions import Fraction

from simulator.contract.models import Model

# Dollars per million tokens are micro-dollars per token. All live models share these rates.
TEXT_IN_USD_MICROS = 5
IMAGE_IN_USD_MICROS = 8
IMAGE_OUT_USD_MICROS = 30
PARTIAL_IMAGE_TOKENS = 100
_PROMPT_OVERHEAD_TOKENS = 6
_BYTES_PER_TEXT_TOKEN = 4
_PATCH_PX = 32
_PATCH_BUDGET = 1536
_ENLARGE_TOWARD_PX = 1024
_MAX_ENLARGEMENT = 2
_MAX_ASPECT = 3


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a whole call, all of its pictures together."""

    text_tokens: int
    image_tokens: int
    output_tokens: int

    @property
    def input_tokens(self) -> int:
        return self.text_tokens + self.image_tokens

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def cost_usd_micros(self) -> int:
        """Exact: every rate is a whole number of micro-dollars per token."""
        return (
            self.text_tokens * TEXT_IN_USD_MICROS
            + self.image_tokens * IMAGE_IN_USD_MICROS
            + self.output_tokens * IMAGE_OUT_USD_MICROS
        )

    def body(self, *, streamed: bool = False) -> dict[str, object]:
        """The `usage` object; the streaming schema has no output details."""
        usage: dict[str, object] = {
            "total_tokens": self.total_tokens,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "input_tokens_details": {
                "text_tokens": self.text_tokens,
                "image_tokens": self.image_tokens,
            },
        }
        if not streamed:
            usage["output_tokens_details"] = {
                "image_tokens": self.output_tokens,
                "text_tokens": 0,
            }
        return usage


def output_tokens(model: Model, quality: str, width_px: int, height_px: int) -> int:
    """Image output tokens of one picture."""
    axis = model.axis_factors[quality]
    longest, shortest = max(width_px, height_px), min(width_px, height_px)
    short_axis = (2 * axis * shortest + longest) // (2 * longest)  # rounds half up
    tokens = -(-axis * short_axis * (2_000_000 + width_px * height_px) // 4_000_000)  # rounds up
    multiple = model.token_multiples.get(quality)
    return tokens if multiple is None else int(multiple * tokens + Fraction(1, 2))


def text_tokens(prompt: str) -> int:
    """Roughly what o200k_base gives for English, the same on every machine."""
    return -(-len(prompt.encode()) // _BYTES_PER_TEXT_TOKEN) + _PROMPT_OVERHEAD_TOKENS


def reference_tokens(width_px: int, height_px: int) -> int:
    """Image input tokens of one reference picture: 32-pixel patches, at most 1,536 of them."""
    enlargement = min(_MAX_ENLARGEMENT, max(1.0, _ENLARGE_TOWARD_PX / max(width_px, height_px)))
    wide, high = round(width_px * enlargement), round(height_px * enlargement)
    wide, high = min(wide, _MAX_ASPECT * high), min(high, _MAX_ASPECT * wide)
    return min(_PATCH_BUDGET, -(-wide // _PATCH_PX) * -(-high // _PATCH_PX))
