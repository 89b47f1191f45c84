"""Settings: what differs from the defaults, who said so, and what follows.

Layers, from the lowest: defaults → bundle → project → project file → user. Only differences are stored, one event for
each changed path. Those of a project, its settings file and a user lie in streams of their own; those of a bundle lie
in the bundle's stream (see :mod:`events.bundles`); all come from :func:`differences`. The value at a path replaces all
below it; so no scope ever holds a path and another one below it. Any thread; decisions: actor thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from events.canonical import canonical, plain
from events.decider import UNKNOWN_TIME, Fact, Folds, View, unexpected
from events.errors import Conflict, Invalid
from events.names import fold_name
from events.record import (
    BEFORE_FIRST,
    NO_STREAM,
    Change,
    DomainEvent,
    Micros,
    Position,
    StreamName,
    Version,
    event,
    stream_name,
)
from events.settings_tree import Path, begins, dotted, lookup, with_value, without

D = TypeVar("D", bound="Difference")

MAX_PATH_PARTS = 32
SHOWN_CHARACTERS = 200

Secrets = Mapping[str, frozenset[Path]]
"""Addon → paths that hold references to secrets; the part `*` stands for any key or list item."""


@dataclass(frozen=True, kw_only=True)
class Difference(DomainEvent):
    """One path of one scope changed."""

    addon: str
    """Whose setting."""
    path: Path
    """Keys from the addon's root down."""
    was_set: bool
    """Whether the scope held a value before."""
    old: Any
    """That value; null when there was none."""
    is_set: bool
    """Whether the scope holds a value now; if not, the lower layers show through."""
    new: Any
    """That value; null when there is none."""
    reason: str
    """Why, in the words of who changed it; may be empty."""
    schema: str
    """The addon version whose settings schema `new` was written in."""


@event("settings.changed", erasable=("old", "new", "reason"))
class SettingsChanged(Difference):
    """In a stream `settings-project_<id>`, `settings-file_<project id>` or `settings-user_<id>`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One stored difference, and where it comes from."""

    value: Any
    schema: str
    """The addon version whose schema `value` was written in."""
    reason: str = ""
    by: str = ""
    """User who set it."""
    at: Micros = UNKNOWN_TIME
    event: str = ""
    """Id of the event that set it."""
    position: Position = BEFORE_FIRST
    version: Version = NO_STREAM
    """Version of its scope's stream at which it was set."""


Layer = Mapping[Path, Setting]
"""One addon's differences in one scope."""
NOTHING: Layer = {}


@dataclass(frozen=True, slots=True)
class Scope:
    """All differences of one bundle, project or user."""

    addons: Mapping[str, Layer] = field(default_factory=dict)
    gone: Mapping[str, Layer] = field(default_factory=dict)
    """What was taken away, and by whom: whoever read it before may still want to change it."""

    def layer(self, addon: str) -> Layer:
        return self.addons.get(addon, NOTHING)


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Set `path` to `value`, or with `unset` forget it and all below it."""

    addon: str
    path: Path
    value: Any = None
    schema: str = ""
    """The addon version whose settings schema `value` is written in."""
    unset: bool = False


@dataclass(frozen=True, kw_only=True)
class PatchSettings:
    """Change the settings of a project, of its settings file, or of a user."""

    scope: str
    """`project`, `file` or `user`."""
    target: str
    """Id of the project or user."""
    patches: tuple[Patch, ...]
    reason: str = ""
    expected: int | None = None
    """The revision (version of the scope's stream) the values were read at; `None` takes whatever is there."""
    by: str = ""
    """Who asks, for the words of a conflict."""
    secrets: Secrets = field(default_factory=dict)


def settings_stream(scope: str, target: str) -> StreamName:
    """Raises :class:`Invalid` for another scope than `project`, `file` and `user`."""
    if scope not in ("project", "file", "user"):
        raise Invalid(f"'{scope}' settings have no stream of their own: it is 'project', 'file' or 'user'")
    return stream_name("settings", f"{scope}_{target}")


def user_key(user: str) -> str:
    """A user's name may hold any character, a stream's not."""
    return sha256(fold_name(user).encode()).hexdigest()[:32]


def user_stream(user: str) -> StreamName:
    return settings_stream("user", user_key(user))


def decide(view: View, command: PatchSettings) -> list[Change]:
    """Raises :class:`Invalid` (bad path or value, a secret in the open) and :class:`Conflict` (somebody else changed
    the same meanwhile)."""
    stream = settings_stream(command.scope, command.target)
    scope = view.get(Scope, stream) or Scope()
    # First of all, so that no secret in the open is repeated in the words of a conflict.
    changed = differences(SettingsChanged, scope, command.patches, command.reason, command.secrets)
    check_untouched(view, stream, scope, command.patches, command.expected, command.by)
    return [Change(stream, one) for one in changed]


def check_untouched(
    view: View, stream: StreamName, scope: Scope, patches: Iterable[Patch], expected: int | None, by: str
) -> None:
    """Raises :class:`Conflict` when what is to be changed is not what a caller read at revision `expected`.

    Changes of other paths in the meantime do no harm, nor does one to the very value that is asked for.
    """
    actual = int(view.version(stream))
    if expected is None or expected == actual:
        return
    if expected > actual:
        raise Conflict(
            f"these settings are at revision {actual}, there is no revision {expected}",
            remedy="Read them again.", stream=stream, expected=expected, actual=actual,
        )  # fmt: skip
    for patch in patches:
        for layer, is_set in ((scope.layer(patch.addon), True), (scope.gone.get(patch.addon, NOTHING), False)):
            for path, there in layer.items():
                same = is_set is not patch.unset and path == patch.path and there.value == patch.value
                if there.version > expected and not same and (begins(path, patch.path) or begins(patch.path, path)):
                    raise _touched(stream, expected, actual, patch, path, there, is_set, by)


def _touched(
    stream: StreamName, expected: int, actual: int, patch: Patch, path: Path, there: Setting, is_set: bool, by: str
) -> Conflict:
    where = dotted(patch.addon, path)
    theirs = f"set it to {_words(there.value)}" if is_set else "took it away"
    ours = "takes it away" if patch.unset else f"sets {dotted(patch.addon, patch.path)} to {_words(patch.value)}"
    why = f", “{there.reason}”" if there.reason else ""
    return Conflict(
        f"{where} was changed meanwhile: {there.by or 'somebody'} {theirs}{why}; {by or 'this change'} {ours}",
        remedy="Read it again, then decide which holds.",
        stream=stream, expected=expected, actual=actual, path=where, theirs=there.value if is_set else None,
        yours=None if patch.unset else plain(patch.value), by=there.by, yours_by=by, at=int(there.at),
        reason=there.reason,
    )  # fmt: skip


def _words(value: Any) -> str:
    text = canonical(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def differences(kind: type[D], scope: Scope, patches: Iterable[Patch], reason: str, secrets: Secrets) -> list[D]:
    """What `patches`, one after the other, change in `scope`: one event of `kind` for each path.

    Raises :class:`Invalid`; its message never shows a value.
    """
    before: dict[tuple[str, Path], tuple[Any, str]] = {
        (addon, path): (setting.value, setting.schema)
        for addon, layer in scope.addons.items()
        for path, setting in layer.items()
    }
    after = dict(before)
    for patch in patches:
        _check_path(patch)
        _apply(after, patch)
    made = []
    # What is taken away comes first: then undoing the events from the last to the first is always legal.
    for addon, path in sorted(before.keys() | after.keys(), key=lambda key: (key in after, key)):
        old, new = before.get((addon, path)), after.get((addon, path))
        if new is not None and new is not old:
            _check_secrets(addon, path, new[0], secrets.get(addon, frozenset()))
        if old is None or new is None or canonical([*old]) != canonical([*new]):
            value, schema = new or (None, old[1] if old else "")
            made.append(kind(
                addon=addon, path=path, was_set=old is not None, old=old[0] if old else None,
                is_set=new is not None, new=value, reason=reason.strip(), schema=schema,
            ))  # fmt: skip
    return made


def with_difference(scope: Scope, fact: Fact) -> Scope:
    """`scope` after a :class:`Difference`."""
    change = fact.event
    if not isinstance(change, Difference):
        raise unexpected(fact)
    addon, path, meta = change.addon, change.path, fact.meta
    layer, gone = dict(scope.layer(addon)), dict(scope.gone.get(addon, NOTHING))
    layer.pop(path, None)
    gone.pop(path, None)
    (layer if change.is_set else gone)[path] = Setting(
        change.new, change.schema, change.reason, meta.user, fact.at, fact.id, fact.position, fact.version
    )
    return Scope({**scope.addons, addon: layer}, {**scope.gone, addon: gone})


def evolve(state: Scope | None, fact: Fact) -> Scope:
    return with_difference(state or Scope(), fact)


FOLDS: Folds = {"settings": evolve}


def _check_path(patch: Patch) -> None:
    if not patch.addon or not patch.path or not all(patch.path) or len(patch.path) > MAX_PATH_PARTS:
        path = dotted(patch.addon, patch.path)
        raise Invalid(f"'{path}' is not a settings path", fields={path: "an addon and 1 to 32 non-empty keys"})


def _apply(held: dict[tuple[str, Path], tuple[Any, str]], patch: Patch) -> None:
    """Change `held` in place; its values are replaced, never changed."""
    addon, path = patch.addon, patch.path
    above = next((path[:n] for n in range(1, len(path)) if (addon, path[:n]) in held), None)
    if above is not None:
        whole, schema = held[addon, above]
        rest = path[len(above) :]
        if patch.unset:
            held[addon, above] = without(whole, rest), schema
        elif isinstance(lookup(whole, rest[:-1]), dict):
            held[addon, above] = with_value(whole, rest, plain(patch.value)), patch.schema
        else:
            raise Invalid(
                f"{dotted(addon, above)} is set as a whole and has no group for {dotted(addon, path)}",
                remedy=f"Unset or change {dotted(addon, above)}.",
                fields={dotted(addon, path): "lies below a single value"},
            )
        return
    for key in [key for key in held if key[0] == addon and begins(key[1], path)]:
        if key[1] != path or patch.unset:
            del held[key]
    if not patch.unset:
        held[addon, path] = plain(patch.value), patch.schema


def _check_secrets(addon: str, path: Path, value: Any, secrets: frozenset[Path]) -> None:
    for secret in secrets:
        if not all(want in (have, "*") for have, want in zip(path, secret, strict=False)):
            continue
        if len(path) > len(secret) or not all(map(_is_reference, _reached(value, secret[len(path) :]))):
            where = dotted(addon, secret)
            raise Invalid(
                f"{where} holds a secret: settings keep only its name",
                remedy='Store the secret first, then set {"secret": "<its name>"}.',
                fields={where: "is not a reference to a secret"},
            )


def _reached(value: Any, path: Path) -> Iterable[Any]:
    """Every value that `path` leads to."""
    if not path:
        return [value]
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        inner = [item for key, item in value.items() if head in (key, "*")]
    else:
        inner = value if isinstance(value, list) and head == "*" else []
    return [found for item in inner for found in _reached(item, rest)]


def _is_reference(value: Any) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and value.keys() == {"secret"}
        and bool(value["secret"])
        and (isinstance(value["secret"], str))
    )
