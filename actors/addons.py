"""Addons: which were found, and what of them lies in the content store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
    FitSettings,
    Fitted,
    FittedValue,
    GetJsonSchema,
    GetSchemas,
    InstallAddon,
    JsonSchema,
    ListAddons,
    RemoveAddon,
    Schemas,
    StoreAddon,
    StoredValue,
)
from qi.contracts.log import AppendEvents
from qi.core_settings import CORE, CoreSettings
from qi.deciding import Ledger
from qi.disk_errors import named_by_caller
from qi.errors import Invalid, NotFound, QiError
from qi.home import Home
from qi.importing import within
from qi.messages import Done
from qi.reading import open_reader
from qi.settings import defaults_of, json_schema, load_schema, rules_of, secret_paths
from qi.settings.fitting import fit
from qi.settings.overrides import Migrations, load_migrations

LOAD_LIMIT_S = 3.0
"""For the settings of one addon: while they are loaded nobody else is answered."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The settings of one version of one addon."""

    model: type[BaseModel]
    defaults: dict[str, Any]
    version: str
    migrations: Migrations


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
        own = Schema(CoreSettings, defaults_of(CoreSettings), self.version, {})
        self._schemas: dict[str, Schema | None] = {"": own}
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
        with named_by_caller(message.file) as file:
            if not file.is_file():
                raise NotFound(f"there is no file {file}")
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
            schema = self._schema(record.name, digest)
            if schema is not None and not record.has_actor and any(rule.resolver for rule in rules_of(schema.model)):
                raise QiError("its settings have resolvers, which run in its actor: it needs an addon.py")
        except QiError as error:
            self._problems[record.name] = error.message
            raise Invalid(f"the addon '{record.name}' cannot be used: {error.message}") from error
        self._digests[record.name] = digest
        self._problems.pop(record.name, None)
        return self._info(record)

    @handles(GetSchemas)
    def schemas(self, message: GetSchemas) -> Schemas:
        digests = {CORE: "", **message.digests}
        known = {name: self._schema(name, digest) for name, digest in digests.items()}
        models = {name: schema for name, schema in known.items() if schema is not None}
        versions = {name: read_addon(self._home.code / digest).version for name, digest in message.digests.items()}
        return Schemas(
            defaults={name: schema.defaults for name, schema in models.items()},
            secrets={name: tuple(secret_paths(schema.model, name)) for name, schema in models.items()},
            versions={CORE: self.version, **versions},
            rules={name: rules for name, schema in models.items() if (rules := rules_of(schema.model))},
        )

    @handles(GetJsonSchema)
    def json_schema(self, message: GetJsonSchema) -> JsonSchema:
        schema = self._schema(message.name, message.digest)
        if schema is None:
            raise NotFound(f"the addon '{message.name}' has no settings", addon=message.name)
        title = read_addon(self._home.code / message.digest).title if message.digest else "Qi"
        return JsonSchema(schema=json_schema(schema.model, title))

    @handles(FitSettings)
    def fit(self, message: FitSettings) -> Fitted:
        schema = self._schema(message.name, message.digest)
        if schema is None:
            none = (replace(_as_it_is(one), why="this addon has no settings") for one in message.stored)
            return Fitted(values=tuple(none))
        return Fitted(
            values=fit(schema.model, schema.defaults, schema.version, schema.migrations, message.stored)
        )

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

    def _schema(self, name: str, digest: str) -> Schema | None:
        """Read from the content store: the schema of what a bundle pins, whatever the folder holds now. Without a
        digest it is Qi's own."""
        if digest not in self._schemas:
            folder = self._home.code / digest
            self._blobs.checkout(Digest(digest), folder)
            self._schemas[digest] = within(
                LOAD_LIMIT_S, f"the settings of '{name}'", lambda: _loaded(folder, name, digest)
            )
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


def _loaded(folder: Path, name: str, digest: str) -> Schema | None:
    model = load_schema(folder, name, digest)
    if model is None:
        return None
    return Schema(model, defaults_of(model), read_addon(folder).version, load_migrations(folder, name, digest))


def _as_it_is(one: StoredValue) -> FittedValue:
    return FittedValue(layer=one.layer, path=one.path, value=one.value, stored=one.path, fault=one.path)


def _precedence(one: Installed) -> Version:
    return Version(one.version)
