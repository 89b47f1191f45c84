"""What an addon says of itself in `addon.toml`, and the record that Qi makes of its folder.

::

    name = "review"                     # a-z, 0-9, _; not one of Qi's own words (:mod:`events.owners`)
    version = "1.2.0"                   # semantic
    title = "Review"
    roles = []                          # "auth", "db": exactly one addon has each
    isolation = "process"               # or "thread": in the studio's own process
    qi = ">=0.1"                        # versions of Qi it works with
    python = ["pillow>=11"]             # what it needs installed, in an environment of its own
    requests = ["db.version.list"]      # what it asks of the studio's services
    permissions = ["read"]              # what it needs to be allowed for that

    [requires]
    media = ">=0.1,<1"                  # other addons, which start before it

    [[commands]]                        # in the command palette; with `tray = true` in the tray too
    title = "Make a contact sheet"
    topic = "review.contact_sheet"

    [[windows]]                         # a custom element in a window of its own
    name = "player"
    title = "Player"
    element = "qi-player"
    script = "player.js"                # below ui_dist/, which defines it

    [[applications]]                    # launched from the desktop, in the chosen context
    name = "viewer"
    title = "Viewer"
    programs = ["review-viewer", "/opt/review/bin/viewer"]  # the first that is on the desktop's machine
    arguments = ["--dark"]
    environment = {REVIEW_MODE = "shot"}

    [[slots]]
    slot = "nav"
    title = "Review"
    element = "qi-review"               # a custom element
    script = "review.js"                # below ui_dist/, which defines it

Everything else is found by folder. Reading one never raises: what is wrong with it stands in its record. Any thread.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from events import users
from events.owners import RESERVED
from qi.actor import Actor

ROLES = ("auth", "db")
"""Roles of which exactly one addon must run; without them nobody could log in or find a project."""

SLOTS = (
    "nav", "home.widget", "context.action", "publish.panel", "version.action", "admin.page", "user.menu", "palette",
)  # fmt: skip
"""Places of the Command Center that addons may fill."""

NOT_FOR_THIS_QI = "it is made for Qi"

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
VERSION = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.\-]+)?")
PARTS = {
    "addon.py": "actor", "settings.py": "settings", "migrations": "migrations", "lib": "lib", "api": "routes",
    "cli": "verbs", "host": "host", "ui_dist": "pages", "tests": "tests",
}  # fmt: skip
"""What lies in an addon's folder, and what it is called."""


def _range(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError("is no range of versions, like >=1.2,<2") from error
    return text


def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError("is no requirement, like pillow>=11") from error
    return text


def _inside(text: str) -> str:
    if text.startswith("/") or ".." in Path(text).parts or "\\" in text:
        raise ValueError("must lie below ui_dist/")
    return text


Range = Annotated[str, Field(max_length=200), AfterValidator(_range)]
Page = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_inside)]
Element = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)+$", max_length=80)]
Title = Annotated[str, Field(min_length=1, max_length=100)]
Program = Annotated[str, Field(pattern=r"^[^\x00]+$", max_length=1000)]
Argument = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4000)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]


class _Said(BaseModel):
    """A key that Qi does not know is a typing error, or of a newer Qi; either should be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Command(_Said):
    """Something to choose: a request to this addon without anything to fill in."""

    title: Title
    topic: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$", max_length=100)]
    tray: bool = False


class Window(_Said):
    """A custom element in a window of its own; the command palette offers it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,18}$")]
    title: Title
    element: Element
    script: Page
    width: Annotated[int, Field(ge=200, le=8000)] = 1000
    height: Annotated[int, Field(ge=150, le=8000)] = 700


class Application(_Said):
    """A program that people launch in a context. On the desktop's machine it is looked for by each of its names."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title: Title
    programs: Annotated[tuple[Program, ...], Field(min_length=1, max_length=50)]
    arguments: Annotated[tuple[Argument, ...], Field(max_length=100)] = ()
    environment: dict[Variable, Argument] = Field(default={}, max_length=200)


class Slot(_Said):
    """A custom element in a place of the Command Center."""

    slot: Literal[SLOTS]  # type: ignore[valid-type]
    title: Title
    element: Element
    script: Page


class Declaration(_Said):
    """`addon.toml`."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    version: Annotated[str, Field(pattern=f"^{VERSION.pattern}$", max_length=60)]
    title: Annotated[str, Field(max_length=100)] = ""
    description: Annotated[str, Field(max_length=2000)] = ""
    roles: tuple[Annotated[str, Field(max_length=40)], ...] = ()
    isolation: Literal["thread", "process"] = "thread"
    qi: Range = ""
    requires: dict[Annotated[str, Field(pattern=f"^{NAME.pattern}$")], Range] = Field(default={}, max_length=50)
    python: Annotated[tuple[Annotated[str, AfterValidator(_requirement)], ...], Field(max_length=100)] = ()
    requests: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=200)] = ()
    permissions: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=200)] = ()
    commands: Annotated[tuple[Command, ...], Field(max_length=100)] = ()
    windows: Annotated[tuple[Window, ...], Field(max_length=20)] = ()
    slots: Annotated[tuple[Slot, ...], Field(max_length=50)] = ()
    applications: Annotated[tuple[Application, ...], Field(max_length=50)] = ()


@dataclass(frozen=True, slots=True)
class AddonRecord:
    """One addon folder, as found."""

    name: str
    folder: Path
    declared: Declaration = field(default_factory=lambda: Declaration(name="unknown", version="0.0.0"))
    problem: str = ""
    """Why it cannot be used; empty when it can."""

    @property
    def version(self) -> str:
        return self.declared.version

    @property
    def title(self) -> str:
        return self.declared.title or self.name

    @property
    def roles(self) -> tuple[str, ...]:
        return self.declared.roles

    @property
    def has_actor(self) -> bool:
        """Whether something of it runs: an actor of its own, or one for its hooks. All else is only read."""
        return (self.folder / "addon.py").is_file() or any((self.folder / "plugins" / "hooks").glob("[!_.]*.py"))

    @property
    def contributes(self) -> tuple[str, ...]:
        """What it brings, in a few words each."""
        found = [label for part, label in PARTS.items() if (self.folder / part).exists()]
        plugins = sorted(p.name for p in (self.folder / "plugins").glob("*") if p.is_dir() and p.name[0] not in "_.")
        said = self.declared
        shown = {
            "commands": said.commands, "windows": said.windows, "slots": said.slots, "applications": said.applications,
        }  # fmt: skip
        return (*found, *(f"{kind} plugins" for kind in plugins), *(label for label, some in shown.items() if some))


def read_addon(folder: Path) -> AddonRecord:
    """The record of one folder; never raises."""
    nameless = AddonRecord(folder.name, folder)
    try:
        said = tomllib.loads((folder / "addon.toml").read_text("utf-8"))
    except OSError as error:
        return replace(nameless, problem=f"addon.toml cannot be read: {error.strerror}")
    except ValueError as error:
        return replace(nameless, problem=f"addon.toml is not valid: {error}")
    name = said.get("name", "")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return replace(nameless, problem=f"its name {name!r} is not of the form [a-z][a-z0-9_]*")
    record = AddonRecord(name, folder)
    if name in RESERVED:
        return replace(record, problem=f"its name '{name}' is one that Qi keeps for its own streams and topics")
    if not isinstance(said.get("version", ""), str) or not VERSION.fullmatch(said.get("version", "")):
        return replace(record, problem=f"its version {said.get('version', '')!r} is not a semantic version")
    try:
        declared = Declaration.model_validate(said)
    except ValidationError as error:
        # A range that this Qi is not in explains keys that it does not know.
        return replace(record, problem=_not_for_this_qi(said.get("qi")) or f"addon.toml: {_words(error)}")
    record = replace(record, declared=declared)
    unknown = sorted(set(declared.permissions) - users.permissions(users.PERMISSIONS))
    if unknown:
        return replace(record, problem=f"it asks for permissions that do not exist: {', '.join(unknown)}")
    return replace(record, problem=_not_for_this_qi(declared.qi))


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


def incompatible(records: Mapping[str, AddonRecord]) -> dict[str, str]:
    """Which of these addons cannot start together, and why: what they require is missing, of another version, cannot
    be used itself, or requires them in turn. Name → reason."""
    why: dict[str, str] = {}
    for name, record in records.items():
        for needed, wanted in record.declared.requires.items():
            if needed not in records:
                why[name] = f"it requires '{needed}', which this bundle does not pin"
            elif records[needed].problem:
                why[name] = f"it requires '{needed}', which cannot be used: {records[needed].problem}"
            elif not matches(records[needed].version, wanted):
                why[name] = f"it requires '{needed}' {wanted}, this bundle pins {records[needed].version}"
    for name in sorted(records):
        if circle := _circle(records, name):
            why.setdefault(name, f"addons require each other in a circle: {' → '.join(circle)}")
    # Whoever requires one that cannot start cannot start either.
    while more := {
        name: f"it requires '{needed}', which cannot start"
        for name, record in records.items()
        for needed in record.declared.requires
        if name not in why and needed in why
    }:
        why |= more
    return why


def matches(version: str, wanted: str) -> bool:
    """Whether a version lies in a range; a pre-release does, too."""
    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _circle(records: Mapping[str, AddonRecord], start: str) -> list[str]:
    """The shortest way from an addon back to itself over what it requires; empty when there is none."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for needed in records[way[-1]].declared.requires if way[-1] in records else ():
            if needed == start:
                return [*way, needed]
            if needed not in seen:
                seen.add(needed)
                ways.append([*way, needed])
    return []


def _not_for_this_qi(wanted: Any) -> str:
    if not isinstance(wanted, str) or not wanted:
        return ""
    try:
        fits = matches(Actor.version, wanted)
    except InvalidSpecifier:
        return ""
    return "" if fits else f"{NOT_FOR_THIS_QI} {wanted}, this is {Actor.version}"


def _words(error: ValidationError) -> str:
    return "; ".join(
        f"'{'.'.join(map(str, one['loc']))}' {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False, include_input=False)
    )
