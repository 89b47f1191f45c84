"""The icon in the tray where the windows are not Qt's: pystray's, on Windows, macOS and GTK. Any thread."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from qi.app.desktop.tray import ACCENT, ALARM, ICON_PIXELS, PAPER, Item, apart

log = logging.getLogger("qi.desktop")

DARK = "#1f2430"
ICONS_KEPT_BY = "org.kde.StatusNotifierWatcher"
"""Name on the session's bus of what shows icons, on whichever desktop."""
ANSWER_LIMIT_MS = 2_000


def shows_icons() -> bool:
    """Whether a desktop with GTK has a place for icons: pystray draws one also where nobody will see it."""
    from gi.repository import Gio, GLib

    try:
        bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
        asked = GLib.Variant("(s)", (ICONS_KEPT_BY,))
        there = bus.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", asked, None,
            Gio.DBusCallFlags.NONE, ANSWER_LIMIT_MS, None,
        )  # fmt: skip
    except GLib.Error as error:
        log.info("no tray: the session's bus does not answer: %s", error)
        return False
    return bool(there.unpack()[0])


class PystrayTray:
    """A `pystray.Icon` beside the loop of the toolkit that shows the windows."""

    def __init__(self, activated: Callable[[], None]) -> None:
        self.there = False
        self._activated = activated
        try:
            # Which of its ways fits this desktop it finds out when it is imported, and raises when none does.
            import pystray

            self._pystray: Any = pystray
            if not pystray.Icon.HAS_MENU:
                log.info("no tray: pystray has no menus on this desktop")
                return
            beside: dict[str, Any] = {}
            if sys.platform == "darwin":
                import AppKit

                beside = {"darwin_nsapplication": AppKit.NSApplication.sharedApplication()}
            self._icon: Any = pystray.Icon("qi", _icon(0, alarm=False), "Qi", pystray.Menu(), **beside)
            self._icon.run_detached()
        except Exception as error:  # noqa: BLE001 - whatever its backends raise: then there is no tray
            log.info("no tray: %s: %s", type(error).__name__, error)
            return
        self.there = True

    def show(self, items: Sequence[Item], badge: int, alarm: bool) -> None:
        entry = self._pystray.MenuItem
        # A click on the icon is its menu's default entry, which is not shown itself.
        opens = entry("Qi", lambda *_: apart(self._activated), default=True, visible=False)
        self._icon.menu = self._pystray.Menu(opens, *(self._entry(item) for item in items))
        self._icon.icon = _icon(badge, alarm=alarm)
        self._icon.title = f"Qi: {badge}" if badge else "Qi"
        self._icon.update_menu()

    def tell(self, title: str, text: str) -> None:
        if not self._pystray.Icon.HAS_NOTIFICATION:
            log.warning("%s: %s", title, text)
            return
        self._icon.notify(text, title)

    def close(self) -> None:
        self._icon.stop()

    def _entry(self, item: Item) -> Any:
        chosen = item.chosen
        if chosen is None:
            return self._pystray.MenuItem(item.title, None, enabled=False)
        return self._pystray.MenuItem(item.title, lambda *_: apart(chosen))


def _icon(badge: int, *, alarm: bool) -> Any:
    """As Qt's, by Pillow, which pystray brings."""
    from PIL import Image, ImageDraw, ImageFont

    drawn = Image.new("RGBA", (ICON_PIXELS, ICON_PIXELS))
    pen = ImageDraw.Draw(drawn)
    pen.rounded_rectangle((2, 2, 62, 62), 14, fill=ACCENT)
    pen.text((32, 31), "Qi", PAPER, ImageFont.load_default(34), anchor="mm")
    if badge:
        pen.ellipse((28, 28, 63, 63), fill=ALARM if alarm else DARK)
        pen.text((46, 46), str(min(badge, 99)), PAPER, ImageFont.load_default(22), anchor="mm")
    return drawn
