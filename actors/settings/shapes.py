"""Paths and changes of settings, as messages have them and as the log has them."""

from __future__ import annotations

from events import settings
from events.record import Event, StreamName
from events.settings import Patch
from events.settings_tree import Path as SettingPath
from qi.contracts.addons import Schemas
from qi.contracts.settings import PatchSettings, SettingChange
from qi.errors import Invalid


def patches_of(message: PatchSettings, schemas: Schemas) -> list[Patch]:
    changes = [(one.path, one.value, False) for one in message.settings]
    changes += [(path, None, True) for path in message.unset]
    made = []
    for dotted, value, unset in changes:
        addon, path = split_path(dotted)
        if addon not in schemas.versions:
            raise Invalid(
                f"there is no setting '{dotted}'",
                remedy=f"settings begin with one of: {', '.join(sorted(schemas.versions))}",
                fields={dotted: "unknown addon"},
            )
        made.append(Patch(addon=addon, path=path, value=value, unset=unset, schema=schemas.versions[addon]))
    return made


def within(dotted: str) -> tuple[str, SettingPath]:
    """Addon and path of what a question is limited to; both empty for everything."""
    addon, *path = dotted.split(".") if dotted else [""]
    return addon, tuple(path)


def change_of(event: Event, said: settings.Difference) -> SettingChange:
    return SettingChange(
        position=event.position, event=event.id, at=event.occurred_at, by=event.meta.user,
        path=".".join((said.addon, *said.path)), was_set=said.was_set, old=said.old, is_set=said.is_set, new=said.new,
        reason=said.reason,
    )  # fmt: skip


def split_path(dotted: str) -> tuple[str, SettingPath]:
    addon, *path = dotted.split(".")
    if not addon or not path or not all(path):
        raise Invalid(f"'{dotted}' is not the path of a setting: write ADDON.FIELD", fields={dotted: "malformed"})
    return addon, tuple(path)


def token_of_scope(stream: StreamName) -> str:
    """The part of the stream's name behind its scope."""
    return stream.partition("_")[2]
