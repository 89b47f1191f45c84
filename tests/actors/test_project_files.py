"""Reading a project's settings file: what it says, whose it is, and what is no such file. No studio is needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.project_files import LONGEST_BYTES, NOBODY, read
from qi.errors import Invalid


def test_a_file_says_values_and_whose_it_is(tmp_path: Path) -> None:
    file = tmp_path / "qi.settings.toml"
    assert read(file) == ({}, NOBODY)
    file.write_text("[media]\nfps = 25\n", "utf-8")
    assert read(file) == ({"media": {"fps": 25}}, file.owner())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[media\n", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"[media]\nday = 2026-01-01\n", "no setting can be"),
        (b"[media]\nrate = nan\n", "no setting can be"),
        (b"a = " + b"[" * 10_000, "not valid TOML"),
        (b"#" * (LONGEST_BYTES + 1), "longer than"),
    ],
    ids=["broken", "not_text", "a_date", "nan", "deep", "long"],
)
def test_a_broken_file_is_told(tmp_path: Path, text: bytes, why: str) -> None:
    file = tmp_path / "qi.settings.toml"
    file.write_bytes(text)
    with pytest.raises(Invalid, match=why):
        read(file)


def test_a_link_a_folder_and_a_pipe_are_no_settings_files(tmp_path: Path) -> None:
    (tmp_path / "else.toml").write_text("[media]\nfps = 25\n")
    link, folder, pipe = tmp_path / "link", tmp_path / "folder", tmp_path / "pipe"
    link.symlink_to(tmp_path / "else.toml")
    folder.mkdir()
    os.mkfifo(pipe)
    for wrong in (link, folder, pipe):
        with pytest.raises(Invalid):
            read(wrong)
