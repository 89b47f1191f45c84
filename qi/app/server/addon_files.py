"""`/media/addons/…`: what addons show in the pages, the files of their `ui_dist/`. Event-loop thread."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import FileResponse

from qi.app.server.asking import asked
from qi.app.server.pages import file_below
from qi.app.server.reach import Reach
from qi.contracts.hosting import GetAddons
from qi.errors import NotFound

FOLDER = "ui_dist"
SERVED = frozenset({".js", ".mjs", ".css", ".json", ".map", ".svg", ".png", ".jpg", ".webp", ".woff2", ".wasm"})


def router(reach: Reach) -> APIRouter:
    """The route of one server."""
    routes = APIRouter(tags=["media"])

    @routes.get("/media/addons/{bundle}/{addon}/{path:path}", response_class=FileResponse)
    async def addon_file(request: HttpRequest, bundle: str, addon: str, path: str) -> FileResponse:
        """A file of the addon as the bundle pins it, below `ui_dist/`; for whoever is logged in, by cookie or token."""
        login = await reach.viewer(request)
        for run in (await asked(login, GetAddons(bundle=bundle))).addons:
            if run.name == addon and run.status == "enabled" and run.folder:
                file = file_below(Path(run.folder, FOLDER).resolve(), path)
                if file and file.suffix in SERVED:
                    # A module that is sent as anything else is not run.
                    kind = "text/javascript" if file.suffix in (".js", ".mjs") else mimetypes.guess_type(file.name)[0]
                    return FileResponse(file, media_type=kind or "application/octet-stream")
        raise NotFound(f"the addon '{addon}' shows no '{path}' in this bundle")

    return routes
