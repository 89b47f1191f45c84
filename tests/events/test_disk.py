"""A file is replaced whole, and a network file system is recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.disk import network_file_system, require_local, write_atomically

MOUNTS = [
    ("/", "ext4", "rw"),
    ("/home", "nfs4", "rw"),
    ("/home/local", "xfs", "rw"),
    ("/mnt/over", "ext4", "rw"),
    ("/mnt/over", "cifs", "rw"),
    ("Z:\\", "", "rw,remote"),
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/qi", ""),
        ("/home/ada/qi", "nfs4"),
        ("/homely/qi", ""),
        ("/home/local/qi", ""),
        ("/mnt/over/qi", "cifs"),
        ("//server/share/qi", "a network share"),
    ],
)
def test_a_network_file_system_is_recognised(path: str, kind: str) -> None:
    assert network_file_system(Path(path), MOUNTS) == kind


def test_the_disk_under_this_test_is_local(tmp_path: Path) -> None:
    require_local(tmp_path / "events.db")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "head.json"
    for content in (b"old", b"new"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["head.json"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "taken", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
