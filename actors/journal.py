"""The journal: the only writer of the log.

It groups what waits into one commit, answers after the commit, and only then announces each event on
`qi.event.<category>.<id>.<type>`. What was committed but not announced when it died, it announces at its next start:
its checkpoint of announcements lies beside the log.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from events import store
from events.errors import QiError
from events.owners import require_own
from events.record import Meta, Position, StreamName, Version
from events.sqlite import SqliteReader, SqliteStore
from events.state import StateDb
from events.store import COLUMNS, Append, StoredRow, decode_meta, event_json
from events.writer import Writer
from qi import context
from qi.actor import Actor, Asked, every, handles, handles_batch
from qi.bus import Bus
from qi.contracts.log import AppendEvents, BackupLog, BackupProgress, LogBackup, LogWriter, RecordOwn, WhoWrites
from qi.disk_errors import named_by_caller
from qi.errors import Busy, Conflict, Forbidden, NotFound, Unavailable
from qi.home import Home

log = logging.getLogger("qi.journal")

ANNOUNCED = "journal.announced"
ANNOUNCE_PAGE = 500
SIGN_EVERY_S = 1.0
PROGRESS_EVERY_S = 0.1


class Journal(Actor):
    """Appends, in groups; announces, in order."""

    name = "journal"
    mailbox_limit = 20_000

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    def setup(self) -> None:
        self._refuse_a_second()
        self._state = StateDb(self._home.state)
        self._store = SqliteStore(self._home.events)
        self._writer = Writer(self._store, self._home.keys)
        self._announced = self._state.checkpoint(ANNOUNCED)
        self._backups = ThreadPoolExecutor(1, thread_name_prefix="qi-backup")
        self._committed: list[StoredRow] = []
        self._catch_up()

    def teardown(self) -> None:
        # A setup that was refused has opened nothing.
        if hasattr(self, "_writer"):
            self._backups.shutdown(cancel_futures=True)
            with contextlib.ExitStack() as leaving:  # each of it, also on a full disk and without a broker
                leaving.callback(self._state.close)
                leaving.callback(self._writer.close)
                leaving.callback(self._remember)
                self._bus.flush()

    @handles_batch(AppendEvents)
    def append(self, group: list[Asked]) -> list[store.Appended | QiError]:
        result = self._writer.append([_append(asked) for asked in group])
        self._committed = result.rows
        # The store's answer has the shape of the reply.
        return result.answers

    @handles_batch(RecordOwn)
    def record_own(self, group: list[Asked]) -> list[store.Appended | QiError]:
        """As :meth:`append`, of what addons decided: each only in its own streams."""
        refused = [_not_own(asked) for asked in group]
        allowed = [asked for asked, error in zip(group, refused, strict=True) if error is None]
        answers = iter(self.append(allowed)) if allowed else iter(())
        return [error or next(answers) for error in refused]

    def answered(self) -> None:
        committed, self._committed = self._committed, []
        self._announce_in_order(committed)

    @handles(BackupLog)
    def backup(self, message: BackupLog) -> Future[LogBackup]:
        with named_by_caller(message.path) as target:
            if target.exists():
                raise Conflict(f"{target} exists already", remedy="a backup never overwrites; name a new file")
            if not target.parent.is_dir():
                raise NotFound(f"the folder {target.parent} does not exist")
        feed = f"qi.feed.backup.{self.caller.session}"
        return self._backups.submit(self._copy, target, feed)

    def _copy(self, target: Path, feed: str) -> LogBackup:
        """On a thread and a connection of its own: appends go on meanwhile."""
        due = 0.0

        def told(stage: str, share: float) -> None:
            nonlocal due
            if time.monotonic() >= due or share >= 1:
                due = time.monotonic() + PROGRESS_EVERY_S
                said = self._bus.codec.encode(BackupProgress(stage=stage, share=round(share, 4)))
                self._bus.publish(feed, said, lossy=True)

        with SqliteReader(self._home.events) as reader:
            made = reader.backup(target, told)
        return LogBackup(path=str(target), events=made.events, hash=made.hash)

    @handles(WhoWrites)
    def who_writes(self, _: WhoWrites) -> LogWriter:
        return LogWriter(host=socket.gethostname(), home=str(self._home.root))

    @every(SIGN_EVERY_S)
    def sign(self) -> None:
        """Keep the signed head and the checkpoint of announcements close behind the log."""
        self._catch_up()
        self._writer.sign()
        self._remember()

    def figures(self) -> dict[str, Any]:
        return {"position": self._announced}

    def _refuse_a_second(self) -> None:
        """Two writers of one mesh would give two orders of events."""
        with contextlib.suppress(Unavailable):
            other = self._bus.request(WhoWrites(), timeout_s=1.0)
            raise Conflict(
                f"a journal runs on this mesh already, on {other.host} in {other.home}",
                remedy="join that studio with --connect",
            )

    def _catch_up(self) -> None:
        while self._announced < self._writer.position:
            page = self._store.rows(self._announced, ANNOUNCE_PAGE, None, COLUMNS)
            if not self._announce_in_order(page):
                return

    def _announce_in_order(self, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Whether all are announced. What is recorded is recorded: when the broker takes no more, the rest comes later,
        and who asked for it gets his answer."""
        if rows and rows[0][0] != self._announced + 1:
            return False  # earlier ones wait still
        try:
            self._announce(rows)
        except Busy as error:
            log.warning("announcements wait from %d on: %s", self._announced + 1, error.message)
            return False
        return True

    def _announce(self, rows: Sequence[tuple[Any, ...]]) -> None:
        said, trace = "", ""
        for row in rows:
            position, event_id, stream, _, kind, _, _, _, meta, *_ = row
            if meta != said:  # the events of one append share it
                said, trace = meta, decode_meta(meta).trace or context.current().trace
            category, _, token = stream.partition("-")
            headers = context.Context(trace, event_id).headers()
            self._bus.publish(f"qi.event.{category}.{token}.{kind}", event_json(row), headers=headers)
            self._announced = Position(position)

    def _remember(self) -> None:
        if self._announced > self._state.checkpoint(ANNOUNCED):
            self._state.save_checkpoint(ANNOUNCED, Position(self._announced))


def _not_own(asked: Asked) -> QiError | None:
    """Why an addon may not record this; None when it may."""
    message: RecordOwn = asked.message
    # One in a thread of the studio is the studio, and says itself which one it is.
    addon = message.addon if asked.caller.is_studio else asked.caller.addon
    try:
        require_own(
            addon,
            [*(str(one.stream) for one in message.events), *message.expected],
            [one.type for one in message.events],
        )
    except Forbidden as error:
        return error
    if addon != message.addon:
        return Forbidden(f"'{asked.caller.user}' does not speak for the addon '{message.addon}'", addon=message.addon)
    return None


def _append(asked: Asked) -> Append:
    message, carried = asked.message, asked.context
    meta = Meta(
        user=carried.user or "studio",
        session=carried.session,
        host=carried.host,
        trace=carried.trace,
        cause=carried.cause,
        command=message.command,
    )
    expected = {StreamName(stream): Version(version) for stream, version in message.expected.items()}
    return Append(message.events, expected, meta, message.command)
