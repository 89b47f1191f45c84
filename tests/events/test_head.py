"""The signed head is owner-only, authentic, and never ahead of its log."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from events.chain import EMPTY
from events.errors import CorruptLog, Forbidden
from events.head import HeadFile
from events.memory import MemoryStore
from events.record import Position
from events.store import Head
from qi.testing.store_contract import noted, request

HEAD = Head(Position(7), "ab" * 32)


def test_a_head_comes_back_as_it_was_signed(tmp_path: Path) -> None:
    assert HeadFile(tmp_path).read() is None
    HeadFile(tmp_path).write(HEAD)
    assert HeadFile(tmp_path).read() == HEAD


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_the_owner_can_use_the_key(tmp_path: Path) -> None:
    HeadFile(tmp_path).write(HEAD)
    key = tmp_path / "head.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(Forbidden) as caught:
        HeadFile(tmp_path).read()
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("change", [{"position": 6}, {"hash": "cd" * 32}, {"mac": "00" * 32}, {"mac": "é"}])
def test_a_head_that_was_edited_is_not_believed(tmp_path: Path, change: dict[str, object]) -> None:
    HeadFile(tmp_path).write(HEAD)
    path = tmp_path / "head.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(CorruptLog, match="not signed"):
        HeadFile(tmp_path).read()


def test_a_head_that_cannot_be_read_is_not_ignored(tmp_path: Path) -> None:
    HeadFile(tmp_path).write(HEAD)
    (tmp_path / "head.json").write_bytes(b"{")
    with pytest.raises(CorruptLog, match="cannot be read"):
        HeadFile(tmp_path).read()


def test_a_head_without_its_key_is_not_believed(tmp_path: Path) -> None:
    HeadFile(tmp_path).write(HEAD)
    (tmp_path / "head.key").unlink()
    with pytest.raises(CorruptLog, match="is gone"):
        HeadFile(tmp_path).read()


def test_a_log_with_events_needs_its_head(tmp_path: Path) -> None:
    store, heads = MemoryStore(), HeadFile(tmp_path)
    heads.require(store)
    heads.write(EMPTY)
    store.append(request(noted()))
    heads.require(store)
    (tmp_path / "head.json").unlink()
    with pytest.raises(CorruptLog, match="is gone"):
        heads.require(store)


def test_an_emptied_log_is_found(tmp_path: Path) -> None:
    heads = HeadFile(tmp_path)
    heads.write(HEAD)
    with pytest.raises(CorruptLog, match="cut off"):
        heads.require(MemoryStore())
