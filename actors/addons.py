"""Addons: which were found, and what of them lies in the content store."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from events.blobs import Blobs
from events.record import Digest
from qi.actor import Actor, handles
from qi.addon_record import AddonRecord, find_addons, read_addon
from qi.bus import Bus
from qi.contracts.addons import (
    AddonInfo,
    AddonList,
    CheckSettings,
    GetSchemas,
    ListAddons,
    Schemas,
    StoreAddon,
)
from qi.core_settings import CORE, CoreSettings
from qi.errors import Invalid, NotFound, QiError
from qi.home import Home
from qi.messages import Done
from qi.settings import check, defaults_of, load_schema, secret_paths


class Addons(Actor):
    """Finds addon folders, keeps their content, knows their settings' defaults."""

    name = "addons"

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

    @handles(ListAddons)
    def list(self, _: ListAddons) -> AddonList:
        return AddonList(addons=tuple(self._info(record) for record in self._found.values()))

    @handles(StoreAddon)
    def store(self, message: StoreAddon) -> AddonInfo:
        found = {record.name: record for record in find_addons(self._paths)}
        self._found |= found
        record = read_addon(Path(message.folder)) if message.folder else found.get(message.name)
        if record is None:
            raise NotFound(
                f"there is no addon '{message.name}'",
                remedy=f"found are: {', '.join(found) or 'none'}; more folders can be given as addon_paths",
            )
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
