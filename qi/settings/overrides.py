"""Overrides that were written for an older version of an addon, as its newer version reads them.

An addon's folder `migrations/` holds one file for each version that changed its settings, `v2_0_0.py`::

    from qi.settings import Overrides

    def migrate(overrides: Overrides) -> Overrides:
        return (
            overrides.moved("review_crf", "review.crf")
            .changed("review.size", lambda pixels: f"{pixels}px")
            .dropped("legacy", "there is no legacy renderer any more")
        )

It is a pure function of what one layer overrides; whatever is stored stays as it is. Any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from events.settings_tree import MISSING, begins, lookup, with_value, without
from events.settings_tree import Path as SettingPath
from qi.errors import QiError
from qi.importing import import_file

FILE = re.compile(r"v(\d+)_(\d+)_(\d+)\.py")

Migrate = Callable[["Overrides"], "Overrides"]
Migrations = Mapping[Version, Migrate]


@dataclass(frozen=True, slots=True)
class Override:
    """One override on its way."""

    path: SettingPath
    """Where it stands by now, below the addon."""
    value: Any
    stored: SettingPath
    """Where it is stored."""
    schema: str
    """The addon version it was written for."""
    position: int = 0
    """Log position at which it was set."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An override that could not be carried over."""

    override: Override
    why: str


class Overrides(Mapping[str, Any]):
    """What one layer overrides of an addon: dotted path → value. Never changes; its methods return another."""

    def __init__(self, items: Iterable[Override], lost: Iterable[Lost] = ()) -> None:
        self.entries = tuple(items)
        self.lost = tuple(lost)

    def __getitem__(self, path: str) -> Any:
        wanted = _path(path)
        for one in self.entries:
            if begins(wanted, one.path) and (found := lookup(one.value, wanted[len(one.path) :])) is not MISSING:
                return found
        raise KeyError(path)

    def __iter__(self) -> Iterator[str]:
        return (".".join(one.path) for one in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def moved(self, old: str, new: str) -> Overrides:
        """What stands at `old`, and all below it, stands at `new`."""
        return self._each(_path(old), lambda one: [one], _path(new))

    def changed(self, path: str, change: Callable[[Any], Any]) -> Overrides:
        """The value at `path` is what `change` makes of it. One that it fails on is lost, and nothing else."""
        wanted, lost = _path(path), list(self.lost)

        def made(one: Override) -> list[Override]:
            try:
                return [replace(one, value=change(one.value))]
            except Exception as error:  # noqa: BLE001 - it is the addon's function, and the value may be anything
                lost.append(Lost(one, f"{type(error).__name__}: {error}"))
                return []

        found = self._each(wanted, made, wanted)
        return Overrides(found.entries, lost)

    def dropped(self, path: str, why: str) -> Overrides:
        """What stands at `path` or below it has no place any more."""
        lost = list(self.lost)

        def gone(one: Override) -> list[Override]:
            lost.append(Lost(one, why))
            return []

        found = self._each(_path(path), gone, _path(path))
        return Overrides(found.entries, lost)

    def _each(self, old: SettingPath, made: Callable[[Override], list[Override]], new: SettingPath) -> Overrides:
        """Hand what stands at `old` or below to `made`, and put what that returns at `new`."""
        found: list[Override] = []
        for one in self.entries:
            if begins(one.path, old):
                found += [replace(after, path=new + after.path[len(old) :]) for after in made(one)]
            elif begins(old, one.path) and (inner := lookup(one.value, old[len(one.path) :])) is not MISSING:
                rest = without(one.value, old[len(one.path) :])
                taken = made(replace(one, path=old, value=inner))
                if taken and begins(new, one.path):  # it stays in the same whole
                    found.append(replace(one, value=with_value(rest, new[len(one.path) :], taken[0].value)))
                    continue
                if rest != {}:
                    found.append(replace(one, value=rest))
                found += [replace(after, path=new) for after in taken]
            else:
                found.append(one)
        return Overrides(found, self.lost)


def load_migrations(folder: Path, name: str, digest: str) -> Migrations:
    """The addon's migrations, by the version each leads to. Raises :class:`QiError` for one that does not load."""
    found: dict[Version, Migrate] = {}
    for file in sorted((folder / "migrations").glob("*.py")):
        match = FILE.fullmatch(file.name)
        if match is None:
            if file.name == "__init__.py":
                continue
            raise QiError(f"migrations/{file.name} of '{name}' is not called after a version, as in v2_0_0.py")
        module = import_file(file, f"qi_migration_{name}_{digest[:12]}_{file.stem}")
        migrate = getattr(module, "migrate", None)
        if not callable(migrate):
            raise QiError(f"migrations/{file.name} of '{name}' defines no function migrate(overrides)")
        found[Version(".".join(match.groups()))] = migrate
    return dict(sorted(found.items()))


def migrated(overrides: Iterable[Override], version: str, migrations: Migrations) -> Overrides:
    """What one layer overrides, as the addon's `version` reads it. Never raises.

    Each override takes the migrations between the version it was written for and `version`. Where two then stand at
    one place, the one that was set last counts.
    """
    now, lost = sorted(overrides, key=lambda one: one.position), list[Lost]()
    target = _version(version)
    for step, migrate in migrations.items():
        older = [one for one in now if target is not None and _is_before(one.schema, step) and step <= target]
        if not older:
            continue
        kept = [one for one in now if one not in older]
        try:
            after = migrate(Overrides(older))
            now, gone = kept + list(after.entries), list(after.lost)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the addon's function
            now, gone = kept, [Lost(one, f"its migration to {step} failed: {error}") for one in older]
        lost += gone
    standing: dict[SettingPath, Override] = {}
    for one in sorted(now, key=lambda one: one.position):
        standing = {path: before for path, before in standing.items() if not begins(path, one.path)}
        standing[one.path] = one
    return Overrides(standing.values(), lost)


def _path(dotted: str) -> SettingPath:
    return tuple(dotted.split("."))


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _is_before(written: str, step: Version) -> bool:
    version = _version(written)
    return version is not None and version < step
