"""What a screen reader is told by Qt, and can do: the dialogs of a program, their words, and their buttons."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_call, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.threading import DBusRouter, ReceiveStopped, open_dbus_connection
from tray_host import message_bus_in

from qi.testing.mesh import eventually

ACCESSIBLE = "org.a11y.atspi.Accessible"
ACTION = "org.a11y.atspi.Action"
PROPERTIES = "org.freedesktop.DBus.Properties"
ROOT = "/org/a11y/atspi/accessible/root"
LIMIT_S = 60.0
BUTTON, LABEL = ("push button", "button"), ("label",)


class Dialog:
    """One that is open. Raises :class:`Gone` when it is no more."""

    def __init__(self, reader: ScreenReader, place: tuple[str, str]) -> None:
        self._reader = reader
        self._place = place

    @property
    def text(self) -> str:
        return "\n".join(self._reader.name(place) for place in self._reader.below(self._place, LABEL))

    @property
    def buttons(self) -> set[str]:
        return {self._reader.name(place) for place in self._reader.below(self._place, BUTTON)}

    def press(self, button: str) -> None:
        (place,) = [one for one in self._reader.below(self._place, BUTTON) if self._reader.name(one) == button]
        self._reader.ask(place, ACTION, "DoAction", "i", (0,))


class Gone(LookupError):
    """What was asked is not there any more."""


class ScreenReader:
    """Stands in for the system's registry of accessible programs, on a bus of its own."""

    def __init__(self, address: str) -> None:
        self.environment = {"DBUS_SESSION_BUS_ADDRESS": address, "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1"}
        """Of a program that should tell what it shows."""
        self._address = address
        self._programs: list[str] = []
        self._registry = open_dbus_connection(address)
        for name in ("org.a11y.Bus", "org.a11y.atspi.Registry"):
            self._registry.send(message_bus.RequestName(name))
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()
        self._asking = open_dbus_connection(address)
        self._router = DBusRouter(self._asking)

    def dialog(self, title: str) -> Dialog:
        """The one of this title, once it is there."""
        return Dialog(self, eventually(lambda: self.dialogs(title), LIMIT_S, f"a dialog '{title}'")[0])

    def dialogs(self, title: str) -> list[tuple[str, str]]:
        """All that are open at the moment."""
        found = []
        for program in list(self._programs):
            try:
                windows = self._children((program, ROOT))
                # A dialog over a window stands below that window, or beside it.
                around = [one for window in windows for one in [window, *self._children(window)]]
                found += [one for one in around if self.name(one) == title and self._role(one) != "frame"]
            except Gone:
                continue
        return found

    def name(self, place: tuple[str, str]) -> str:
        return str(self.ask(place, PROPERTIES, "Get", "ss", (ACCESSIBLE, "Name"))[0][1])

    def below(self, place: tuple[str, str], roles: tuple[str, ...]) -> list[tuple[str, str]]:
        """At any depth."""
        found = []
        for one in self._children(place):
            found += [one] if self._role(one) in roles else self.below(one, roles)
        return found

    def ask(self, place: tuple[str, str], interface: str, method: str, signature: str = "", body: Any = ()) -> Any:
        address = DBusAddress(place[1], place[0], interface)
        asked = new_method_call(address, method, signature or None, body)
        reply = self._router.send_and_get_reply(asked, timeout=LIMIT_S)
        if reply.header.message_type is not MessageType.method_return:
            raise Gone(reply.body)
        return reply.body

    def close(self) -> None:
        self._registry.interrupt()
        self._serving.join(LIMIT_S)
        self._router.close()
        for connection in (self._asking, self._registry):
            connection.close()

    def _role(self, place: tuple[str, str]) -> str:
        return str(self.ask(place, ACCESSIBLE, "GetRoleName")[0])

    def _children(self, place: tuple[str, str]) -> list[tuple[str, str]]:
        return list(self.ask(place, ACCESSIBLE, "GetChildren")[0])

    def _serve(self) -> None:
        while True:
            try:
                asked = self._registry.receive()
            except (ReceiveStopped, ConnectionError):
                return
            if asked.header.message_type is not MessageType.method_call:
                continue
            member = asked.header.fields[HeaderFields.member]
            if member == "GetAddress":
                answer = new_method_return(asked, "s", (self._address,))
            elif member == "Embed":
                self._programs.append(asked.header.fields[HeaderFields.sender])
                answer = new_method_return(asked, "(so)", (asked.body[0],))
            elif member == "GetRegisteredEvents":
                answer = new_method_return(asked, "a(ss)", ([],))
            else:
                answer = new_error(asked, "org.freedesktop.DBus.Error.UnknownMethod")
            self._registry.send(answer)


@contextmanager
def screen_reader(folder: Path) -> Iterator[ScreenReader]:
    with message_bus_in(folder) as address:
        reader = ScreenReader(address)
        try:
            yield reader
        finally:
            reader.close()
