"""One addon as one file: a zip archive of its folder, the same bytes for the same content. Any thread."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from events.blobs import IGNORED, TREE_MAX_BYTES, TREE_MAX_FILES, Blobs
from events.record import Digest
from qi.addon_pages import STAMP, build_pages
from qi.addon_record import AddonRecord, read_addon
from qi.errors import Conflict, Invalid, NotFound

SUFFIX = ".qi-addon.zip"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time an archive can name: when files were saved must not change it."""
LEFT_OUT = (*IGNORED, "node_modules", ".svelte-kit", ".venv", "*.egg-info", "*.tmp", STAMP)
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive that was written."""

    file: str
    name: str
    version: str
    digest: Digest
    """Of the content, as the content store names it."""
    files: int


def pack(folder: Path, target: Path) -> Packed:
    """Write the addon in `folder`, its pages built, to an archive in the folder `target`. Raises :class:`Invalid` for
    an addon that cannot be used or whose pages cannot be built, :class:`Unavailable` when that takes Node and there is
    none, :class:`Conflict` when the archive is there."""
    record = read_addon(folder)
    if record.problem:
        raise Invalid(f"{folder} cannot be packed: {record.problem}")
    file = target / f"{record.name}-{record.version}{SUFFIX}"
    if file.exists():
        raise Conflict(f"{file} exists already", remedy="a package never overwrites: raise the version, or move it")
    build_pages(folder)
    names = sorted(_files(folder))
    partial = file.with_name(f".{file.name}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name in names:
                entry = zipfile.ZipInfo(name, EPOCH)
                executable = (folder / name).stat().st_mode & 0o100
                entry.external_attr = (0o100755 if executable else 0o100644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, (folder / name).read_bytes())
        with TemporaryDirectory() as scratch:
            unpack(partial, Path(scratch) / "addon")
            digest = Blobs(Path(scratch) / "blobs").put_tree(Path(scratch) / "addon")
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    return Packed(str(file), record.name, record.version, digest, len(names))


def unpack(file: Path, folder: Path) -> AddonRecord:
    """Lay out an archive as the new folder `folder`; its record.

    Raises :class:`NotFound` for no file, :class:`Invalid` for one that is no archive of an addon, names a path outside
    of itself, or is larger than an addon may be.
    """
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _require_bounds(file, entries)
            for entry in entries:
                _lay_out(archive, entry, folder)
    except FileExistsError as error:
        raise Invalid(f"{file.name} holds a name twice") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise Invalid(f"{file} is no package of an addon: {error}") from error
    record = read_addon(folder)
    if record.problem:
        raise Invalid(f"{file.name} cannot be installed: {record.problem}")
    return record


def _require_bounds(file: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > TREE_MAX_FILES or sum(entry.file_size for entry in entries) > TREE_MAX_BYTES:
        raise Invalid(f"{file} is too large: at most {TREE_MAX_FILES} files and {TREE_MAX_BYTES} bytes")
    for entry in entries:
        path, kind = PurePosixPath(entry.filename), entry.external_attr >> 28
        is_outside = path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename
        if is_outside or kind not in (0, 0o10):  # neither a file nor unknown: a link, a device
            raise Invalid(f"{file.name} holds '{entry.filename}', which no package may hold")


def _lay_out(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """What an archive says of a file's size is not believed while it is read."""
    target = folder / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as source, target.open("xb") as written:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise Invalid(f"'{entry.filename}' is larger than its archive says")
            written.write(chunk)
    target.chmod(0o755 if entry.external_attr >> 16 & 0o100 else 0o644)


def _files(folder: Path) -> list[str]:
    """Names of what belongs to an addon, with `/`."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        for name in files:
            path = Path(place, name)
            if not _is_left_out(name):
                if path.is_symlink():
                    raise Invalid(f"{path} is a link: an addon is packed from files alone")
                found.append(path.relative_to(folder).as_posix())
    return found


def _is_left_out(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)
