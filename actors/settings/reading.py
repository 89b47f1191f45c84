"""What settings are: effective values, where each comes from, and what there is to choose."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.settings.layers import Layers, Pinned
from actors.settings.patches import resolver_of, split
from actors.settings.scopes import Place, scope_at
from events import bundles, settings
from events.bundles import Bundle
from events.decider import Known
from events.record import Position, StreamName
from events.settings import Scope, settings_stream, user_stream
from events.settings_layers import LAYERS, explain
from events.settings_tree import MISSING, begins, dotted, lookup
from qi import context
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.context import STUDIO
from qi.contracts import settings as contract
from qi.contracts.addons import GetJsonSchema, GetSchemas, Schemas, StoreAddon
from qi.contracts.bundles import BundleInfo, GetBundle
from qi.contracts.db import GetProject
from qi.contracts.hosting import EnsureAddon
from qi.contracts.settings import InvalidSetting, LayerValue, OptionList, SettingsValues
from qi.core_settings import CORE
from qi.deciding import Ledger, known_at
from qi.errors import Invalid, NotFound, Unavailable
from qi.home import Home
from qi.messages import to_addon
from qi.reading import open_reader

ANSWER_KEPT_S = 2.0
"""How long a renamed project may still be found under its old name."""

ANSWERS_MOST = 1_000
REPORTED_MOST = 200
LISTED_MOST = 500
RESOLVERS_AT_ONCE = 4

SCOPES = ("bundle", "project", "user")


class SettingsReading(Actor):
    """The half of the service that changes nothing."""

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._ledger = Ledger(self._reader, {**settings.FOLDS, **bundles.FOLDS}, self.request)
        self._layers = Layers(self.request)
        self._schemas: dict[tuple[tuple[str, str], ...], Schemas] = {}
        # An answer holds as long as no bundle and no setting changed; projects are the tracker's, hence the time.
        self._answers: dict[tuple[str, ...], tuple[Position, float, SettingsValues]] = {}
        self._unread: dict[str, InvalidSetting] = {}
        """Id of a project → what is wrong with its settings file."""
        self._resolvers = ThreadPoolExecutor(RESOLVERS_AT_ONCE, thread_name_prefix="qi-options")

    def teardown(self) -> None:
        self._resolvers.shutdown(wait=False, cancel_futures=True)
        self._reader.close()

    def health(self) -> str:
        files = [f"{one.path}: {one.why}" for one in self._unread.values()]
        return f"settings files that cannot be used: {'; '.join(files)}" if files else "ok"

    # -- reading ------------------------------------------------------------------------------------------------

    @handles(contract.GetSettings)
    def get(self, message: contract.GetSettings) -> SettingsValues:
        if message.at:
            position = Position(message.at)
            return self._values(message, known_at(self._reader, self._folds, position), position)
        position, known = self._ledger.follow(), self._ledger.known
        whose = message.user or self.caller.user
        asked = (message.addon, message.path, message.bundle or self.caller.bundle, message.project, whose)
        kept = self._answers.get(asked)
        if kept is None or kept[0] != known.position or kept[1] < time.monotonic():
            if len(self._answers) >= ANSWERS_MOST:
                self._answers.clear()
            made = self._values(message, known, position)
            kept = self._answers[asked] = (known.position, time.monotonic() + ANSWER_KEPT_S, made)
        return replace(kept[2], position=position)

    def _values(self, message: contract.GetSettings, known: Known, position: Position) -> SettingsValues:
        of_bundle = message.bundle_at or message.at
        project = self._project(message.project)
        bundle = self._bundle(message.bundle, project, of_bundle)
        then = known if of_bundle == message.at else known_at(self._reader, bundles.FOLDS, Position(of_bundle))
        streams = self._streams(bundle, project, message.user or self.caller.user)
        scopes = _scopes(known, then, bundle, streams)
        of = self._of(bundle)
        versions = of.schemas.versions
        wanted = message.addon or message.path.partition(".")[0]
        names = [wanted] if wanted else sorted(versions)
        if wanted and wanted not in versions:
            raise NotFound(f"'{wanted}' has no settings in bundle '{bundle.name}'", known=sorted(versions))
        within = tuple(message.path.split(".")[1:])
        values: dict[str, Any] = {}
        invalid: list[InvalidSetting] = [self._unread[project]] if project in self._unread and not message.at else []
        pinned: list[str] = []
        for name in names:
            read = self._layers.read(of, name, scopes)
            values[name] = read.values()
            invalid += read.invalid(values[name], within)
            pinned += [dotted(name, path) for _, path in read.pinned() if begins(path, within)]
        if within:
            found = lookup(values[wanted], within)
            if found is MISSING:
                raise NotFound(f"there is no setting '{message.path}'")
            values = {message.path: found}
        revisions = {
            scope: int(known.version(stream)) for scope, stream in streams.items() if scope in SCOPES
        }
        return SettingsValues(
            values=values, revision=revisions.get("project", 0), position=position, revisions=revisions,
            invalid=tuple(invalid[:REPORTED_MOST]), pinned=tuple(sorted(set(pinned))[:REPORTED_MOST]),
        )  # fmt: skip

    @handles(contract.ExplainSetting)
    def explain(self, message: contract.ExplainSetting) -> contract.Explanation:
        self._ledger.follow()
        project = self._project(message.project)
        bundle = self._bundle(message.bundle, project, message.at)
        known = self._ledger.known
        if message.at:
            known = known_at(self._reader, self._folds, Position(message.at))
        scopes = _scopes(known, known, bundle, self._streams(bundle, project, message.user or self.caller.user))
        addon, path = split(message.path)
        read = self._layers.read(self._of(bundle), addon, scopes)
        found = explain(path, read.defaults, read.layers)
        if not found.present:
            raise NotFound(f"there is no setting '{message.path}'")
        pinned = read.pinned()
        said = [
            _layer_value(one.layer, one.value, one.setting, pinned=(one.layer, one.path) in pinned)
            for one in found.layers
        ]
        said += [
            _layer_value(one.layer, read.shown(one), setting, why=one.why)
            for one, setting in read.out
            if begins(one.path, path) or begins(path, one.path)
        ]
        order = ("default", *LAYERS)
        return contract.Explanation(
            path=message.path, value=found.value, layers=tuple(sorted(said, key=lambda one: order.index(one.layer)))
        )

    @handles(contract.GetOverrides)
    def overrides(self, message: contract.GetOverrides) -> contract.ScopeSettings:
        position = self._ledger.follow()
        place = self._place(message.scope, message.target, message.at)
        if message.at:
            position = Position(message.at)
            scope = scope_at(self._reader, place, position)
        else:
            scope = place.scope(self._ledger.known)
        stored = tuple(
            contract.StoredSetting(
                path=dotted(addon, path), value=one.value, schema=one.schema, by=one.by, at=int(one.at),
                reason=one.reason, event=one.event,
            )
            for addon in sorted(scope.addons)
            if message.addon in ("", addon)
            for path, one in sorted(scope.layer(addon).items())
        )  # fmt: skip
        revision = int(self._ledger.known.version(place.stream))
        return contract.ScopeSettings(settings=stored, revision=revision, position=position)

    @handles(contract.ListInvalid)
    def invalid(self, message: contract.ListInvalid) -> contract.InvalidSettings:
        self._ledger.follow()
        bundle, known = self._bundle(message.bundle, ""), self._ledger.known
        of = self._of(bundle)
        own = known.get(Bundle, bundles.bundle_stream(bundle.id))
        scopes = [("bundle", bundle.id, own.settings if own else Scope())]
        for stream, scope in known.streams(Scope):
            kind, _, target = stream.partition("-")[2].partition("_")
            scopes.append(("project file" if kind == "file" else kind, target, scope))
        found: list[InvalidSetting] = []
        for layer, target, scope in scopes:
            for addon in sorted(scope.addons.keys() & of.schemas.versions.keys()):
                read = self._layers.read(of, addon, {layer: scope})
                found += [replace(one, target=target) for one in read.invalid({}) if one.layer != "default"]
        return contract.InvalidSettings(settings=tuple(found[:LISTED_MOST]))

    @handles(contract.GetSettingsSchema)
    def schema(self, message: contract.GetSettingsSchema) -> contract.SettingsSchema:
        bundle = self._bundle(message.bundle, self._project(message.project))
        of = self._of(bundle)
        versions = of.schemas.versions
        if message.addon not in versions:
            raise NotFound(f"'{message.addon}' has no settings in bundle '{bundle.name}'", known=sorted(versions))
        digest = of.digests.get(message.addon, "")
        found = self.request(GetJsonSchema(name=message.addon, digest=digest))
        return contract.SettingsSchema(schema=found.schema, version=versions[message.addon])

    @handles(contract.GetOptions)
    def options(self, message: contract.GetOptions) -> Future[OptionList]:
        bundle = self._bundle(message.bundle, self._project(message.project))
        addon, resolver = resolver_of(self._of(bundle).schemas, message.path)
        asked = contract.ResolveOptions(
            resolver=resolver, project=message.project, user=message.user or self.caller.user
        )  # fmt: skip
        # An addon that starts reads its settings: this thread must be free to answer it.
        here = context.current()._replace(path=())
        with context.use(here):
            return self._resolvers.submit(copy_context().run, self._ask_addon, asked, bundle, addon)

    def _ask_addon(self, asked: contract.ResolveOptions, bundle: BundleInfo, addon: str) -> OptionList:
        """On a thread of the pool."""
        if addon == CORE:
            raise Invalid("Qi's own settings offer no values")
        to = to_addon(bundle.id, addon)
        try:
            return self._bus.request(asked, to=to)
        except Unavailable:
            self.request(EnsureAddon(name=addon, bundle=bundle.id))
        return self._bus.request(asked, to=to)

    # -- inside -------------------------------------------------------------------------------------------------

    @property
    def _folds(self) -> Any:
        return {**settings.FOLDS, **bundles.FOLDS}

    def _project(self, name: str) -> str:
        return self.request(GetProject(project=name)).id if name else ""

    def _bundle(self, named: str, project: str, at: int = 0) -> BundleInfo:
        """`project` is an id."""
        project = "" if named else project
        return self.request(GetBundle(bundle=named, project=project, otherwise=self.caller.bundle, at=at))

    def _place(self, scope: str, target: str, at: int = 0) -> Place:
        """Where a scope lies, as a person names it."""
        if scope == "bundle":
            found = self.request(GetBundle(bundle=target or "production", at=at))
            return Place("bundle", bundles.bundle_stream(found.id), found.id, found.name)
        if scope in ("project", "project file"):
            project = self.request(GetProject(project=target))
            kind = "project" if scope == "project" else "file"
            return Place(scope, settings_stream(kind, project.id), project.id, project.name)
        stream = user_stream(target or self.caller.user)
        return Place("user", stream, stream.partition("_")[2], target or self.caller.user)

    def _streams(self, bundle: BundleInfo, project: str, user: str) -> dict[str, StreamName]:
        """Layer → its stream, the lowest first."""
        streams = {"bundle": bundles.bundle_stream(bundle.id)}
        if project:
            streams |= {
                "project": settings_stream("project", project), "project file": settings_stream("file", project)
            }  # fmt: skip
        if user and user != STUDIO:
            streams["user"] = user_stream(user)
        return streams

    def _of(self, bundle: BundleInfo) -> Pinned:
        digests = {
            pinned.name: pinned.digest or self.request(StoreAddon(name=pinned.name)).digest for pinned in bundle.addons
        }
        key = tuple(sorted(digests.items()))
        if key not in self._schemas:
            self._schemas[key] = self.request(GetSchemas(digests=digests))
        return Pinned(bundle, self._schemas[key], digests)


def _scopes(known: Known, then: Known, bundle: BundleInfo, streams: Mapping[str, StreamName]) -> dict[str, Scope]:
    """What each layer says; the bundle's as it was `then`."""
    of_bundle = then.get(Bundle, bundles.bundle_stream(bundle.id))
    others = {layer: known.get(Scope, stream) or Scope() for layer, stream in streams.items() if layer != "bundle"}
    return {"bundle": of_bundle.settings if of_bundle else Scope(), **others}


def _layer_value(
    layer: str, value: Any, setting: settings.Setting | None, *, pinned: bool = False, why: str = ""
) -> LayerValue:
    if setting is None:
        return LayerValue(layer=layer, value=value)
    return LayerValue(
        layer=layer, value=value, by=setting.by, at=int(setting.at), reason=setting.reason, event=setting.event,
        pinned=pinned, why=why,
    )  # fmt: skip
