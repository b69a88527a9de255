"""Ids, keys and the closed lists of words."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents import picture_key
from core.storage.folder import MAX_SEGMENT_BYTES
from core.storage.rules import check_key
from schemas.asset import MAX_KEY_BYTES, safe_key
from schemas.failure import FAILURE_RULES, Charged, Failure, FailureClass
from schemas.ids import attempt_id, is_id, new_id


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_the_time_they_were_made(earlier: int, later: int, chance: bytes) -> None:
    earlier, later = sorted((earlier, later))

    first = new_id("batch", now_ms=earlier, random_bytes=chance)
    second = new_id("batch", now_ms=later, random_bytes=chance)

    assert is_id(first, "batch")
    assert (first < second) == (earlier < later)


@pytest.mark.parametrize("ending", ["\n", "/..", " ", "x", "é"])
def test_nothing_can_be_hung_onto_an_id(ending: str) -> None:
    made = new_id("plan", now_ms=1, random_bytes=bytes(10))

    assert is_id(made, "plan")
    assert not is_id(made + ending, "plan")
    assert not is_id(made, "batch")


def test_an_attempt_is_named_by_batch_task_and_try() -> None:
    assert attempt_id("batch_1", 7, 2) == "batch_1:7:2"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sku/hero-1", "sku/hero-1"),
        ("a/hero.webp/b", "a/hero.webp_/b"),
        ("a.json/b.webp", "a.json_/b.webp"),
        ("../../etc/passwd", "etc/passwd"),
        ("/a//b/./../c/", "a/b/c"),
        ("a/.. /b", "a/b"),
        (".hidden/.", "hidden"),
        ("a\\..\\b", "a_.._b"),
        ("a?b#c%d:e*f\x00g\nh", "a_b_c_d_e_f_g_h"),
        ("Größe 42/كنبة/天鵝絨", "Größe 42/كنبة/天鵝絨"),
        ("हिन्दी", "हिन्दी"),
        ("CON", "CON_"),
        ("aux/nul.tar/Prn .front/com1/LPT¹", "aux_/nul_.tar/Prn_ .front/com1_/LPT¹_"),
        ("console/auxiliary/nul-1/COM10/COM/nul_/my.con", "console/auxiliary/nul-1/COM10/COM/nul_/my.con"),
        ("con." + "x" * 196, "con_." + "x" * 195),
        ("x" * 300, "x" * 200),
        ("é" * 150, "é" * 100),
    ],
)
def test_a_key_is_made_safe(text: str, key: str) -> None:
    assert safe_key(text) == key


def test_letters_with_different_marks_stay_different_keys() -> None:
    assert safe_key("कि") != safe_key("की")


@pytest.mark.parametrize(
    ("text", "says"), [("../..", "empty"), (" / . ", "empty"), ("/".join(["x" * 150] * 5), "more than 700")]
)
def test_a_key_of_which_nothing_is_left_or_too_much_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        safe_key(text)


@given(st.text(max_size=300))
def test_no_key_leaves_its_folder(text: str) -> None:
    try:
        key = safe_key(text)
    except ValueError:
        return

    assert len(key.encode()) <= MAX_KEY_BYTES
    assert not any(segment in ("", ".", "..") for segment in key.split("/"))
    assert not set(key) & set('\\?#%:*"<>|\x00\n\r\t')
    assert safe_key(key) == key


TRICKS = (
    *("..", ".", "", " ", "~", "-rf", "CON", "nul.x", ".meta", "a.png", "a.json"),
    *("\\", "..\\", "%2e%2e", "\u2025", "\uff0e\uff0e", "\x00", "\u202e", "\ud800"),
)
SEGMENT = st.one_of(st.text(max_size=40), st.sampled_from(TRICKS), st.text("é़漢a./ ", max_size=300))


@given(st.lists(SEGMENT, max_size=12).map("/".join), st.sampled_from(["png", "jpg", "webp"]))
def test_every_key_can_be_stored_with_its_receipt_and_stays_below_its_folder(
    text: str, extension: str
) -> None:
    """On a disk and in S3, with the longest ending that a picture gets, below a prefix of 150 bytes."""
    try:
        stem = safe_key(text)
    except ValueError:
        return

    asset = f"{stem}.attempt-100.{extension}"
    key = picture_key("default", f"batch_{'0' * 26}", asset)
    check_key(f"{'p' * 150}/{key}.json")
    assert max(len(segment.encode()) for segment in f"{key}.json".split("/")) <= MAX_SEGMENT_BYTES
    root = PurePosixPath("/folder")
    assert PurePosixPath(posixpath.normpath(root / asset)).is_relative_to(root)
    assert not any(
        segment.startswith((".", " ")) or segment.endswith((".", " ")) for segment in stem.split("/")
    )
    assert set(stem) <= {"/", *".()+=@~ -_"} | {letter for letter in stem if category(letter)[0] in "LMN"}


@given(st.lists(SEGMENT, max_size=6).map("/".join))
def test_no_part_of_a_key_means_a_device_on_windows(text: str) -> None:
    try:
        parts = safe_key(text).split("/")
    except ValueError:
        return

    assert not any(PureWindowsPath(part).is_reserved() for part in (*parts[:-1], f"{parts[-1]}.png"))


@given(st.lists(SEGMENT, max_size=6).map("/".join))
def test_a_folder_of_a_key_is_never_called_like_a_picture_or_a_receipt(text: str) -> None:
    try:
        folders = safe_key(text).split("/")[:-1]
    except ValueError:
        return

    assert not any(folder.lower().endswith((".png", ".jpg", ".webp", ".json")) for folder in folders)


def test_every_failure_class_has_a_rule_and_advice() -> None:
    assert set(FAILURE_RULES) == set(FailureClass)
    assert all(rule.advice.endswith(".") for rule in FAILURE_RULES.values())


BY_ITSELF = {FailureClass.NOT_SENT, FailureClass.RATE_LIMITED, FailureClass.SLOW_DOWN, FailureClass.STORAGE}


@pytest.mark.parametrize("failure_class", [one for one in FailureClass if one not in BY_ITSELF])
def test_the_advice_of_what_does_not_mend_itself_says_what_to_do(failure_class: FailureClass) -> None:
    asked = r"\b(replay (it|that one)|submit again|top it up|mend it|you replay)\b"

    assert re.search(asked, FAILURE_RULES[failure_class].advice)


def test_a_failure_is_charged_as_its_class_says_unless_the_facts_say_otherwise() -> None:
    assert Failure.of(FailureClass.BAD_OUTPUT, "x").charged is Charged.YES
    assert Failure.of(FailureClass.BAD_OUTPUT, "x", charged=Charged.NO).charged is Charged.NO


def test_a_failures_message_is_cut_at_500_characters() -> None:
    assert len(Failure.of(FailureClass.DOUBTFUL, "x" * 900).message) == 500
