"""Settings: effective values, where each comes from, changing them, and looking back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from actors.settings.shapes import change_of, patches_of, split_path, token_of_scope, within
from events import bundle_decisions, bundles, settings
from events.bundle_commands import PatchBundleSettings
from events.bundles import Bundle
from events.catalog import decode_event
from events.decider import Known, need_reason
from events.names import fold_name
from events.record import Position, StreamName, Version
from events.settings import Layer, Patch, Scope, settings_stream
from events.settings_changes import colliding, tree_differences, way_back
from events.settings_layers import effective, explain
from events.settings_tree import MISSING, begins, lookup
from events.settings_tree import Path as SettingPath
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.context import STUDIO
from qi.contracts.addons import CheckSettings, GetSchemas, Schemas, StoreAddon
from qi.contracts.bundles import BundleInfo, DeriveBundle, GetBundle, NewPatch
from qi.contracts.db import GetProject
from qi.contracts.log import AppendEvents
from qi.contracts.settings import (
    AmendBundle,
    DiffSettings,
    ExplainSetting,
    Explanation,
    GetSettingHistory,
    GetSettings,
    LayerValue,
    Patched,
    PatchSettings,
    RevertSettings,
    SettingChange,
    SettingDifference,
    SettingHistory,
    SettingsDiff,
    SettingsValues,
)
from qi.deciding import Ledger, known_at
from qi.errors import Conflict, Forbidden, NotFound
from qi.home import Home
from qi.reading import open_reader

ANSWER_KEPT_S = 2.0
"""How long a renamed project may still be found under its old name."""

ANSWERS_MOST = 1_000
HISTORY_PAGE = 500

SCOPE_PERMISSION = {
    "bundle": "settings.write.bundle",
    "project": "settings.write.project",
    "user": "settings.write.user",
}


class Settings(Actor):
    """Layers: defaults, bundle, project, user. Only differences are stored."""

    name = "settings"
    requests = (AppendEvents, GetBundle, DeriveBundle, GetSchemas, CheckSettings, StoreAddon, GetProject)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._ledger = Ledger(self._reader, {**settings.FOLDS, **bundles.FOLDS}, self.request)
        self._schemas: dict[tuple[tuple[str, str], ...], Schemas] = {}
        # An answer holds as long as no bundle and no setting changed; projects are the tracker's, hence the time.
        self._answers: dict[tuple[str, ...], tuple[Position, float, SettingsValues]] = {}

    def teardown(self) -> None:
        self._reader.close()

    @handles(GetSettings)
    def get(self, message: GetSettings) -> SettingsValues:
        return self._got(message)

    def _got(self, message: GetSettings) -> SettingsValues:
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

    def _values(self, message: GetSettings, known: Known, position: Position) -> SettingsValues:
        of_bundle = message.bundle_at or message.at
        bundle = self._bundle(message.bundle, message.project, of_bundle)
        then = known if of_bundle == message.at else known_at(self._reader, bundles.FOLDS, Position(of_bundle))
        layers = self._layers(known, then, bundle, message.project, message.user or self.caller.user)
        schemas = self._of(bundle)
        wanted = message.addon or message.path.partition(".")[0]
        names = [wanted] if wanted else sorted(schemas.versions)
        values = {name: _effective(schemas, layers, name) for name in names if name in schemas.versions}
        if wanted and wanted not in values:
            raise NotFound(f"'{wanted}' has no settings in bundle '{bundle.name}'", known=sorted(schemas.versions))
        if "." in message.path:
            found = lookup(values[wanted], tuple(message.path.split(".")[1:]))
            if found is MISSING:
                raise NotFound(f"there is no setting '{message.path}'")
            values = {message.path: found}
        stream = self._stream("project", message.project) if message.project else None
        revision = known.version(stream) if stream else 0
        return SettingsValues(values=values, revision=revision, position=position)

    @handles(ExplainSetting)
    def explain(self, message: ExplainSetting) -> Explanation:
        self._ledger.follow()
        bundle = self._bundle(message.bundle, message.project)
        known = self._ledger.known
        layers = self._layers(known, known, bundle, message.project, message.user or self.caller.user)
        addon, path = split_path(message.path)
        found = explain(path, self._of(bundle).defaults.get(addon, {}), *(scope.layer(addon) for scope in layers))
        if not found.present:
            raise NotFound(f"there is no setting '{message.path}'")
        return Explanation(
            path=message.path,
            value=found.value,
            layers=tuple(
                LayerValue(
                    layer=one.layer,
                    value=one.value,
                    by=one.setting.by if one.setting else "",
                    at=int(one.setting.at) if one.setting else 0,
                    reason=one.setting.reason if one.setting else "",
                    event=one.setting.event if one.setting else "",
                )
                for one in found.layers
            ),
        )

    @handles(PatchSettings)
    def patch(self, message: PatchSettings) -> Patched:
        needed = SCOPE_PERMISSION[message.scope]
        if not self.caller.may(needed):
            raise Forbidden(f"'{self.caller.user}' may not change {message.scope} settings", permission=needed)
        bundle = self._of_scope(message.scope, message.target)
        return self._carried_out(message, bundle, tuple(patches_of(message, self._of(bundle))))

    def _carried_out(self, message: PatchSettings, bundle: BundleInfo, patches: tuple[Patch, ...]) -> Patched:
        schemas = self._of(bundle)
        secrets = {
            addon: frozenset(tuple(path.split(".")[1:]) for path in paths) for addon, paths in schemas.secrets.items()
        }
        stream = self._stream_of(message.scope, message.target, bundle)
        self._ledger.follow()
        if message.expected is not None:
            message = replace(message, expected=self._not_colliding(stream, message.expected, patches))
        command: PatchBundleSettings | settings.PatchSettings
        if message.scope == "bundle":
            command = PatchBundleSettings(
                bundle=bundle.id, patches=patches, reason=message.reason, expected=message.expected, secrets=secrets
            )
        else:
            command = settings.PatchSettings(
                scope=message.scope, target=token_of_scope(stream), patches=patches, reason=message.reason,
                expected=message.expected, secrets=secrets,
            )  # fmt: skip
        self._check(message, bundle, schemas, patches, stream)
        decide = bundle_decisions.decide if message.scope == "bundle" else settings.decide
        self._ledger.follow()
        before = self._ledger.known.version(stream)
        appended = self._ledger.carry_out(decide, command, command=message.command)
        revision = self._ledger.known.version(stream)
        return Patched(revision=revision, position=appended.last, changed=revision - before)

    def _not_colliding(self, stream: StreamName, expected: int, patches: tuple[Patch, ...]) -> int:
        """The revision to change: the one that is there now, when nothing that was changed since `expected` is touched.

        Raises :class:`Conflict` naming the path, both values and who was quicker.
        """
        after = Version(expected)
        actual = self._ledger.known.version(stream)
        while after < actual and (page := self._reader.read_stream(stream, after, HISTORY_PAGE)):
            after = page[-1].version
            for event in page:
                said = decode_event(event)
                mine = colliding(patches, said) if isinstance(said, settings.Difference) else None
                if mine is None or (mine.value == said.new and mine.unset is not said.is_set):
                    continue
                path = ".".join((said.addon, *said.path))
                theirs = repr(said.new) if said.is_set else "nothing"
                raise Conflict(
                    f"{event.meta.user or 'somebody'} changed {path} to {theirs} since you read it",
                    remedy="look at it, and change it again if you still want to",
                    stream=stream, expected=expected, actual=int(actual), path=path,
                    theirs=said.new if said.is_set else None, by=event.meta.user, at=int(event.occurred_at),
                    reason=said.reason, yours=None if mine.unset else mine.value, yours_by=self.caller.user,
                )  # fmt: skip
        # A revision that does not exist yet is refused by the decision.
        return int(actual) if expected <= actual else expected

    # -- looking back -----------------------------------------------------------------------------------------------

    @handles(GetSettingHistory)
    def history(self, message: GetSettingHistory) -> SettingHistory:
        self._ledger.follow()
        stream = self._stream_of(message.scope, message.target, self._of_scope(message.scope, message.target))
        addon, path = within(message.path)
        found: list[SettingChange] = []
        after = Version(0)
        while page := self._reader.read_stream(stream, after, HISTORY_PAGE):
            after = page[-1].version
            for event in page:
                said = decode_event(event)
                if not isinstance(said, settings.Difference) or (message.before and event.position >= message.before):
                    continue
                if addon in ("", said.addon) and begins(said.path, path):
                    found.append(change_of(event, said))
        return SettingHistory(
            changes=tuple(reversed(found[-message.limit :])), revision=self._ledger.known.version(stream)
        )

    @handles(RevertSettings)
    def revert(self, message: RevertSettings) -> Patched:
        needed = SCOPE_PERMISSION[message.scope]
        if not self.caller.may(needed):
            raise Forbidden(f"'{self.caller.user}' may not change {message.scope} settings", permission=needed)
        bundle = self._of_scope(message.scope, message.target)
        stream = self._stream_of(message.scope, message.target, bundle)
        self._ledger.follow()
        then = known_at(self._reader, self._folds, Position(message.to))
        addon, path = within(message.path)
        patches = way_back(
            self._scope_in(self._ledger.known, message.scope, stream), self._scope_in(then, message.scope, stream),
            addon, path,
        )  # fmt: skip
        asked = PatchSettings(
            scope=message.scope, target=message.target, reason=need_reason(message.reason), expected=message.expected,
            command=message.command,
        )  # fmt: skip
        return self._carried_out(asked, bundle, patches)

    @handles(DiffSettings)
    def diff(self, message: DiffSettings) -> SettingsDiff:
        first, second = (
            self._got(GetSettings(addon=message.addon, bundle=of.bundle, project=of.project, user=of.user, at=of.at))
            for of in (message.first, message.second)
        )
        return SettingsDiff(
            differences=tuple(
                SettingDifference(
                    path=".".join(one.path), first=None if one.first is MISSING else one.first,
                    second=None if one.second is MISSING else one.second, first_has=one.first is not MISSING,
                    second_has=one.second is not MISSING,
                )
                for one in tree_differences(first.values, second.values)
            )
        )  # fmt: skip

    @handles(AmendBundle)
    def amend(self, message: AmendBundle) -> BundleInfo:
        bundle = self.request(GetBundle(bundle=message.bundle))
        schemas = self._of(bundle)
        asked = PatchSettings(
            scope="bundle", target=bundle.id, settings=message.settings, unset=message.unset, reason=message.reason
        )
        patches = tuple(patches_of(asked, schemas))
        self._ledger.follow()
        self._check(asked, bundle, schemas, patches, bundles.bundle_stream(bundle.id))
        return self.request(
            DeriveBundle(
                bundle=bundle.id, name=message.name, secrets=schemas.secrets, pointer=message.pointer,
                replaces=message.replaces, reason=message.reason, command=message.command,
                patches=tuple(
                    NewPatch(addon=p.addon, path=p.path, value=p.value, schema=p.schema, unset=p.unset) for p in patches
                ),
            )
        )  # fmt: skip

    def _check(
        self,
        message: PatchSettings,
        bundle: BundleInfo,
        schemas: Schemas,
        patches: tuple[Patch, ...],
        stream: StreamName,
    ) -> None:
        """The values as they would then hold must fit the schema of what the bundle pins."""
        digests = self._digests(bundle)
        scope = self._ledger.known.get(Scope, stream) if message.scope != "bundle" else None
        for addon in sorted({patch.addon for patch in patches}):
            layer: dict[SettingPath, Any] = {p: s.value for p, s in (scope.layer(addon) if scope else {}).items()}
            for patch in patches:
                if patch.addon == addon:
                    layer = {p: v for p, v in layer.items() if p[: len(patch.path)] != patch.path}
                    if not patch.unset:
                        layer[patch.path] = patch.value
            values = effective(schemas.defaults.get(addon, {}), {p: settings.Setting(v, "") for p, v in layer.items()})
            self.request(CheckSettings(name=addon, digest=digests.get(addon, ""), values=values))

    @property
    def _folds(self) -> Any:
        return {**settings.FOLDS, **bundles.FOLDS}

    def _bundle(self, named: str, project: str, at: int = 0) -> BundleInfo:
        project_id = self.request(GetProject(project=project)).id if project and not named else ""
        return self.request(GetBundle(bundle=named, project=project_id, otherwise=self.caller.bundle, at=at))

    def _layers(
        self, known: Known, then: Known, bundle: BundleInfo, project: str, user: str
    ) -> tuple[Scope, Scope, Scope]:
        """Of bundle, project and user; the bundle's as it was `then`."""
        of_bundle = then.get(Bundle, bundles.bundle_stream(bundle.id))
        in_project = known.get(Scope, self._stream("project", project)) if project else None
        of_user = known.get(Scope, self._stream("user", user)) if user and user != STUDIO else None
        return (of_bundle.settings if of_bundle else Scope(), in_project or Scope(), of_user or Scope())

    def _of_scope(self, scope: str, target: str) -> BundleInfo:
        """The bundle whose schemas the values of a scope must fit."""
        return self.request(GetBundle(bundle=target if scope == "bundle" else "production"))

    def _stream_of(self, scope: str, target: str, bundle: BundleInfo) -> StreamName:
        """Where a scope's values are recorded; a user's own when nobody is named."""
        if scope == "bundle":
            return bundles.bundle_stream(bundle.id)
        return self._stream(scope, target or self.caller.user)

    @staticmethod
    def _scope_in(known: Known, scope: str, stream: StreamName) -> Scope:
        if scope == "bundle":
            found = known.get(Bundle, stream)
            return found.settings if found else Scope()
        return known.get(Scope, stream) or Scope()

    def _stream(self, scope: str, target: str) -> StreamName:
        if scope == "project":
            return settings_stream(scope, self.request(GetProject(project=target)).id)
        return settings_stream(scope, sha256(fold_name(target).encode()).hexdigest()[:32])

    def _digests(self, bundle: BundleInfo) -> dict[str, str]:
        """Addon → digest; of what a dev bundle takes from a folder, as the folder is now."""
        return {
            pinned.name: pinned.digest or self.request(StoreAddon(name=pinned.name)).digest for pinned in bundle.addons
        }

    def _of(self, bundle: BundleInfo) -> Schemas:
        digests = self._digests(bundle)
        key = tuple(sorted(digests.items()))
        if key not in self._schemas:
            self._schemas[key] = self.request(GetSchemas(digests=digests))
        return self._schemas[key]


def _effective(schemas: Schemas, layers: tuple[Scope, Scope, Scope], addon: str) -> Mapping[str, Any]:
    of: list[Layer] = [scope.layer(addon) for scope in layers]
    return effective(schemas.defaults.get(addon, {}), *of)
