"""The peer of the log: the library `eventsourcing` on its SQLite recorder.

At its best documented setting: a file database in WAL mode, `synchronous=FULL` as it comes, sections of 1,000.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

SECTION = 1_000


class Note(Aggregate):
    @event("Created")
    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    @event("Noted")
    def note(self, body: dict[str, Any]) -> None:
        self.body = body


class Notes(Application[Any]):
    log_section_size = SECTION


def application(folder: Path) -> Notes:
    return Notes(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "peer.db")})
