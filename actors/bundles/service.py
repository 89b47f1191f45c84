"""Bundles and the pointers: what is pinned, where production and staging point, who uses a bundle of his own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from actors.bundles.shapes import diff, info, pointers, unique_name, with_digests
from events import bundle_commands as command
from events import bundles
from events.blobs import Blobs
from events.bundle_decisions import decide
from events.bundle_diff import difference
from events.bundle_events import AddonPin
from events.bundles import Bundle, bundle_for, bundle_stream, find_known
from events.ids import new_id
from events.record import Digest, Position
from events.settings import Patch
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts import bundles as contract
from qi.contracts.addons import AddonInfo, ListAddons, StoreAddon
from qi.contracts.bundles import BundleDiff, BundleInfo, BundleList, PointerList
from qi.contracts.log import AppendEvents
from qi.deciding import Ledger, known_at
from qi.errors import Invalid
from qi.home import Home
from qi.messages import Done
from qi.reading import open_reader

PAGE_EVENTS = 1000


class Bundles(Actor):
    """Decides about bundles; folds them from the log."""

    name = "bundles"
    requests = (AppendEvents, ListAddons, StoreAddon)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._blobs = Blobs(self._home.blobs)
        self._ledger = Ledger(self._reader, bundles.FOLDS, self.request)

    def teardown(self) -> None:
        self._reader.close()

    # -- looking ------------------------------------------------------------------------------------------------

    @handles(contract.ListBundles)
    def list(self, _: contract.ListBundles) -> BundleList:
        position = self._ledger.follow()
        known = self._ledger.known
        found = (bundle for bundle in known.all(Bundle) if bundle.state != "deleted")
        return BundleList(bundles=tuple(info(known, bundle, position) for bundle in found), position=position)

    @handles(contract.GetBundle)
    def get(self, message: contract.GetBundle) -> BundleInfo:
        position = self._ledger.follow()
        known = self._ledger.known
        if message.at:
            position = Position(message.at)
            known = known_at(self._reader, bundles.FOLDS, position)
        wanted = message.bundle or bundle_for(known, message.project, message.entity)
        wanted = wanted or message.otherwise or self.caller.bundle or "production"
        return info(known, find_known(known, wanted), position)

    @handles(contract.ListPointers)
    def pointers(self, _: contract.ListPointers) -> PointerList:
        return self._pointers()

    @handles(contract.DiffBundles)
    def diff(self, message: contract.DiffBundles) -> BundleDiff:
        self._ledger.follow()
        known = self._ledger.known
        later = known_at(self._reader, bundles.FOLDS, Position(message.at)) if message.at else known
        first = self._readable(find_known(known, message.first))
        second = self._readable(find_known(later, message.second))
        return diff(first, second, difference(first, second, self._files))

    # -- making -------------------------------------------------------------------------------------------------

    @handles(contract.CreateBundle)
    def create(self, message: contract.CreateBundle) -> BundleInfo:
        stored = [self.request(StoreAddon(name=name)) for name in message.addons] or [*self._all_usable()]
        create = command.CreateBundle(
            id=message.command or new_id(),
            name=message.name,
            addons={one.name: _pin(one, message.dev) for one in stored},
            environment=message.environment,
            reason=message.reason,
        )
        steps: list[command.Command] = [create]
        if not message.dev:
            steps.append(command.FreezeBundle(bundle=create.id, reason=message.reason))
        return self._carried_out(create.id, message.command, *steps)

    @handles(contract.CloneBundle)
    def clone(self, message: contract.CloneBundle) -> BundleInfo:
        clone = command.CloneBundle(
            id=message.command or new_id(), name=message.name, origin=self._found(message.bundle).id,
            reason=message.reason,
        )  # fmt: skip
        return self._carried_out(clone.id, message.command, clone)

    @handles(contract.EditBundle)
    def edit(self, message: contract.EditBundle) -> BundleInfo:
        pins: dict[str, AddonPin | None] = dict.fromkeys(message.remove)
        pins |= {name: _pin(self.request(StoreAddon(name=name)), True) for name in message.add}
        edit = command.EditBundle(
            bundle=self._found(message.bundle).id, addons=pins,
            environment={**message.set, **dict.fromkeys(message.unset)}, reason=message.reason,
            expected=message.expected,
        )  # fmt: skip
        return self._carried_out(edit.bundle, message.command, edit)

    @handles(contract.FreezeBundle)
    def freeze(self, message: contract.FreezeBundle) -> BundleInfo:
        bundle = self._found(message.bundle)
        freeze = command.FreezeBundle(bundle=bundle.id, digests=self._digests(bundle), reason=message.reason)
        return self._carried_out(bundle.id, message.command, freeze)

    @handles(contract.DeriveBundle)
    def derive(self, message: contract.DeriveBundle) -> BundleInfo:
        origin = self._found(message.bundle)
        made = message.command or new_id()
        secrets = {
            addon: frozenset(tuple(path.split(".")[1:]) for path in paths) for addon, paths in message.secrets.items()
        }
        patches = tuple(
            Patch(addon=p.addon, path=p.path, value=p.value, schema=p.schema, unset=p.unset) for p in message.patches
        )
        name = message.name or unique_name(self._ledger.known, origin.name)
        return self._carried_out(
            made,
            message.command,
            command.CloneBundle(id=made, name=name, origin=origin.id, secrets=secrets, reason=message.reason),
            command.PatchBundleSettings(bundle=made, patches=patches, reason=message.reason, secrets=secrets),
            command.FreezeBundle(bundle=made, digests=self._digests(origin), reason=message.reason),
            command.PromoteBundle(
                bundle=made, pointer=message.pointer, reason=message.reason, replaces=self._digest(message.replaces)
            ),
        )

    # -- pointing -----------------------------------------------------------------------------------------------

    @handles(contract.PromoteBundle)
    def promote(self, message: contract.PromoteBundle) -> BundleInfo:
        bundle = self._found(message.bundle)
        promote = command.PromoteBundle(
            bundle=bundle.id, pointer=message.pointer, reason=message.reason, replaces=self._digest(message.replaces),
            automatic=message.automatic or self.caller.is_addon,
        )  # fmt: skip
        return self._carried_out(bundle.id, message.command, promote)

    @handles(contract.RevertPointer)
    def revert(self, message: contract.RevertPointer) -> BundleInfo:
        revert = command.RevertPointer(
            pointer=message.pointer, reason=message.reason, replaces=self._digest(message.replaces),
            bundle=self._found(message.bundle).id if message.bundle else "",
        )  # fmt: skip
        self._ledger.carry_out(decide, revert, command=message.command)
        position = self._ledger.follow()
        return info(self._ledger.known, find_known(self._ledger.known, message.pointer), position)

    @handles(contract.LiftHold)
    def release(self, message: contract.LiftHold) -> PointerList:
        lift = command.LiftHold(pointer=message.pointer, reason=message.reason)
        self._ledger.carry_out(decide, lift, command=message.command)
        return self._pointers()

    @handles(contract.RequireCheck)
    def gate(self, message: contract.RequireCheck) -> PointerList:
        require = command.RequireCheck(pointer=message.pointer, required=message.required, reason=message.reason)
        self._ledger.carry_out(decide, require, command=message.command)
        return self._pointers()

    @handles(contract.PinBundle)
    def pin(self, message: contract.PinBundle) -> Done:
        pin = command.PinBundle(
            of=message.of, target=message.target, label=message.label, reason=message.reason,
            bundle=self._found(message.bundle).id if message.bundle else "", replaces=self._digest(message.replaces),
        )  # fmt: skip
        self._ledger.carry_out(decide, pin, command=message.command)
        return Done()

    # -- keeping and letting go ---------------------------------------------------------------------------------

    @handles(contract.RecordCheck)
    def record_check(self, message: contract.RecordCheck) -> BundleInfo:
        check = command.RecordCheck(
            bundle=message.bundle, digest=message.digest, problems=message.problems, addons=message.addons,
            tests=message.tests, settings=message.settings, duration_ms=message.duration_ms,
        )  # fmt: skip
        return self._carried_out(message.bundle, "", check)

    @handles(contract.ArchiveBundle)
    def archive(self, message: contract.ArchiveBundle) -> BundleInfo:
        bundle = self._found(message.bundle)
        holders = tuple(pin.label for pin in bundles.pinned_by(self._ledger.known, bundle.id))
        archive = command.ArchiveBundle(bundle=bundle.id, reason=message.reason, used_by=holders)
        return self._carried_out(bundle.id, message.command, archive)

    @handles(contract.RestoreBundle)
    def restore(self, message: contract.RestoreBundle) -> BundleInfo:
        bundle = self._found(message.bundle)
        restore = command.RestoreBundle(bundle=bundle.id, reason=message.reason)
        return self._carried_out(bundle.id, message.command, restore)

    @handles(contract.DeleteBundle)
    def delete(self, message: contract.DeleteBundle) -> Done:
        bundle = self._found(message.bundle)
        delete = command.DeleteBundle(
            bundle=bundle.id, reason=message.reason, used_by=tuple(self._needing(bundle))
        )
        self._ledger.carry_out(decide, delete, command=message.command)
        return Done()

    # -- inside -------------------------------------------------------------------------------------------------

    def _pointers(self) -> PointerList:
        position = self._ledger.follow()
        return pointers(self._ledger.known, position)

    def _found(self, wanted: str) -> Bundle:
        self._ledger.follow()
        return find_known(self._ledger.known, wanted)

    def _carried_out(self, bundle: str, repeated: str, *steps: command.Command) -> BundleInfo:
        self._ledger.carry_out(decide, *steps, command=repeated)
        position = self._ledger.follow()
        found = self._ledger.known.get(Bundle, bundle_stream(bundle))
        assert found is not None
        return info(self._ledger.known, found, position)

    def _digest(self, replaces: str | None) -> str | None:
        """People name a bundle; the decision compares digests."""
        return find_known(self._ledger.known, replaces).digest if replaces else replaces

    def _all_usable(self) -> Iterator[AddonInfo]:
        """Every addon that was found and can be used; the addons service reports the others."""
        usable = [one.name for one in self.request(ListAddons()).addons if not one.problem]
        for name in dict.fromkeys(usable):
            with suppress(Invalid):
                yield self.request(StoreAddon(name=name))

    def _digests(self, bundle: Bundle) -> dict[str, str]:
        """Of the folders that a dev bundle takes addons from, as they are now."""
        return {
            name: self.request(StoreAddon(name=name, folder=pin.path)).digest
            for name, pin in bundle.addons.items()
            if pin.path
        }

    def _readable(self, bundle: Bundle) -> Bundle:
        return with_digests(bundle, self._digests(bundle))

    def _files(self, pin: AddonPin) -> dict[str, str]:
        return {path: file.digest for path, file in self._blobs.tree(Digest(pin.digest)).items()}

    def _needing(self, bundle: Bundle) -> Iterator[str]:
        """The first publish that was made with content which no other bundle has, if there is one: its replay needs
        it."""
        digest, others = bundle.digest, self._ledger.known.all(Bundle)
        if any(one.digest == digest and one.id != bundle.id and one.state != "deleted" for one in others):
            return
        after = Position(0)
        while page := self._reader.read(after, PAGE_EVENTS, frozenset({"publish"})):
            for event in page:
                if event.type == "publish.requested" and event.data.get("bundle_digest") == digest:
                    yield f"publish {event.stream.partition('-')[2]}"
                    return
            after = page[-1].position


def _pin(found: AddonInfo, dev: bool) -> AddonPin:
    if not found.digest:
        raise Invalid(f"the addon '{found.name}' has no content")
    if dev and not found.installed:
        return AddonPin(version=found.version, path=found.folder)
    return AddonPin(version=found.version, digest=found.digest)
