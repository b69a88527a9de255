"""What every store promises, asked of every store there is."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from core.storage.store import ObjectStore
from schemas.errors import AlreadyStoredError, NotFoundError, TooLargeError

PNG = "image/png"
UNICODE_KEY = "t/größe/日本 picture+1 & 100%.png"
BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "a/./b",
    "a/../b",
    "..",
    "a\x00b",
    "a\nb",
    "a\x7fb",
    "a\ud800b",
    ".meta/a",
    "a/" + "ü/" * 400 + "b",
]


async def keys_of(store: ObjectStore, prefix: str) -> list[str]:
    return [key async for key in store.list_keys(prefix)]


async def folders_of(store: ObjectStore, prefix: str) -> list[str]:
    return [name async for name in store.list_folders(prefix)]


async def wins(store: ObjectStore, key: str, data: bytes) -> bool:
    try:
        await store.put_bytes(key, data, media_type=PNG, metadata={"who": data.decode()}, overwrite=False)
    except AlreadyStoredError:
        return False
    return True


async def test_what_is_put_is_what_is_read(store: ObjectStore) -> None:
    await store.put_bytes("t/a/picture.png", b"\x00\xff picture", media_type=PNG, overwrite=False)
    assert await store.get_bytes("t/a/picture.png") == b"\x00\xff picture"


async def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    await store.put_bytes("empty", b"", media_type=PNG, overwrite=False)
    assert await store.get_bytes("empty") == b""


async def test_a_big_file_comes_back_as_it_went(store: ObjectStore, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(os.urandom(8 * 1024 * 1024))
    await store.put_file("big", original, media_type=PNG, overwrite=False)
    await store.get_file("big", copy)
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(original.read_bytes()).digest()


async def test_a_file_that_is_read_replaces_the_one_in_its_place_and_leaves_no_part(
    store: ObjectStore, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (into / "copy").write_bytes(b"old")
    await store.put_bytes("k", b"new", media_type=PNG, overwrite=False)
    await store.get_file("k", into / "copy")
    assert [path.read_bytes() for path in into.iterdir()] == [b"new"]


async def test_a_file_that_is_not_there_cannot_be_stored(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        await store.put_file("k", tmp_path / "gone", media_type=PNG, overwrite=False)


async def test_overwriting_replaces_bytes_media_type_and_metadata(store: ObjectStore) -> None:
    await store.put_bytes("k", b"old", media_type=PNG, metadata={"old": "1"}, overwrite=False)
    await store.put_bytes("k", b"newer", media_type="text/plain", metadata={"new": "2"}, overwrite=True)
    info = await store.stat("k")
    assert info is not None
    assert (info.size_bytes, info.media_type, info.metadata) == (5, "text/plain", {"new": "2"})
    assert await store.get_bytes("k") == b"newer"


async def test_not_overwriting_keeps_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    await store.put_bytes("k", b"first", media_type=PNG, metadata={"who": "first"}, overwrite=False)
    second = tmp_path / "second"
    second.write_bytes(b"second")
    with pytest.raises(AlreadyStoredError, match="k"):
        await store.put_file(
            "k", second, media_type="text/plain", metadata={"who": "second"}, overwrite=False
        )
    info = await store.stat("k")
    assert info is not None and (info.media_type, info.metadata) == (PNG, {"who": "first"})
    assert await store.get_bytes("k") == b"first"


async def test_of_many_conditional_writes_at_once_one_wins(store: ObjectStore, place: Any) -> None:
    for round_number in range(5):
        key = f"race/{round_number}"
        names = [f"writer {number}" for number in range(6)]
        won = await asyncio.gather(*(wins(store, key, name.encode()) for name in names))
        assert sum(won) == 1 if place.atomic else sum(won) >= 1
        stored, info = await store.get_bytes(key), await store.stat(key)
        assert info is not None and info.metadata == {"who": stored.decode()}
        assert stored.decode() in [name for name, one_won in zip(names, won, strict=True) if one_won]


async def test_a_reader_never_sees_half_of_a_write(store: ObjectStore) -> None:
    contents = [bytes([letter]) * 1_000_000 for letter in b"ab"]
    await store.put_bytes("k", contents[0], media_type=PNG, overwrite=False)

    async def write() -> None:
        for number in range(8):
            await store.put_bytes("k", contents[number % 2], media_type=PNG, overwrite=True)

    writing = asyncio.create_task(write())
    while not writing.done():
        assert await store.get_bytes("k") in contents
    await writing


async def test_a_stat_tells_size_time_and_metadata(store: ObjectStore) -> None:
    before_ms = time.time_ns() // 1_000_000
    await store.put_bytes("k", b"12345", media_type=PNG, metadata={"sha256": "ab12"}, overwrite=False)
    info = await store.stat("k")
    assert info is not None
    assert (info.key, info.size_bytes, info.media_type, info.metadata) == ("k", 5, PNG, {"sha256": "ab12"})
    # S3 tells whole seconds.
    assert before_ms - 1000 <= info.modified_at_ms <= time.time_ns() // 1_000_000 + 1000


async def test_the_etag_changes_with_the_object(store: ObjectStore) -> None:
    await store.put_bytes("k", b"one", media_type=PNG, overwrite=False)
    first = await store.stat("k")
    assert first == await store.stat("k")
    await store.put_bytes("k", b"two", media_type=PNG, overwrite=True)
    second = await store.stat("k")
    assert first is not None and second is not None and first.etag and first.etag != second.etag


async def test_metadata_comes_back_as_it_went(store: ObjectStore) -> None:
    values = ["", "plain  words", "100% of 5/3", " spaces at both ends ", "Größe 日本 🖼", "a\nb", "  ", "%41"]
    metadata = {f"value-{number}": value for number, value in enumerate(values)}
    await store.put_bytes("k", b"", media_type=PNG, metadata=metadata, overwrite=False)
    info = await store.stat("k")
    assert info is not None and info.metadata == metadata


async def test_metadata_that_no_store_takes_is_refused(store: ObjectStore) -> None:
    for metadata in ({"Upper": "x"}, {"under_score": "x"}, {"": "x"}, {"big": "ü" * 400}):
        with pytest.raises(ValueError, match="metadata"):
            await store.put_bytes("k", b"", media_type=PNG, metadata=metadata, overwrite=False)
    assert await store.stat("k") is None


async def test_what_was_never_stored_is_not_found(store: ObjectStore, tmp_path: Path) -> None:
    assert await store.stat("no/such") is None
    with pytest.raises(NotFoundError, match="no/such"):
        await store.get_bytes("no/such")
    with pytest.raises(NotFoundError, match="no/such"):
        await store.get_file("no/such", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert await keys_of(store, "") == []


async def test_the_folder_of_a_key_is_not_a_key(store: ObjectStore) -> None:
    await store.put_bytes("a/b/c", b"", media_type=PNG, overwrite=False)
    assert await store.stat("a/b") is None
    assert await store.stat("a/b/c/d") is None
    with pytest.raises(NotFoundError):
        await store.get_bytes("a/b")


async def test_an_object_over_the_limit_of_its_reader_is_too_large(store: ObjectStore) -> None:
    await store.put_bytes("k", b"12345", media_type=PNG, overwrite=False)
    assert await store.get_bytes("k", max_bytes=5) == b"12345"
    with pytest.raises(TooLargeError, match="5 bytes"):
        await store.get_bytes("k", max_bytes=4)


async def test_deleting_is_idempotent(store: ObjectStore) -> None:
    await store.put_bytes("a/k", b"x", media_type=PNG, metadata={"n": "1"}, overwrite=False)
    await store.delete("a/k")
    await store.delete("a/k")
    assert await store.stat("a/k") is None
    await store.put_bytes("a/k", b"y", media_type=PNG, overwrite=False)
    info = await store.stat("a/k")
    assert info is not None and info.metadata == {}


async def test_keys_may_hold_any_letters(store: ObjectStore) -> None:
    await store.put_bytes(UNICODE_KEY, b"x", media_type=PNG, overwrite=False)
    assert await keys_of(store, "t/größe/") == [UNICODE_KEY]
    assert await store.get_bytes(UNICODE_KEY) == b"x"


async def test_a_key_that_no_store_takes_is_refused(store: ObjectStore) -> None:
    for key in BAD_KEYS:
        with pytest.raises(ValueError, match="key"):
            await store.put_bytes(key, b"", media_type=PNG, overwrite=False)
        with pytest.raises(ValueError, match="key"):
            store.url(key)


async def test_a_prefix_that_no_key_can_have_is_refused(store: ObjectStore) -> None:
    for prefix in ("/", "a//b", "../", "a/./b", ".meta/"):
        with pytest.raises(ValueError, match="key"):
            await keys_of(store, prefix)


async def test_keys_are_listed_in_the_order_of_their_bytes(store: ObjectStore) -> None:
    keys = ["a", "a b", "a-b", "a.b/c", "a0", "b/a/x", "b/a-x", "b/a.x", "b/ü", "b/日", "b/🖼", "B", "~"]
    for key in reversed(keys):
        await store.put_bytes(key, b"", media_type=PNG, overwrite=False)
    assert await keys_of(store, "") == sorted(keys, key=str.encode)


async def test_a_prefix_need_not_end_at_a_slash(store: ObjectStore) -> None:
    for key in ("t/a/1", "t/a/b/2", "t/a-3", "u"):
        await store.put_bytes(key, b"", media_type=PNG, overwrite=False)
    assert await keys_of(store, "t/a/") == ["t/a/1", "t/a/b/2"]
    assert await keys_of(store, "t/a") == ["t/a-3", "t/a/1", "t/a/b/2"]
    assert await keys_of(store, "t/a/1") == ["t/a/1"]
    assert await keys_of(store, "t/a/1/") == []
    assert await keys_of(store, "t/x/y/") == []
    assert await keys_of(store, "u") == ["u"]


async def test_more_keys_and_more_folders_than_one_page_are_all_listed(store: ObjectStore) -> None:
    names = [f"{number:04}" for number in range(1_001)]
    keys = [f"many/{name}/x" for name in names]
    await asyncio.gather(*(store.put_bytes(key, b"", media_type=PNG, overwrite=True) for key in keys))
    assert await keys_of(store, "many/") == keys
    assert await folders_of(store, "many/") == names


async def test_a_listing_may_be_left_early(store: ObjectStore) -> None:
    for key in ("a", "b"):
        await store.put_bytes(key, b"", media_type=PNG, overwrite=False)
    assert await anext(store.list_keys("")) == "a"


async def test_the_folders_below_a_prefix_are_listed_without_what_is_in_them(store: ObjectStore) -> None:
    for key in ("t/a/1", "t/a/b/2", "t/b-c/3", "t/b/4", "t/ü/5", "t/single", "u/x/6", "v"):
        await store.put_bytes(key, b"", media_type=PNG, overwrite=False)
    assert await folders_of(store, "t/") == sorted(
        ["a", "b-c", "b", "ü"], key=lambda name: f"{name}/".encode()
    )
    assert await folders_of(store, "") == ["t", "u"]
    assert await folders_of(store, "t/a/") == ["b"]
    assert await folders_of(store, "nothing/") == []


async def test_a_folder_is_gone_with_its_last_object_and_the_store_s_own_is_none(store: ObjectStore) -> None:
    await store.check()
    await store.put_bytes("t/a/1", b"", media_type=PNG, overwrite=False)
    await store.delete("t/a/1")
    assert await folders_of(store, "") == []


async def test_what_is_no_folder_is_refused(store: ObjectStore) -> None:
    for prefix in ("t", "/", "a//", ".meta/"):
        with pytest.raises(ValueError, match=r"key|folder"):
            await folders_of(store, prefix)


async def test_a_store_that_works_passes_its_check_and_lists_no_trace_of_it(store: ObjectStore) -> None:
    await store.check()
    await store.check()
    assert await keys_of(store, "") == []


async def test_a_closed_store_has_finished_what_was_under_way(place: Any) -> None:
    first = place.open()
    writing = [asyncio.create_task(wins(first, f"k/{number}", b"x")) for number in range(12)]
    await asyncio.sleep(0)
    await first.aclose()
    assert await asyncio.gather(*writing) == [True] * 12
