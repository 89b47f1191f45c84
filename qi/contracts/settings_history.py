"""What became of settings: their changes, and what two bundles, projects, users or times have differently."""

from __future__ import annotations

from typing import Annotated, Any

from qi.limits import Name, PageSize, PathText, Text
from qi.messages import Request, message


@message
class SettingChange:
    """One value of one scope changed."""

    position: int
    event: str
    at: int
    """Microseconds since the epoch."""
    by: str
    scope: str
    """`bundle`, `project`, `project file` or `user`."""
    target: str
    """Id of the bundle or project; key of the user."""
    path: str
    """Dotted, beginning with the addon's name."""
    was_set: bool
    old: Any
    is_set: bool
    new: Any
    reason: str


@message
class SettingHistory:
    changes: tuple[SettingChange, ...]
    """Newest first."""
    before: int
    """Hand it in as `before` for the next page; 0 on the last one."""


@message
class GetSettingHistory(Request[SettingHistory], topic="config.history", needs="history.read", timeout_s=30.0):
    """What was changed, newest first: in one scope or all; of everything, or at a path, above it and below it."""

    scope: Annotated[str, Text(12, "^(|bundle|project|project file|user)$")] = ""
    target: Name = ""
    """Project name; bundle name; user. Every one of the scope when empty."""
    path: PathText = ""
    before: int = 0
    """Only before this log position; 0: all."""
    limit: PageSize = 100


@message
class SettingsOf:
    """Whose settings, and when."""

    bundle: Name = ""
    project: Name = ""
    user: Name = ""
    at: int = 0
    """Log position; now when 0."""


@message
class SettingDifference:
    path: str
    first: Any = None
    """Null, too, where `first_has` is false."""
    second: Any = None
    first_has: bool = True
    second_has: bool = True


@message
class SettingsDiff:
    differences: tuple[SettingDifference, ...]
    more: bool = False
    """Whether there are more than one reply can hold: ask addon by addon."""


@message
class DiffSettings(Request[SettingsDiff], topic="config.diff", needs="read", timeout_s=30.0):
    """Where the effective settings of two bundles, projects, users or times differ."""

    first: SettingsOf
    second: SettingsOf
    addon: Name = ""
