"""Settings that will not do are refused in sentences that hold no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.settings import SettingsError, load_settings, told_settings

REDIS = "DARKROOM_REDIS__URL: this is not an address such as redis://:password@host:6379/0"


def complaints(**wrong: Any) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(**({"storage": {"url": "file:///pictures"}} | wrong))
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


@pytest.mark.parametrize(
    "url", ["", "secret", "http://secret/0", "redis://:secret@host:port/0", "redis://:sec/ret@host:6379/0"]
)
def test_an_address_that_redis_cannot_be_reached_at_is_refused_and_not_repeated(url: str) -> None:
    assert complaints(redis={"url": url}) == [REDIS]


def test_a_key_that_is_empty_is_refused() -> None:
    lane = {"api_key": "", "admin_key": ""}
    assert complaints(lanes={"main": lane}, service={"bootstrap_key": ""}) == [
        "DARKROOM_SERVICE__BOOTSTRAP_KEY: this must not be empty",
        "DARKROOM_LANES__MAIN__API_KEY: this must not be empty",
        "DARKROOM_LANES__MAIN__ADMIN_KEY: this must not be empty",
    ]


def test_a_name_that_no_setting_has_and_an_amount_that_is_none_are_said_at_once() -> None:
    amount, name = complaints(worker={"drain": "3"}, budgets={"tenant_month_usd": "lots"})

    assert amount.startswith(
        "DARKROOM_BUDGETS__TENANT_MONTH_USD: 'lots' is not an amount in dollars; write digits"
    )
    assert name == "DARKROOM_WORKER__DRAIN: there is no such setting; did you mean DARKROOM_WORKER__DRAIN_S?"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "scheme ''"),
        ("/var/pictures", "scheme ''"),
        ("ftp://host/pictures", "scheme 'ftp'; it has to be file:///absolute/folder or s3://bucket/prefix"),
        ("file://pictures", "three slashes"),
        ("file:pictures", "three slashes"),
        ("file:///", "three slashes"),
        ("file:///pictures?a=b", "'?' or '#'"),
        ("file:///pictures/a%00b", "control"),
        ("s3:///prefix", "a bucket is"),
        ("s3://Bucket", "a bucket is"),
        ("s3://user:canary@bucket", "a bucket is"),
        ("s3://bucket/a//b", "empty segment"),
        ("s3://bucket/a/../b", "'.' or '..'"),
        (f"s3://bucket/{'a' * 257}", "more than 256 bytes"),
    ],
)
def test_an_address_that_names_no_storage_is_told_with_everything_else_and_not_repeated(
    url: str, says: str
) -> None:
    place, slots = complaints(storage={"url": url}, worker={"slots": "few"})

    assert place.startswith("DARKROOM_STORAGE__URL: ")
    assert says in place
    assert "canary" not in place
    assert slots == "DARKROOM_WORKER__SLOTS: this has to be a whole number"


def test_an_address_of_an_s3_server_that_is_none_is_refused() -> None:
    (says,) = complaints(storage={"url": "s3://bucket", "endpoint_url": "localhost:9000"})
    assert says.startswith("DARKROOM_STORAGE__ENDPOINT_URL: this is not an address such as https://")


LANE = {"api_key": "k", "references": "url"}
LOCAL = "http://127.0.0.1:8100/v1"


@pytest.mark.parametrize(
    ("storage", "base_url", "says"),
    [
        ({"url": "s3://bucket"}, "https://api.openai.com/v1", None),
        ({"url": "s3://bucket", "endpoint_url": "https://s3.example"}, "https://api.openai.com/v1", None),
        ({"url": "s3://bucket", "endpoint_url": "http://localhost:9000"}, LOCAL, None),
        (
            {"url": "s3://bucket", "endpoint_url": "http://localhost:9000"},
            "https://api.openai.com/v1",
            "https",
        ),
        ({"url": "s3://bucket", "endpoint_url": "http://minio:9000"}, LOCAL, "https"),
        ({"url": "file:///pictures"}, LOCAL, "a folder has none"),
    ],
)
def test_references_are_sent_as_links_only_where_the_provider_can_read_them(
    storage: dict[str, str], base_url: str, says: str | None
) -> None:
    def loaded() -> None:
        load_settings(storage=storage, lanes={"main": {**LANE, "base_url": base_url}})

    if says is None:
        loaded()
        return
    with pytest.raises(SettingsError, match=f"DARKROOM_LANES__MAIN__REFERENCES=url: .*{says}"):
        loaded()


def test_a_group_that_does_not_exist_is_told_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DARKROOM_WORKR__SLOTS", "5")
    monkeypatch.setenv("darkroom_budget__house_day_usd", "5")
    monkeypatch.setenv("DARKROOM_WHATEVER__X", "5")
    monkeypatch.setenv("DARKROOM_URL", "http://127.0.0.1:8080")  # the command line's, which is no setting

    budget = "darkroom_budget__house_day_usd"
    assert complaints() == [
        "DARKROOM_WHATEVER__X: there is no such group of settings",
        "DARKROOM_WORKR__SLOTS: there is no such group of settings; did you mean DARKROOM_WORKER__SLOTS?",
        f"{budget}: there is no such group of settings; did you mean DARKROOM_BUDGETS__HOUSE_DAY_USD?",
    ]


def test_a_single_underscore_behind_a_group_is_told_and_variables_of_others_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DARKROOM_BUDGETS_TENANT_MONTH_USD", "5")
    monkeypatch.setenv("DARKROOM_LANES_MAIN__API_KEY", "key")
    monkeypatch.setenv("darkroom_worker_slots", "5")
    for other in ("DARKROOM_REDIS_PASSWORD", "DARKROOM_STORAGE_KEY", "DARKROOM_KEY", "DARKROOM_WORKERS"):
        monkeypatch.setenv(other, "5")  # of the compose file, of the command line, of somebody else

    meant = "there is no such setting; did you mean"
    assert complaints() == [
        f"DARKROOM_BUDGETS_TENANT_MONTH_USD: {meant} DARKROOM_BUDGETS__TENANT_MONTH_USD?",
        f"DARKROOM_LANES_MAIN__API_KEY: {meant} DARKROOM_LANES__MAIN__API_KEY?",
        f"darkroom_worker_slots: {meant} DARKROOM_WORKER__SLOTS?",
    ]


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("DARKROOM_WORKER__SLOT", "there is no such setting; did you mean DARKROOM_WORKER__SLOTS?"),
        (
            "DARKROOM_LANES__MAIN__API_KYE",
            "there is no such setting; did you mean DARKROOM_LANES__MAIN__API_KEY?",
        ),
        (
            "DARKROOM_REDIS__X",
            "there is no such setting here; there are url, sentinels, keep_ended_days, master_name",
        ),
        ("DARKROOM_WORKER__SLOTS", "this has to be a whole number"),
        ("DARKROOM_WORKER__DRAIN_S", "this has to be a number"),
        ("DARKROOM_FETCH__ALLOW_HTTP", "this has to be true or false"),
        ("DARKROOM_TELEMETRY__LOG_LEVEL", "this has to be 'debug', 'info', 'warning' or 'error'"),
        ("DARKROOM_REDIS__SENTINELS__0", "this is not an address such as sentinel-1:26379"),
        ("DARKROOM_STORAGE__PUBLIC_URL", "this is not an address such as https://pictures.example"),
        ("DARKROOM_FETCH__S3_SOURCES__0", "this is not a place such as s3://bucket/folder"),
    ],
)
def test_a_setting_that_is_misspelled_or_holds_something_else_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, says: str
) -> None:
    monkeypatch.setenv(variable.removesuffix("__0"), "so so")
    assert f"{variable}: {says}" in complaints()


def test_settings_that_will_not_do_are_told_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DARKROOM_STORAGE__URL", "file:///pictures")
    monkeypatch.setenv("DARKROOM_WORKR__SLOTS", "5")

    assert told_settings() is None
    assert "DARKROOM_WORKER__SLOTS" in capsys.readouterr().err

    monkeypatch.delenv("DARKROOM_WORKR__SLOTS")
    assert told_settings() is not None


def test_a_table_of_the_file_that_is_no_group_is_refused_like_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "darkroom.toml").write_text("[budget]\ntenant_month_usd = 1\n[misc]\nx = 1\n")
    monkeypatch.chdir(tmp_path)

    assert complaints() == [
        "[budget]: there is no such group of settings; did you mean [budgets]?",
        "[misc]: there is no such group of settings",
    ]
