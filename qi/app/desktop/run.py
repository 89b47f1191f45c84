"""The desktop's life: one for a home, from the first window to the last. Main thread.

The main thread belongs to the windows. The mesh has the bus thread, the desktop's actor its own; both pass to the
windows what they are asked.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import webbrowser
from collections.abc import Callable, Mapping

from filelock import FileLock, Timeout

from events.ids import new_id
from qi import context
from qi.app import front, logs
from qi.app.beside import reached
from qi.app.desktop.backend import Backend, choose
from qi.app.desktop.command import Command
from qi.app.desktop.keeping import kept
from qi.app.desktop.leaving import question, what_goes_on
from qi.app.desktop.programs import Programs
from qi.app.ending import Ending
from qi.app.join import session
from qi.app.launch import LaunchConfig
from qi.contracts.windows import MAIN, OpenWindow
from qi.errors import DeadlineExceeded, NotFound, Unavailable
from qi.home import Home
from qi.session.participant import Participant

log = logging.getLogger("qi.desktop")

LOG_FILE = "desktop.jsonl"
FIRST_LIMIT_S = 20.0
"""So long a desktop may take from its start to its first window, for another that is started meanwhile."""
LOOK_EVERY_S = 0.2
QUIT_LIMIT_S = 15.0
"""So long the windows may take to close."""
DEBUG_PORT = "QI_DESKTOP_DEBUG_PORT"
"""For tests only: whoever reaches this port of the loopback interface can do what the window's user can."""


def run(config: LaunchConfig, say: Callable[[str], None], *, path: str = "/") -> None:
    """Show the Command Center; return when it was quit. A desktop that runs for this home comes to the front instead.

    Where no window can be shown, the system's browser is opened. Raises :class:`QiError`.
    """
    home = Home(config.home)
    home.make()
    logs.set_up(config.log_level, file=home.logs / LOG_FILE, terminal=False)
    with context.use(context.Context(trace=new_id())):
        try:
            backend = choose()
        except Unavailable as error:
            with (
                Ending(signal.SIGTERM, signal.SIGINT) as ending,
                session(config, acts=True) as participant,
                kept(home, config, participant),
                reached(home, config) as is_own,
            ):
                link = front.find(home).link(path)
                say(f"{error.message}; the browser shows it{' until Ctrl+C' if is_own else ''}: {link}")
                if not webbrowser.open(link):
                    say("there is no browser either: the link is good once, within a minute, on this machine")
                if is_own:
                    ending.wait()
            return
        lock = FileLock(home.root / "desktop.lock")
        if not _is_first(lock, config, path):
            say("Qi is open already: its window came to the front")
            return
        try:
            with (
                session(config, acts=True, kind="desktop") as participant,
                kept(home, config, participant),
                reached(home, config),
            ):
                Sitting(home, participant, backend, _reaches(config)).run(path)
        finally:
            lock.release()


def _is_first(lock: FileLock, config: LaunchConfig, path: str) -> bool:
    """With the lock taken; or the desktop that has it shows its window. Raises QiError.

    One that has only just begun, or is about to end, has no window yet or any more: so that is looked at again.
    """
    limit = time.monotonic() + FIRST_LIMIT_S
    while True:
        try:
            # The operating system releases it when its holder dies.
            lock.acquire(timeout=0)
            return True
        except Timeout:
            try:
                with session(config, acts=False) as other:
                    other.bus.request(OpenWindow(path=path if path != "/" else None))
                return False
            except (NotFound, Unavailable, DeadlineExceeded):
                if time.monotonic() > limit:
                    raise
        time.sleep(LOOK_EVERY_S)


def _reaches(config: LaunchConfig) -> dict[str, str]:
    """The environment by which what is launched reaches the studio that this desktop is part of."""
    said = {"QI_HOME": str(config.home.absolute())}
    if config.connect:
        said["QI_CONNECT"] = config.connect
    if config.connect_ca:
        said["QI_CONNECT_CA"] = str(config.connect_ca.absolute())
    return said


class Sitting:
    """From the first window to the last."""

    def __init__(self, home: Home, participant: Participant, backend: Backend, reaches: Mapping[str, str]) -> None:
        """`reaches` is the environment by which what is launched reaches the same studio."""
        # Here and not above: a toolkit is imported only where it can run.
        from qi.app.desktop.screen import Screen
        from qi.app.desktop.tray import NoTray, Tray

        self._participant = participant
        self._backend = backend
        self._tray: Tray = NoTray()
        self._programs = Programs(home.logs, reaches)
        self._quitting = False
        self._asking = threading.Lock()
        """Held while somebody is asked; who need not ask does not wait for that."""
        self._once = threading.Lock()
        self._limit = threading.Timer(QUIT_LIMIT_S, _give_up)
        self._limit.daemon = True

        def link(page: str) -> str:
            # Of the server that runs now: each has a key of its own.
            return front.find(home).link(page)

        self._screen = Screen(backend, home.root / "desktop", participant.session, link, closing=self._closing)

    def run(self, path: str) -> None:
        with Ending(signal.SIGTERM, signal.SIGINT) as ending:
            # A handler in Python waits for the thread that shows, which a toolkit may never give back.
            outside = threading.Thread(target=self._end_from_outside, args=(ending,), name="qi-quit", daemon=True)
            outside.start()
            self._screen.run(self._begun, path=path, debug_port=int(os.environ.get(DEBUG_PORT, "0")))
            self._limit.cancel()
            ending.now()
            outside.join()
        self._tray.close()

    def quit(self, *, asks: bool = True) -> None:
        """Close every window; with something going on that is asked first, and while somebody is asked nobody is asked
        again. Any thread but the one that shows."""
        if asks and not self._may_quit():
            return
        with self._once:
            if self._quitting:
                return
            self._quitting = True
            self._limit.start()
        self._screen.destroy_all()

    def _may_quit(self) -> bool:
        if not self._asking.acquire(blocking=False):
            self._show()
            return False
        try:
            going_on = [] if self._quitting else self._goes_on()
            return not going_on or self._screen.ask("Quit Qi?", question(going_on), "Quit", "Stay")
        finally:
            self._asking.release()

    # -- inside -------------------------------------------------------------------------------------------------

    def _begun(self) -> None:
        """When the first window is there; a thread of pywebview's."""
        from qi.app.desktop.service import Desktop
        from qi.app.desktop.tray import tray_for
        from qi.app.desktop.tray_menu import TrayMenu

        bus = self._participant.bus
        Desktop.start(bus, screen=self._screen, programs=self._programs)
        self._tray = tray_for(self._backend, self._toggle)
        if self._tray.there:
            TrayMenu.start(bus, tray=self._tray, show=self._show, run=self._run_command, leave=self.quit)
        log.info("windows by %s, %s", self._backend.toolkit, "with a tray" if self._tray.there else "without a tray")

    def _goes_on(self) -> list[str]:
        return [*what_goes_on(self._participant.bus, self._participant.session), *self._programs.running()]

    def _show(self, path: str | None = None) -> None:
        self._screen.open(MAIN, path, "Qi", 1280, 800)

    def _run_command(self, command: Command) -> None:
        self._show()
        self._screen.run_command(MAIN, command)

    def _toggle(self) -> None:
        """A click on the icon hides the main window, or brings it back."""
        if any(window.name == MAIN and window.shown for window in self._screen.windows()):
            self._screen.hide(MAIN)
        else:
            self._show()

    def _closing(self, name: str) -> bool:
        """Whether a window may go. The last one is hidden where a tray brings it back; else closing it is quitting."""
        if self._quitting or name != MAIN:
            return True
        work = (lambda: self._screen.hide(MAIN)) if self._tray.there else self.quit
        threading.Thread(target=work, name="qi-close", daemon=True).start()
        return False

    def _end_from_outside(self, ending: Ending) -> None:
        ending.wait()
        self.quit(asks=False)


def _give_up() -> None:
    """What was started for this desktop holds its pipe and goes with it."""
    log.critical("the windows did not close within %.0f s", QUIT_LIMIT_S)
    os._exit(1)
