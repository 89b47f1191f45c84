"""The folder a studio owns."""

import stat
from pathlib import Path

import pytest

from qi.errors import QiError
from qi.home import Connection, Home, write_private

HERE = Connection("nats://127.0.0.1:4222", "qsecret", 42, "box")


def test_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "home")
    home.make()
    home.make()
    for folder in (home.root, home.blobs, home.code, home.runs, home.logs, home.keys, home.addon_state("a").parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_whoever_says_how_far_it_has_come_is_known(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.states == [home.state]
    home.make()
    for addon in ("teller", "local"):
        home.addon_state(addon).touch()
    assert home.states == [home.state, home.addon_state("local"), home.addon_state("teller")]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(QiError, match="cannot be written") as caught:
        Home(tmp_path / "file").make()
    assert "--home" in caught.value.remedy


def test_whoever_reads_the_announcement_can_connect(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.connection() is None
    home.announce(HERE)
    assert home.connection() == HERE
    assert (HERE.credentials.user, HERE.credentials.password) == ("", "qsecret")
    assert stat.S_IMODE(home.connection_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["{", "[]", '{"url": "x"}', "3"])
def test_a_damaged_announcement_is_said(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.connection_file.write_text(text)
    with pytest.raises(QiError, match="is damaged") as caught:
        home.connection()
    assert caught.value.remedy == "delete it"


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "login.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
