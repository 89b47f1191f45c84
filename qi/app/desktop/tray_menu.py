"""What the tray says: which publishes run, which failed, what was launched last, what addons offer there; and the way
in and out."""

from __future__ import annotations

import logging
from collections.abc import Callable

from events.record import now
from qi.actor import every, listens
from qi.app.desktop.command import Command
from qi.app.desktop.tray import Item, Tray
from qi.bus import Bus
from qi.contracts.applications import Launch, LaunchInfo, RecentLaunches
from qi.contracts.hosting import GetAddons
from qi.contracts.publish import ListPublishes, PublishInfo
from qi.contracts.session import ListSessions
from qi.errors import QiError
from qi.session.actor import SessionActor

log = logging.getLogger("qi.desktop")

NAMED_MOST = 5
FAILED_SHOWN_US = 24 * 3600 * 1_000_000
"""Older failures are for the page of publishes: an icon that is always red tells nothing."""
LOOK_EVERY_S = 30.0
"""An announcement can be lost; the menu is right again after this."""


class TrayMenu(SessionActor):
    """Looks again when a publish began, ended or failed, and when something was launched."""

    name = "tray"
    requests = (ListPublishes, GetAddons, ListSessions, RecentLaunches, Launch)

    def __init__(
        self,
        bus: Bus,
        *,
        tray: Tray,
        show: Callable[[str | None], None],
        run: Callable[[Command], None],
        leave: Callable[[], None],
    ) -> None:
        """`show` brings the main window to the front, at a page where one is given; `run` does that too, and has its
        page run a command."""
        super().__init__(bus)
        self._tray = tray
        self._show = show
        self._run_in_page = run
        self._quit = leave

    def setup(self) -> None:
        self.look()

    @listens("qi.event.publish.>")
    def publish_moved(self, _: bytes) -> None:
        self.look()

    @listens("qi.event.launch.>")
    def launched(self, _: bytes) -> None:
        self.look()

    @listens("qi.event.pointer.production.>")
    def production_moved(self, _: bytes) -> None:
        self.look()

    @every(LOOK_EVERY_S)
    def look(self) -> None:
        try:
            running, failed, recent, offers = self._running(), self._failed(), self._recent(), self._offers()
        except QiError as error:
            log.debug("the tray cannot be brought up to date: %s", error.message)
            self._tray.show([Item("The studio does not answer", None), *self._always()], 0, alarm=False)
            return
        items = [
            *[Item(f"{_named(one)} …", lambda one=one: self._show(f"/publishes/{one.publish}")) for one in running],  # type: ignore[misc]
            *[Item(f"✕ {_named(one)}", lambda one=one: self._show(f"/publishes/{one.publish}")) for one in failed],  # type: ignore[misc]
        ]
        self._tray.show(
            [*(items or [Item("No publish runs", None)]), *recent, *offers, *self._always()],
            len(failed) or len(running), alarm=bool(failed),
        )  # fmt: skip

    def _always(self) -> list[Item]:
        return [Item("Open Qi", lambda: self._show(None)), Item("Quit", self._quit)]

    def _running(self) -> list[PublishInfo]:
        return list(self.request(ListPublishes(state="running", user=self._me(), limit=NAMED_MOST)).publishes)

    def _failed(self) -> list[PublishInfo]:
        found = self.request(ListPublishes(failed=True, user=self._me(), limit=NAMED_MOST)).publishes
        return [one for one in found if one.finished_at > now() - FAILED_SHOWN_US]

    def _offers(self) -> list[Item]:
        """Commands of addons that ask for a place in the tray: the page runs each, as from its palette."""
        return [
            Item(one.title, lambda one=one: self._choose(one))  # type: ignore[misc]
            for run in self.request(GetAddons()).addons
            if run.status == "enabled"
            for told in run.commands
            if told.get("tray")
            for one in [Command(run.name, str(told["topic"]), str(told["title"]))]
        ]

    def _recent(self) -> list[Item]:
        recent = self.request(RecentLaunches(limit=NAMED_MOST)).launches
        entries = [Item(_launched(one), lambda one=one: self._launch(one)) for one in recent]  # type: ignore[misc]
        return [Item("Launch recent", None), *entries] if entries else []

    def _launch(self, one: LaunchInfo) -> None:
        """Again, as the bundle of now has it; a thread of the tray's."""
        again = Launch(
            addon=one.addon, name=one.name, project=one.project, entity=one.entity, task=one.task,
            desktop=self._bus.session,
        )  # fmt: skip
        try:
            self._bus.request(again)
        except QiError as error:
            log.warning("%s was not launched: %s", one.title, error.message)
            self._tray.tell(f"{one.title} was not launched", error.message)

    def _choose(self, one: Command) -> None:
        """A thread of the tray's."""
        try:
            self._run_in_page(one)
        except QiError as error:
            log.warning("%s was not run: %s", one.title, error.message)
            self._tray.tell(f"{one.title} was not run", error.message)

    def _me(self) -> str:
        sessions = self.request(ListSessions()).sessions
        return next((one.user for one in sessions if one.id == self._bus.session), "")


def _named(publish: PublishInfo) -> str:
    return f"{publish.product} · {publish.entity.rpartition('/')[2] or publish.project}"


def _launched(one: LaunchInfo) -> str:
    place = one.entity.rpartition("/")[2] or one.project
    return f"{one.title} · {place} · {one.task}" if one.task else f"{one.title} · {place}"
