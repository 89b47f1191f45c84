"""Reading the log: from its file where the studio runs, page by page over the mesh elsewhere. Any one thread each."""

from __future__ import annotations

from events.sqlite import SqliteReader
from qi.home import Home


def open_reader(home: Home) -> SqliteReader:
    """A read-only connection of the caller's own. The journal has made the file before anybody else starts."""
    return SqliteReader(home.events)
