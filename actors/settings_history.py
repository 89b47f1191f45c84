"""What became of settings: every change of a path, an addon or a scope; and what two bundles, projects, users or times
have differently. It only reads, and so never keeps those who change something waiting."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from events.bundle_events import BundleSettingsChanged
from events.canonical import canonical
from events.catalog import decode_event
from events.record import BEFORE_FIRST, Event, Position
from events.settings import SettingsChanged, user_stream
from events.settings_tree import dotted
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.bundles import GetBundle
from qi.contracts.db import GetProject
from qi.contracts.settings import GetSettings
from qi.contracts.settings_history import (
    DiffSettings,
    GetSettingHistory,
    SettingChange,
    SettingDifference,
    SettingHistory,
    SettingsDiff,
    SettingsOf,
)
from qi.errors import Invalid
from qi.home import Home
from qi.reading import open_reader

PAGE_EVENTS = 1_000
REPLY_MOST_BYTES = 180 * 1024
CATEGORIES = frozenset({"settings", "bundle"})
KINDS = frozenset({SettingsChanged.event_type, BundleSettingsChanged.event_type})
BEGINNINGS = {
    "": "", "bundle": "bundle-", "project": "settings-project_", "project file": "settings-file_",
    "user": "settings-user_",
}  # fmt: skip
"""Layer → how the names of its streams begin."""


class _Where(msgspec.Struct):
    """Of a change only what it can be found by."""

    addon: str
    path: tuple[str, ...]


class _Found(NamedTuple):
    position: Position
    stream: str
    path: str


class SettingsHistory(Actor):
    """Knows where in the log each path was changed; the log itself tells how."""

    name = "settings_history"
    requests = (GetSettings, GetBundle, GetProject)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._reader = open_reader(self._home)
        self._decode = msgspec.json.Decoder(_Where).decode
        self._changes: list[_Found] = []
        self._seen = BEFORE_FIRST
        self._follow()

    def teardown(self) -> None:
        self._reader.close()

    @handles(GetSettingHistory)
    def history(self, message: GetSettingHistory) -> SettingHistory:
        self._follow()
        changes: list[SettingChange] = []
        size = 0
        for one in self._matching(message):
            made = _changed(self._reader.at(one.position))
            size += len(self._bus.codec.encode(made))
            if len(changes) == message.limit or (changes and size > REPLY_MOST_BYTES):
                return SettingHistory(changes=tuple(changes), before=changes[-1].position)
            changes.append(made)
        return SettingHistory(changes=tuple(changes), before=0)

    @handles(DiffSettings)
    def diff(self, message: DiffSettings) -> SettingsDiff:
        old, new = (self._values(side, message.addon) for side in (message.first, message.second))
        found: list[SettingDifference] = []
        size = 0
        for path in sorted(old.keys() | new.keys()):
            if path in old and path in new and canonical(old[path]) == canonical(new[path]):
                continue
            one = SettingDifference(
                path=path, first=old.get(path), second=new.get(path), first_has=path in old, second_has=path in new
            )
            size += len(self._bus.codec.encode(one))
            if size > REPLY_MOST_BYTES:
                return SettingsDiff(differences=tuple(found), more=True)
            found.append(one)
        return SettingsDiff(differences=tuple(found))

    def _matching(self, message: GetSettingHistory) -> Iterator[_Found]:
        """Newest first. What was set as a whole changed what lies in it, too."""
        path, stream = message.path, self._stream(message.scope, message.target)
        for one in reversed(self._changes):
            if message.before and one.position >= message.before:
                continue
            if stream and (one.stream != stream if message.target else not one.stream.startswith(stream)):
                continue
            if path and one.path != path and not _is_below(one.path, path) and not _is_below(path, one.path):
                continue
            yield one

    def _stream(self, scope: str, target: str) -> str:
        """The stream of a scope, or how those of all its kind begin."""
        beginning = BEGINNINGS[scope]
        if not target:
            return beginning
        match scope:
            case "bundle":
                return beginning + self.request(GetBundle(bundle=target)).id
            case "project" | "project file":
                return beginning + self.request(GetProject(project=target)).id
            case "user":
                return user_stream(target)
        raise Invalid(f"which scope does '{target}' belong to?", fields={"scope": "is empty"})

    def _values(self, side: SettingsOf, addon: str) -> dict[str, Any]:
        asked = GetSettings(addon=addon, bundle=side.bundle, project=side.project, user=side.user, at=side.at)
        return dict(_flat(self.request(asked).values))

    def _follow(self) -> None:
        columns = ("position", "stream", "type", "data")
        while page := self._reader.rows(self._seen, PAGE_EVENTS, CATEGORIES, columns):
            for position, stream, kind, data in page:
                if kind in KINDS:
                    where = self._decode(data)
                    path = dotted(where.addon, where.path)
                    self._changes.append(_Found(Position(position), sys.intern(stream), sys.intern(path)))
                self._seen = Position(position)


def _is_below(path: str, above: str) -> bool:
    return path.startswith(f"{above}.")


def _changed(event: Event) -> SettingChange:
    change = decode_event(event)
    scope = next(scope for scope, begin in BEGINNINGS.items() if begin and event.stream.startswith(begin))
    return SettingChange(
        position=event.position, event=event.id, scope=scope, target=event.stream[len(BEGINNINGS[scope]) :],
        path=dotted(change.addon, change.path), was_set=change.was_set, old=change.old, is_set=change.is_set,
        new=change.new, by=event.meta.user, at=event.recorded_at, reason=change.reason,
    )  # fmt: skip


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
