"""The desktop's actor: windows are opened and closed and programs started by messages, from wherever they come."""

from __future__ import annotations

from qi.actor import handles
from qi.app.desktop.programs import Programs
from qi.app.desktop.screen import Screen
from qi.bus import Bus
from qi.contracts.applications import Started, StartProgram
from qi.contracts.windows import HideWindow, ShowWindow, TellWindows, WindowInfo, WindowList
from qi.messages import Done
from qi.session.actor import SessionActor


class Desktop(SessionActor):
    """Passes on to the thread that shows; only the studio can reach it, on behalf of the desktop's own user."""

    name = "desktop"

    def __init__(self, bus: Bus, *, screen: Screen, programs: Programs) -> None:
        super().__init__(bus)
        self._screen = screen
        self._programs = programs

    @handles(ShowWindow)
    def show(self, message: ShowWindow) -> WindowInfo:
        return self._screen.open(message.name, message.path, message.title, message.width, message.height)

    @handles(HideWindow)
    def hide(self, message: HideWindow) -> Done:
        self._screen.close(message.name)
        return Done()

    @handles(TellWindows)
    def tell(self, _: TellWindows) -> WindowList:
        return WindowList(windows=tuple(self._screen.windows()))

    @handles(StartProgram)
    def start_program(self, message: StartProgram) -> Started:
        return self._programs.start(message)
