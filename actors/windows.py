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
from qi.desktops import desktop_of, desktops_of, spoken_to
from qi.errors import DeadlineExceeded, Unavailable
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
        with spoken_to(desktop):
            return replace(self.request(show, to=to_session(desktop.id)), desktop=desktop.id)

    @handles(CloseWindow)
    def close(self, message: CloseWindow) -> Done:
        desktop = self._desktop(message.desktop)
        with spoken_to(desktop):
            return self.request(HideWindow(name=message.name), to=to_session(desktop.id))

    @handles(ListWindows)
    def list_windows(self, _: ListWindows) -> WindowList:
        found: list[WindowInfo] = []
        for desktop in desktops_of(self.caller.user, self.request(ListSessions()).sessions):
            try:
                told = self.request(TellWindows(), to=to_session(desktop.id))
            except (Unavailable, DeadlineExceeded):
                continue  # it is leaving, or asleep
            found += [replace(window, desktop=desktop.id) for window in told.windows]
        return WindowList(windows=tuple(found))

    def _desktop(self, wanted: str) -> SessionInfo:
        return desktop_of(self.caller.user, self.request(ListSessions()).sessions, wanted)
