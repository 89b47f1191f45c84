"""Notices: kept until their user has read them, told at once to his sessions."""

from __future__ import annotations

import builtins
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from events.ids import new_id
from events.record import now
from events.state import StateDb
from qi.actor import Actor, every, handles
from qi.bus import Bus
from qi.contracts.notices import ListNotices, Notice, Notices, ReadNotices, SendNotice
from qi.contracts.session import ListSessions
from qi.home import Home
from qi.messages import Done

KEPT_DAYS = 30
KEPT_MOST = 200
"""For each user; the oldest go first."""
PRUNE_EVERY_S = 3600.0
TABLE = "notices"


class NoticeBoard(Actor):
    """Keeps notices in `state.db`."""

    name = "notices"
    requests = (ListSessions,)

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._state = StateDb(self._home.state)
        self._kept = {key: msgspec.convert(value, Notice) for key, value in self._state.items(TABLE)}

    def teardown(self) -> None:
        self._state.close()

    @handles(SendNotice)
    def send(self, message: SendNotice) -> Notice:
        source = self.caller.user if self.caller.is_addon else "studio"
        notice = Notice(
            id=new_id(), user=message.user, level=message.level, text=message.text, source=source,
            about=message.about, at=now(),
        )  # fmt: skip
        self._keep(notice)
        for old in self._of(message.user)[KEPT_MOST:]:
            self._forget(old.id)
        told = self._bus.codec.encode(notice)
        for session in self.request(ListSessions()).sessions:
            if session.user == message.user:
                self._bus.publish(f"qi.session.{session.id}.notice", told)
        return notice

    @handles(ListNotices)
    def list(self, message: ListNotices) -> Notices:
        found = [one for one in self._of(self.caller.user) if not (message.unread and one.read)]
        return Notices(notices=tuple(found[: message.limit]))

    @handles(ReadNotices)
    def read(self, message: ReadNotices) -> Done:
        for one in self._of(self.caller.user):
            if not one.read and message.id in ("", one.id):
                self._keep(replace(one, read=True))
        return Done()

    @every(PRUNE_EVERY_S)
    def prune(self) -> None:
        oldest = (time.time() - KEPT_DAYS * 86_400) * 1e6
        for one in [one for one in self._kept.values() if one.at < oldest]:
            self._forget(one.id)

    def _of(self, user: str) -> builtins.list[Notice]:
        return sorted((one for one in self._kept.values() if one.user == user), key=lambda one: one.at, reverse=True)

    def _keep(self, notice: Notice) -> None:
        self._kept[notice.id] = notice
        self._state.put(TABLE, notice.id, msgspec.to_builtins(notice))

    def _forget(self, notice: str) -> None:
        self._kept.pop(notice, None)
        self._state.delete(TABLE, notice)
