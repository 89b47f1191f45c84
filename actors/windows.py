"""Windows: whoever asks for one gets it on his own desktop, and on nobody else's."""

from __future__ import annotations

from dataclasses import replace

from qi.actor import Actor, handles
from qi.contracts.session import ListSessions, SessionInfo
from qi.contracts.windows import (
    CloseWindow,
    HideWindow,
    ListWindows,
    OpenWindow,
    ShowWindow,
    TellWindows,
    WindowInfo,
    WindowList,
)
from qi.errors import DeadlineExceeded, NotFound, Unavailable
from qi.messages import Done, to_session


class Windows(Actor):
    """Finds the caller's desktop and passes on what is asked of it; it keeps nothing."""

    name = "windows"
    requests = (ListSessions, ShowWindow, HideWindow, TellWindows)

    @handles(OpenWindow)
    def open(self, message: OpenWindow) -> WindowInfo:
        desktop = self._desktop(message.desktop)
        show = ShowWindow(
            name=message.name, path=message.path, title=message.title, width=message.width, height=message.height
        )
        return replace(self.request(show, to=to_session(desktop.id)), desktop=desktop.id)

    @handles(CloseWindow)
    def close(self, message: CloseWindow) -> Done:
        return self.request(HideWindow(name=message.name), to=to_session(self._desktop(message.desktop).id))

    @handles(ListWindows)
    def list_windows(self, _: ListWindows) -> WindowList:
        found: list[WindowInfo] = []
        for desktop in self._desktops():
            try:
                told = self.request(TellWindows(), to=to_session(desktop.id))
            except (Unavailable, DeadlineExceeded):
                continue  # it is leaving, or asleep
            found += [replace(window, desktop=desktop.id) for window in told.windows]
        return WindowList(windows=tuple(found))

    def _desktop(self, wanted: str) -> SessionInfo:
        for desktop in reversed(self._desktops()):
            if wanted in ("", desktop.id):
                return desktop
        raise NotFound(
            f"no desktop of {self.caller.user or 'yours'} is open",
            remedy="`qi` opens one; in a browser the page opens beside this one",
        )

    def _desktops(self) -> list[SessionInfo]:
        """The caller's, oldest first."""
        sessions = self.request(ListSessions()).sessions
        mine = [one for one in sessions if one.kind == "desktop" and one.user == self.caller.user]
        return sorted(mine, key=lambda one: one.opened_at)
