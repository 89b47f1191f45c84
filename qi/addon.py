"""Addons: deployable folders that extend Qi.

An addon folder holds `addon.toml` (name, version, title, roles …) and, all optional, `addon.py` (an :class:`Addon`
actor), `settings.py` (a Pydantic model named `Settings`), `plugins/<kind>/` and `lib/`. Reading one never raises: what
is wrong with it stands in its record. Any thread.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from events import users
from qi.actor import Actor, every, members
from qi.bus import Bus
from qi.errors import QiError
from qi.home import Home
from qi.messages import to_addon
from qi.reactions import Reactions

ROLES = ("auth", "db")
"""Roles of which exactly one addon must run; without them nobody could log in or find a project."""

LOOK_EVERY_S = 5.0
"""How long a lost announcement may delay a reaction."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
VERSION = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.\-]+)?")


@dataclass(frozen=True, slots=True)
class AddonRecord:
    """One addon folder, as found."""

    name: str
    folder: Path
    version: str = "0.0.0"
    title: str = ""
    roles: tuple[str, ...] = ()
    isolation: Literal["thread", "process"] = "thread"
    requests: tuple[str, ...] = ()
    """Topics it asks of the studio's services."""
    permissions: tuple[str, ...] = ()
    """What it needs to be allowed for that."""
    problem: str = ""
    """Why it cannot be used; empty when it can."""

    @property
    def has_actor(self) -> bool:
        return (self.folder / "addon.py").is_file()

    @property
    def contributes(self) -> tuple[str, ...]:
        parts = {"addon.py": "actor", "settings.py": "settings", "lib": "lib"}
        found = [label for part, label in parts.items() if (self.folder / part).exists()]
        kinds = sorted(p.name for p in (self.folder / "plugins").glob("*") if p.is_dir() and not p.name.startswith("_"))
        return (*found, *(f"{kind} plugins" for kind in kinds))


def read_addon(folder: Path) -> AddonRecord:
    """The record of one folder; never raises."""
    nameless = AddonRecord(folder.name, folder)
    try:
        declared = tomllib.loads((folder / "addon.toml").read_text("utf-8"))
    except OSError as error:
        return replace(nameless, problem=f"addon.toml cannot be read: {error.strerror}")
    except ValueError as error:
        return replace(nameless, problem=f"addon.toml is not valid: {error}")
    name, version = declared.get("name", ""), declared.get("version", "")
    isolation = declared.get("isolation", "thread")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return replace(nameless, problem=f"its name {name!r} is not of the form [a-z][a-z0-9_]*")
    record = AddonRecord(name, folder)
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        return replace(record, problem=f"its version {version!r} is not a semantic version")
    lists: dict[str, list[str]] = {}
    for key in ("roles", "requests", "permissions"):
        lists[key] = declared.get(key, [])
        if not isinstance(lists[key], list) or not all(isinstance(item, str) for item in lists[key]):
            return replace(record, problem=f"its {key} are not a list of names")
    unknown = sorted(set(lists["permissions"]) - users.permissions(users.PERMISSIONS))
    if unknown:
        return replace(record, problem=f"it asks for permissions that do not exist: {', '.join(unknown)}")
    if isolation not in ("thread", "process"):
        return replace(record, problem=f"its isolation {isolation!r} is neither 'thread' nor 'process'")
    title = str(declared.get("title", name))
    return replace(
        record, version=version, title=title, isolation=isolation, roles=tuple(lists["roles"]),
        requests=tuple(lists["requests"]), permissions=tuple(lists["permissions"]),
    )  # fmt: skip


def bundled_addons() -> Path:
    """The folder of the addons that come with Qi."""
    return Path(__file__).resolve().parents[1] / "addons"


def find_addons(paths: Iterable[Path]) -> list[AddonRecord]:
    """Every folder with an `addon.toml` below the bundled addons and `paths`; a later path wins over an earlier one."""
    found: dict[str, AddonRecord] = {}
    for place in (bundled_addons(), *paths):
        for folder in sorted(place.glob("*/addon.toml")):
            record = read_addon(folder.parent)
            found[record.name] = record
    return sorted(found.values(), key=lambda record: record.name)


def import_file(path: Path, module: str) -> ModuleType:
    """Import one file under a name of its own, so that two versions never meet. Raises :class:`QiError`."""
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise QiError(f"{path} is not a Python file")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    try:
        spec.loader.exec_module(made)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module, None)
        raise QiError(f"{path.name} does not load: {type(error).__name__}: {error}", file=str(path)) from error
    return made


def use_lib(folder: Path) -> None:
    """Make an addon's `lib` importable in this process."""
    lib = str(folder / "lib")
    if (folder / "lib").is_dir() and lib not in sys.path:
        sys.path.insert(0, lib)


class Addon(Actor):
    """Base of an addon's actor; its handlers are reached under the bundle that pins it.

    An addon with a role serves that provider's topics. `home` is the studio's folder. Methods marked with
    :func:`qi.reactions.reacts` are called for the events they name.
    """

    def __init__(self, bus: Bus, *, folder: str, bundle: str, addon: str, home: str, settings: dict[str, Any]) -> None:
        super().__init__(bus)
        self.folder = Path(folder)
        self.home = Path(home)
        self.settings = settings
        """This addon's slice of the effective settings, injected at its start."""
        self._address = to_addon(bundle, addon)
        self._addon = addon
        self._reactions: Reactions | None = None

    def on_start(self) -> None:
        super().on_start()
        declared = [m.__dict__["_qi_reaction"] for m in members(type(self)) if "_qi_reaction" in m.__dict__]
        if declared:
            self._reactions = Reactions(self._addon, Home(self.home), declared, self._react)
            for category in sorted({category for reaction in declared for category in reaction.categories}):
                self._listen(f"qi.event.{category}.>", "_woken")
            self._reactions.run()

    def on_stop(self) -> None:
        super().on_stop()
        self._close_reactions()

    def on_failure(self, *failure: Any) -> None:
        super().on_failure(*failure)
        self._close_reactions()

    @every(LOOK_EVERY_S)
    def _look(self) -> None:
        """An announcement can be lost with a connection; the log is not."""
        self._woken(b"")

    def _woken(self, _: bytes) -> None:
        if self._reactions is not None:
            self._reactions.run()

    def _react(self, method: str, fact: Any) -> None:
        getattr(self, method)(fact)

    def _close_reactions(self) -> None:
        if self._reactions is not None:
            self._reactions.close()
            self._reactions = None


def load_addon(*, folder: str, bundle: str, addon: str, home: str, settings: dict[str, Any]) -> type[Addon]:
    """The actor class in an addon's `addon.py`: the target of an addon's supervisor spec. Raises :class:`QiError`."""
    place = Path(folder)
    use_lib(place)
    module = import_file(place / "addon.py", f"qi_addon_{addon}_{bundle[-12:]}")
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Addon) and item.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise QiError(f"addon.py of '{addon}' must define one Addon class, it defines {len(classes)}")
    return classes[0]
