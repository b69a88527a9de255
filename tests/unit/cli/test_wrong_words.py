"""Keys and manifests that were garbled on the way are refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.client import ServiceClient
from cli.exits import WrongUsageError
from cli.manifests import LocalManifest
from schemas.errors import ManifestError


@pytest.mark.parametrize("key", ["kéy", "a\nb"])
def test_a_key_that_no_header_can_carry_is_wrong_usage(key: str) -> None:
    with pytest.raises(WrongUsageError, match="copy it again"):
        ServiceClient("http://127.0.0.1:1", key)


def test_a_manifest_that_is_not_utf_8_is_refused_at_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: x\ntitle: café\n".encode("latin-1"))

    with pytest.raises(ManifestError) as refused:
        LocalManifest.read(path)

    assert str(refused.value.problems[0]) == "/: line 2: byte 18 is not UTF-8; save the file as UTF-8"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image: {model: x\nname: y", "/: not YAML: line 2, column 5: did not find expected ',' or '}'"),
        (
            "image:\n\tmodel: x",
            "/: not YAML: line 2, column 1: found character that cannot start any token; indent with spaces, not with tabs",
        ),
    ],
)
def test_a_manifest_that_is_not_yaml_is_refused_at_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)

    with pytest.raises(ManifestError) as refused:
        LocalManifest.read(path)

    assert str(refused.value.problems[0]) == says
