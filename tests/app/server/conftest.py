"""One studio and one server for all tests here; `ada` is an artist, `lin` a lead. Two addons bring routes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qi.testing.fixtures import frames
from qi.testing.server import RunningServer, start_server
from qi.testing.studio import RunningStudio, start_studio

__all__ = ["frames", "server", "studio"]

ADDONS = {
    "sheets/addon.toml": 'name = "sheets"\nversion = "0.1.0"\ntitle = "Sheets"\n',
    "sheets/lib/sheets_words.py": 'GREETING = "good day"\n',
    "sheets/api/public.py": """
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from qi.contracts.bundles import ListBundles
from qi.web import ask
from sheets_words import GREETING

router = APIRouter()

@router.get("/greeting")
async def greeting() -> str:
    return GREETING

@router.get("/raises", include_in_schema=False)
def raises() -> None:
    raise RuntimeError("this addon is broken")

@router.get("/exits", include_in_schema=False)
def exits() -> None:
    raise SystemExit(3)

@router.get("/exits-at-once", include_in_schema=False)
async def exits_at_once() -> None:
    raise SystemExit(3)

@router.get("/breaks", include_in_schema=False)
async def breaks() -> StreamingResponse:
    async def lines():
        yield "a line"
        raise SystemExit(3)
    return StreamingResponse(lines())

@router.get("/bundles")
async def bundles(request: Request) -> int:
    return len((await ask(request, ListBundles())).bundles)
""",
    "sheets/api/private.py": """
from fastapi import APIRouter, Request
from qi.contracts.db import CreateProject
from qi.web import ask

router = APIRouter()

@router.post("/projects")
async def make(request: Request, name: str) -> str:
    return (await ask(request, CreateProject(name=name))).name
""",
    "broken/addon.toml": 'name = "broken"\nversion = "0.1.0"\ntitle = "Broken"\n',
    "broken/api/public.py": "raise SystemExit(3)\n",
}


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    folder = tmp_path_factory.mktemp("addons")
    for name, text in ADDONS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    home = tmp_path_factory.mktemp("served") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(folder)}) as running:
        yield running


@pytest.fixture(scope="session")
def server(studio: RunningStudio) -> Iterator[RunningServer]:
    with start_server(studio) as running:
        yield running
