"""The tables of SQLite, by sqlite-utils; without NumPy, whose import costs more than all of the log's own."""

from events.optional import without

with without("numpy"):
    from sqlite_utils import Database

__all__ = ["Database"]
