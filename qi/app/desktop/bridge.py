"""What a page can ask of the window that shows it: to move, to grow, to go. Everything else goes over the mesh.

pywebview calls each method in a thread of its own and hands its answer to the page's promise; what it raises rejects
that promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qi.app.desktop.places import SMALLEST

if TYPE_CHECKING:
    import webview

LARGEST = 16_384


class Frame(Protocol):
    """What each toolkit does in a way of its own."""

    def minimize(self, window: webview.Window) -> None: ...

    def is_maximized(self, window: webview.Window) -> bool: ...

    def close(self, name: str) -> None: ...


class Bridge:
    """`window.pywebview.api` of one window. Names with an underscore are not seen by the page."""

    def __init__(self, name: str, session: str, frame: Frame) -> None:
        self._name = name
        self._session = session
        self._frame = frame
        self._window: webview.Window | None = None

    def __dir__(self) -> list[str]:
        """Nothing, to whoever looks: what pywebview finds here it makes with `new Function` in the page, whose policy
        forbids that, and stops. The frame's script makes them instead."""
        return []

    def about(self) -> dict[str, str]:
        """Which window this is, and the session of the desktop it belongs to."""
        return {"window": self._name, "desktop": self._session}

    def place(self) -> dict[str, int]:
        window = self._shown()
        return {"x": window.x, "y": window.y, "width": window.width, "height": window.height}

    def put(self, x: int, y: int, width: int, height: int) -> None:
        """Move and size it, in pixels; never smaller than a page can use."""
        window = self._shown()
        width, height = max(SMALLEST[0], min(int(width), LARGEST)), max(SMALLEST[1], min(int(height), LARGEST))
        if (window.width, window.height) != (width, height):
            window.resize(width, height)
        if (window.x, window.y) != (int(x), int(y)):
            window.move(int(x), int(y))

    def minimize(self) -> None:
        self._frame.minimize(self._shown())

    def maximize(self) -> None:
        """Fill the screen, or go back to the size of before."""
        window = self._shown()
        if self._frame.is_maximized(window):
            window.restore()
        else:
            window.maximize()

    def close(self) -> None:
        self._frame.close(self._name)

    def _shown(self) -> webview.Window:
        if self._window is None:
            raise RuntimeError("the window is not shown yet")
        return self._window
