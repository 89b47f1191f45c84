"""`/api/<topic>`: what the studio can be asked, read off the message types. Event-loop thread.

Questions are GET with their fields in the query, as far as those are plain values; the rest, and every command, is POST
with the message as its body. Nothing here is written twice: types, bounds and texts are the messages' own.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest

from qi.app.server.asking import KEPT_FROM_PAGES
from qi.app.server.reach import Reach
from qi.contracts import import_all
from qi.messages import PUBLIC, STUDIO_ONLY, TOPICS, Request

PLAIN = (str, int, float, bool)


def router(reach: Reach) -> APIRouter:
    """The routes of one server."""
    import_all()
    routes = APIRouter(prefix="/api", tags=["topics"])
    for topic, kind in sorted(TOPICS.items()):
        ours = kind.__module__.startswith("qi.contracts.")
        if not ours or kind.needs in (STUDIO_ONLY, PUBLIC) or topic in KEPT_FROM_PAGES:
            continue
        path = "/" + topic.replace(".", "/")
        about = (kind.__doc__ or "").strip()
        name = topic.replace(".", "_")
        if is_question(kind):
            routes.add_api_route(
                path, _get(reach, kind), methods=["GET"], response_model=kind.reply, description=about, name=name
            )
        else:
            routes.add_api_route(
                path, _post(reach, kind), methods=["POST"], response_model=kind.reply, description=about, name=name
            )
    return routes


def is_question(kind: type[Request[Any]]) -> bool:
    """Whether it changes nothing and can be written as a query."""
    fields = {field.name: hint for field, hint in _fields(kind)}
    return "command" not in fields and kind.needs in ("read", "history.read") and all(map(_is_plain, fields.values()))


def _get(reach: Reach, kind: type[Request[Any]]) -> Callable[..., Awaitable[Any]]:
    async def route(request: HttpRequest, **given: Any) -> Any:
        return await reach.ask(request, kind(**given))

    parameters = [inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=HttpRequest)]
    for field, hint in _fields(kind):
        required = field.default is dataclasses.MISSING
        default = Query() if required else Query(default=field.default)
        parameters.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        )
    route.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return route


def _post(reach: Reach, kind: type[Request[Any]]) -> Callable[..., Awaitable[Any]]:
    async def route(request: HttpRequest, message: Any) -> Any:
        return await reach.ask(request, message)

    parameters = [
        inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=HttpRequest),
        inspect.Parameter("message", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind),
    ]
    route.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return route


def _fields(kind: type[Request[Any]]) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return [(field, hints[field.name]) for field in dataclasses.fields(typing.cast(Any, kind))]


def _is_plain(hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Annotated:
        return _is_plain(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return all(one is type(None) or _is_plain(one) for one in typing.get_args(hint))
    return hint in PLAIN
