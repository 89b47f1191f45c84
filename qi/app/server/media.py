"""`/media`: the thumbnails and movies of versions, for pages that show them. Event-loop thread."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import FileResponse

from qi.app.server.asking import asked
from qi.app.server.reach import Reach
from qi.contracts.db import ListRepresentations
from qi.contracts.tracker import Representation
from qi.errors import NotFound

SHOWN = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".mp4", ".webm", ".mov"})
"""What a browser shows, and nothing that it would run."""
KEPT_S = 24 * 3600


def router(reach: Reach) -> APIRouter:
    """The route of one server."""
    routes = APIRouter(tags=["media"])

    @routes.get("/media/{project}/{version}/{representation}", response_class=FileResponse)
    async def media(request: HttpRequest, project: str, version: str, representation: str) -> FileResponse:
        """A file of a version that the tracker knows, by the name of its representation; ranges are served."""
        login = await reach.viewer(request)
        found = await asked(login, ListRepresentations(project=project, version=version))
        for one in found.items:
            if one.name == representation and one.files:
                file = await asyncio.to_thread(_shown, one)
                if file is not None:
                    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                    headers = {"cache-control": f"private, max-age={KEPT_S}, immutable"}
                    return FileResponse(file, media_type=kind, headers=headers)
        raise NotFound(f"version {version} has no '{representation}' that can be shown")

    return routes


def _shown(found: Representation) -> Path | None:
    """Its first file, when a browser shows such; on a thread, as disks may be far. Whatever the tracker says, nothing
    outside of the version's folder is shown."""
    folder = Path(found.folder).resolve()
    file = Path(folder, found.files[0].path).resolve()
    fits = file.is_relative_to(folder) and file.suffix.casefold() in SHOWN and file.is_file()
    return file if fits else None
