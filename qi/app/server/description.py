"""`/openapi.json`: what scripts and their generators read. Event-loop thread."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

TOKEN = "token"
OPEN = ("auth", "health")
"""Tags of what is there for who is not logged in yet."""
PERHAPS: list[dict[str, list[str]]] = [{}, {TOKEN: []}]
"""Of a route that answers everybody, and knows who is logged in."""


class Problem(BaseModel):
    code: int
    kind: str
    message: str
    remedy: str
    data: dict[str, Any]


class Refused(BaseModel):
    """What stood in the way, and what to do about it."""

    error: Problem


class Described(FastAPI):
    """Says of each operation whether it needs the access token, and how an error looks."""

    def __init__(self, version: str) -> None:
        refused: dict[int | str, dict[str, Any]] = {"default": {"model": Refused, "description": "An error."}}
        super().__init__(title="Qi", version=version, docs_url=None, redoc_url=None, responses=refused)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema:
            return self.openapi_schema
        made = super().openapi()
        said = "`access` of POST /auth/login, good for minutes; POST /auth/refresh gives the next."
        made["components"]["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer", "description": said}}
        made["security"] = [{TOKEN: []}]
        for path in made["paths"].values():
            for operation in path.values():
                if not set(OPEN).isdisjoint(operation.get("tags", ())):
                    operation["security"] = []
        return made
