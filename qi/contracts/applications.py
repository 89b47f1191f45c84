"""Applications: brought by addons, launched on the desktop of whoever asks, in a context."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from qi.limits import Name, PathText, Span, Token
from qi.messages import STUDIO_ONLY, Request, message


@message
class Application:
    addon: str
    name: str
    """Unique in its addon."""
    title: str


@message
class ApplicationList:
    bundle: str
    """Name of the bundle whose addons bring them."""
    applications: tuple[Application, ...]


@message
class ListApplications(Request[ApplicationList], topic="application.list", needs="read"):
    """What can be launched in a context: what the addons of its bundle bring."""

    project: Name = ""
    """Id or name; without one, the applications of the caller's own bundle."""
    entity: PathText = ""


@message
class LaunchInfo:
    """An application that was launched."""

    launch: str
    """Its id."""
    addon: str
    name: str
    title: str
    project: str
    """Name; as entity and task empty when the context is wider."""
    entity: str
    task: str
    program: str
    """The file that was started."""
    pid: int
    host: str
    """The machine where it was started."""
    at: int
    """Microseconds since the epoch."""


@message
class LaunchList:
    launches: tuple[LaunchInfo, ...]


@message
class Launch(Request[LaunchInfo], topic="application.launch", needs="application.launch", timeout_s=15.0):
    """Start an application on the caller's desktop, in a context and with the environment of its bundle."""

    addon: Name
    name: Name
    project: Name
    """Id or name."""
    entity: PathText = ""
    task: Name = ""
    """Only with an entity."""
    desktop: Token = ""
    """Session; of several desktops of the caller the newest when empty."""


@message
class RecentLaunches(Request[LaunchList], topic="application.recent", needs="read"):
    """What the caller launched last, newest first, each application in each context once."""

    limit: Annotated[int, Span(1, 50)] = 10


@message
class Started:
    """A program that runs on the desktop's machine."""

    program: str
    pid: int
    host: str


@message
class StartProgram(Request[Started], topic="desktop.program.start", needs=STUDIO_ONLY):
    """To a desktop: start a program as its user, and let go of it."""

    label: str
    """As its log file is named; a token."""
    title: str
    """As people are told that it still runs."""
    programs: tuple[str, ...]
    """Files, or names to look for on the path; the first that is there."""
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    """In addition to the desktop's own."""
    folder: str = ""
    """Where it starts, if that exists on the desktop's machine."""
