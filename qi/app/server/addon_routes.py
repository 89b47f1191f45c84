"""`/addons/<name>/…`: the routes that addons bring in `api/public.py` and `api/private.py`. Event-loop thread.

Their code runs in this process, so what it raises while it is imported is a record and nothing more; and it reaches the
studio only as whoever asks, by :mod:`qi.web`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from fastapi import APIRouter, Depends, FastAPI
from fastapi import Request as HttpRequest
from fastapi.routing import APIRoute

from qi.addon import use_lib
from qi.app.server.description import PERHAPS
from qi.app.server.reach import Reach
from qi.contracts.hosting import AddonRun
from qi.importing import import_file

log = logging.getLogger("qi.server")


def mount(app: FastAPI, reach: Reach, addons: Sequence[AddonRun]) -> None:
    """Add the routes of these addons; never raises. What cannot be served is in the log."""

    async def logged_in(request: HttpRequest) -> None:
        request.state.qi_login = await reach.login(request)

    async def perhaps(request: HttpRequest) -> None:
        if request.headers.get("authorization"):
            await logged_in(request)

    for run in addons:
        for file, guard in (("public", perhaps), ("private", logged_in)):
            path = Path(run.folder, "api", f"{file}.py")
            if run.status == "enabled" and path.is_file():
                problem = _mounted(app, run, path, Depends(guard))
                if problem:
                    log.warning("the routes of the addon '%s' (%s) are not served: %s", run.name, path.name, problem)


def _mounted(app: FastAPI, run: AddonRun, path: Path, guard: object) -> str:
    try:
        use_lib(Path(run.folder))
        module: ModuleType = import_file(path, f"qi_api_{run.name}_{path.stem}_{run.digest[:16] or 'folder'}")
        routes = getattr(module, "router", None)
        if not isinstance(routes, APIRouter):
            return f"{path.name} defines no `router = APIRouter()`"
        if path.stem == "public":
            for one in routes.routes:
                if isinstance(one, APIRoute):
                    one.openapi_extra = {"security": PERHAPS, **(one.openapi_extra or {})}
        app.include_router(
            routes, prefix=f"/addons/{run.name}", dependencies=[guard], tags=[f"addon {run.name}"]  # type: ignore[list-item]
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one broken addon must not take the server with it
        return f"{type(error).__name__}: {error}"
    return ""
