"""Settings: effective values, where each comes from, and changing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from actors.settings.layers import Pinned, Read
from actors.settings.patches import file_settings, patches_of, secrets_of
from actors.settings.reading import SettingsReading
from actors.settings.scopes import Place, place_of_event, scope_at
from events import bundle_decisions, settings
from events.bundle_commands import PatchBundleSettings
from events.decider import Known, decision, need_reason
from events.record import Position
from events.settings import Difference, Patch, settings_stream, user_stream
from events.settings_tree import begins, dotted
from events.settings_undo import restore
from qi import context
from qi.actor import handles
from qi.contracts import settings as contract
from qi.contracts.addons import FitSettings, GetJsonSchema, GetSchemas, Schemas, StoreAddon, StoredValue
from qi.contracts.bundles import BundleInfo, DeriveBundle, GetBundle, NewPatch
from qi.contracts.db import GetProject
from qi.contracts.hosting import EnsureAddon
from qi.contracts.log import AppendEvents
from qi.contracts.settings import FileTaken, InvalidSetting, Patched
from qi.errors import Forbidden, Invalid, QiError
from qi.settings.schema import broken

SCOPE_PERMISSION = {
    "bundle": "settings.write.bundle",
    "project": "settings.write.project",
    "user": "settings.write.user",
}


class Settings(SettingsReading):
    """Layers: defaults, bundle, project, project file, user. Only differences are stored."""

    name = "settings"
    requests = (
        AppendEvents, GetBundle, DeriveBundle, GetSchemas, GetJsonSchema, FitSettings, StoreAddon, GetProject,
        EnsureAddon,
    )  # fmt: skip

    # -- changing -----------------------------------------------------------------------------------------------

    @handles(contract.PatchSettings)
    def patch(self, message: contract.PatchSettings) -> Patched:
        self._ledger.follow()
        place = self._place(message.scope, message.target)
        self._require(place)
        # A command that comes again must come to the same: it rests on what was known when it first came.
        known = self._ledger.known_to(message.command)
        of, read = self._to_patch(place, known)
        asked = patches_of(
            message.scope, message.settings, message.unset, of.schemas, lambda addon: read(addon).values()
        )  # fmt: skip
        patches = (*_stored_elsewhere(asked, place, read), *asked)
        self._check(of, place, patches, known)
        return self._done(
            place, patches, message.reason, of.schemas, expected=message.expected, dry_run=message.dry_run,
            command=message.command,
        )  # fmt: skip

    @handles(contract.RevertSettings)
    def revert(self, message: contract.RevertSettings) -> Patched:
        self._ledger.follow()
        expected, reason = message.expected, need_reason(message.reason)
        wanted = None
        cause = context.current().cause
        if message.change:
            event = self._reader.event(message.change)
            place, change = place_of_event(event)
            then = scope_at(self._reader, place, Position(event.position - 1))
            wanted, expected, cause = (change.addon, change.path), int(event.version), event.id
        elif message.to is not None and message.scope:
            place = self._place(message.scope, message.target)
            then = scope_at(self._reader, place, Position(message.to))
            if message.path:
                addon, _, rest = message.path.partition(".")
                wanted = (addon, tuple(rest.split(".")) if rest else ())
        else:
            raise Invalid("revert what? name a change, or a scope and the position to go back to")
        if place.layer == "project file":
            raise Invalid("the project's settings file says so", remedy="change the file")
        self._require(place)
        known = self._ledger.known_to(message.command)
        patches = restore(place.scope(known), then, wanted)
        of, _ = self._to_patch(place, known)
        with context.use(context.current()._replace(cause=cause)):
            return self._done(
                place, patches, reason, of.schemas, expected=expected, dry_run=message.dry_run,
                command=message.command,
            )  # fmt: skip

    @handles(contract.TakeFile)
    def take_file(self, message: contract.TakeFile) -> FileTaken:
        """All that a settings file says, or nothing of it: what it said last stays then."""
        self._ledger.follow()
        place = Place("project file", settings_stream("file", message.project), message.project, message.name)
        problem, changed = message.problem, 0
        if not problem and (message.values or any(place.scope(self._ledger.known).addons.values())):
            try:
                changed = self._taken(message, place).changed
            except QiError as error:
                problem = error.message
        before = self._unread.pop(message.project, None)
        if problem:
            self._unread[message.project] = InvalidSetting(
                path=message.file, layer="project file", value=None, why=problem, by=message.owner
            )
        if self._unread.get(message.project) != before:
            self._answers.clear()
        return FileTaken(changed=changed, problem=problem)

    def _taken(self, message: contract.TakeFile, place: Place) -> Patched:
        known = self._ledger.known
        of, _ = self._to_patch(place, known)
        below = place.below(known, of.bundle)
        said = patches_of(
            "project", file_settings(message.values), (), of.schemas,
            lambda addon: self._layers.read(of, addon, below).values(),
        )  # fmt: skip
        kept = {(patch.addon, patch.path) for patch in said}
        stored = place.scope(known)
        gone = [
            Patch(addon=addon, path=path, unset=True)
            for addon, layer in stored.addons.items()
            for path in layer
            if (addon, path) not in kept
        ]
        patches = (*gone, *said)
        self._check(of, place, patches, known)
        with context.use(context.current()._replace(user=message.owner)):
            return self._done(place, patches, f"{Path(message.file).name} was changed", of.schemas)

    @handles(contract.AmendBundle)
    def amend(self, message: contract.AmendBundle) -> BundleInfo:
        self._ledger.follow()
        place = self._place("bundle", message.bundle)
        known = self._ledger.known_to(message.command)
        of, read = self._to_patch(place, known)
        asked = patches_of(
            "bundle", message.settings, message.unset, of.schemas, lambda addon: read(addon).values()
        )  # fmt: skip
        patches = (*_stored_elsewhere(asked, place, read), *asked)
        self._check(of, place, patches, known)
        return self.request(
            DeriveBundle(
                bundle=of.bundle.id, name=message.name, secrets=of.schemas.secrets, pointer=message.pointer,
                replaces=message.replaces, reason=message.reason, command=message.command,
                patches=tuple(
                    NewPatch(addon=p.addon, path=p.path, value=p.value, schema=p.schema, unset=p.unset) for p in patches
                ),
            )
        )  # fmt: skip

    # -- inside -------------------------------------------------------------------------------------------------

    def _done(
        self,
        place: Place,
        patches: tuple[Patch, ...],
        reason: str,
        schemas: Schemas,
        *,
        expected: int | None = None,
        dry_run: bool = False,
        command: str = "",
    ) -> Patched:
        """Carry out a change, or say what it would come to."""
        secrets, by = secrets_of(schemas), self.caller.user
        asked: PatchBundleSettings | settings.PatchSettings
        if place.layer == "bundle":
            decide: Callable[[Any, Any], Any] = bundle_decisions.decide
            asked = PatchBundleSettings(
                bundle=place.target, patches=patches, reason=reason, expected=expected, by=by, secrets=secrets
            )
        else:
            decide = settings.decide
            scope = "file" if place.layer == "project file" else place.layer
            asked = settings.PatchSettings(
                scope=scope, target=place.target, patches=patches, reason=reason, expected=expected, by=by,
                secrets=secrets,
            )  # fmt: skip
        if dry_run:
            made = decision(self._ledger.known, decide, asked)
            changes = tuple(_change(change.event) for change in made.changes)
            revision = int(self._ledger.known.version(place.stream))
            return Patched(
                revision=revision, position=int(self._ledger.known.position), changed=len(changes), changes=changes
            )
        appended = self._ledger.carry_out(decide, asked, command=command)
        changed = appended.last - appended.first + 1 if appended.versions else 0
        return Patched(
            revision=self._ledger.known.version(place.stream), position=appended.last, changed=changed
        )  # fmt: skip

    def _check(self, of: Pinned, place: Place, patches: Iterable[Patch], known: Known) -> None:
        """What the scope then says must fit the schema; what it said before and did not fit is no fault of this."""
        scope, patches = place.scope(known), tuple(patches)
        for addon in sorted({patch.addon for patch in patches}):
            layer = {path: (one.value, one.schema, int(one.position)) for path, one in scope.layer(addon).items()}
            for number, patch in enumerate(patches):
                if patch.addon == addon:
                    layer = {path: said for path, said in layer.items() if not begins(path, patch.path)}
                    if not patch.unset:
                        layer[patch.path] = (patch.value, patch.schema, int(known.position) + 1 + number)
            stored = tuple(
                StoredValue(layer=place.layer, path=path, value=value, schema=schema, position=position)
                for path, (value, schema, position) in layer.items()
            )
            asked = FitSettings(name=addon, digest=of.digests.get(addon, ""), stored=stored)
            mine = [patch.path for patch in patches if patch.addon == addon and not patch.unset]
            wrong = {one.fault: one.why for one in self.request(asked).values if one.why and one.stored in mine}
            if wrong:
                raise broken(addon, wrong)

    def _to_patch(self, place: Place, known: Known) -> tuple[Pinned, Callable[[str], Read]]:
        """The bundle whose schemas count, and how the layers up to this place read."""
        named = place.target if place.layer == "bundle" else ""
        of = self._of(self._bundle(named, place.target if place.layer in ("project", "project file") else ""))
        scopes = {**place.below(known, of.bundle), place.layer: place.scope(known)}
        return of, lambda addon: self._layers.read(of, addon, scopes)

    def _require(self, place: Place) -> None:
        """Raises :class:`Forbidden`. What another user says is for those who look after users."""
        needed = [SCOPE_PERMISSION[place.layer]]
        if place.layer == "user" and place.stream != user_stream(self.caller.user):
            needed.append("user.manage")
        for permission in needed:
            if not self.caller.may(permission):
                whose = f"{place.layer} settings of '{place.name}'"
                raise Forbidden(f"'{self.caller.user}' may not change the {whose}", permission=permission)


def _stored_elsewhere(patches: list[Patch], place: Place, read: Callable[[str], Read]) -> list[Patch]:
    """Whoever takes away what a migration has moved takes it away where it is stored."""
    return [
        Patch(addon=patch.addon, path=stored, unset=True)
        for patch in patches
        if patch.unset
        for (layer, path), stored in read(patch.addon).moved.items()
        if layer == place.layer and begins(path, patch.path)
    ]


def _change(change: Difference) -> contract.Changing:
    return contract.Changing(
        path=dotted(change.addon, change.path), was_set=change.was_set, old=change.old, is_set=change.is_set,
        new=change.new,
    )  # fmt: skip
