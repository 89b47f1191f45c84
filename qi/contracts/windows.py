"""Windows of a desktop: asked of the studio by anybody, shown by the desktop of whoever asks."""

from __future__ import annotations

from typing import Annotated

from qi.limits import Name, Span, Text, Token
from qi.messages import STUDIO_ONLY, Done, Request, message

WindowName = Annotated[str, Text(60, "^[a-z][a-z0-9_.]*$")]
PagePath = Annotated[str, Text(1000, "^/([^/].*)?$")]
"""Of a page of the Command Center, with its query; another site has no place in a window that is logged in."""

Width = Annotated[int, Span(200, 8000)]
"""Pixels, as addons declare them; a toolkit dies of a window that no screen could show."""
Height = Annotated[int, Span(150, 8000)]

MAIN = "main"


@message
class WindowInfo:
    name: str
    title: str
    path: str
    shown: bool
    """False while it is hidden in the tray."""
    desktop: str = ""
    """Session that shows it."""


@message
class WindowList:
    windows: tuple[WindowInfo, ...]


@message
class OpenWindow(Request[WindowInfo], topic="window.open", needs="read"):
    """Show a page in a window of the caller's desktop; one that is open comes to the front."""

    name: WindowName = MAIN
    path: PagePath | None = None
    """Where it was, when not given."""
    title: Name = "Qi"
    width: Width = 1280
    height: Height = 800
    desktop: Token = ""
    """Session; of several desktops of the caller the newest when empty."""


@message
class CloseWindow(Request[Done], topic="window.close", needs="read"):
    """Close a window of the caller's desktop; the main one is hidden where there is a tray."""

    name: WindowName
    desktop: Token = ""


@message
class ListWindows(Request[WindowList], topic="window.list", needs="read"):
    """The windows of the caller's desktops."""


@message
class ShowWindow(Request[WindowInfo], topic="desktop.window.show", needs=STUDIO_ONLY):
    """To a desktop: as :class:`OpenWindow`."""

    name: WindowName
    path: PagePath | None
    title: Name
    width: Width
    height: Height


@message
class HideWindow(Request[Done], topic="desktop.window.hide", needs=STUDIO_ONLY):
    """To a desktop: as :class:`CloseWindow`."""

    name: WindowName


@message
class TellWindows(Request[WindowList], topic="desktop.window.list", needs=STUDIO_ONLY, timeout_s=3.0):
    """To a desktop: what it shows."""
