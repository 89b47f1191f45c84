"""A message type *is* its topic.

A request is a frozen keyword-only dataclass that names, in its class line, the topic it travels under, the reply it
asks for and the permission it needs. Handler tables, `qi subjects` and the checks of the request graph are all read
off these classes; nothing is written twice. Any thread::

    @message
    class ListProjects(Request[Projects], topic="db.project.list", needs="read"):
        limit: PageSize = 100
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast, dataclass_transform, get_args

from qi.errors import Invalid

R = TypeVar("R")
C = TypeVar("C")

MAX_MESSAGE_BYTES = 256 * 1024
"""Bigger things go to the content store and are named by digest."""

STUDIO_ONLY = "studio"
"""The permission that only the services themselves hold."""

PUBLIC = ""
"""No permission asked: also from a participant that has not logged in."""

TOPICS: dict[str, type[Request[Any]]] = {}
"""Every request type this process knows, by topic."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(cls: type[C]) -> type[C]:
    """Make a class a frozen keyword-only dataclass: the one shape of everything that crosses the mesh."""
    return dataclass(frozen=True, kw_only=True)(cls)


class Request(Generic[R]):
    """Something asked of an actor; `R` is what it answers."""

    topic: ClassVar[str]
    needs: ClassVar[str]
    reply: ClassVar[type]
    timeout_s: ClassVar[float]

    def __init_subclass__(cls, *, topic: str, needs: str, timeout_s: float = 10.0) -> None:
        """`needs` has no default: a new topic must say who may call it."""
        cls.topic, cls.needs, cls.timeout_s = topic, needs, timeout_s
        cls.reply = next(get_args(base)[0] for base in cast(Any, cls).__orig_bases__)
        known = TOPICS.setdefault(topic, cls)
        if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
            raise RuntimeError(f"two message types claim the topic {topic}")
        TOPICS[topic] = cls


@dataclass(frozen=True, slots=True)
class Raw:
    """A request as JSON, of whoever knows no types: a page that asks an addon. Its actor checks it like any other."""

    topic: str
    data: bytes
    timeout_s: float = 10.0
    command: str = ""
    """Its command id, when the data have one."""
    needs: str = ""


@message
class Done:
    """The reply of a command that has nothing else to say."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. Use :data:`SERVICE`, :func:`to_session` or :func:`to_addon`."""

    pattern: str

    def subject(self, session: str, topic: str) -> str:
        """The subject of `topic` as the participant `session` asks for it."""
        return self.pattern.format(session=session, topic=topic)


SERVICE = Address("qi.rpc.{session}.{topic}")
"""A core service, in its queue group. The caller's session is in the subject, where the broker can guard it."""


def to_session(target: str) -> Address:
    """One participant: a desktop, a DCC, a worker."""
    return Address(f"qi.session.{_token(target)}.{{topic}}")


def to_addon(bundle: str, addon: str) -> Address:
    """An addon as `bundle` pins it."""
    return Address(f"qi.addon.{_token(bundle)}.{_token(addon)}.{{session}}.{{topic}}")


def _token(text: str) -> str:
    if not text or not all(c.isascii() and (c.isalnum() or c in "_-") for c in text):
        raise Invalid(f"'{text}' cannot stand in a subject")
    return text
