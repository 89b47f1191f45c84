"""What an addon's plugins are made of: five kinds, one small base.

A plugin is one class in one file below `plugins/<kind>/` of its addon::

    plugins/create/    Creator   makes publishable things in a scene
    plugins/load/      Loader    brings published versions into a scene, and changes them there
    plugins/hooks/     Hook      does something when a life-cycle event happens
    plugins/publish/   pyblish   ordinary pyblish plugins, unmodified; not built on this base
    plugins/actions/   Action    an entry in a menu, with a form if it needs one

:mod:`qi.discovery` finds them. Pure standard library: this module also runs inside foreign interpreters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from qi.errors import Invalid


class Kind(StrEnum):
    """A kind of plugin, named as its folder."""

    CREATE = "create"
    LOAD = "load"
    HOOKS = "hooks"
    PUBLISH = "publish"
    ACTIONS = "actions"


class LifeEvent(StrEnum):
    """What a hook can wait for. `before_…` may refuse by raising; after the fact nothing can be refused."""

    BEFORE_LAUNCH = "before_launch"
    """An application is about to start; its environment can still be changed."""
    AFTER_LAUNCH = "after_launch"
    """The application's process runs."""
    SESSION_STARTED = "session_started"
    """A desktop, an application or a worker has joined the studio."""
    SESSION_ENDED = "session_ended"
    """It has left, or was given up."""
    SCENE_OPENED = "scene_opened"
    """A workfile was opened in an application."""
    BEFORE_SAVE = "before_save"
    """A workfile is about to be written."""
    SCENE_SAVED = "scene_saved"
    """A workfile was written."""
    CONTEXT_CHANGED = "context_changed"
    """A session works on another project, entity or task."""
    BEFORE_LOAD = "before_load"
    """A version is about to be loaded into a scene."""
    AFTER_LOAD = "after_load"
    """It was loaded."""
    BEFORE_PUBLISH = "before_publish"
    """A publish was requested; no plugin has run yet."""
    AFTER_PUBLISH = "after_publish"
    """A publish has succeeded; its version is on the disk and registered."""
    PUBLISH_FAILED = "publish_failed"
    """A publish has failed or was cancelled."""
    PROJECT_CREATED = "project_created"
    """A project was created in the tracker."""
    BUNDLE_PROMOTED = "bundle_promoted"
    """Another bundle has become production or staging."""


class RunsIn(StrEnum):
    """Where an action runs."""

    STUDIO = "studio"
    """In the addon's actor, beside the services."""
    SESSION = "session"
    """In the session that asked: the desktop, or the application with its scene."""
    WORKER = "worker"
    """In a process of its own, for what takes long."""


class FieldType(StrEnum):
    """What a field of a form holds, and so how it is drawn."""

    TEXT = "text"
    NOTE = "note"
    """Text of several lines."""
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    CHOICE = "choice"
    """One of `choices`."""
    CHOICES = "choices"
    """Any of `choices`, as a list."""
    PATH = "path"
    """A file or folder of this machine."""


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    """Key of its value."""
    type: FieldType = FieldType.TEXT
    label: str = ""
    help: str = ""
    """One sentence below the field."""
    default: Any = None
    """JSON-ready value of the field before anybody fills it in."""
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One thing that somebody has selected, or that a result points at."""

    kind: str
    """`project`, `entity`, `task`, `product`, `version`, `representation` or `publish`."""
    id: str
    label: str = ""
    family: str = ""
    """Product type of a product, version or representation; else empty."""


@dataclass(frozen=True)
class Selection:
    """For which selected items an action is offered."""

    kinds: frozenset[str] = frozenset()
    """Kinds of :class:`Item` it takes; empty takes every kind."""
    families: frozenset[str] = frozenset()
    """Families it takes; empty takes every family."""
    least: int = 1
    most: int | None = None
    """How many items at most; None is any number."""

    def accepts(self, items: Sequence[Item]) -> bool:
        """Whether the action is offered for these items: all of them must fit."""
        if len(items) < self.least or (self.most is not None and len(items) > self.most):
            return False
        return all(
            (not self.kinds or item.kind in self.kinds) and (not self.families or item.family in self.families)
            for item in items
        )


@dataclass(frozen=True)
class Result:
    """What an action answers."""

    message: str = ""
    """One sentence for the person who asked."""
    items: tuple[Item, ...] = ()
    """What it made or found; shown as links."""
    refresh: frozenset[str] = frozenset()
    """Kinds of :class:`Item` whose lists are out of date now."""


class Plugin:
    """Base of every kind but publish. A class below it, in a file of its own, is a plugin."""

    kind: ClassVar[Kind]
    name: ClassVar[str] = ""
    """Unique in its addon and kind; left empty it is the file's name without `.py`."""
    label: ClassVar[str] = ""
    """What people read; left empty it is the name with spaces."""
    order: ClassVar[float] = 0.0
    """Lower comes first; of two alike the name decides."""
    hosts: ClassVar[frozenset[str]] = frozenset()
    """Applications it is for (`blender`, `maya`); empty is every one."""
    families: ClassVar[frozenset[str]] = frozenset()
    """Product types it is for; empty is every one."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings: Mapping[str, Any] = settings or {}
        """The addon's settings that are in effect."""


class Creator(Plugin):
    """Makes a publishable thing in a scene. Runs on the application's main thread."""

    kind = Kind.CREATE
    family: ClassVar[str] = ""
    """Product type of what it makes."""
    form: ClassVar[tuple[Field, ...]] = ()

    def create(self, host: Any, product: str, values: Mapping[str, Any]) -> Any:
        """Make the thing and return the host's handle of it. `values` come from the form, checked."""
        raise NotImplementedError


class Loader(Plugin):
    """Brings a representation into a scene. Runs on the application's main thread."""

    kind = Kind.LOAD
    extensions: ClassVar[frozenset[str]] = frozenset()
    """Extensions it can load, without the dot; empty is every one."""

    def load(self, host: Any, representation: Any) -> Any:
        """Load it and return the host's handle of what came in."""
        raise NotImplementedError

    def update(self, host: Any, container: Any, representation: Any) -> None:
        """Let what was loaded show another representation."""
        raise NotImplementedError

    def remove(self, host: Any, container: Any) -> None:
        """Take what was loaded out of the scene."""
        raise NotImplementedError


class Hook(Plugin):
    """Does something when a life-cycle event happens, in the process where it happens."""

    kind = Kind.HOOKS
    events: ClassVar[frozenset[LifeEvent]] = frozenset()
    """The events it waits for."""

    def run(self, event: LifeEvent, data: dict[str, Any]) -> None:
        """`data` is what the event is about; at `before_…` what the hook changes in it takes effect."""
        raise NotImplementedError


class Action(Plugin):
    """An entry in the menus of the Command Center, an application or a tracker."""

    kind = Kind.ACTIONS
    runs_in: ClassVar[RunsIn] = RunsIn.STUDIO
    selection: ClassVar[Selection] = Selection()
    form: ClassVar[tuple[Field, ...]] = ()
    """Asked before it runs; empty runs at once."""
    roles: ClassVar[frozenset[str]] = frozenset()
    """Roles that may run it; empty is everybody."""

    def run(self, items: Sequence[Item], values: Mapping[str, Any]) -> Result:
        """Do it. `values` come from the form, checked. What it raises is shown as its message."""
        raise NotImplementedError


_PYTHON_TYPES: dict[FieldType, type | tuple[type, ...]] = {
    FieldType.TEXT: str,
    FieldType.NOTE: str,
    FieldType.INT: int,
    FieldType.FLOAT: (int, float),
    FieldType.BOOL: bool,
    FieldType.CHOICE: str,
    FieldType.CHOICES: (list, tuple),
    FieldType.PATH: str,
}


def filled(form: Sequence[Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """The form's values with the defaults of those left out. Raises :class:`Invalid` naming every bad field."""
    faults = dict.fromkeys(values.keys() - {field.name for field in form}, "is no field of this form")
    result: dict[str, Any] = {}
    for field in form:
        value = values.get(field.name, field.default)
        if value is None or value == "":
            if field.required:
                faults[field.name] = "is required"
        elif fault := _wrong_type(field, value) or _unknown_choices(field, value):
            faults[field.name] = fault
        result[field.name] = value
    if faults:
        listed = "; ".join(f"{name} {fault}" for name, fault in sorted(faults.items()))
        raise Invalid(f"The form is not filled in rightly: {listed}.", fields=faults)
    return result


def _wrong_type(field: Field, value: Any) -> str:
    if isinstance(value, bool) != (field.type is FieldType.BOOL) or not isinstance(value, _PYTHON_TYPES[field.type]):
        return f"must be {field.type.value}"
    return ""


def _unknown_choices(field: Field, value: Any) -> str:
    chosen = {FieldType.CHOICE: [value], FieldType.CHOICES: value}.get(field.type, [])
    others = [str(choice) for choice in chosen if choice not in field.choices]
    return f"has no choice {', '.join(others)}" if others else ""
