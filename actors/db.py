"""The production tracker, over the addon with the role `db`.

The service knows who asks and what that user may see; the provider knows the tracker. One table maps each request to
the provider's answer, so a new tracker is a new addon and nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from events.catalog import encode_change
from events.ids import new_id
from events.projects import ProjectCreated, project_stream
from events.record import Change
from qi.actor import Actor, Endpoint, handles
from qi.bus import Bus
from qi.contracts import db as contract
from qi.contracts.db import AskTracker, CreateProject, TrackerNews, UseDb
from qi.contracts.log import AppendEvents
from qi.contracts.tracker import Project
from qi.disk_errors import named_by_caller
from qi.errors import Conflict, NotFound
from qi.home import Home
from qi.messages import Done, Request, to_addon

R = TypeVar("R")

ASKED: tuple[type[Request[Any]], ...] = tuple(
    kind
    for kind in vars(contract).values()
    if isinstance(kind, type) and issubclass(kind, Request) and getattr(kind, "topic", "").startswith("db.")
)
"""Every request of the contract."""


class Db(Actor):
    """Passes each request on with who is looking."""

    name = "db"
    requests = (AskTracker, AppendEvents)

    def __init__(self, bus: Bus, *, home: str, provider: str, bundle: str) -> None:
        super().__init__(bus)
        self._home = Home(Path(home))
        self._provider = to_addon(bundle, provider)

    @classmethod
    def endpoints(cls) -> list[Endpoint]:
        return [*super().endpoints(), *(Endpoint(kind, "answer", guard=kind.needs) for kind in ASKED)]

    @handles(UseDb)
    def use(self, message: UseDb) -> Done:
        self._provider = to_addon(message.bundle, message.addon)
        return Done()

    def answer(self, message: Request[R]) -> R:
        if isinstance(message, CreateProject):
            message = self._with_root(message)  # type: ignore[assignment]
        answered = self.request(
            AskTracker(
                asked=message.topic,
                request=msgspec.to_builtins(message),
                viewer=self.caller.user,
                sees_all=self.caller.may("project.read_all"),
            ),
            to=self._provider,
        )
        if isinstance(message, CreateProject):
            self._record(msgspec.convert(answered.value, Project, strict=False))
        if hasattr(message, "command"):
            self._tell(message.topic.split(".")[1])
        return msgspec.convert(answered.value, message.reply, strict=False)

    def _record(self, project: Project) -> None:
        """A tracker that knows a repeated command answers it as before: the log has it already then."""
        stream = project_stream(project.id)
        made = Change(stream, ProjectCreated(project=project.id, name=project.name, root=project.root))
        with suppress(Conflict):
            self.request(AppendEvents(events=(encode_change(made),), expected={stream: 0}, command=new_id()))

    def _tell(self, what: str) -> None:
        self._bus.publish(f"qi.feed.tracker.{what}", self._bus.codec.encode(TrackerNews(what=what)), lossy=True)

    def _with_root(self, message: CreateProject) -> CreateProject:
        """A project without a root of its own lies below the studio's; a named one must be there already."""
        if not message.root:
            self._home.projects.mkdir(exist_ok=True)
            return replace(message, root=str(self._home.projects))
        with named_by_caller(message.root) as root:
            if not root.is_dir():
                raise NotFound(f"the root {message.root} is not there", remedy="make the folder, or mount the disk")
        return message
