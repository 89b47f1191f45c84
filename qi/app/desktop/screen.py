"""The windows on the screen. pywebview owns the main thread while they are shown; methods here are for any other."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import webview

from qi.app.desktop import qt
from qi.app.desktop.backend import Backend
from qi.app.desktop.bridge import Bridge
from qi.app.desktop.command import Command
from qi.app.desktop.places import SMALLEST, Place, Places, is_seen, offered
from qi.contracts.windows import MAIN, WindowInfo
from qi.errors import NotFound, Unavailable

log = logging.getLogger("qi.desktop")

BACKGROUND = "#16181d"
"""Of a window before its page is there: the dark one's own, so that nothing flashes."""
SHOW_LIMIT_S = LOAD_LIMIT_S = 20.0


@dataclass(slots=True)
class Shown:
    window: webview.Window
    title: str
    path: str
    visible: bool = True


class Screen:
    """Opens, hides and remembers windows."""

    def __init__(
        self,
        backend: Backend,
        storage: Path,
        session: str,
        address: Callable[[str], str],
        *,
        closing: Callable[[str], bool],
    ) -> None:
        """`storage` is a folder of the user's; `address` makes the URL of a page, good for one log-in. `closing` is
        told, on the thread that shows, that somebody closes a window; false keeps it."""
        self._backend = backend
        self._storage = storage
        self._session = session
        self._address = address
        self._closing = closing
        self._places = Places(storage / "windows.json")
        self._windows: dict[str, Shown] = {}
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        """Held while one is opened: two at once would open one name twice."""
        self._ending = False

    def run(self, begun: Callable[[], None], *, path: str = "/", debug_port: int = 0) -> None:
        """Show the main window and return when every window is gone; main thread. `begun` runs in another one."""
        if self._backend.toolkit == "qt":
            qt.prepare()
        if debug_port:
            webview.settings["REMOTE_DEBUGGING_PORT"] = debug_port
        webview.settings["OPEN_EXTERNAL_LINKS_IN_BROWSER"] = True
        with self._opening:
            if self._ending:
                return  # while the toolkit was loaded
            self._create(MAIN, path, "Qi", 1280, 800)

        def shown() -> None:
            self._bring_back(MAIN)
            begun()

        webview.start(
            shown, gui=cast(Any, self._backend.name), private_mode=False, storage_path=str(self._storage / "pages")
        )  # fmt: skip

    def open(self, name: str, path: str | None, title: str, width: int, height: int) -> WindowInfo:
        """Show a window, or bring it to the front; with a path it shows that page. Raises :class:`Unavailable` when
        all are about to close: one that came then would keep the desktop alive."""
        with self._opening:
            if self._ending:
                raise Unavailable("Qi is being quit here", remedy="start it again in a moment")
            with self._lock:
                shown = self._windows.get(name)
            if shown is None:
                return self._told(name, self._create(name, path or "/", title, width, height))
            if path is not None and path != shown.path:
                shown.path = path
                # Not loaded anew: what somebody typed elsewhere on the page would be gone.
                shown.window.run_js(f"window.dispatchEvent(new CustomEvent('qi:go', {{detail: {_js(path)}}}))")
            self._bring_to_front(shown)
            return self._told(name, shown)

    def run_command(self, name: str, command: Command) -> None:
        """Have a window's page run it, once. Raises :class:`NotFound`, :class:`Unavailable`."""
        window = self._found(name).window
        # What is left at a window before its page is there would go with the empty one it begins with.
        if not window.events.loaded.wait(LOAD_LIMIT_S):
            raise Unavailable("the window has not come to show its page", remedy="Choose it again when it has.")
        chosen = json.dumps(asdict(command))
        window.run_js(f"(window.qiChosen ??= []).push({chosen}); window.dispatchEvent(new CustomEvent('qi:run'))")

    def hide(self, name: str) -> None:
        shown = self._found(name)
        self._keep_place(name, shown.window)
        shown.visible = False
        shown.window.hide()

    def close(self, name: str) -> None:
        """As if somebody had closed it by hand."""
        shown = self._found(name)
        if self._closing(name):
            self._gone(name)
            shown.window.destroy()

    def destroy_all(self) -> None:
        """:meth:`run` returns then."""
        with self._opening:
            self._ending = True
        with self._lock:
            names = list(self._windows)
        for name in sorted(names, key=lambda name: name == MAIN):
            with contextlib.suppress(NotFound):
                shown = self._found(name)
                self._gone(name)
                shown.window.destroy()

    def windows(self) -> list[WindowInfo]:
        with self._lock:
            return [self._told(name, shown) for name, shown in sorted(self._windows.items())]

    def ask(self, title: str, question: str, yes: str, no: str) -> bool:
        """A question over the main window, which comes to the front for it; waits for the answer. Other toolkits than
        Qt have words of their own for the answers."""
        with self._lock:
            shown = self._windows.get(MAIN) or next(iter(self._windows.values()))
        self._bring_to_front(shown)
        if self._backend.toolkit == "qt":
            return qt.ask(_native(shown.window), title, question, yes, no)
        return bool(shown.window.create_confirmation_dialog(title, question))

    def minimize(self, window: webview.Window) -> None:
        if self._backend.toolkit == "qt":
            qt.minimize(_native(window))
        else:
            window.minimize()

    def is_maximized(self, window: webview.Window) -> bool:
        """Only Qt tells."""
        return self._backend.toolkit == "qt" and qt.is_maximized(_native(window))

    # -- inside -------------------------------------------------------------------------------------------------

    def _create(self, name: str, path: str, title: str, width: int, height: int) -> Shown:
        bridge = Bridge(name, self._session, self)
        screens = _screens() if webview.windows else []
        place = self._places.of(name, screens or [_ANYWHERE])
        if place is None and screens:
            place = offered(screens[0], width, height, len(self._windows))
        at: dict[str, Any] = {"width": width, "height": height}
        if place is not None:
            at = asdict(place)
        window = webview.create_window(
            title, self._address(path), js_api=bridge, frameless=True, easy_drag=False, min_size=SMALLEST,
            background_color=BACKGROUND, text_select=True, **at,
        )  # fmt: skip
        assert window is not None
        # The pages' policy allows no `eval`, by which pywebview would hand answers to the page; see frame.js.
        plain: Any = window
        plain.evaluate_js = lambda script, _=None: window.run_js(script)
        bridge._window = window
        shown = Shown(window, title, path)
        with self._lock:
            self._windows[name] = shown

        def closing() -> bool:
            self._keep_place(name, window)
            return self._closing(name)

        if self._backend.toolkit == "qt":
            window.events.before_show += lambda: qt.revive(window.native)
        window.events.closing += closing
        window.events.closed += lambda: self._gone(name)
        window.events.loaded += lambda: window.run_js(_frame())
        return shown

    def _bring_back(self, name: str) -> None:
        """Where it was there may be no screen any more; before the toolkit ran nobody knew."""
        window, screens = self._found(name).window, _screens()
        place = self._place_of(window)
        if screens and not is_seen(place, screens):
            first = screens[0]
            window.move(
                first.x + max(0, (first.width - place.width) // 2), first.y + max(0, (first.height - place.height) // 2)
            )

    def _bring_to_front(self, shown: Shown) -> None:
        if self._backend.toolkit == "qt":
            qt.bring_to_front(_native(shown.window))
        else:
            shown.window.restore()
            shown.window.show()
        shown.visible = True

    def _gone(self, name: str) -> None:
        with self._lock:
            shown = self._windows.pop(name, None)
        if shown is not None:
            self._keep_place(name, shown.window)

    def _keep_place(self, name: str, window: webview.Window) -> None:
        with contextlib.suppress(Exception):  # a window that is going tells no place any more
            self._places.keep(name, self._place_of(window))

    def _place_of(self, window: webview.Window) -> Place:
        """Any thread, the one that shows included: there pywebview would wait for that very thread with GTK."""
        if self._backend.toolkit == "gtk" and threading.current_thread() is threading.main_thread():
            native: Any = window.native
            return Place(*native.get_position(), *native.get_size())
        if self._backend.toolkit == "qt":
            return qt.place_of(_native(window))
        return Place(int(window.x), int(window.y), int(window.width), int(window.height))

    def _found(self, name: str) -> Shown:
        with self._lock:
            shown = self._windows.get(name)
        if shown is None:
            raise NotFound(f"there is no window '{name}'", window=name)
        return shown

    def _told(self, name: str, shown: Shown) -> WindowInfo:
        return WindowInfo(name=name, title=shown.title, path=shown.path, shown=shown.visible)


_ANYWHERE = Place(-32_768, -32_768, 65_536, 65_536)
"""Before a toolkit runs nobody knows its screens."""


def _screens() -> list[Place]:
    return [Place(int(s.x), int(s.y), int(s.width), int(s.height)) for s in webview.screens]


def _native(window: webview.Window) -> Any:
    """The toolkit's own. Raises :class:`Unavailable` when it does not come."""
    if not window.events.shown.wait(SHOW_LIMIT_S):
        raise Unavailable("the window has not come to show itself", remedy="Try again when it has.")
    return window.native


def _frame() -> str:
    return files("qi.app.desktop").joinpath("frame.js").read_text("utf-8")


def _js(text: str) -> str:
    return json.dumps(text)
