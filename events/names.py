"""Names that people give, unique however they are typed.

Two names are the same when they differ in case, width or composition only. A name is claimed in a stream of its own,
so the log itself proves that nobody else holds it: two claims expect the same version of the same stream, and one
fails. Any thread; decisions: actor thread.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

from events.decider import Fact, Folds, View, unexpected
from events.errors import Conflict, Invalid
from events.record import Change, DomainEvent, StreamName, event, stream_name

LONGEST_NAME_CHARACTERS = 200
JOINERS = "\u200c\u200d"
"""Zero-width, but Persian and Hindi are written with them: allowed, and ignored when names are compared."""


@event("name.claimed")
class NameClaimed(DomainEvent):
    kind: str
    """What is named: `bundle`, `user` …"""
    name: str
    """As it was written."""
    owner: str
    """Id of what bears the name."""


@event("name.released")
class NameReleased(DomainEvent):
    kind: str
    """What was named."""
    name: str
    """As it was written."""
    owner: str
    """Id of what bore the name."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a name."""

    kind: str
    name: str
    owner: str
    """Empty once the name was released."""


def check_name(name: str) -> str:
    """`name` in composed form. Raises :class:`Invalid` when no two people could agree on how it is written."""
    if not name or name != name.strip():
        raise Invalid(f"'{name}' is not a name: it is empty or begins or ends with a blank", fields={"name": "blank"})
    if len(name) > LONGEST_NAME_CHARACTERS:
        raise Invalid(f"a name has at most {LONGEST_NAME_CHARACTERS} characters", fields={"name": "too long"})
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cn", "Cs", "Co", "Zl", "Zp") and c not in JOINERS for c in name):
        raise Invalid("a name holds no invisible or control characters", fields={"name": "invisible characters"})
    if not fold_name(name):
        raise Invalid("a name holds something visible", fields={"name": "invisible"})
    return unicodedata.normalize("NFC", name)


def fold_name(name: str) -> str:
    """What all spellings of a name have in common (Unicode's compatibility caseless match)."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", name).casefold()).casefold()
    return unicodedata.normalize("NFKC", "".join(c for c in folded if c not in JOINERS))


def claim_stream(kind: str, name: str) -> StreamName:
    """The stream in which `name` is claimed."""
    return stream_name("name", hashlib.sha256(f"{kind}\0{fold_name(name)}".encode()).hexdigest()[:40])


def claim(view: View, kind: str, name: str, owner: str) -> list[Change]:
    """Give `name` to `owner`. Raises :class:`Invalid`, and :class:`Conflict` when somebody else holds it."""
    name = check_name(name)
    stream = claim_stream(kind, name)
    held = view.get(Claim, stream)
    if held is None or not held.owner:
        return [Change(stream, NameClaimed(kind=kind, name=name, owner=owner))]
    if held.owner != owner:
        raise Conflict(
            f"there is a {kind} named '{held.name}' already",
            remedy="Take another name; case and width make no difference.",
            owner=held.owner,
        )
    return []


def release(view: View, kind: str, name: str, owner: str) -> list[Change]:
    """Take `name` back from `owner`. Nothing happens when it holds it no more."""
    stream = claim_stream(kind, name)
    held = view.get(Claim, stream)
    if held is None or held.owner != owner:
        return []
    return [Change(stream, NameReleased(kind=kind, name=held.name, owner=owner))]


def evolve(state: Claim | None, fact: Fact) -> Claim:
    match fact.event:
        case NameClaimed(kind=kind, name=name, owner=owner):
            return Claim(kind, name, owner)
        case NameReleased(kind=kind, name=name):
            return Claim(kind, name, "")
    raise unexpected(fact)


FOLDS: Folds = {"name": evolve}
