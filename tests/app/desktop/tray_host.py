"""A tray for tests: a private message bus whose tray icons are kept by this process, and read and clicked by a test."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_call, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.threading import DBusRouter, ReceiveStopped, open_dbus_connection

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
LIMIT_S = 60.0
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"""
ABOUT = f"""<node><interface name="{WATCHER}">
<method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
<property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
<property name="RegisteredStatusNotifierItems" type="as" access="read"/>
<property name="ProtocolVersion" type="i" access="read"/></interface>
<interface name="{PROPERTIES}"><method name="Get"><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="v" direction="out"/></method></interface></node>"""
KNOWN: dict[str, tuple[str, Any]] = {
    "IsStatusNotifierHostRegistered": ("b", True),
    "RegisteredStatusNotifierItems": ("as", []),
    "ProtocolVersion": ("i", 0),
}


class Icon:
    """One program's icon in the tray."""

    def __init__(self, router: DBusRouter, owner: str) -> None:
        self._router = router
        self._owner = owner

    def _ask(self, path: str, interface: str, method: str, signature: str = "", body: tuple[Any, ...] = ()) -> Any:
        address = DBusAddress(path, self._owner, interface)
        reply = self._router.send_and_get_reply(
            new_method_call(address, method, signature or None, body), timeout=LIMIT_S
        )
        assert reply.header.message_type is MessageType.method_return, reply.body
        return reply.body

    def _property(self, name: str) -> Any:
        return self._ask("/StatusNotifierItem", PROPERTIES, "Get", "ss", (ITEM, name))[0][1]

    @property
    def tooltip(self) -> str:
        return str(self._property("ToolTip")[2])

    @property
    def picture(self) -> bytes:
        """Pixels of its largest size."""
        return bytes(max(self._property("IconPixmap"), key=lambda one: one[0])[2])

    def click(self) -> None:
        self._ask("/StatusNotifierItem", ITEM, "Activate", "ii", (0, 0))

    def menu(self) -> dict[str, int]:
        """Title → number of each entry."""
        path = self._property("Menu")
        _, (_, _, entries) = self._ask(path, MENU, "GetLayout", "iias", (0, -1, []))
        return {entry[1]["label"][1].replace("_", ""): entry[0] for _, entry in entries if "label" in entry[1]}

    def choose(self, title: str) -> None:
        self._ask(self._property("Menu"), MENU, "Event", "isvu", (self.menu()[title], "clicked", ("s", ""), 0))


class TrayHost:
    """`address` is what programs find as DBUS_SESSION_BUS_ADDRESS."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._owners: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._watcher = open_dbus_connection(address)
        self._watcher.send(message_bus.RequestName(WATCHER))
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()
        self._asking = open_dbus_connection(address)
        self._router = DBusRouter(self._asking)

    def icon(self) -> Icon:
        """The next one that comes. Raises :class:`queue.Empty`."""
        return Icon(self._router, self._owners.get(timeout=LIMIT_S))

    def _serve(self) -> None:
        while True:
            try:
                asked = self._watcher.receive()
            except (ReceiveStopped, ConnectionError):
                return
            if asked.header.message_type is not MessageType.method_call:
                continue
            member, given = asked.header.fields[HeaderFields.member], asked.body
            if member == "Introspect":
                answer = new_method_return(asked, "s", (ABOUT,))
            elif member == "Get":
                answer = new_method_return(asked, "v", (KNOWN[given[1]],))
            elif member == "GetAll":
                answer = new_method_return(asked, "a{sv}", (KNOWN,))
            elif member == "RegisterStatusNotifierItem":
                self._owners.put(asked.header.fields[HeaderFields.sender])
                answer = new_method_return(asked)
            else:
                answer = new_error(asked, "org.freedesktop.DBus.Error.UnknownMethod")
            self._watcher.send(answer)

    def close(self) -> None:
        self._watcher.interrupt()
        self._serving.join(LIMIT_S)
        self._router.close()
        for connection in (self._asking, self._watcher):
            connection.close()


@contextmanager
def message_bus_in(folder: Path) -> Iterator[str]:
    """A bus of its own; what programs find it by."""
    config, place = folder / "bus.conf", folder / "bus"
    config.write_text(CONFIG.format(path=place), "utf-8")
    daemon = subprocess.Popen(
        ["dbus-daemon", "--config-file", str(config), "--nofork", "--print-address"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert daemon.stdout is not None
        yield daemon.stdout.readline().strip()
    finally:
        daemon.kill()
        daemon.communicate()


@contextmanager
def tray_host(folder: Path) -> Iterator[TrayHost]:
    """A bus of its own, with a tray on it."""
    with message_bus_in(folder) as address:
        host = TrayHost(address)
        try:
            yield host
        finally:
            host.close()


@contextmanager
def display() -> Iterator[str]:
    """A screen that nobody sees; its name."""
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.communicate()
