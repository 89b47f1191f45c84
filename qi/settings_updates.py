"""Hearing of changed settings: only what changed, as it is announced. Pure Python; any thread.

What is announced are the events themselves, `qi.event.settings.<scope>_<id>.settings.changed` and
`qi.event.bundle.<id>.bundle.settings_changed`. Announcements may be lost with a connection: what must never be missed
is a reaction (:mod:`qi.reactions`), or read again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qi.bus import Bus, Subscription
from qi.wire import Message

log = logging.getLogger("qi.settings")

LAYERS = {"project": "project", "file": "project file", "user": "user"}
SUBJECTS = ("qi.event.settings.*.settings.changed", "qi.event.bundle.*.bundle.settings_changed")


@dataclass(frozen=True, slots=True)
class SettingsUpdate:
    """One path of one scope changed."""

    layer: str
    """`bundle`, `project`, `project file` or `user`."""
    target: str
    """Id of the bundle or project, token of the user."""
    path: str
    """Dotted, beginning with the addon's name."""
    is_set: bool
    """False when the layers below show through again."""
    value: Any
    """What the scope says now; null when it says nothing."""
    by: str
    reason: str
    position: int
    """Of the log: hand it to `after` of a question, and its answer knows of it."""


def on_settings(bus: Bus, told: Callable[[SettingsUpdate], None]) -> Callable[[], None]:
    """Call `told` on the bus thread for every change of settings; the function that is returned ends that."""

    def heard(msg: Message) -> None:
        # A callback that raises would end the bus's own loop.
        try:
            update = update_of(msg)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("an announcement of settings cannot be read: %s", error)
            return
        told(update)

    entries: list[Subscription] = [bus.subscribe(subject, heard) for subject in SUBJECTS]

    def stop() -> None:
        while entries:
            bus.unsubscribe(entries.pop())

    return stop


def update_of(msg: Message) -> SettingsUpdate:
    """What an announcement says. Raises :class:`ValueError`, :class:`KeyError` or :class:`TypeError`."""
    category, token = msg.subject.split(".")[2:4]
    kind, _, target = token.partition("_")
    event = json.loads(msg.data)
    change = event["data"]
    return SettingsUpdate(
        layer="bundle" if category == "bundle" else LAYERS[kind],
        target=token if category == "bundle" else target,
        path=".".join((change["addon"], *change["path"])),
        is_set=change["is_set"], value=change["new"], by=event["meta"].get("user", ""), reason=change["reason"],
        position=event["position"],
    )  # fmt: skip
