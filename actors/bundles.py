"""Bundles and the pointers: what is pinned, where production and staging point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from events import bundles
from events.bundle_commands import ArchiveBundle as Archive
from events.bundle_commands import CreateBundle as Create
from events.bundle_commands import FreezeBundle as Freeze
from events.bundle_commands import PromoteBundle as Promote
from events.bundle_events import AddonPin
from events.bundles import Bundle, Pointer, pointer_stream
from events.decider import Known
from events.ids import new_id
from events.record import Position
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.addons import AddonInfo, ListAddons, StoreAddon
from qi.contracts.bundles import (
    ArchiveBundle,
    BundleInfo,
    BundleList,
    CreateBundle,
    GetBundle,
    ListBundles,
    PinnedAddon,
    PromoteBundle,
)
from qi.contracts.log import AppendEvents
from qi.deciding import Ledger, known_at
from qi.errors import Invalid, NotFound
from qi.home import Home
from qi.reading import open_reader


class Bundles(Actor):
    """Decides about bundles; folds them from the log."""

    name = "bundles"
    requests = (AppendEvents, ListAddons, StoreAddon)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._ledger = Ledger(self._reader, bundles.FOLDS, self.request)

    def teardown(self) -> None:
        self._reader.close()

    @handles(ListBundles)
    def list(self, _: ListBundles) -> BundleList:
        position = self._ledger.follow()
        known = self._ledger.known
        found = tuple(_info(known, bundle, position) for bundle in known.all(Bundle))
        return BundleList(bundles=found, position=position)

    @handles(GetBundle)
    def get(self, message: GetBundle) -> BundleInfo:
        position = self._ledger.follow()
        known = self._ledger.known
        if message.at:
            position = Position(message.at)
            known = known_at(self._reader, bundles.FOLDS, position)
        return _info(known, find(known, message.bundle), position)

    @handles(CreateBundle)
    def create(self, message: CreateBundle) -> BundleInfo:
        stored = [self.request(StoreAddon(name=name)) for name in message.addons] or list(self._all_usable())
        create = Create(
            id=message.command or new_id(),
            name=message.name,
            addons={info.name: _pin(info, message.dev) for info in stored},
            environment=message.environment,
            reason=message.reason,
        )
        steps = [create] if message.dev else [create, Freeze(bundle=create.id, reason=message.reason)]
        self._ledger.carry_out(bundles.decide, *steps, command=message.command)
        return self._now(create.id)

    def _all_usable(self) -> Iterator[AddonInfo]:
        """Every addon that was found and can be used; the addons service reports the others."""
        for info in self.request(ListAddons()).addons:
            if not info.problem:
                with suppress(Invalid):
                    yield self.request(StoreAddon(name=info.name))

    @handles(PromoteBundle)
    def promote(self, message: PromoteBundle) -> BundleInfo:
        self._ledger.follow()
        bundle = find(self._ledger.known, message.bundle)
        replaces = message.replaces
        if replaces:
            # People name a bundle; the decision compares digests.
            replaces = find(self._ledger.known, replaces).digest
        command = Promote(bundle=bundle.id, pointer=message.pointer, reason=message.reason, replaces=replaces)
        self._ledger.carry_out(bundles.decide, command, command=message.command)
        return self._now(bundle.id)

    @handles(ArchiveBundle)
    def archive(self, message: ArchiveBundle) -> BundleInfo:
        self._ledger.follow()
        bundle = find(self._ledger.known, message.bundle)
        self._ledger.carry_out(
            bundles.decide, Archive(bundle=bundle.id, reason=message.reason), command=message.command
        )
        return self._now(bundle.id)

    def _now(self, bundle: str) -> BundleInfo:
        position = self._ledger.follow()
        found = self._ledger.known.get(Bundle, bundles.bundle_stream(bundle))
        assert found is not None
        return _info(self._ledger.known, found, position)


def find(known: Known, wanted: str) -> Bundle:
    """By pointer, id, name or digest. Raises :class:`NotFound`."""
    if wanted in bundles.POINTERS:
        pointer = known.get(Pointer, pointer_stream(wanted))
        found = known.get(Bundle, bundles.bundle_stream(pointer.bundle)) if pointer else None
        if found is None:
            raise NotFound(f"{wanted} points at no bundle", remedy="promote one with `qi bundle promote`")
        return found
    by_id = next((bundle for bundle in known.all(Bundle) if bundle.id == wanted), None)
    return by_id or bundles.find(known.all(Bundle), wanted)


def _pin(info: AddonInfo, dev: bool) -> AddonPin:
    if not info.digest:
        raise Invalid(f"the addon '{info.name}' has no content")
    return (
        AddonPin(version=info.version, path=info.folder) if dev else AddonPin(version=info.version, digest=info.digest)
    )


def _info(known: Known, bundle: Bundle, position: Position) -> BundleInfo:
    pointers = tuple(
        name
        for name in bundles.POINTERS
        if (pointer := known.get(Pointer, pointer_stream(name))) is not None and pointer.bundle == bundle.id
    )
    return BundleInfo(
        id=bundle.id,
        name=bundle.name,
        state=bundle.state,
        digest=bundle.digest,
        addons=tuple(
            PinnedAddon(name=name, version=pin.version, digest=pin.digest, path=pin.path)
            for name, pin in sorted(bundle.addons.items())
        ),
        environment=dict(bundle.environment),
        settings={
            ".".join((addon, *path)): json.dumps(setting.value, ensure_ascii=False)
            for addon, layer in sorted(bundle.settings.addons.items())
            for path, setting in sorted(layer.items())
        },
        pointers=pointers,
        position=position,
    )
