"""The label is in the file, exiftool reads it, and the pixels are those from before."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from schemas.disclosure import China, Disclosure, Label, label_of
from tests.finishing import signed
from tests.unit.finishing.conftest import FORMATS, file_of, noise, read_back, told_by_exiftool
from workers.finishing.containers import has_c2pa, labelled
from workers.finishing.xmp import packet

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("png", "RGB", {}),
    ("png", "RGBA", {}),
    ("png", "P", {}),
    ("jpeg", "RGB", {}),
    ("jpeg", "L", {}),
    ("jpeg", "CMYK", {}),
    ("jpeg", "RGB", {"progressive": True}),
    ("webp", "RGB", {}),
    ("webp", "RGBA", {}),
    ("webp", "RGB", {"lossless": True}),
    ("webp", "RGBA", {"lossless": True}),
]


def written(folder: Path, data: bytes) -> dict[str, Any]:
    path = folder / "picture"
    path.write_bytes(data)
    return told_by_exiftool(path)


def made(kind: str, mode: str, options: dict[str, Any], **more: Any) -> bytes:
    return file_of(noise(33, 21, mode), kind, **options, **more)


# What is read


@pytest.mark.parametrize(("kind", "mode", "options"), KINDS)
def test_exiftool_reads_the_label_in_every_kind_of_file_and_finds_no_fault(
    kind: str, mode: str, options: dict[str, Any], label: Label, tmp_path: Path
) -> None:
    facts = written(tmp_path, labelled(made(kind, mode, options), packet(label)))

    assert facts["XMP-iptcExt:DigitalSourceType"] == GENERATED
    assert facts["XMP-iptcExt:AISystemUsed"] == "gpt-image-2"
    assert facts["XMP-photoshop:Credit"] == "Made with AI"
    assert facts["XMP-xmp:CreatorTool"] == "Darkroom"
    assert facts["XMP-dc:Identifier"] == "bat_1:0:1"
    assert facts["File:FileType"].split()[-1] in (kind.upper(), "WEBP")
    assert facts["ExifTool:Validate"] == "OK"
    assert not {name for name in facts if name.endswith((":Warning", ":Error"))}


@pytest.mark.parametrize(("kind", "mode", "options"), KINDS)
def test_no_pixel_changes(kind: str, mode: str, options: dict[str, Any], label: Label) -> None:
    data = made(kind, mode, options)

    before, after = read_back(data), read_back(labelled(data, packet(label)))

    assert (before.mode, before.size, before.tobytes()) == (after.mode, after.size, after.tobytes())


@pytest.mark.parametrize(("mode", "has_alpha"), [("RGB", False), ("RGBA", True)])
@pytest.mark.parametrize("lossless", [False, True])
def test_the_head_of_a_webp_says_what_is_in_it(
    mode: str, has_alpha: bool, lossless: bool, label: Label
) -> None:
    """Readers that trust the head would else see no label, or no transparency."""
    data = labelled(made("webp", mode, {"lossless": lossless}), packet(label))
    kind, _, flags = struct.unpack_from("<4sIB", data, 12)
    assert (kind, bool(flags & 0x04), bool(flags & 0x10)) == (b"VP8X", True, has_alpha)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_label_takes_the_place_of_an_older_one(kind: str, label: Label, tmp_path: Path) -> None:
    other = label.model_copy(
        update={"identifier": "other", "source_type": "compositeWithTrainedAlgorithmicMedia"}
    )
    data = made(kind, "RGB", {})

    twice = labelled(labelled(data, packet(other)), packet(label))

    assert twice == labelled(data, packet(label))
    assert written(tmp_path, twice)["XMP-dc:Identifier"] == "bat_1:0:1"


def test_the_xmp_that_other_programs_wrote_goes(label: Label, tmp_path: Path) -> None:
    foreign = packet(label).replace(b"Darkroom", b"Somebody")
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", foreign.decode())
    files = [
        file_of(noise(8, 8), "png", pnginfo=text),
        file_of(noise(8, 8), "jpeg", xmp=foreign),
        file_of(noise(8, 8), "webp", xmp=foreign),
    ]

    for data in files:
        assert b"Somebody" in data
        assert b"Somebody" not in labelled(data, packet(label))


@pytest.mark.parametrize("kind", FORMATS)
def test_exif_and_color_profile_stay(kind: str, label: Label, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a mug"
    data = file_of(noise(8, 8), kind, exif=exif, icc_profile=b"\0" * 128)

    back = read_back(labelled(data, packet(label)))

    assert back.getexif()[0x010E] == "a mug"
    assert back.info["icc_profile"] == b"\0" * 128
    assert written(tmp_path, labelled(data, packet(label)))["IFD0:ImageDescription"] == "a mug"


# What it says


def said(folder: Path, disclosure: Disclosure, **facts: Any) -> dict[str, Any]:
    asked = {"is_composite": False, "model": "gpt-image-2", "identifier": "bat_1:0:1", **facts}
    return written(folder, labelled(file_of(noise(8, 8)), packet(label_of(disclosure, **asked))))


def test_an_edit_is_a_composite(tmp_path: Path) -> None:
    assert said(tmp_path, Disclosure(), is_composite=True)["XMP-iptcExt:DigitalSourceType"] == EDITED


def test_the_manifest_may_call_an_edit_generated(tmp_path: Path) -> None:
    facts = said(tmp_path, Disclosure(source_type="trainedAlgorithmicMedia"), is_composite=True)
    assert facts["XMP-iptcExt:DigitalSourceType"] == GENERATED


def test_a_dated_snapshot_is_the_version_of_its_model(tmp_path: Path) -> None:
    facts = said(tmp_path, Disclosure(), model="gpt-image-2.5-flare-2026-09-08")
    assert facts["XMP-iptcExt:AISystemUsed"] == "gpt-image-2.5-flare"
    assert facts["XMP-iptcExt:AISystemVersionUsed"] == "2026-09-08"


def test_a_model_without_a_date_has_no_version(tmp_path: Path) -> None:
    assert "XMP-iptcExt:AISystemVersionUsed" not in said(tmp_path, Disclosure())


def test_a_synthetic_performer_is_named_only_where_there_is_one(tmp_path: Path) -> None:
    name = "XMP-darkroom:ContainsSyntheticPerformer"
    assert said(tmp_path, Disclosure(contains_synthetic_performer=True))[name] is True
    assert name not in said(tmp_path, Disclosure())


def test_the_label_for_china_is_json_with_its_seven_fields(tmp_path: Path) -> None:
    china = China(producer="某公司 <&\"'>", propagator="91310000MA1K")

    told = json.loads(said(tmp_path, Disclosure(china=china))["XMP-TC260:Aigc"])

    assert told == {
        "Label": "1",
        "ContentProducer": "某公司 <&\"'>",
        "ProduceID": "bat_1:0:1",
        "ReservedCode1": "",
        "ContentPropagator": "91310000MA1K",
        "PropagateID": "bat_1:0:1",
        "ReservedCode2": "",
    }


def test_without_the_label_for_china_there_is_none_and_who_made_it_spreads_it_by_default(
    tmp_path: Path,
) -> None:
    assert "XMP-TC260:Aigc" not in said(tmp_path, Disclosure())
    facts = said(tmp_path, Disclosure(china=China(producer="maker")))
    assert json.loads(facts["XMP-TC260:Aigc"])["ContentPropagator"] == "maker"


def test_the_same_label_is_the_same_bytes(label: Label) -> None:
    assert packet(label) == packet(label.model_copy())


# The provider's signature


@pytest.mark.parametrize("kind", FORMATS)
def test_a_signature_is_seen_and_none_where_there_is_none(kind: str) -> None:
    assert has_c2pa(signed(file_of(noise(16, 16), kind), kind))
    assert not has_c2pa(file_of(noise(16, 16), kind))


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_exiftool_sees_the_same_signature(kind: str, tmp_path: Path) -> None:
    """So that what is looked for is what the rest of the world writes. In WebP, older exiftools see none."""
    facts = written(tmp_path, signed(file_of(noise(16, 16), kind), kind))
    assert [name for name in facts if "JUMD" in name.upper() or "JUMBF" in name.upper()]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_signature_does_not_stay_in_a_file_that_it_does_not_sign(kind: str, label: Label) -> None:
    done = labelled(signed(file_of(noise(16, 16), kind), kind), packet(label))
    assert not has_c2pa(done)
    assert b"signed" not in done
    assert done == labelled(file_of(noise(16, 16), kind), packet(label))


# Damage


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_picture_is_refused(data: bytes, label: Label) -> None:
    with pytest.raises(ValueError, match=r"the \w+ is"):
        labelled(data, packet(label))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FORMATS), st.floats(0, 1), st.binary(max_size=6), st.booleans())
def test_a_damaged_file_is_labelled_or_refused_and_nothing_else(
    kind: str, part: float, instead: bytes, cut: bool
) -> None:
    data = signed(file_of(noise(16, 16), kind), kind)
    place = int(part * len(data))
    broken = data[:place] + instead + (b"" if cut else data[place + len(instead) :])
    with suppress(ValueError):
        has_c2pa(broken)
        labelled(broken, b"<x/>")


def test_a_label_too_long_for_a_jpeg_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a JPEG takes"):
        labelled(file_of(noise(8, 8), "jpeg"), b"x" * 66_000)
