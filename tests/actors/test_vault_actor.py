"""The vault: secrets are encrypted, versioned, given to those who may read them, and every reading is an event."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from events.ids import new_id
from events.state import StateDb
from qi.app.cli.main import main
from qi.checked import Checked
from qi.contracts.auth import AddUser
from qi.contracts.secrets import ListSecrets, ReadSecret, RemoveSecret, StoreSecret
from qi.credentials import guest
from qi.errors import Forbidden, Invalid, NotFound, QiError
from qi.home import Home
from qi.session.participant import Participant
from qi.testing.studio import RunningStudio, start_studio
from qi.vault_key import vault_key

VALUE = "correct-horse-4711-staple"


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    # No test may write into the keyring of whoever runs it.
    environment = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    with start_studio(tmp_path_factory.mktemp("studio") / "home", environment=environment) as studio:
        yield studio


def store(studio: RunningStudio, name: str, value: str) -> int:
    return studio.bus.request(StoreSecret(name=name, value=value, command=new_id())).version


def test_a_secret_has_versions_and_every_reading_is_an_event(running: RunningStudio) -> None:
    assert [store(running, "Farm password", one) for one in ("first-value", VALUE, VALUE)] == [1, 2, 2]
    read = running.bus.request(ReadSecret(name="farm PASSWORD", purpose="to submit"))
    assert (read.name, read.version, read.value) == ("Farm password", 2, VALUE)
    assert running.bus.request(ReadSecret(name="Farm password", version=1)).value == "first-value"
    assert VALUE not in repr(read)
    told = [(event.type, event.data["version"]) for event in running.events() if event.type.startswith("secret.")]
    assert told[-4:] == [("secret.stored", 1), ("secret.stored", 2), ("secret.read", 2), ("secret.read", 1)]
    (listed,) = [one for one in running.bus.request(ListSecrets()).secrets if one.name == "Farm password"]
    assert (listed.version, listed.stored_by != "") == (2, True)
    with pytest.raises(NotFound, match="no version 9"):
        running.bus.request(ReadSecret(name="Farm password", version=9))


def test_it_lies_nowhere_in_the_open(running: RunningStudio) -> None:
    store(running, "everywhere", VALUE + "-sought")
    running.bus.request(ReadSecret(name="everywhere"))
    sought = (VALUE + "-sought").encode()
    files = [Path(folder, name) for folder, _, names in os.walk(running.home.root) for name in names]
    assert running.home.events in files
    for path in files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # a running studio writes a file anew beside the old one
        assert sought not in content, path
        assert base64.b64encode(sought)[:-4] not in content, path


def test_only_who_may_reads_and_writes(running: RunningStudio) -> None:
    store(running, "guarded", VALUE)
    running.bus.request(AddUser(name="eve", password="correct horse", command=new_id()))
    connection = running.home.connection()
    assert connection is not None
    eve = Participant(guest(connection.url), kind="cli", codec=Checked())
    eve.join()
    eve.log_in("eve", "correct horse")
    mine = StoreSecret(name="guarded", value="mine")
    for request in (ReadSecret(name="guarded"), mine, RemoveSecret(name="guarded")):
        with pytest.raises(Forbidden):
            eve.bus.request(request)
    assert "guarded" in {one.name for one in eve.bus.request(ListSecrets()).secrets}
    eve.leave()


def test_what_was_removed_is_gone_in_every_version(running: RunningStudio) -> None:
    store(running, "passing", VALUE)
    running.bus.request(RemoveSecret(name="passing", reason="rotated", command=new_id()))
    with pytest.raises(NotFound):
        running.bus.request(ReadSecret(name="passing"))
    with pytest.raises(Invalid):
        store(running, "nothing", "")


def test_a_box_in_the_place_of_another_is_not_opened(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    with start_studio(home, environment=environment) as studio:
        store(studio, "one", "value-of-one")
        store(studio, "two", "value-of-two")
    state = StateDb(home / "state.db")
    kept = dict(state.items("secrets"))
    state.put("secrets", "two", {**kept["two"], "versions": kept["one"]["versions"]})
    state.close()
    with start_studio(home, environment=environment) as studio, pytest.raises(QiError, match="cannot be opened"):
        studio.bus.request(ReadSecret(name="two"))


def test_the_key_is_in_the_keyring_or_in_a_file_of_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, ring = keyring.get_keyring(), Ring()
    first, second = Home(tmp_path / "first"), Home(tmp_path / "second")
    first.make()
    second.make()
    try:
        keyring.set_keyring(ring)
        key = vault_key(first)
        assert (key.kept_in, len(ring.kept)) == ("keyring", 1)
        assert not (first.keys / "vault.key").exists()
        assert vault_key(first).open(key.seal("x", "a"), "a") == "x"
        monkeypatch.setattr("qi.vault_key._keyring", lambda: None)
        other = vault_key(second)
        assert other.kept_in == str(second.keys / "vault.key")
        assert Path(other.kept_in).stat().st_mode & 0o777 == 0o600
        with pytest.raises(QiError):
            other.open(key.seal("x", "a"), "a")
        Path(other.kept_in).chmod(0o644)
        with pytest.raises(QiError, match="others than its owner"):
            vault_key(second)
        assert "VaultKey(" in repr(other)
    finally:
        keyring.set_keyring(before)


def test_the_command_line_keeps_reads_and_forgets(
    running: RunningStudio, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def qi(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["--home", str(running.home.root), *arguments]) == code
        said = capsys.readouterr()
        return said.out + said.err

    monkeypatch.setattr("sys.stdin", io.StringIO(VALUE + "\n"))
    assert VALUE not in qi("secret", "set", "by hand", "--stdin")
    assert "by hand" in qi("secret", "list")
    assert json.loads(qi("secret", "list", "--json"))["kept_in"].endswith("vault.key")
    assert qi("secret", "get", "by hand") == VALUE + "\n"
    assert "is forgotten" in qi("secret", "remove", "by hand", "--reason", "over")
    assert "no secret" in qi("secret", "get", "by hand", code=2)
