"""Settings: values in layers, where each comes from, and changing them.

What became of them: :mod:`qi.contracts.settings_history`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from qi.contracts.bundles import BundleInfo
from qi.limits import Items, Name, PathText, Prose, Text, Token, Whole
from qi.messages import STUDIO_ONLY, Request, message

Scope = Annotated[str, Text(10, "^(bundle|project|user)$")]


@message
class InvalidSetting:
    """A stored value that does not count as it is: the next lower layer that fits shows through."""

    path: str
    """Dotted, beginning with the addon's name; where it is stored. Of a settings file that cannot be read: the file."""
    layer: str
    """`bundle`, `project`, `project file` or `user`; `default` for a required setting that is empty."""
    value: Any
    why: str
    by: str = ""
    at: int = 0
    """Microseconds since the epoch."""
    target: str = ""
    """Id of the project, or token of the user; where several scopes were looked at."""


@message
class SettingsValues:
    values: dict[str, Any]
    """Addon name → its effective settings."""
    revision: int
    """Of the project's scope: what a patch of it may expect."""
    position: int
    invalid: tuple[InvalidSetting, ...] = ()
    """What is stored for these values and does not count, at most 200."""
    pinned: tuple[str, ...] = ()
    """Paths that are overridden with the very value they would have anyway, at most 200."""
    revisions: dict[str, int] = field(default_factory=dict)
    """Scope → the revision a patch of it may expect."""


@message
class GetSettings(Request[SettingsValues], topic="config.get", needs="read"):
    """Effective settings: defaults, then bundle, project, its settings file, user. `path` narrows to one path."""

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
class Changing:
    """One path that a change touches."""

    path: str
    was_set: bool
    old: Any
    is_set: bool
    new: Any


@message
class Patched:
    revision: int
    position: int
    changed: int
    """How many values really changed; of a dry run, would."""
    changes: tuple[Changing, ...] = ()
    """Which would; of a dry run."""


@message
class PatchSettings(Request[Patched], topic="config.patch", needs="settings.write"):
    """Set (or, with `unset`, take away) values of one scope, all or none.

    `expected` is the revision they were read at: when somebody changed one of these very paths since, that is a
    conflict which names both values and both authors. Changes of other paths are none.
    """

    scope: Scope
    target: Name = ""
    """Project name; bundle name; empty for the caller's own user scope."""
    settings: Annotated[tuple[Setting, ...], Items(500)] = ()
    unset: Annotated[tuple[PathText, ...], Items(500)] = ()
    reason: Prose = ""
    expected: int | None = None
    dry_run: bool = False
    """Say what would change, and change nothing."""
    command: Token = ""


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
class RevertSettings(Request[Patched], topic="config.revert", needs="settings.write"):
    """Put values of one scope back; the revert is a change like any other, and can be reverted itself.

    With `to` (a log position) the scope is what it was there, or only at `path` and below. With `change` (the id of an
    event) that one change is taken back: a conflict when what it left was changed again.
    """

    scope: Annotated[str, Text(10, "^(|bundle|project|user)$")] = ""
    target: Name = ""
    """As in :class:`PatchSettings`. A `change` knows its scope by itself."""
    path: PathText = ""
    to: int | None = None
    """Position: the state after the event there. One less than a change's own position undoes it and what followed."""
    change: Token = ""
    reason: Prose
    expected: int | None = None
    """As in :class:`PatchSettings`, for `to`."""
    dry_run: bool = False
    command: Token = ""


@message
class LayerValue:
    layer: str
    """`default`, `bundle`, `project`, `project file` or `user`."""
    value: Any
    """What this layer says; a value it inherits is not listed."""
    by: str = ""
    """User who set it; of a settings file, its owner."""
    at: int = 0
    """Microseconds since the epoch."""
    reason: str = ""
    event: str = ""
    pinned: bool = False
    """It says what would hold without it, too."""
    why: str = ""
    """Why it does not count; empty when it does."""


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
    at: Whole = 0
    """As of this log position; now when 0."""


@message
class StoredSetting:
    """One override of a scope, as it is stored."""

    path: str
    value: Any
    schema: str
    """The addon version it was written for."""
    by: str
    at: int
    reason: str
    event: str


@message
class ScopeSettings:
    settings: tuple[StoredSetting, ...]
    revision: int
    position: int


@message
class GetOverrides(Request[ScopeSettings], topic="config.overrides", needs="read"):
    """What one scope says itself, and nothing that it inherits."""

    scope: Annotated[str, Text(12, "^(bundle|project|project file|user)$")]
    target: Name = ""
    """As in :class:`PatchSettings`."""
    addon: Name = ""
    at: Whole = 0
    """As of this log position; now when 0. A pointer names the bundle it pointed at then."""


@message
class InvalidSettings:
    settings: tuple[InvalidSetting, ...]
    """At most 500."""


@message
class ListInvalid(Request[InvalidSettings], topic="config.invalid", needs="read", timeout_s=30.0):
    """What no scope's override of a bundle's addons can be carried over or does not fit: of the bundle itself, of every
    project and of every user. What is stored stays stored."""

    bundle: Name = "production"


@message
class SettingsSchema:
    schema: dict[str, Any]
    """JSON Schema 2020-12, with what only forms need under `qi`."""
    version: str
    """Of the addon."""


@message
class GetSettingsSchema(Request[SettingsSchema], topic="config.schema", needs="read", timeout_s=30.0):
    """The schema of an addon's settings, as a bundle pins it."""

    addon: Name
    bundle: Name = ""
    project: Name = ""


@message
class Option:
    """One value to choose."""

    value: Any
    label: Name = ""
    """What people read; the value itself when empty."""


@message
class OptionList:
    options: tuple[Option, ...]


@message
class GetOptions(Request[OptionList], topic="config.options", needs="read", timeout_s=20.0):
    """The values that a setting is offered, asked of the addon that owns it: it is started when it does not run."""

    path: PathText
    bundle: Name = ""
    project: Name = ""
    user: Name = ""


@message
class ResolveOptions(Request[OptionList], topic="provider.settings.options", needs=STUDIO_ONLY, timeout_s=8.0):
    """To an addon: run one of the resolvers of its settings."""

    resolver: Name
    project: Name = ""
    user: Name = ""


@message
class FileTaken:
    changed: int
    """How many values."""
    problem: str
    """Why the file was not taken; empty when it was."""


@message
class TakeFile(Request[FileTaken], topic="config.file", needs=STUDIO_ONLY):
    """What a project's settings file says now, as one decision; what it does not say is taken away."""

    project: Token
    """Id."""
    name: Name
    """The project's name."""
    file: PathText
    values: dict[str, Any]
    owner: Name
    problem: Prose = ""
    """Why the file cannot be read: then nothing changes, and readers are told."""
