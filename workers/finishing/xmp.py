"""XMP: a label as the packet that stands in the file.

Source: IPTC Photo Metadata Standard 2025.1 (DigitalSourceType, AISystemUsed, AISystemVersionUsed), XMP specification
part 1, and for TC260:AIGC secondary summaries of GB 45438-2025; all checked 2026-11-20.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.sax.saxutils import escape

from schemas.disclosure import China, Label

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
CREDIT = "Made with AI"
_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
    "darkroom": "urn:darkroom:xmp:1.0:",
}
_IS_GENERATED = "1"
"""Certain, as against 2 and 3: possible and suspected."""


def packet(label: Label) -> bytes:
    """The XMP packet, the same bytes for the same label."""
    properties = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in _properties(label))
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {names}>{properties}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _properties(label: Label) -> Iterator[tuple[str, str]]:
    yield "Iptc4xmpExt:DigitalSourceType", SOURCE_TYPES + label.source_type
    yield "Iptc4xmpExt:AISystemUsed", label.system
    if label.system_version:
        yield "Iptc4xmpExt:AISystemVersionUsed", label.system_version
    yield "photoshop:Credit", CREDIT
    yield "xmp:CreatorTool", "Darkroom"
    yield "dc:identifier", label.identifier
    if label.contains_synthetic_performer:
        yield "darkroom:ContainsSyntheticPerformer", "True"
    if label.china:
        yield "TC260:AIGC", _aigc(label.china, label.identifier)


def _aigc(china: China, identifier: str) -> str:
    fields = {
        "Label": _IS_GENERATED,
        "ContentProducer": china.producer,
        "ProduceID": identifier,
        "ReservedCode1": "",
        "ContentPropagator": china.propagator or china.producer,
        "PropagateID": identifier,
        "ReservedCode2": "",
    }
    return json.dumps(fields, ensure_ascii=False)
