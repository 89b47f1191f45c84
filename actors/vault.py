"""The vault: secrets, encrypted at rest, versioned. Every read is an event before it is answered."""

from __future__ import annotations

import builtins
from pathlib import Path

import msgspec

from events.catalog import encode_change
from events.ids import new_id
from events.names import check_name, fold_name
from events.record import Change, DomainEvent, now
from events.secrets import SecretRead, SecretRemoved, SecretStored, secret_stream
from events.state import StateDb
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.log import AppendEvents
from qi.contracts.secrets import (
    ListSecrets,
    ReadSecret,
    RemoveSecret,
    SecretInfo,
    SecretList,
    SecretValue,
    StoreSecret,
)
from qi.errors import Invalid, NotFound
from qi.home import Home
from qi.masking import hide
from qi.messages import Done
from qi.vault_key import vault_key

TABLE = "secrets"


class Boxed(msgspec.Struct, frozen=True):
    """One version, sealed."""

    version: int
    box: str
    by: str
    at: int


class Kept(msgspec.Struct, frozen=True):
    name: str
    versions: tuple[Boxed, ...]
    """Oldest first."""


class Vault(Actor):
    """Keeps secrets in `state.db`; their values are in no event, no log and no error."""

    name = "vault"
    requests = (AppendEvents,)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._state = StateDb(self._home.state)
        self._key = vault_key(self._home)

    def teardown(self) -> None:
        if hasattr(self, "_state"):
            self._state.close()

    @handles(StoreSecret)
    def store(self, message: StoreSecret) -> SecretInfo:
        name = check_name(message.name)
        if not message.value:
            raise Invalid("an empty secret is none", fields={"value": "is empty"})
        hide(message.value)
        kept = self._find(name)
        version = 1
        if kept is not None:
            newest = kept.versions[-1]
            if self._key.open(newest.box, _bound(name, newest.version)) == message.value:
                return self._info(kept)
            version = newest.version + 1
        box = self._key.seal(message.value, _bound(name, version))
        made = Kept(kept.name if kept else name, (
            *(kept.versions if kept else ()), Boxed(version, box, self.caller.user, now()),
        ))  # fmt: skip
        # The event first: a value that nobody heard of can be stored again, one without an author cannot be undone.
        self._record(name, SecretStored(name=made.name, version=version), message.command)
        self._state.put(TABLE, fold_name(name), msgspec.to_builtins(made))
        return self._info(made)

    @handles(ReadSecret)
    def read(self, message: ReadSecret) -> SecretValue:
        kept = self._found(message.name)
        wanted = [one for one in kept.versions if message.version in (0, one.version)]
        if not wanted:
            raise NotFound(f"the secret '{kept.name}' has no version {message.version}", name=kept.name)
        one = wanted[-1]
        value = self._key.open(one.box, _bound(kept.name, one.version))
        hide(value)
        self._record(kept.name, SecretRead(name=kept.name, version=one.version, purpose=message.purpose))
        return SecretValue(name=kept.name, version=one.version, value=value)

    @handles(RemoveSecret)
    def remove(self, message: RemoveSecret) -> Done:
        kept = self._found(message.name)
        self._record(kept.name, SecretRemoved(name=kept.name, reason=message.reason), message.command)
        self._state.delete(TABLE, fold_name(kept.name))
        return Done()

    @handles(ListSecrets)
    def list(self, _: ListSecrets) -> SecretList:
        kept = [msgspec.convert(value, Kept) for _, value in self._state.items(TABLE)]
        return SecretList(secrets=tuple(map(self._info, self._sorted(kept))), kept_in=self._key.kept_in)

    # -- inside ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _sorted(kept: builtins.list[Kept]) -> builtins.list[Kept]:
        return sorted(kept, key=lambda one: fold_name(one.name))

    @staticmethod
    def _info(kept: Kept) -> SecretInfo:
        newest = kept.versions[-1]
        return SecretInfo(name=kept.name, version=newest.version, stored_by=newest.by, stored_at=newest.at)

    def _find(self, name: str) -> Kept | None:
        found = self._state.get(TABLE, fold_name(name))
        return msgspec.convert(found, Kept) if found else None

    def _found(self, name: str) -> Kept:
        found = self._find(name)
        if found is None:
            raise NotFound(f"there is no secret '{name}'", remedy="`qi secret list` shows which there are", name=name)
        return found

    def _record(self, name: str, said: DomainEvent, command: str = "") -> None:
        changes = (encode_change(Change(secret_stream(name), said)),)
        self.request(AppendEvents(events=changes, expected={}, command=command or new_id()))


def _bound(name: str, version: int) -> str:
    """What a box belongs to."""
    return f"{fold_name(name)}\n{version}"
