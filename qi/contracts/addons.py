"""Addons that were found: what each is, and its content. How they run: :mod:`qi.contracts.hosting`."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from qi.limits import Items, Name, PathText, Prose, Token
from qi.messages import STUDIO_ONLY, Done, Request, message


@message
class AddonInfo:
    """An addon as it was found on disk or in the content store."""

    name: str
    version: str
    title: str
    roles: tuple[str, ...]
    folder: str
    digest: str
    problem: str = ""
    """Why it cannot be used; empty when it can."""
    contributes: tuple[str, ...] = ()
    """`actor`, `settings`, `publish plugins` …"""
    installed: bool = False
    """Whether it was installed from a package, rather than found in a folder."""
    installed_by: str = ""
    installed_at: int = 0
    """Microseconds since the epoch."""
    source: str = ""
    """Name of its archive."""


@message
class AddonList:
    addons: tuple[AddonInfo, ...]


@message
class ListAddons(Request[AddonList], topic="addon.list", needs="read"):
    """Every addon that was found in a folder, and every version that was installed."""


@message
class StoreAddon(Request[AddonInfo], topic="addon.store", needs=STUDIO_ONLY, timeout_s=60.0):
    """Put the folder of a found addon into the content store, so that a bundle can pin it."""

    name: Name
    """`name`, or `name@version` of one that is installed. A folder goes before what is installed."""
    folder: PathText = ""
    """Where it lies; where it was found, when empty."""


@message
class InstallAddon(Request[AddonInfo], topic="addon.install", needs="addon.manage", timeout_s=60.0):
    """Take the package of an addon, a file on the studio's machine, into the content store, for bundles to pin."""

    file: PathText
    reason: Prose = ""
    command: Token = ""


@message
class RemoveAddon(Request[Done], topic="addon.remove", needs="addon.manage"):
    """Let a version be found no more. Refused while a bundle pins it."""

    name: Name
    version: Name
    reason: Prose
    command: Token = ""


@message
class FieldRule:
    """What is asked of changes to one field of a settings schema."""

    path: tuple[str, ...]
    """Below the addon; `*` stands for any key of a mapping."""
    scopes: tuple[str, ...]
    """Where it may be overridden."""
    group: bool = False
    """Whether it is overridden as one."""
    required: bool = False
    """Whether it may not stay empty."""
    resolver: str = ""
    """Function of the addon that offers values."""


@message
class Schemas:
    defaults: dict[str, dict[str, object]]
    """Addon → its default settings."""
    secrets: dict[str, tuple[str, ...]]
    """Addon → dotted paths that hold references to secrets."""
    versions: dict[str, str]
    """Addon → the version its defaults are of."""
    rules: dict[str, tuple[FieldRule, ...]] = field(default_factory=dict)
    """Addon → the rules of its fields; one that may be changed anywhere and alone has none."""


@message
class GetSchemas(Request[Schemas], topic="addon.schemas", needs=STUDIO_ONLY, timeout_s=30.0):
    """The settings schemas of the addons with these digests."""

    digests: dict[str, str]
    """Addon name → digest of its folder in the content store."""


@message
class JsonSchema:
    schema: dict[str, Any]
    """JSON Schema 2020-12."""


@message
class GetJsonSchema(Request[JsonSchema], topic="addon.schema", needs=STUDIO_ONLY, timeout_s=30.0):
    """The settings schema of one addon, for a form."""

    name: Name
    digest: Name
    """Of the addon's folder in the content store; empty for Qi's own settings."""


@message
class StoredValue:
    """One override as it is stored."""

    layer: str
    """`bundle`, `project`, `project file` or `user`."""
    path: tuple[str, ...]
    value: Any
    schema: str
    """The addon version it was written for."""
    position: int = 0
    """Log position at which it was set."""


@message
class FittedValue:
    """One override as the schema reads it."""

    layer: str
    path: tuple[str, ...]
    """Where it stands in this schema."""
    value: Any
    stored: tuple[str, ...]
    """Where it is stored."""
    why: str = ""
    """Why it does not hold; empty when it does."""
    fault: tuple[str, ...] = ()
    """Where exactly it does not fit."""


@message
class Fitted:
    values: tuple[FittedValue, ...]


@message
class FitSettings(Request[Fitted], topic="addon.fit", needs=STUDIO_ONLY, timeout_s=30.0):
    """Stored overrides as a version of an addon reads them: migrated, and those told apart that do not hold."""

    name: Name
    digest: Name
    """Of the addon's folder in the content store; empty for Qi's own settings."""
    stored: Annotated[tuple[StoredValue, ...], Items(10_000)]
