"""State files: what is neither event nor projection, and must survive: reaction checkpoints, tokens, jobs.

Small tables of JSON objects by key. Every change is on the disk when the call returns.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from events.disk import require_local
from events.errors import Conflict, Invalid
from events.record import BEFORE_FIRST, Position
from events.tables import Database

BUSY_TIMEOUT_S = 5.0

_CHECKPOINTS = "checkpoints"


class StateDb:
    """One connection to the file. Belongs to the thread that made it; others open their own.

    Raises :class:`Invalid` when the path lies on a network file system.
    """

    def __init__(self, path: Path) -> None:
        require_local(path)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        self._db = Database(self._connection, execute_plugins=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_CHECKPOINTS} (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT"
        )

    def checkpoint(self, name: str) -> Position:
        """How far the reaction `name` has come; 0 when it never said."""
        row = self._db.execute("SELECT position FROM checkpoints WHERE name = ?", (name,)).fetchone()
        return Position(row[0]) if row else BEFORE_FIRST

    def save_checkpoint(self, name: str, position: Position) -> None:
        """Raises :class:`Conflict` when it would go back: what was done would be done again."""
        changed = self._db.execute(
            "INSERT INTO checkpoints (name, position) VALUES (?, ?) ON CONFLICT (name)"
            " DO UPDATE SET position = excluded.position WHERE excluded.position >= position",
            (name, position),
        ).rowcount
        if not changed:
            raise Conflict(
                f"'{name}' has come to {self.checkpoint(name)} already, it cannot go back to {position}",
                name=name,
                position=position,
            )

    def go_back(self, position: Position) -> None:
        """Let no checkpoint be beyond a position: the log behind it is another one now. Not while anybody reacts."""
        self._db.execute("UPDATE checkpoints SET position = ? WHERE position > ?", (position, position))

    def put(self, table: str, key: str, value: dict[str, Any]) -> None:
        """Set or replace one JSON object; the table is made with its first key. Raises :class:`Invalid`."""
        if not (table.isidentifier() and table.islower() and table != _CHECKPOINTS):
            raise Invalid(f"'{table}' cannot be a table of state", remedy="Use lower-case letters, digits and '_'.")
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"
        )
        row = {"key": key, "value": msgspec.json.encode(value).decode()}
        self._db.table(table).insert(row, pk="key", replace=True)

    def get(self, table: str, key: str) -> dict[str, Any] | None:
        return dict(self.items(table, key)).get(key)

    def items(self, table: str, key: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """All keys of a table with their objects, in order of the keys; or the one key. None for an unknown table."""
        if not self._db.table(table).exists():
            return []
        where, parameters = ("key = ?", [key]) if key is not None else (None, None)
        rows = self._db.table(table).rows_where(where, parameters, order_by="key")
        return [(row["key"], msgspec.json.decode(row["value"])) for row in rows]

    def delete(self, table: str, key: str) -> None:
        """Forget a key, if it is there."""
        if self._db.table(table).exists():
            self._db.table(table).delete_where("key = ?", [key])

    def close(self) -> None:
        self._connection.close()
