"""What finds a picture by its fingerprint may be damaged in storage: then there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.documents import Documents, Print
from core.storage.folder import FolderStore

FINGERPRINT = "ab" * 32


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"batch_id": "b"}', b'{"batch_id": 7, "asset": 1}', b"\xff"]
)
async def test_a_print_that_cannot_be_read_counts_as_none_until_it_is_written_again(
    tmp_path: Path, text: bytes
) -> None:
    store = FolderStore(tmp_path, threads=1)
    documents, found = Documents(store), Print("batch_1", "a.png", "originals/a.png", "cd" * 32)
    key = f"tenants/acme/prints/ab/{FINGERPRINT}.json"
    await store.put_bytes(key, text, media_type="application/json", overwrite=True)

    assert await documents.find_print("acme", FINGERPRINT) is None
    await documents.put_print("acme", FINGERPRINT, found)
    assert await documents.find_print("acme", FINGERPRINT) == found
    await store.aclose()
