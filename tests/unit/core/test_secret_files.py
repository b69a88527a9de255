"""Settings in files, as containers are given secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings, SettingsError, load_settings

KEY = "DARKROOM_LANES__MAIN__API_KEY"


def told(folder: Path, **files: str) -> Settings:
    """The settings with these files, by name."""
    for name, content in files.items():
        (folder / name).write_text(content)
    return load_settings(secrets_dir=folder, storage={"url": "file:///pictures"})


def test_a_file_that_is_named_as_a_variable_sets_it(tmp_path: Path) -> None:
    files = {
        KEY: "sk-file\n",
        "DARKROOM_REDIS__URL": "redis://:secret@host:6379/0",
        "storage.password": "other",
    }

    settings = told(tmp_path, **files)

    assert settings.lanes["main"].api_key.get_secret_value() == "sk-file"
    assert settings.redis.url.get_secret_value() == "redis://:secret@host:6379/0"


def test_a_variable_wins_over_a_file_and_each_sets_what_the_other_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "sk-variable")
    monkeypatch.setenv("DARKROOM_LANES__MAIN__IMAGES_PER_MINUTE", "5")

    lane = told(tmp_path, **{KEY: "sk-file", "DARKROOM_LANES__MAIN__ADMIN_KEY": "sk-admin"}).lanes["main"]

    assert (lane.api_key.get_secret_value(), lane.images_per_minute) == ("sk-variable", 5)
    assert lane.admin_key is not None
    assert lane.admin_key.get_secret_value() == "sk-admin"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("DARKROOM_LANE__MAIN__API_KEY", "there is no such group of settings"),
        ("DARKROOM_LANES__MAIN__API_KEYS", "there is no such setting"),
    ],
)
def test_a_file_whose_name_is_misspelled_is_named_without_what_is_in_it(
    tmp_path: Path, name: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as refused:
        told(tmp_path, **{KEY: "sk-1", name: "sk-secret"})
    assert name in str(refused.value)
    assert "sk-secret" not in str(refused.value)


def refusal(folder: Path, **settings: Any) -> list[str]:
    """What is told of the files there, and of other settings."""
    with pytest.raises(SettingsError) as refused:
        load_settings(secrets_dir=folder, **settings)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / KEY).mkdir()
    assert refusal(tmp_path, storage={"url": "file:///pictures"}) == [
        f"{KEY}: the file in {tmp_path} cannot be read (IsADirectoryError)"
    ]


@pytest.mark.parametrize("content", ["", "\n"])
@pytest.mark.parametrize("name", [KEY, "DARKROOM_REDIS__URL", "DARKROOM_SERVICE__BOOTSTRAP_KEY"])
def test_a_file_that_is_empty_is_named_once_and_with_everything_else_that_is_wrong(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    assert refusal(tmp_path, storage={"url": "ftp://host/pictures"}) == [
        f"{name}: the file in {tmp_path} is empty; write the value into it, or take it away",
        "DARKROOM_STORAGE__URL: this has the scheme 'ftp'; it has to be file:///absolute/folder or s3://bucket/prefix",
    ]


def test_without_the_folder_there_are_no_files(tmp_path: Path) -> None:
    settings = load_settings(secrets_dir=tmp_path / "none", storage={"url": "file:///pictures"})
    assert settings.lanes == {}


def test_credentials_that_systemd_loads_are_files_of_the_same_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / KEY).write_text("sk-credential")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    settings = load_settings(storage={"url": "file:///pictures"})

    assert settings.lanes["main"].api_key.get_secret_value() == "sk-credential"
