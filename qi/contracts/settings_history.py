"""What became of settings: their changes, and what two bundles, projects, users or times have differently."""

from __future__ import annotations

from typing import Annotated, Any

from qi.limits import Name, PageSize, PathText, Text, Token
from qi.messages import Request, message


@message
class ChangedSetting:
    """One change of one path of one scope."""

    position: int
    event: str
    """Its id."""
    scope: str
    """`bundle`, `project`, `project file` or `user`."""
    target: str
    """Id of the bundle or project; token of the user."""
    path: str
    was_set: bool
    old: Any
    is_set: bool
    new: Any
    by: str
    at: int
    """Microseconds since the epoch."""
    reason: str


@message
class SettingsChanges:
    changes: tuple[ChangedSetting, ...]
    """Newest first."""
    before: int
    """Hand it in as `before` for the next page; 0 on the last one."""


@message
class QuerySettingsHistory(Request[SettingsChanges], topic="config.history", needs="history.read", timeout_s=30.0):
    """Changes of settings, newest first: of a path and all below and above it, an addon, a scope."""

    path: PathText = ""
    addon: Name = ""
    scope: Annotated[str, Text(12, "^(|bundle|project|project file|user)$")] = ""
    target: Token = ""
    """Id of the bundle or project, token of the user."""
    before: int = 0
    """Only changes at smaller log positions; all when 0."""
    limit: PageSize = 100


@message
class SettingsSide:
    """One side of a comparison."""

    bundle: Name = ""
    project: Name = ""
    user: Name = ""
    at: int = 0
    """Log position; now when 0."""


@message
class DifferentSetting:
    path: str
    old: Any
    """Null where the first has nothing."""
    new: Any


@message
class SettingsDiff:
    settings: tuple[DifferentSetting, ...]
    more: bool = False
    """Whether there are more than one reply can hold: ask addon by addon."""


@message
class DiffSettings(Request[SettingsDiff], topic="config.diff", needs="read", timeout_s=30.0):
    """Which effective values two bundles, projects, users or times have differently."""

    first: SettingsSide
    second: SettingsSide
    addon: Name = ""
