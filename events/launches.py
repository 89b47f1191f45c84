"""What happened to launches: asked for, then started or failed. Plain facts; any thread.

The outcome stands behind the intent: a launch with neither was cut off, and nobody knows whether the program runs.
"""

from __future__ import annotations

from events.record import DomainEvent, StreamName, event, stream_name


@event("launch.requested")
class LaunchRequested(DomainEvent):
    """Somebody wants an application in a context. Who is in the event's meta."""

    addon: str
    """That brings it."""
    name: str
    """Of the application, unique in its addon."""
    title: str
    project: str
    """Name, as the two that follow; empty when the context is wider."""
    entity: str
    task: str
    bundle: str
    """Id of the bundle whose addons and environment it is started with."""
    desktop: str
    """Session of the desktop that is to start it."""


@event("launch.started")
class LaunchStarted(DomainEvent):
    """Its process runs."""

    program: str
    """The file that was started."""
    pid: int
    host: str
    """The machine of the desktop."""


@event("launch.failed", erasable=("message",))
class LaunchFailed(DomainEvent):
    """It does not run."""

    message: str
    """Why, as the person was told."""


def launch_stream(launch: str) -> StreamName:
    """`launch` is the launch's id."""
    return stream_name("launch", launch)
