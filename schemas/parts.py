"""Templates in parts: a prompt as labelled pieces, joined in one fixed order.

The order is the provider's advice: what it is for, what changes and what stays, then scene, subject, details, limits.

Source: https://developers.openai.com/cookbook, prompting of GPT image models, checked 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping

LABELS: Mapping[str, str] = {
    "use": "Use",
    "audience": "Audience",
    "change": "Change only",
    "preserve": "Keep unchanged",
    "scene": "Scene",
    "subject": "Subject",
    "details": "Details",
    "composition": "Composition",
    "light": "Light",
    "style": "Style",
    "text": "Text, word for word",
    "constraints": "Constraints",
    "avoid": "Avoid",
}
"""Part -> the label before it in the prompt, in the order in which parts are joined."""


def joined(parts: Mapping[str, str]) -> str:
    """The Liquid text of a prompt in parts: each on lines of its own behind its label, in the order of `LABELS`.

    Args:
        parts: Liquid by name of the part; one that comes out empty leaves no line behind.
    """
    lines = [_line(LABELS[name], parts[name].strip()) for name in LABELS if parts.get(name, "").strip()]
    return "".join(lines).rstrip("\n")


def _line(label: str, text: str) -> str:
    if "{" not in text:
        return f"{label}: {text}\n"
    return (
        f"{{% capture part %}}{text}{{% endcapture %}}{{% assign part = part | strip %}}"
        f"{{% if part != '' %}}{label}: {{{{ part }}}}\n{{% endif %}}"
    )
