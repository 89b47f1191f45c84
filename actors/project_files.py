"""The settings files in the folders of projects: what `qi.settings.toml` says counts just above the project's own
settings. A change is told to the settings service, which makes events of it; a file that cannot be read changes
nothing.

Folders are watched; because a network file system does not tell of changes made elsewhere, every file is also looked
at again and again.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import tomllib
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchfiles import watch

from events.canonical import canonical
from events.ids import new_id
from qi import context
from qi.actor import Actor, every
from qi.context import STUDIO
from qi.contracts.db import ListProjects
from qi.contracts.settings import TakeFile
from qi.contracts.tracker import Project
from qi.errors import Invalid, QiError

log = logging.getLogger("qi.settings")

FILE = "qi.settings.toml"
LONGEST_BYTES = 128 * 1024
LOOK_EVERY_S = 2.0
QUIET_MS = 200
"""Whoever saves writes several times: so long nothing may happen any more."""
DEBOUNCE_MS = 1_000
NOBODY = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was last looked at; nothing of it when it is not there."""

    inode: int = 0
    modified_ns: int = 0
    changed_ns: int = 0
    size: int = 0


NOT_THERE = Seen()


class ProjectFiles(Actor):
    """Looks at one file in each project's folder."""

    name = "project_files"
    requests = (ListProjects, TakeFile)

    def setup(self) -> None:
        self._over = threading.Event()
        self._again = threading.Event()
        """The folders have changed: whoever watches begins anew."""
        self._lock = threading.RLock()
        """Of looking: the watching thread and this actor's both do."""
        self._seen: dict[Path, Seen] = {}
        """As each file was when it was last taken."""
        self._problems: dict[Path, str] = {}
        self._projects: dict[Path, Project] = {}
        # Its first look is the one at the start: what changed while no studio ran is taken up before anybody waits.
        threading.Thread(
            target=copy_context().run, args=(self._watching,), name="qi-project-files", daemon=True
        ).start()

    def teardown(self) -> None:
        if hasattr(self, "_over"):
            self._over.set()
            self._again.set()

    @every(LOOK_EVERY_S)
    def look(self) -> None:
        """Find projects that are new, look at every file, see that folders that came are watched."""
        found: dict[Path, Project] = {}
        after = ""
        while True:
            page = self.request(ListProjects(after=after))
            found |= {Path(project.root) / project.name / FILE: project for project in page.items}
            after = page.next
            if not after:
                break
        with self._lock:
            before = self._folders()
            self._projects = found
            if self._folders() != before:
                self._again.set()
            self._look_at_all()

    def _folders(self) -> list[Path]:
        return [file.parent for file in self._projects if file.parent.is_dir()]

    def _watching(self) -> None:
        """On a thread of its own, until the studio stops."""
        try:
            self.look()
        except QiError as error:
            log.warning("projects are looked for again: %s", error.message)
        while not self._over.is_set():
            self._again.clear()
            folders = self._folders()
            if not folders:
                self._again.wait(LOOK_EVERY_S)
                continue
            try:
                for _ in watch(
                    *folders, watch_filter=lambda _, path: Path(path).name == FILE, stop_event=self._again,
                    recursive=False, step=QUIET_MS, debounce=DEBOUNCE_MS, raise_interrupt=False,
                ):  # fmt: skip
                    self._look_at_all()
            except OSError as error:
                # A folder that went away; every file is looked at all the same.
                log.info("project folders are not watched at the moment: %s", error)
                self._over.wait(LOOK_EVERY_S)

    def _look_at_all(self) -> None:
        with self._lock:
            for file, project in self._projects.items():
                now = _seen(file)
                if now == self._seen.get(file):
                    continue
                try:
                    problem = self._tell(file, project)
                except QiError as error:
                    problem = error.message
                if not problem:
                    # One with a problem is told again: another bundle may know what this one does not.
                    self._seen[file] = now
                elif problem != self._problems.get(file):
                    log.warning("%s: %s", file, problem)
                self._problems[file] = problem

    def _tell(self, file: Path, project: Project) -> str:
        """Why it was not taken; empty when it was."""
        values: dict[str, Any] = {}
        problem, owner = "", NOBODY
        try:
            values, owner = read(file)
        except QiError as error:
            problem = error.message
        here = context.Context(trace=new_id(), session=STUDIO, user=STUDIO)
        with context.use(here):
            return self.request(
                TakeFile(
                    project=project.id, name=project.name, file=str(file), values=values, owner=owner, problem=problem
                )
            ).problem  # fmt: skip


def read(file: Path) -> tuple[dict[str, Any], str]:
    """What a settings file says, and whose it is; nothing where there is none. Raises :class:`Invalid`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        opened = os.open(file, flags)
    except FileNotFoundError:
        return {}, NOBODY
    except OSError as error:
        raise Invalid(f"it cannot be read: {error.strerror}") from error
    try:
        state = os.fstat(opened)
        if not stat.S_ISREG(state.st_mode):
            raise Invalid("it is no file")
        text = _all(opened)
    except OSError as error:
        raise Invalid(f"it cannot be read: {error.strerror}") from error
    finally:
        os.close(opened)
    if len(text) > LONGEST_BYTES:
        raise Invalid(f"it is longer than {LONGEST_BYTES // 1024} KiB")
    try:
        values = tomllib.loads(text.decode())
        canonical(values)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"it is not valid TOML: {error}") from error
    except Invalid as error:
        raise Invalid(f"it holds what no setting can be: {error.message}", remedy="Write it as text.") from error
    return values, _owner(state.st_uid)


def _all(opened: int) -> bytes:
    """What an open file holds, as far as it is looked at."""
    text = b""
    while len(text) <= LONGEST_BYTES and (more := os.read(opened, LONGEST_BYTES + 1)):
        text += more
    return text


def _owner(uid: int) -> str:
    try:
        import pwd  # not on Windows
    except ImportError:
        return NOBODY
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _seen(file: Path) -> Seen:
    try:
        state = file.lstat()
    except OSError:
        return NOT_THERE
    return Seen(state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size)
