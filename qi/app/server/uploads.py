"""`/uploads`: files dropped onto a page, which knows no paths, on their way to a publish. Event-loop thread."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import IO

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel

from qi.app.server.reach import Reach
from qi.errors import BadRequest, Conflict, Forbidden, QiError
from qi.home import OWNER_ONLY_FOLDER

BATCH = re.compile(r"[a-z0-9]{8,40}")
FILES_MOST = 10_000
FILE_MOST_BYTES = 64 * 1024**3
NAME_MOST_BYTES = 240
"""Less than disks take: while it arrives the file is called `.NAME.part`."""
KEEP_FREE_BYTES = 2 * 1024**3
"""A disk that is full of uploads would stop the log."""


class Uploaded(BaseModel):
    path: str
    """On the studio's machine: what a publish is given."""
    bytes: int


def router(reach: Reach) -> APIRouter:
    """The route of one server."""
    routes = APIRouter(tags=["uploads"])

    @routes.put("/uploads/{batch}/{name}")
    async def upload(request: HttpRequest, batch: str, name: str) -> Uploaded:
        """One file as the body, kept until the log-in ends. A batch is made up by whoever uploads."""
        login = await reach.login(request)
        if not login.may("publish.create"):
            raise Forbidden("uploading needs the permission 'publish.create'", permission="publish.create")
        if not BATCH.fullmatch(batch) or not _is_name(name):
            raise BadRequest("a batch is letters and digits, a file has a plain name")
        target = reach.home.uploads / login.uploads / batch / name
        await asyncio.to_thread(_make_room, target)
        size = await _received(request, target)
        return Uploaded(path=str(target), bytes=size)

    return routes


def _is_name(name: str) -> bool:
    plain = name.isprintable() and "/" not in name and "\\" not in name and name[:1] != "."
    return plain and 0 < len(name.encode()) <= NAME_MOST_BYTES


def _make_room(target: Path) -> None:
    """Raises :class:`Conflict`."""
    folder = target.parent
    for one in (folder.parent.parent, folder.parent, folder):
        one.mkdir(exist_ok=True, mode=OWNER_ONLY_FOLDER)
    if target.exists() or sum(1 for _ in folder.iterdir()) >= FILES_MOST:
        raise Conflict(f"'{target.name}' was uploaded already, or there are too many files")


async def _received(request: HttpRequest, target: Path) -> int:
    partial = target.with_name(f".{target.name}.part")
    size = 0
    try:
        with partial.open("xb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > FILE_MOST_BYTES:
                    raise BadRequest(f"a file has at most {FILE_MOST_BYTES} bytes")
                await asyncio.to_thread(_write, file, chunk, target.parent)
        partial.rename(target)
    except FileExistsError as error:
        raise Conflict(f"'{target.name}' is being uploaded already") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def _write(file: IO[bytes], chunk: bytes, folder: Path) -> None:
    if shutil.disk_usage(folder).free < KEEP_FREE_BYTES + len(chunk):
        raise QiError("the studio's disk is nearly full", remedy="make room, or publish from the files' own place")
    file.write(chunk)
