"""A folder of JSON files as an index in memory, kept up to date with what other processes write.

Each kind of thing has a folder of its own, each thing one file `<id>.json`. A file `generation` changes with every
write: a reader that finds it unchanged reads nothing else. While somebody writes it says so, and readers then look at
the folders themselves; so a writer that was killed leaves nothing unseen. One thread at a time.
"""

from __future__ import annotations

import json
import os
import secrets
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from qi.codec import Plain, as_json
from qi.errors import BadRequest, CorruptLog, Invalid, Unavailable
from qi_local.tracker.files import TEMPORARY, locked, make_folder, write_all, write_unsynced

T = TypeVar("T")

GENERATION = "generation"
WRITING = b"writing"
BETWEEN = "\x1f"
"""Parts the sort key from the id in a cursor; sorts before everything visible."""
Signature = tuple[int, int, int]
Place = tuple[str, str]
"""Parent's id and folded name: what is unique."""

_codec = Plain()


@dataclass(frozen=True, kw_only=True)
class Shelf(Generic[T]):
    """How things of one kind are kept."""

    folder: str
    type: type[T]
    id: Callable[[T], str]
    place: Callable[[T], Place]
    """Unique among the things of this kind."""
    sort: Callable[[T], str]
    """Orders lists; equal ones are ordered by id."""


def cursor(shelf: Shelf[T], thing: T) -> str:
    """Where a thing stands in lists: its sort key, then its id."""
    return f"{shelf.sort(thing)}{BETWEEN}{shelf.id(thing)}"


@dataclass
class Things(Generic[T]):
    """All things of one kind, in memory."""

    by_id: dict[str, T] = field(default_factory=dict)
    by_parent: dict[str, dict[str, str]] = field(default_factory=dict)
    """Parent id → folded name → id."""
    files: dict[str, Signature] = field(default_factory=dict)
    _sorted: list[str] | None = None
    """The cursors of all of them; none until a list is asked for."""

    def put(self, shelf: Shelf[T], thing: T) -> None:
        id_ = shelf.id(thing)
        self.drop(shelf, id_)
        parent, name = shelf.place(thing)
        self.by_id[id_] = thing
        self.by_parent.setdefault(parent, {})[name] = id_
        if self._sorted is not None:
            insort(self._sorted, cursor(shelf, thing))

    def drop(self, shelf: Shelf[T], id_: str) -> None:
        old = self.by_id.pop(id_, None)
        if old is not None:
            parent, name = shelf.place(old)
            if self.by_parent[parent].get(name) == id_:
                del self.by_parent[parent][name]
            if self._sorted is not None:
                del self._sorted[bisect_left(self._sorted, cursor(shelf, old))]

    def at(self, place: Place) -> T | None:
        """The thing in that place."""
        return self.by_id.get(self.by_parent.get(place[0], {}).get(place[1], ""))

    def children(self, parent: str) -> list[T]:
        return [self.by_id[id_] for id_ in self.by_parent.get(parent, {}).values()]

    def ordered(self, shelf: Shelf[T]) -> list[str]:
        """The cursors of all things, sorted."""
        if self._sorted is None:
            self._sorted = sorted(cursor(shelf, thing) for thing in self.by_id.values())
        return self._sorted


class Folder:
    """The things of some shelves below one folder."""

    def __init__(self, root: Path, lock: Path, shelves: Iterable[Shelf[Any]]) -> None:
        self.root = root
        self._lock = lock
        self._shelves = tuple(shelves)
        self._things: dict[str, Things[Any]] = {shelf.folder: Things() for shelf in self._shelves}
        self._generation: bytes | None = None

    def read(self, shelf: Shelf[T]) -> Things[T]:
        """Everything of that kind, as it is on the disk now. Raises :class:`CorruptLog` for a file that is no JSON."""
        self._refresh()
        return self._things[shelf.folder]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the tracker's lock: what is read now stays so until it is written. Raises :class:`Busy`."""
        self._require_disk()
        with locked(self._lock):
            self._refresh()
            if self._generation == WRITING:
                self._clear_unfinished()
            yield

    def write(self, shelf: Shelf[T], *things: T) -> list[T]:
        """Within :meth:`writing`: put things of one kind on the disk, in their order; returns them as they were kept.

        Raises :class:`Invalid` for what JSON cannot hold; nothing is written then.
        """
        contents = {f"{shelf.id(thing)}.json": _encoded(thing) for thing in things}
        folder = self.root / shelf.folder
        make_folder(folder)
        write_unsynced(self.root / GENERATION, WRITING)
        self._generation = WRITING
        write_all(folder, contents)
        held = self._things[shelf.folder]
        kept = [_codec.decode(shelf.type, content) for content in contents.values()]
        for name, thing in zip(contents, kept, strict=True):
            held.put(shelf, thing)
            held.files[name] = _signature((folder / name).stat())
        generation = secrets.token_hex(16).encode()
        write_unsynced(self.root / GENERATION, generation)
        self._generation = generation
        return kept

    def _require_disk(self) -> None:
        """Raises :class:`Unavailable`: a tracker that is away must never look like one that is empty."""
        if not self._lock.parent.is_dir():
            raise Unavailable(
                f"the tracker's folder {self._lock.parent} is away",
                remedy="bring it back (is the disk mounted?) and try again",
            )

    def _clear_unfinished(self) -> None:
        """Whoever wrote last was killed; the lock is ours, so nobody else's file is taken away."""
        for folder in (self.root, *(self.root / shelf.folder for shelf in self._shelves)):
            for leftover in folder.glob(f"{TEMPORARY}*"):
                leftover.unlink()

    def _refresh(self) -> None:
        try:
            generation = (self.root / GENERATION).read_bytes()
        except FileNotFoundError:
            self._require_disk()
            generation = WRITING  # never finished a write: nothing to go by but the folders
        if generation == self._generation and generation != WRITING:
            return
        for shelf in self._shelves:
            self._read_changed(shelf, self._things[shelf.folder])
        # Read before the files: what is written from then on changes it again.
        self._generation = generation

    def _read_changed(self, shelf: Shelf[Any], held: Things[Any]) -> None:
        found = _listed(self.root / shelf.folder)
        for name in held.files.keys() - found.keys():
            held.drop(shelf, name.removesuffix(".json"))
            del held.files[name]
        for name, signature in found.items():
            if held.files.get(name) != signature:
                held.put(shelf, _decoded(shelf.type, self.root / shelf.folder / name))
                held.files[name] = signature


def _listed(folder: Path) -> Mapping[str, Signature]:
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name: _signature(entry.stat())
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(TEMPORARY)
            }
    except FileNotFoundError:
        return {}


def _signature(stat: os.stat_result) -> Signature:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _encoded(thing: Any) -> bytes:
    try:
        return json.dumps(thing, default=as_json, ensure_ascii=False, allow_nan=False, indent=1).encode()
    except (TypeError, ValueError) as error:
        raise Invalid(f"JSON cannot hold this {type(thing).__name__}: {error}") from error


def _decoded(kind: type[T], path: Path) -> T:
    try:
        return _codec.decode(kind, path.read_bytes())
    except BadRequest as error:
        raise CorruptLog(f"{path.name} in {path.parent} is not what the tracker wrote", path=str(path)) from error
