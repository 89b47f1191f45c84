"""What the global options said, and the session a verb works in. Main thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qi.app.launch import LaunchConfig
    from qi.bus import Bus
    from qi.session.participant import Participant


@dataclass(frozen=True, slots=True)
class Options:
    """The global options; None where not given."""

    home: str | None = None
    connect: str | None = None
    connect_ca: str | None = None
    project: str | None = None
    headless: bool = False
    safe_mode: bool = False
    debug: bool = False


NOTHING_GIVEN = Options()
options: ContextVar[Options] = ContextVar("qi_options", default=NOTHING_GIVEN)


def launch_config(**more: Any) -> LaunchConfig:
    """The launch config of this command; `more` is what only this verb may say. Raises :class:`Invalid`."""
    from qi.app.launch import read_launch_config

    given = options.get()
    return read_launch_config(
        home=given.home, connect=given.connect, connect_ca=given.connect_ca, project=given.project,
        headless=given.headless or None, safe_mode=given.safe_mode or None, **more,
    )  # fmt: skip


@contextmanager
def on_the_mesh(*, acts: bool, anew: bool = False) -> Iterator[Participant]:
    """A participant for the length of a verb: of the studio of this home, or a new one. As
    :func:`qi.app.join.session`."""
    import logging

    from events.ids import new_id
    from qi import context
    from qi.app.join import session
    from qi.masking import MaskingFormatter

    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("qi: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])

    with context.use(context.Context(trace=new_id())), session(launch_config(), acts=acts, anew=anew) as participant:
        yield participant


@contextmanager
def studio(*, acts: bool, anew: bool = False) -> Iterator[Bus]:
    """The bus of :func:`on_the_mesh`."""
    with on_the_mesh(acts=acts, anew=anew) as participant:
        yield participant.bus
