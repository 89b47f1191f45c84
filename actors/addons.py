"""Addons: which were found, and what of them lies in the content store."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import Version
from pydantic import BaseModel

from events import addons, bundles
from events.addons import Addon, Installed
from events.blobs import Blobs
from events.record import Digest
from qi.actor import Actor, handles
from qi.addon_package import unpack
from qi.addon_record import NAME, AddonRecord, find_addons, read_addon
from qi.bus import Bus
from qi.contracts.addons import (
    AddonInfo,
    AddonList,
    CheckSettings,
    GetSchemas,
    InstallAddon,
    ListAddons,
    RemoveAddon,
    Schemas,
    StoreAddon,
)
from qi.contracts.log import AppendEvents
from qi.core_settings import CORE, CoreSettings
from qi.deciding import Ledger
from qi.errors import Invalid, NotFound, QiError
from qi.home import Home
from qi.messages import Done
from qi.reading import open_reader
from qi.settings import check, defaults_of, load_schema, secret_paths


class Addons(Actor):
    """Finds addon folders, keeps their content, knows their settings' defaults."""

    name = "addons"
    requests = (AppendEvents,)

    def __init__(self, bus: Bus, *, home: str, paths: list[str]) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))
        self._paths = [Path(path) for path in paths]

    def setup(self) -> None:
        self._blobs = Blobs(self._home.blobs)
        self._found = {record.name: record for record in find_addons(self._paths)}
        self._digests: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._schemas: dict[str, type[BaseModel] | None] = {}
        self._reader = open_reader(self._home)
        self._ledger = Ledger(self._reader, {**addons.FOLDS, **bundles.FOLDS}, self.request)

    def teardown(self) -> None:
        if hasattr(self, "_reader"):
            self._reader.close()

    @handles(ListAddons)
    def list(self, _: ListAddons) -> AddonList:
        self._ledger.follow()
        kept = [self._kept(addon, one) for addon in self._ledger.known.all(Addon) for one in addon.versions.values()]
        return AddonList(addons=(*(self._info(record) for record in self._found.values()), *kept))

    @handles(InstallAddon)
    def install(self, message: InstallAddon) -> AddonInfo:
        file = Path(message.file)
        with TemporaryDirectory(dir=self._home.runs, prefix=".install-") as scratch:
            record = unpack(file, Path(scratch) / "addon")
            digest = self._blobs.put_tree(record.folder)
        self._schema(record.name, digest)
        install = addons.InstallAddon(
            name=record.name, version=record.version, digest=digest, title=record.title, source=file.name,
            reason=message.reason,
        )  # fmt: skip
        self._ledger.carry_out(addons.decide, install, command=message.command)
        return self._installed(record.name, record.version)

    @handles(RemoveAddon)
    def remove(self, message: RemoveAddon) -> Done:
        remove = addons.RemoveAddon(name=message.name, version=message.version, reason=message.reason)
        self._ledger.carry_out(addons.decide, remove, command=message.command)
        return Done()

    @handles(StoreAddon)
    def store(self, message: StoreAddon) -> AddonInfo:
        found = {record.name: record for record in find_addons(self._paths)}
        self._found |= found
        record = read_addon(Path(message.folder)) if message.folder else found.get(message.name)
        if record is None:
            name, _, version = message.name.partition("@")
            return self._installed(name, version)
        if record.problem:
            raise Invalid(f"the addon '{record.name}' cannot be used: {record.problem}")
        digest = self._blobs.put_tree(record.folder)
        try:
            # A bundle that pins settings nobody can read would leave its users without any.
            model = self._schema(record.name, digest)
            if model is not None:
                defaults_of(model)
        except QiError as error:
            self._problems[record.name] = error.message
            raise Invalid(f"the addon '{record.name}' cannot be used: {error.message}") from error
        self._digests[record.name] = digest
        self._problems.pop(record.name, None)
        return self._info(record)

    @handles(GetSchemas)
    def schemas(self, message: GetSchemas) -> Schemas:
        models: dict[str, type[BaseModel]] = {CORE: CoreSettings}
        versions = {CORE: self.version}
        for name, digest in message.digests.items():
            model = self._schema(name, digest)
            versions[name] = read_addon(self._home.code / digest).version
            if model is not None:
                models[name] = model
        return Schemas(
            defaults={name: defaults_of(model) for name, model in models.items()},
            secrets={name: tuple(secret_paths(model, name)) for name, model in models.items()},
            versions=versions,
        )

    @handles(CheckSettings)
    def check(self, message: CheckSettings) -> Done:
        model = self._schema(message.name, message.digest) if message.digest else CoreSettings
        if model is None and message.values:
            raise Invalid(f"the addon '{message.name}' has no settings", fields={message.name: "no such setting"})
        if model is not None:
            check(model, message.name, message.values)
        return Done()

    def _installed(self, name: str, version: str) -> AddonInfo:
        """The newest when no version is named. Raises :class:`NotFound`."""
        self._ledger.follow()
        addon = self._ledger.known.get(Addon, addons.addon_stream(name)) if NAME.fullmatch(name) else None
        versions = addon.versions if addon else {}
        one = versions.get(version) if version else max(versions.values(), key=_precedence, default=None)
        if addon is None or one is None:
            known = ", ".join(sorted([*self._found, *(f"{name}@{known}" for known in versions)]))
            raise NotFound(
                f"there is no addon '{name}{'@' if version else ''}{version}'",
                remedy=f"there are: {known or 'none'}; more folders can be given as addon_paths, packages installed",
            )
        return self._kept(addon, one)

    def _kept(self, addon: Addon, one: Installed) -> AddonInfo:
        folder = self._home.code / one.digest
        self._blobs.checkout(one.digest, folder)
        record = read_addon(folder)
        return AddonInfo(
            name=addon.name, version=one.version, title=one.title, roles=record.roles, folder="", digest=one.digest,
            problem=record.problem, contributes=record.contributes, installed=True, installed_by=one.by,
            installed_at=one.at, source=one.source,
        )  # fmt: skip

    def _schema(self, name: str, digest: str) -> type[BaseModel] | None:
        """Read from the content store: the schema of what a bundle pins, whatever the folder holds now."""
        if digest not in self._schemas:
            folder = self._home.code / digest
            self._blobs.checkout(Digest(digest), folder)
            self._schemas[digest] = load_schema(folder, name, digest)
        return self._schemas[digest]

    def _info(self, record: AddonRecord) -> AddonInfo:
        return AddonInfo(
            name=record.name,
            version=record.version,
            title=record.title,
            roles=record.roles,
            folder=str(record.folder),
            digest=self._digests.get(record.name, ""),
            problem=record.problem or self._problems.get(record.name, ""),
            contributes=record.contributes,
        )


def _precedence(one: Installed) -> Version:
    return Version(one.version)
