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
HERE = "here"
"""The studio of the home itself, among those one can log in to."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a participant on this machine reaches the running studio. Who can read the file is its owner."""

    url: str
    token: str
    """The owner's; new with every start of the studio."""
    pid: int
    """Of the studio."""
    host: str
    ca: str = ""
    """PEM file of the broker's certificate, where it asks for TLS."""

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.url, password=self.token, ca=self.ca)


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

    def addon_views(self, addon: str) -> Path:
        """Projections of an addon, a file each; may be deleted at any time."""
        return self.root / "views" / addon

    @property
    def state(self) -> Path:
        """Written by the studio's own process alone: whoever is stopped amid a write keeps everybody from writing."""
        return self.root / "state.db"

    def addon_state(self, addon: str) -> Path:
        """How far an addon's reactions and hooks have come; a file each."""
        return self.root / "state" / f"{addon}.db"

    @property
    def states(self) -> list[Path]:
        """Every file that says how far somebody has come."""
        return [self.state, *sorted(self.addon_state("any").parent.glob("*.db"))]

    @property
    def blobs(self) -> Path:
        """The content store."""
        return self.root / "blobs"

    @property
    def code(self) -> Path:
        """Trees of the content store laid out as folders, by digest; may be deleted at any time."""
        return self.root / "code"

    @property
    def environments(self) -> Path:
        """Python packages that addons need, by what is needed; may be deleted while no studio runs."""
        return self.root / "environments"

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
    def server_file(self) -> Path:
        """Where the server of the Command Center is reached, and its owner's key."""
        return self.root / "server.json"

    @property
    def web_logins(self) -> Path:
        """Log-ins of browsers, so that they outlive the server's process."""
        return self.root / "web-logins.json"

    @property
    def uploads(self) -> Path:
        """Files that were dropped onto a page; they go when their log-in ends."""
        return self.root / "uploads"

    @property
    def lock(self) -> Path:
        return self.root / "studio.lock"

    @property
    def login(self) -> Path:
        """Tokens of those who logged in here with `qi login`, by studio."""
        return self.root / "login.json"

    def make(self) -> None:
        """Create what is missing. Raises :class:`QiError` when the place cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
            for folder in (self.blobs, self.code, self.runs, self.logs, self.keys, self.root / "state"):
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

    def token_for(self, studio: str) -> str:
        """Token of whoever logged in here to a studio: :data:`HERE`, or the address of one elsewhere. Empty when nobody
        did. Raises :class:`QiError` for a damaged file."""
        return self.logins().get(studio, {}).get("token", "")

    def logins(self) -> dict[str, dict[str, str]]:
        """Studio → `user` and `token` of the log-in that is kept here."""
        try:
            found = json.loads(self.login.read_text("utf-8"))
            return {str(studio): {"user": kept["user"], "token": kept["token"]} for studio, kept in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise QiError(f"{self.login} is damaged", remedy="delete it and log in again") from error

    def keep_login(self, studio: str, user: str, token: str) -> None:
        """Keep a log-in; without a token forget it. Raises OSError."""
        kept = {other: login for other, login in self.logins().items() if other != studio}
        if token:
            kept[studio] = {"user": user, "token": token}
        self.root.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        if kept:
            write_private(self.login, json.dumps(kept))
        else:
            self.login.unlink(missing_ok=True)

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
