"""Whose a stream is: Qi's own, or an addon's. Pure; any thread.

An addon's streams and event types begin with its name: `review-0192…`, `review.approved`. So no addon may be called as
Qi calls its own, or may one day.
"""

from __future__ import annotations

from collections.abc import Iterable

from events.errors import Forbidden
from events.record import category_of

CATEGORIES = frozenset({
    "addon", "bundle", "launch", "log", "name", "pin", "pointer", "project", "publish", "rehearsal", "secret",
    "session", "settings", "user", "version",
})  # fmt: skip
"""Of Qi's streams; its event types begin with the same words."""

RESERVED = CATEGORIES | {
    "action", "application", "auth", "config", "context", "db", "desktop", "entity", "event", "folder", "gate",
    "history", "hook", "host", "hosting", "instance", "job", "journal", "mesh", "message", "notice", "plugin",
    "product", "projection", "provider", "qi", "replay", "representation", "role", "scene", "server", "staging",
    "step", "stream", "studio", "task", "token", "tracker", "upload", "vault", "view", "window", "work", "worker",
    "workfile",
}  # fmt: skip
"""Names that no addon may have: what Qi calls its own streams and topics, and what it may call them one day."""


def require_own(addon: str, streams: Iterable[str], types: Iterable[str]) -> None:
    """Raises :class:`Forbidden` unless all of these streams and event types are `addon`'s."""
    if addon in RESERVED or not addon:
        raise Forbidden(f"'{addon}' is no name under which an addon records anything", addon=addon)
    for stream in streams:
        if category_of(stream) != addon:  # type: ignore[arg-type]
            raise Forbidden(
                f"the addon '{addon}' may not touch the stream '{stream}': it is not its own",
                remedy=f"an addon records in streams named {addon}-<id>; others change by their service's commands",
                addon=addon, stream=stream,
            )  # fmt: skip
    for kind in types:
        if not kind.startswith(f"{addon}."):
            raise Forbidden(
                f"the addon '{addon}' may not record a '{kind}': it is not an event type of its own",
                remedy=f"its types begin with '{addon}.'",
                addon=addon, type=kind,
            )  # fmt: skip
