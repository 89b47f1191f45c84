"""Version numbers: each belongs to (project, entity, product) and is given once.

A number is reserved before anything is written under it. What was reserved is never given again, not even after a
release: gaps are normal, two contents under one number are not. Any thread; decisions: actor thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from events.canonical import canonical
from events.decider import Fact, Folds, View, unexpected
from events.errors import Conflict, Invalid
from events.names import check_name, fold_name
from events.record import Change, DomainEvent, StreamName, event, stream_name


@event("version.reserved")
class VersionReserved(DomainEvent):
    """A number is taken."""

    project: str
    """Id of the project."""
    entity: str
    """Id of the entity (shot, asset …)."""
    product: str
    """Name of the product, as this publish writes it."""
    number: int
    """From 1."""
    publish: str
    """Id of the publish it is for."""


@event("version.released")
class VersionReleased(DomainEvent):
    """A number will not be used: it is void from here on."""

    number: int
    """The number."""
    publish: str
    """Id of the publish it was for."""
    reason: str
    """Why; may be empty."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one product, as far as the log knows."""

    highest: int = 0
    """0 when none was ever reserved."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Publish id → its number."""
    void: frozenset[int] = frozenset()
    """Numbers that were reserved and given up."""


@dataclass(frozen=True, kw_only=True)
class ReserveVersion:
    """Take the next number. Asking again for the same publish takes no second one."""

    project: str
    entity: str
    product: str
    publish: str
    on_disk: int = 0
    """Highest number found on disk; 0 for none."""
    in_tracker: int = 0
    """Highest number the tracker knows; 0 for none."""


@dataclass(frozen=True, kw_only=True)
class ReleaseVersion:
    """Give up the number of a publish that will not become visible."""

    project: str
    entity: str
    product: str
    publish: str
    reason: str = ""


def version_stream(project: str, entity: str, product: str) -> StreamName:
    """The stream of the numbers of one product; the product's name counts however it is typed."""
    key = canonical([project, entity, fold_name(product)])
    return stream_name("version", hashlib.sha256(key).hexdigest()[:40])


def reserved(numbers: Numbers | None, publish: str) -> int | None:
    """The number that `publish` holds."""
    return numbers.held.get(publish) if numbers else None


def following(numbers: Numbers | None, *, on_disk: int, in_tracker: int) -> int:
    """The number that would be reserved next; both are the highest number known there, 0 for none."""
    return max(numbers.highest if numbers else 0, on_disk, in_tracker) + 1


def decide(view: View, command: ReserveVersion | ReleaseVersion) -> list[Change]:
    """Raises :class:`Invalid` for a malformed name or number, :class:`Conflict` for a release of what is not held."""
    stream = version_stream(command.project, command.entity, command.product)
    numbers = view.get(Numbers, stream) or Numbers()
    held = reserved(numbers, command.publish)
    if isinstance(command, ReleaseVersion):
        if held is None:
            raise Conflict(f"publish {command.publish} holds no version of '{command.product}'", stream=stream)
        return [Change(stream, VersionReleased(number=held, publish=command.publish, reason=command.reason))]
    if min(command.on_disk, command.in_tracker) < 0:
        raise Invalid("a version number is never below 0")
    if held is not None:
        return []
    made = VersionReserved(
        project=command.project,
        entity=command.entity,
        product=check_name(command.product),
        number=following(numbers, on_disk=command.on_disk, in_tracker=command.in_tracker),
        publish=command.publish,
    )
    return [Change(stream, made)]


def evolve(state: Numbers | None, fact: Fact) -> Numbers:
    numbers = state or Numbers()
    match fact.event:
        case VersionReserved(number=number, publish=publish):
            return replace(numbers, highest=max(numbers.highest, number), held={**numbers.held, publish: number})
        case VersionReleased(number=number, publish=publish):
            held = {key: n for key, n in numbers.held.items() if key != publish}
            return replace(numbers, held=held, void=numbers.void | {number})
    raise unexpected(fact)


FOLDS: Folds = {"version": evolve}
