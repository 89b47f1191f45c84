"""Log files, for those who look after the studio and are not at its machine."""

from __future__ import annotations

import heapq
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from actors.logs.lines import window
from qi.actor import Actor, handles
from qi.bus import Bus
from qi.contracts.log_files import ListLogFiles, LogFile, LogFileList, LogWindow, ReadLogFile
from qi.errors import NotFound
from qi.home import Home

RUNS_LISTED = 50
RUN = "run:"
OF_RUN = "worker.log"
OWN = re.compile(r"[a-z]{1,20}\.jsonl(\.[0-9]{1,2})?")


class LogFiles(Actor):
    """Reads them, and nothing else in the home."""

    name = "logs"

    def __init__(self, bus: Bus, *, home: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))

    @handles(ListLogFiles)
    def list_files(self, _: ListLogFiles) -> LogFileList:
        own = sorted((one for one in self._of_programs()), key=lambda one: one.name)
        runs = heapq.nlargest(RUNS_LISTED, self._of_runs(), key=lambda one: one.changed_at)
        return LogFileList(files=(*own, *runs))

    @handles(ReadLogFile)
    def read(self, message: ReadLogFile) -> LogWindow:
        return window(self._path(message.name), message, lambda line: len(self._bus.codec.encode(line)))

    def _of_programs(self) -> Iterator[LogFile]:
        for path in self._home.logs.iterdir():
            if OWN.fullmatch(path.name) and (found := _about(path, path.name)):
                yield found

    def _of_runs(self) -> Iterator[LogFile]:
        for folder in self._home.runs.iterdir():
            if not folder.is_symlink() and (found := _about(folder / OF_RUN, f"{RUN}{folder.name}")):
                yield found

    def _path(self, name: str) -> Path:
        """The message's bounds let nothing through that leads elsewhere; a plugin could make a folder a link."""
        if not name.startswith(RUN):
            return self._home.logs / name
        folder = self._home.runs / name.removeprefix(RUN)
        if folder.is_symlink():
            raise NotFound(f"there is no log '{name}'", name=name)
        return folder / OF_RUN


def _about(path: Path, name: str) -> LogFile | None:
    """None where there is no plain file, or no longer."""
    try:
        about = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(about.st_mode):
        return None
    return LogFile(name=name, size=about.st_size, changed_at=about.st_mtime_ns // 1000)
