"""`/settings` and `/bundles`: the settings and bundles of a studio, for scripts. Event-loop thread."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel, Field

from events.ids import new_id
from qi.app.server.reach import Reach
from qi.contracts.bundles import BundleInfo, BundleList, ListBundles, ListPointers, PointerInfo, PromoteBundle
from qi.contracts.settings import GetSettings, Patched, PatchSettings, Setting, SettingsValues
from qi.errors import BadRequest, Conflict, NotFound, QiError

Scope = Annotated[str, Query(pattern="^(bundle|project|user)$", description="Layer that is changed.")]
Name = Annotated[str, Query(max_length=200)]


class Changes(BaseModel):
    """Values to set, dotted paths below the addon; and paths to take away."""

    set: Annotated[dict[str, Any], Field(max_length=500)] = {}
    unset: Annotated[list[str], Field(max_length=500)] = []
    reason: Annotated[str, Field(max_length=2000)] = ""


class Active(BaseModel):
    """Which bundle production shall be."""

    bundle: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    replaces: Annotated[str, Field(max_length=200)] | None = None
    """Digest that production is expected to point at; the header If-Match says the same."""


class PreconditionFailed(QiError):
    """What was read is not what is there any more."""

    code = 412


class PreconditionRequired(QiError):
    """A change says what it was made upon."""

    code = 428


def router(reach: Reach) -> APIRouter:
    """The routes of one server."""
    routes = APIRouter(tags=["settings and bundles"])

    @routes.get("/settings")
    async def settings(
        request: HttpRequest, response: Response, project: Name = "", user: Name = "", bundle: Name = ""
    ) -> SettingsValues:
        """Effective settings of every addon."""
        found = await reach.ask(request, GetSettings(project=project, user=user, bundle=bundle))
        response.headers["etag"] = _tag(found)
        return found

    @routes.get("/settings/{addon}")
    async def settings_of(
        request: HttpRequest, response: Response, addon: str, project: Name = "", user: Name = "", bundle: Name = ""
    ) -> SettingsValues:
        """Effective settings of one addon. The ETag is what a change of them expects."""
        found = await reach.ask(request, GetSettings(addon=addon, project=project, user=user, bundle=bundle))
        response.headers["etag"] = _tag(found)
        return found

    @routes.patch("/settings/{addon}")
    async def change(
        request: HttpRequest, response: Response, addon: str, scope: Scope, changes: Changes, target: Name = ""
    ) -> Patched:
        """Change one layer. `If-Match` is the ETag that was read, or `*` for whatever is there."""
        expected = _expected(request.headers.get("if-match", ""), scope)
        asked = PatchSettings(
            scope=scope, target=target, reason=changes.reason, expected=expected, command=new_id(),
            settings=tuple(Setting(path=f"{addon}.{path}", value=value) for path, value in changes.set.items()),
            unset=tuple(f"{addon}.{path}" for path in changes.unset),
        )  # fmt: skip
        try:
            return await reach.ask(request, asked)
        except Conflict as error:
            raise PreconditionFailed(error.message, remedy=error.remedy, **error.data) from error

    @routes.get("/bundles")
    async def bundles(request: HttpRequest) -> BundleList:
        """All bundles, oldest first."""
        return await reach.ask(request, ListBundles())

    @routes.get("/bundles/active")
    async def active(request: HttpRequest, response: Response) -> dict[str, Any]:
        """What production is. The ETag is the digest that a move expects."""
        found = await _production(reach, request)
        if found is None:
            return {}
        response.headers["etag"] = f'"{found.digest}"'
        return {"bundle": found.bundle, "digest": found.digest, "by": found.moved_by, "reason": found.reason}

    @routes.put("/bundles/active")
    async def activate(request: HttpRequest, wanted: Annotated[Active, Body()]) -> BundleInfo:
        """Make a bundle production."""
        said = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
        replaces = wanted.replaces if wanted.replaces is not None else said
        if not said and wanted.replaces is None:
            raise PreconditionRequired(
                "say which digest production is expected to point at",
                remedy="send the ETag of GET /bundles/active as If-Match, or `replaces`; * for whatever is there",
            )
        message = PromoteBundle(
            bundle=wanted.bundle, reason=wanted.reason, replaces=None if replaces == "*" else replaces, command=new_id()
        )
        try:
            return await reach.ask(request, message)
        except Conflict as error:
            if "expected" not in error.data:
                raise
            raise PreconditionFailed(error.message, remedy=error.remedy, **error.data) from error
        except NotFound as error:
            # A digest that no bundle has any more is one that production does not point at, either.
            found = await _production(reach, request)
            if found is None or replaces in ("*", found.digest):
                raise
            raise PreconditionFailed("production is another bundle", expected=replaces, actual=found.digest) from error

    return routes


async def _production(reach: Reach, request: HttpRequest) -> PointerInfo | None:
    pointers = (await reach.ask(request, ListPointers())).pointers
    return next((one for one in pointers if one.name == "production"), None)


def _tag(found: SettingsValues) -> str:
    """The revision of each layer, so that one ETag serves a change of any of them."""
    said = ",".join(f"{scope}={revision}" for scope, revision in sorted(found.revisions.items()))
    return f'"{said}"'


def _expected(said: str, scope: str) -> int | None:
    """The revision of one layer in an `If-Match`. Raises :class:`PreconditionRequired` without one."""
    said = said.strip().removeprefix("W/").strip('"')
    if said == "*":
        return None
    if not said:
        raise PreconditionRequired(
            "say which revision this change was made upon", remedy="send the ETag that was read as If-Match; * for any"
        )
    for part in said.split(","):
        name, _, revision = part.partition("=")
        if name == scope and revision.isdecimal():
            return int(revision)
    raise BadRequest(f"If-Match names no revision of the layer '{scope}'")
