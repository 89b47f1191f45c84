"""Running addons: how each addon of a bundle fares, and starting what a session needs."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from qi.limits import Name, Token
from qi.messages import Request, message


@message
class AddonRun:
    """One addon as one bundle pins it; or one that was found and is not pinned."""

    name: str
    version: str
    title: str
    bundle: str
    """Id of the bundle."""
    status: str
    """`enabled`, `disabled` (not pinned), `incompatible` or `failed`."""
    stage: str
    """How far it came: `discovered`, `registered`, `installed`, `started` or `stopped`."""
    problem: str = ""
    """Why it is not started; or why its newest files are not what runs."""
    where: str = ""
    """`thread` or `process`, while it runs; empty when it does not, or has no actor."""
    child: str = ""
    """Name under which `qi status` shows it."""
    digest: str = ""
    """Of its content; empty for a folder that may change."""
    folder: str = ""
    roles: tuple[str, ...] = ()
    requires: dict[str, str] = field(default_factory=dict)
    contributes: tuple[str, ...] = ()
    commands: tuple[dict[str, Any], ...] = ()
    windows: tuple[dict[str, Any], ...] = ()
    slots: tuple[dict[str, Any], ...] = ()
    applications: tuple[dict[str, Any], ...] = ()
    """As `addon.toml` has them: what the Command Center shows."""


@message
class AddonRuns:
    bundle: str
    """Name of the bundle."""
    addons: tuple[AddonRun, ...]


@message
class GetAddons(Request[AddonRuns], topic="addon.status", needs="read"):
    """How every addon of a bundle fares, and what was found besides."""

    bundle: Name = ""
    """The caller's session's when empty."""


@message
class EnsureAddon(Request[AddonRun], topic="addon.ensure", needs="read", timeout_s=60.0):
    """Start an addon of the caller's own bundle, and what it requires, unless it runs. Returns when it serves."""

    name: Name
    bundle: Token = ""
    """Id of another bundle; only services may name one."""


@message
class RestartAddon(Request[AddonRun], topic="addon.restart", needs="studio.manage", timeout_s=60.0):
    """Start an addon anew and let go of the running one when the new one serves."""

    name: Name
    bundle: Token = ""
    """Id; the caller's session's when empty."""
