"""The content store: bytes named by their BLAKE3 digest, and folders as trees of them. Any thread, any process.

A blob is written aside, made durable and renamed into `<aa>/<digest>`, so it is there whole or not at all, and two who
put the same content do not disturb each other. Nothing is ever changed. Secrets do not belong here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import msgspec
from blake3 import blake3

from events.disk import sync_folder, write_atomically
from events.errors import Conflict, CorruptLog, Invalid, NotFound
from events.ids import new_id
from events.record import Digest

CHUNK_BYTES = 1024 * 1024
TREE_MAX_BYTES = 512 * 1024 * 1024
TREE_MAX_FILES = 20_000

MARKER = ".qi-tree"
"""Lies in every folder that was checked out and holds the digest of its tree."""

IGNORED = ("__pycache__", "*.pyc", ".git", ".DS_Store", MARKER)
"""What no tree takes along: what is made anew or belongs to one machine."""


class TreeFile(msgspec.Struct, frozen=True):
    """One file of a tree."""

    digest: Digest
    executable: bool
    """Of its owner. On Windows no script has that bit."""


_tree = msgspec.json.Decoder(dict[str, TreeFile])
_canonical = msgspec.json.Encoder(order="sorted").encode


class Blobs:
    """The store in one folder, which is made when needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: Digest) -> Path:
        """Where content of that digest lies or would lie; never write there. Raises :class:`Invalid`."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise Invalid(f"'{digest}' is not a digest: it has 64 hex digits")
        return self._folder / digest[:2] / digest

    def has(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def put(self, content: bytes) -> Digest:
        """Durable on return."""
        digest = Digest(blake3(content).hexdigest())
        path = self.path(digest)
        if not path.is_file():
            self._make(path.parent)
            write_atomically(path, content)
        return digest

    def put_file(self, source: Path) -> Digest:
        """Copy a file of any size; the digest is that of the bytes copied. Raises :class:`NotFound`."""
        self._make(self._folder)
        temporary = self._folder / f".{new_id()}.tmp"
        try:
            digest = _copy(source, temporary)
            path = self.path(digest)
            if not path.is_file():
                self._make(path.parent)
                temporary.replace(path)
                sync_folder(path.parent)
        except FileNotFoundError as error:
            raise NotFound(f"there is no file '{source}'", path=str(source)) from error
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def get(self, digest: Digest) -> bytes:
        """Verified content. Raises :class:`NotFound`, and :class:`CorruptLog` when it does not fit its name."""
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise _missing(digest) from None
        if blake3(content).hexdigest() != digest:
            raise _damaged(digest)
        return content

    def put_tree(self, folder: Path, ignore: tuple[str, ...] = IGNORED) -> Digest:
        """Store every file below a folder, and a listing of them; the digest is that of the listing.

        `ignore` are patterns for the name of a file or folder. The same files have the same digest everywhere.
        Raises :class:`NotFound`, and :class:`Invalid` for links to folders or out of this one, for what is neither
        file nor folder, for names that not every
        file system can hold, and for more than :data:`TREE_MAX_BYTES` or
        :data:`TREE_MAX_FILES`.
        """
        root = folder.resolve()
        if not root.is_dir():
            raise NotFound(f"there is no folder '{folder}'", path=str(folder))
        files: dict[str, TreeFile] = {}
        total = 0
        for name, path in _files(root, root, ignore):
            state = path.stat()
            total += state.st_size
            if total > TREE_MAX_BYTES or len(files) == TREE_MAX_FILES:
                raise Invalid(
                    f"'{folder}' is too large: a tree has at most {TREE_MAX_FILES} files and {TREE_MAX_BYTES} bytes",
                    remedy="Leave out what is not needed to run it.",
                    path=str(folder),
                )
            # The owner's bit alone: the others depend on the umask of whoever unpacked the folder.
            executable = bool(state.st_mode & 0o100)
            files[name] = TreeFile(self.put_file(path), executable)
        return self.put(_canonical(files))

    def tree(self, digest: Digest) -> dict[str, TreeFile]:
        """The files of a tree by their path in it, with `/`. Raises as :meth:`get`, :class:`Invalid` for no tree."""
        try:
            files = _tree.decode(self.get(digest))
        except msgspec.DecodeError as error:
            raise Invalid(f"the blob {digest} is not a tree: {error}", digest=digest) from error
        if wrong := [name for name in files if not _inside(name)]:
            raise Invalid(f"the tree {digest} names a path outside of itself: '{wrong[0]}'", digest=digest)
        return files

    def checkout(self, digest: Digest, target: Path) -> Path:
        """Lay out a tree as the folder `target`, whole or not at all; one that holds it already is left as it is.

        Raises as :meth:`tree`, and :class:`Conflict` when something else is there.
        """
        if target.exists():
            return _same(target, digest)
        files = self.tree(digest)
        self._make(target.parent)
        temporary = target.parent / f".{target.name}.{new_id()}.tmp"
        try:
            temporary.mkdir()
            for name, file in files.items():
                self._lay_out(file, temporary / name)
            write_atomically(temporary / MARKER, digest.encode())
            for folder in {temporary / parent for name in files for parent in PurePosixPath(name).parents}:
                sync_folder(folder)
            try:
                temporary.rename(target)
            except OSError:
                # Another process may have laid it out meanwhile.
                if not target.exists():
                    raise
                return _same(target, digest)
            sync_folder(target.parent)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)
        return target

    def _lay_out(self, file: TreeFile, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = _copy(self.path(file.digest), path, mode=0o755 if file.executable else 0o644)
        except FileNotFoundError as error:
            raise _missing(file.digest) from error
        if found != file.digest:
            raise _damaged(file.digest)

    def _make(self, folder: Path) -> None:
        """Make a folder whose own entry is durable, too."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)


def _copy(source: Path, target: Path, *, mode: int = 0o644) -> Digest:
    """Copy to a new, durable file; the digest of what was copied."""
    hasher = blake3()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(descriptor, "wb") as writer, source.open("rb") as reader:
        while chunk := reader.read(CHUNK_BYTES):
            hasher.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return Digest(hasher.hexdigest())


def _files(folder: Path, root: Path, ignore: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Every file below `folder` with its path in the tree."""
    for path in sorted(folder.iterdir()):
        if path.name == MARKER or any(fnmatchcase(path.name, pattern) for pattern in ignore):
            continue
        name = path.relative_to(root).as_posix()
        if not _inside(name):
            raise Invalid(f"'{path!a}' has a name that not every file system can hold", path=ascii(str(path)))
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(root)):
            raise Invalid(
                f"'{path}' links to a folder, to nothing or out of the tree",
                remedy="Put a copy in its place.",
                path=str(path),
            )
        if path.is_dir():
            yield from _files(path, root, ignore)
        elif path.is_file():
            yield name, path
        else:
            raise Invalid(f"'{path}' is neither a file nor a folder", path=str(path))


def _inside(name: str) -> bool:
    """Whether this is a path below the folder it is laid out in, on every platform."""
    return (
        name.isprintable()
        and not set(name) & set('\\:*?"<>|')
        and all(part not in ("", ".", "..") for part in name.split("/"))
    )


def _same(target: Path, digest: Digest) -> Path:
    marker = target / MARKER
    found = marker.read_text("utf-8", "replace") if marker.is_file() else ""
    if found != digest:
        raise Conflict(
            f"'{target}' exists and is not the tree {digest}",
            remedy="Move it away.",
            path=str(target),
            digest=digest,
            found=found,
        )
    return target


def _missing(digest: Digest) -> NotFound:
    return NotFound(f"the content store has no blob {digest}", digest=digest)


def _damaged(digest: Digest) -> CorruptLog:
    return CorruptLog(f"the blob {digest} is damaged", remedy="Restore it from a backup.", digest=digest)
