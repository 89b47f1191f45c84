"""Settings: values in four layers, and where each comes from."""

from __future__ import annotations

from typing import Annotated, Any

from qi.contracts.bundles import BundleInfo
from qi.limits import Items, Name, PageSize, PathText, Prose, Text, Token
from qi.messages import Request, message

Scope = Annotated[str, Text(10, "^(bundle|project|user)$")]


@message
class SettingsValues:
    values: dict[str, Any]
    """Addon name → its effective settings."""
    revision: int
    """Version of the stream a patch of the asked scope would change."""
    position: int


@message
class GetSettings(Request[SettingsValues], topic="config.get", needs="read"):
    """Effective settings: defaults, then bundle, project, user. `path` narrows to one dotted path."""

    addon: Name = ""
    path: PathText = ""
    bundle: Name = ""
    """Empty: the one the project uses, else the caller's session's, else production."""
    project: Name = ""
    user: Name = ""
    """Whose user layer; the caller's own when empty."""
    at: int = 0
    """As of this log position; now when 0."""
    bundle_at: int = 0
    """The bundle, and its own layer, as of this position instead; as `at` when 0."""
    after: int = 0


@message
class Setting:
    path: str
    """Dotted, beginning with the addon's name."""
    value: Any


@message
class Patched:
    revision: int
    position: int
    changed: int
    """How many values really changed."""


@message
class PatchSettings(Request[Patched], topic="config.patch", needs="settings.write"):
    """Set (or, with `unset`, take away) values of one scope. `expected` is the revision they were read at."""

    scope: Scope
    target: Name = ""
    """Project name; bundle name; empty for the caller's own user scope."""
    settings: Annotated[tuple[Setting, ...], Items(500)] = ()
    unset: Annotated[tuple[PathText, ...], Items(500)] = ()
    reason: Prose = ""
    expected: int | None = None
    command: Token = ""


@message
class SettingChange:
    """One value of one scope changed."""

    position: int
    event: str
    at: int
    """Microseconds since the epoch."""
    by: str
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
    revision: int


@message
class GetSettingHistory(Request[SettingHistory], topic="config.history", needs="read"):
    """What was changed in one scope, newest first; of everything, or at a path and below."""

    scope: Scope
    target: Name = ""
    """Project name; bundle name; user, the caller himself when empty."""
    path: PathText = ""
    before: int = 0
    """Only before this log position; 0: all."""
    limit: PageSize = 100


@message
class RevertSettings(Request[Patched], topic="config.revert", needs="settings.write"):
    """Make one scope what it was at a log position, as one change: of everything, or at a path and below."""

    scope: Scope
    target: Name = ""
    path: PathText = ""
    to: int
    """Position: the state after the event there. One less than a change's own position undoes it."""
    reason: Prose
    expected: int | None = None
    command: Token = ""


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


@message
class DiffSettings(Request[SettingsDiff], topic="config.diff", needs="read"):
    """Where the effective settings of two bundles, projects, users or times differ."""

    first: SettingsOf
    second: SettingsOf
    addon: Name = ""


@message
class AmendBundle(Request[BundleInfo], topic="bundle.amend", needs="bundle.promote", timeout_s=60.0):
    """Change settings of a frozen bundle: clone it, patch, freeze and promote the clone, as one decision."""

    bundle: Name = "production"
    name: Name = ""
    """Of the new bundle; the old one's with a number behind it, when empty."""
    settings: Annotated[tuple[Setting, ...], Items(500)] = ()
    unset: Annotated[tuple[PathText, ...], Items(500)] = ()
    pointer: Annotated[str, Text(20, "^(production|staging)$")] = "production"
    replaces: Name | None = None
    reason: Prose
    command: Token = ""


@message
class LayerValue:
    layer: str
    """`default`, `bundle`, `project` or `user`."""
    value: Any
    """What this layer says; a value it inherits is not listed."""
    by: str = ""
    """User who set it."""
    at: int = 0
    """Microseconds since the epoch."""
    reason: str = ""
    event: str = ""


@message
class Explanation:
    path: str
    value: Any
    layers: tuple[LayerValue, ...]
    """From the lowest to the one that wins."""


@message
class ExplainSetting(Request[Explanation], topic="config.explain", needs="read"):
    """Where a value comes from: what each layer says, who said so, when and why."""

    path: PathText
    bundle: Name = ""
    project: Name = ""
    user: Name = ""
