"""What pywebview does not do with Qt, or does otherwise. Any thread but the one that shows, where nothing else is said.

Three rules of pywebview with Qt, each found by a crash: never `easy_drag` on a frameless window; windows of one
process share one profile; and root runs without Chromium's sandbox.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from qi.app.desktop.places import Place

log = logging.getLogger("qi.desktop")

PROFILE = "qi"
REVIVE_AFTER_MS = 1_000
"""So that one that dies at once again does not keep the machine busy."""
GUI_LIMIT_S = 5.0
"""So long the thread that shows may take until it comes to what is asked of it."""


def prepare() -> None:
    """Before the first window. One profile for all windows, or the second one never loads."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")
    platform: Any = importlib.import_module("webview.platforms.qt")
    from qtpy.QtWebEngineCore import QWebEngineProfile
    from qtpy.QtWidgets import QApplication

    profiles: dict[str, Any] = {}

    def shared(*_: Any) -> Any:
        if PROFILE not in profiles:
            profiles[PROFILE] = QWebEngineProfile(PROFILE, QApplication.instance())
        return profiles[PROFILE]

    platform.QWebEngineProfile = shared


def on_gui(work: Callable[[], Any], *, wait: bool = True) -> Any:
    """Run on the thread that shows; the result, or None when that thread does not come to it in time."""
    import webview.platforms.qt as platform

    found: list[Any] = []
    done = threading.Event()

    def run() -> None:
        try:
            found.append(work())
        except Exception:
            log.exception("what Qt was asked for failed")
        finally:
            done.set()

    views = list(platform.BrowserView.instances.values())
    if not views:
        return None
    views[0].create_window_trigger.emit(run)
    if wait:
        done.wait(GUI_LIMIT_S)
    return found[0] if found else None


def bring_to_front(native: Any) -> None:
    """Whatever it is: hidden, minimized, covered. `restore` of pywebview also makes a maximized window small."""
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QMessageBox

    def raise_() -> None:
        native.setWindowState(native.windowState() & ~Qt.WindowState.WindowMinimized)
        native.show()
        # A question that is open stays above the window that waits for its answer.
        for one in [native, *(box for box in native.findChildren(QMessageBox) if box.isVisible())]:
            one.raise_()
            one.activateWindow()

    on_gui(raise_)


def revive(native: Any) -> None:
    """Thread that shows, before the window is shown. A page whose process dies leaves an empty window, without even the
    buttons to close it: then it is loaded again."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWebEngineCore import QWebEnginePage

    def ended(how: Any, code: int) -> None:
        if how != QWebEnginePage.RenderProcessTerminationStatus.NormalTerminationStatus:
            log.warning("the process of a window's page ended with %d: it is loaded again", code)
            QTimer.singleShot(REVIVE_AFTER_MS, native.webview.reload)

    native.webview.page().renderProcessTerminated.connect(ended)


def minimize(native: Any) -> None:
    """pywebview's own also makes a maximized window small."""
    from qtpy.QtCore import Qt

    on_gui(lambda: native.setWindowState(native.windowState() | Qt.WindowState.WindowMinimized))


def place_of(native: Any) -> Place:
    """Any thread. Of a maximized window the place that it goes back to."""
    maximized = is_maximized(native)
    at = native.normalGeometry() if maximized else native.geometry()
    return Place(at.x(), at.y(), at.width(), at.height(), maximized)


def is_maximized(native: Any) -> bool:
    """Any thread."""
    return bool(native.isMaximized())


def ask(native: Any, title: str, question: str, yes: str, no: str) -> bool:
    """A question over a window; waits for the answer, which is no for whoever closes it.

    pywebview's own has OK and Cancel for answers, and lays out a title that holds `<b>`.
    """
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QMessageBox

    answered = threading.Event()
    answers: list[bool] = []

    def show() -> bool:
        box = QMessageBox(QMessageBox.Icon.Question, title, question, parent=native)
        box.setTextFormat(Qt.TextFormat.PlainText)
        agrees = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
        stays = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stays)
        box.setEscapeButton(stays)

        def finished(_: int) -> None:
            answers.append(box.clickedButton() is agrees)
            answered.set()
            box.deleteLater()

        box.finished.connect(finished)
        # Not `exec`, whose loop would go on below whatever else the thread that shows is asked for.
        box.open()
        return True

    if on_gui(show):
        answered.wait()
    return bool(answers and answers[0])
