"""Finding an addon's plugins: every file gives a record, and none gives an exception.

Each file is imported under a name that its path makes unique, so two versions of an addon can be looked at in one
process. The addon's `lib` folder must be importable already. Pure standard library: this module also runs inside
foreign interpreters. Any thread, but importing runs the addon's code.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from qi.plugin import Kind, Plugin

_PYBLISH = ("pyblish.plugin", "Plugin")


class Status(StrEnum):
    READY = "ready"
    FAILED = "failed"
    """The file could not be used; the record's `reason` says why."""


@dataclass(frozen=True)
class PluginRecord:
    """One file below `plugins/`."""

    kind: Kind
    path: Path
    status: Status
    plugins: tuple[type[Any], ...] = ()
    """The classes found: one; for pyblish as many as the file has, in the order of their definition."""
    reason: str = ""
    """Why it failed, in one sentence."""
    detail: str = ""
    """The traceback, if there was one."""


def discover(plugins: Path, *kinds: Kind) -> tuple[PluginRecord, ...]:
    """Records of all plugin files of an addon's `plugins` folder, of these kinds or of all, by kind and file name.

    Files and classes whose name begins with `_`, and hidden files, are not plugins.
    """
    return tuple(
        _load(kind, path)
        for kind in kinds or tuple(Kind)
        for path in sorted((plugins / kind.value).glob("*.py"))
        if path.name[0] not in "_."
    )


def in_order(records: tuple[PluginRecord, ...], kind: Kind) -> tuple[type[Plugin], ...]:
    """The usable plugins of one kind but publish, in the order they ask for."""
    found = [plugin for record in records if record.kind is kind for plugin in record.plugins]
    return tuple(sorted(found, key=lambda plugin: (plugin.order, plugin.name)))


def _load(kind: Kind, path: Path) -> PluginRecord:
    name = module_name(path)
    try:
        module = _import(name, path)
    except (Exception, SystemExit) as failure:  # noqa: BLE001 - one broken file must not take the others with it
        sys.modules.pop(name, None)
        said = f": {failure}" if str(failure) else ""
        reason = f"It cannot be imported: {type(failure).__name__}{said}"
        return PluginRecord(kind, path, Status.FAILED, reason=reason, detail=traceback.format_exc())
    classes: list[type[Any]] = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == name and value.__name__[0] != "_"
    ]
    if kind is Kind.PUBLISH:
        found = tuple(cls for cls in classes if _is_pyblish(cls))
        reason = "" if found else "It holds no pyblish plugin."
    else:
        found = tuple(cls for cls in classes if issubclass(cls, Plugin) and getattr(cls, "kind", None) is kind)
        reason = "" if len(found) == 1 else f"It holds {len(found)} plugins of the kind '{kind}' where one belongs."
    if reason:
        return PluginRecord(kind, path, Status.FAILED, reason=reason)
    for cls in found if kind is not Kind.PUBLISH else ():
        cls.name = cls.name or path.stem
        cls.label = cls.label or cls.name.replace("_", " ").capitalize()
    return PluginRecord(kind, path, Status.READY, found)


def _is_pyblish(cls: type[Any]) -> bool:
    """Told by its bases alone: pyblish need not be importable where no plugin uses it."""
    return callable(getattr(cls, "process", None)) and any(
        (base.__module__, base.__name__) == _PYBLISH for base in cls.__mro__
    )


def module_name(path: Path) -> str:
    """The name a plugin file is imported under: the same file the same name, another folder another."""
    place = hashlib.sha256(str(path.resolve().parent).encode()).hexdigest()[:16]
    return f"qi_plugin_{place}_{path.stem}"


def _import(name: str, path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(specification)
    # Before its code runs, as for any import: dataclasses and pickle look the module up by its name.
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
