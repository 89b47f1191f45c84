"""Where a studio keeps what it owns: one machine-local folder. Any thread."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from events.ids import new_id
from qi.bus import Credentials
from qi.errors import QiError

OWNER_ONLY_FILE = 0o600
OWNER_ONLY_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Connection:
    """How a participant on this machine reaches the running studio. Who can read the file is its owner."""

    url: str
    password: str
    pid: int
    """Of the studio."""
    host: str

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.url, "session", self.password)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder's map."""

    root: Path

    @property
    def events(self) -> Path:
        return self.root / "events.db"

    @property
    def views(self) -> Path:
        return self.root / "views.db"

    @property
    def state(self) -> Path:
        return self.root / "state.db"

    @property
    def blobs(self) -> Path:
        """The content store."""
        return self.root / "blobs"

    @property
    def code(self) -> Path:
        """Trees of the content store laid out as folders, by digest; may be deleted at any time."""
        return self.root / "code"

    @property
    def runs(self) -> Path:
        """Scratch folders of publishes: worker lock, what extractors wrote, the worker's log."""
        return self.root / "runs"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def keys(self) -> Path:
        """The log's signed head, and the key that signs it."""
        return self.root / "keys"

    @property
    def projects(self) -> Path:
        """Root of projects that were given none."""
        return self.root / "projects"

    @property
    def connection_file(self) -> Path:
        return self.root / "studio.json"

    @property
    def lock(self) -> Path:
        return self.root / "studio.lock"

    @property
    def login(self) -> Path:
        """Token of the user who logged in here with `qi login`."""
        return self.root / "login.json"

    def make(self) -> None:
        """Create what is missing. Raises :class:`QiError` when the place cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
            for folder in (self.blobs, self.code, self.runs, self.logs, self.keys):
                folder.mkdir(exist_ok=True, mode=OWNER_ONLY_FOLDER)
        except OSError as error:
            raise QiError(
                f"the studio's home {self.root} cannot be written: {error.strerror}",
                remedy="choose another folder with --home or QI_HOME",
            ) from error

    def connection(self) -> Connection | None:
        """How to reach the studio that says it runs here; None when none does. It may have died since."""
        try:
            return Connection(**json.loads(self.connection_file.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise QiError(f"{self.connection_file} is damaged: {error}", remedy="delete it") from error

    def announce(self, connection: Connection) -> None:
        write_private(self.connection_file, json.dumps(asdict(connection)))


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read, atomically and durably. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{new_id()}")
    # Made anew: a file that is there already would keep the rights it has.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY_FILE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
