"""The icon in the tray, behind one small interface: Qt's own with Qt, pystray elsewhere, none where there is no tray.

Without a tray a window is never hidden: nobody could get it back.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from qi.app.desktop import qt
from qi.app.desktop.backend import Backend

log = logging.getLogger("qi.desktop")

ICON_PIXELS = 64
ACCENT, PAPER, ALARM = "#5b8def", "#ffffff", "#e5484d"


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the menu; chosen, it runs in a thread of its own."""

    title: str
    chosen: Callable[[], None] | None
    """None: it only tells."""


class Tray(Protocol):
    """Any thread."""

    @property
    def there(self) -> bool:
        """Whether people can see it."""
        ...

    def show(self, items: Sequence[Item], badge: int, alarm: bool) -> None:
        """What the menu holds, and a number on the icon (none for 0), red for an alarm."""
        ...

    def tell(self, title: str, text: str) -> None:
        """Of something that went wrong with what was chosen from the menu."""
        ...

    def close(self) -> None: ...


class NoTray:
    """There is none."""

    there = False

    def show(self, items: Sequence[Item], badge: int, alarm: bool) -> None:
        """Nobody sees it."""

    def tell(self, title: str, text: str) -> None:
        """Nobody chose anything."""

    def close(self) -> None:
        """Nothing is there."""


def tray_for(backend: Backend, activated: Callable[[], None]) -> Tray:
    """The tray of this desktop; any thread but the main one, while windows are shown. `activated` is called in a
    thread of its own when the icon is clicked."""
    if backend.toolkit == "qt":
        tray: Tray = QtTray(activated)
    elif importlib.util.find_spec("pystray"):
        from qi.app.desktop.other_tray import PystrayTray, shows_icons

        tray = PystrayTray(activated) if backend.toolkit != "gtk" or shows_icons() else NoTray()
    else:
        log.info("no tray: %s shows the windows, and pystray is not installed", backend.toolkit)
        return NoTray()
    if not tray.there:
        log.info("no tray: this desktop has none")
        return NoTray()
    return tray


@dataclass(slots=True)
class _Entry:
    """What stands in the menu for an :class:`Item`."""

    title: str
    action: Any
    chosen: Callable[[], None] | None = None

    def choose(self) -> None:
        if self.chosen is not None:
            apart(self.chosen)


class QtTray:
    """`QSystemTrayIcon` in pywebview's own application; everything of it happens on the thread that shows."""

    def __init__(self, activated: Callable[[], None]) -> None:
        self._activated = activated
        self._icon: Any = None
        self._menu: Any = None
        self._entries: list[_Entry] = []
        self.there = bool(qt.on_gui(self._create))

    def show(self, items: Sequence[Item], badge: int, alarm: bool) -> None:
        qt.on_gui(lambda: self._fill(items, badge, alarm), wait=False)

    def tell(self, title: str, text: str) -> None:
        qt.on_gui(lambda: self._icon.showMessage(title, text), wait=False)

    def close(self) -> None:
        if self._icon is not None:
            qt.on_gui(self._icon.hide, wait=False)

    def _create(self) -> bool:
        from qtpy.QtWidgets import QApplication, QMenu, QSystemTrayIcon

        if not QSystemTrayIcon.isSystemTrayAvailable():
            return False
        QApplication.setQuitOnLastWindowClosed(False)
        self._icon = QSystemTrayIcon(_icon(0, alarm=False))
        self._icon.setToolTip("Qi")
        self._menu = QMenu()
        self._icon.setContextMenu(self._menu)
        clicked = QSystemTrayIcon.ActivationReason.Trigger
        self._icon.activated.connect(lambda reason: apart(self._activated) if reason == clicked else None)
        self._icon.show()
        return True

    def _fill(self, items: Sequence[Item], badge: int, alarm: bool) -> None:
        """What stays is left as it is: it may be chosen at this very moment, by a number that it has since it came."""
        from qtpy.QtGui import QAction  # type: ignore[attr-defined]

        before, self._entries = self._entries, []
        for item in items:
            at = next((at for at, entry in enumerate(before) if entry.title == item.title), None)
            if at is None:
                entry = _Entry(item.title, QAction(item.title, self._menu))
                entry.action.triggered.connect(lambda _=False, entry=entry: entry.choose())
                self._menu.insertAction(before[0].action if before else None, entry.action)
            else:
                passed, entry, before = before[:at], before[at], before[at + 1 :]
                self._remove(passed)
            entry.chosen = item.chosen
            entry.action.setEnabled(item.chosen is not None)
            self._entries.append(entry)
        self._remove(before)
        self._icon.setIcon(_icon(badge, alarm=alarm))
        self._icon.setToolTip(f"Qi: {badge}" if badge else "Qi")

    def _remove(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            self._menu.removeAction(entry.action)


def _icon(badge: int, *, alarm: bool) -> Any:
    """Drawn, so that it needs no file and can carry a number."""
    from qtpy.QtCore import QRectF, Qt
    from qtpy.QtGui import QColor, QFont, QIcon, QPainter, QPixmap

    drawn = QPixmap(ICON_PIXELS, ICON_PIXELS)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(ACCENT))
    painter.drawRoundedRect(QRectF(2, 2, 60, 60), 14, 14)
    _write(painter, "Qi", QRectF(2, 2, 60, 58), 34, QFont.Weight.Bold)
    if badge:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ALARM if alarm else "#1f2430"))
        place = QRectF(28, 28, 36, 36)
        painter.drawEllipse(place)
        _write(painter, str(badge) if badge < 100 else "99", place, 24, QFont.Weight.Bold)
    painter.end()
    return QIcon(drawn)


def _write(painter: Any, text: str, place: Any, pixels: int, weight: Any) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtGui import QColor, QFont

    font = QFont()
    font.setPixelSize(pixels)
    font.setWeight(weight)
    painter.setFont(font)
    painter.setPen(QColor(PAPER))
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)


def apart(work: Callable[[], None]) -> None:
    """pywebview's calls wait for the thread that shows, so they must not be made on it."""
    threading.Thread(target=work, name="qi-tray", daemon=True).start()
