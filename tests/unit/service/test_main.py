import json
from pathlib import Path

import pytest

from service.__main__ import main
from service.app import openapi_document


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No darkroom.toml, and no variables but those that a test sets."""
    monkeypatch.chdir(tmp_path)
    for name in ("DARKROOM_STORAGE__URL", "DARKROOM_SERVICE__PORT", "DARKROOM_SERVICE__MAX_TASKS"):
        monkeypatch.delenv(name, raising=False)


def test_the_document_of_the_api_is_printed_without_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--openapi"]) == 0

    assert json.loads(capsys.readouterr().out) == openapi_document()


def test_an_option_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "80"]) == 2

    assert capsys.readouterr().err.startswith("usage:")


def test_settings_that_cannot_be_used_are_all_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARKROOM_SERVICE__PORT", "high")
    monkeypatch.setenv("DARKROOM_SERVICE__MAX_TASKS", "0")

    assert main([]) == 2

    told = capsys.readouterr().err
    for name in ("DARKROOM_STORAGE", "DARKROOM_SERVICE__PORT", "DARKROOM_SERVICE__MAX_TASKS"):
        assert name in told


def test_an_address_of_the_storage_that_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARKROOM_STORAGE__URL", "ftp://x/y")

    assert main([]) == 2

    assert "DARKROOM_STORAGE__URL: this has the scheme 'ftp'" in capsys.readouterr().err
