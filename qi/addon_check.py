"""Is an addon fit to run? Loaded, its settings resolved, its tests run: in a process of its own, so that nothing it
does while it is looked at can do harm. Any thread; `python -m qi.addon_check` is the other end.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from qi.addon import load_addon, use_lib
from qi.addon_record import AddonRecord, read_addon
from qi.discovery import PluginRecord, Status, discover
from qi.errors import QiError
from qi.hooks import OF_SESSIONS
from qi.least import least_environment
from qi.masking import mask
from qi.plugin import Kind
from qi.settings import check, defaults_of, load_schema
from qi.settings.overrides import load_migrations

LOAD_LIMIT_S = 60.0
TESTS_LIMIT_S = 300.0
WORDS_LONGEST = 1_500
_PASSED = re.compile(r"(\d+) passed")


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of one addon."""

    name: str
    problems: tuple[str, ...] = ()
    """One sentence each; none when it is fit."""
    plugins: int = 0
    settings: int = 0
    """How many values were resolved."""
    tests: int = 0
    """How many of its tests passed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the other end is asked, as JSON on its standard input."""

    folder: str
    values: dict[str, Any] = field(default_factory=dict)
    """Effective settings to resolve; the addon's defaults when empty."""


def examine(folder: Path, values: Mapping[str, Any] | None = None, *, tests: bool = True) -> Examined:
    """Look at the addon in `folder`, in processes of its own and within time limits. What it finds is no exception."""
    name = read_addon(folder).name
    order = json.dumps(asdict(Order(str(folder), dict(values or {}))))
    try:
        said = subprocess.run(
            [sys.executable, "-m", "qi.addon_check"], input=order, capture_output=True, text=True, check=False,
            timeout=LOAD_LIMIT_S, env=least_environment(), errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Examined(name, (f"'{name}' did not load within {LOAD_LIMIT_S:.0f} s",))
    line = said.stdout.splitlines()[-1:] or [""]
    try:
        found = Examined(**json.loads(line[0]))
    except (ValueError, TypeError):
        why = mask(said.stderr.strip())[-WORDS_LONGEST:] or "it said nothing"
        return Examined(name, (f"'{name}' ended its process while it loaded (exit {said.returncode}): {why}",))
    problems, passed = _tests(folder, name) if tests and not found.problems else ((), 0)
    return Examined(found.name, (*found.problems, *problems), found.plugins, found.settings, passed)


def _tests(folder: Path, name: str) -> tuple[tuple[str, ...], int]:
    """What is wrong with its tests, and how many passed."""
    if not any((folder / "tests").rglob("test_*.py")):
        return (), 0
    if importlib.util.find_spec("pytest") is None:
        return (f"the tests of '{name}' cannot run: pytest is not installed",), 0
    path = [str(folder / "lib")] if (folder / "lib").is_dir() else []
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(folder),
        str(folder / "tests"),
    ]  # fmt: skip
    environment = least_environment({"PYTHONPATH": ":".join(path), "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TESTS_LIMIT_S, env=environment,
            errors="replace", cwd=folder,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return (f"the tests of '{name}' did not end within {TESTS_LIMIT_S:.0f} s",), 0
    passed = int(found[1]) if (found := _PASSED.search(said.stdout)) else 0
    if said.returncode:
        return (f"the tests of '{name}' fail: {mask(said.stdout.strip())[-WORDS_LONGEST:]}",), passed
    return (), passed


def main() -> int:
    """The other end: one addon, one answer."""
    order = Order(**json.loads(sys.stdin.read()))
    sys.stdout.write("\n" + json.dumps(asdict(_look(Path(order.folder), order.values))) + "\n")
    return 0


def _look(folder: Path, values: dict[str, Any]) -> Examined:
    record = read_addon(folder)
    problems = [record.problem] if record.problem else []
    plugins = settings = 0
    try:
        use_lib(folder)
        schema = load_schema(folder, record.name, "check")
        if schema is not None:
            settings = _leaves(values or defaults_of(schema))
            check(schema, record.name, {**defaults_of(schema), **values})
        load_migrations(folder, record.name, "check")
        if record.has_actor:
            load_addon(folder=str(folder), bundle="check", addon=record.name, home="", settings=values)
    except QiError as error:
        problems.append(error.message)
    for one in discover(folder / "plugins", *Kind):
        problems += _beyond_what_it_declares(record, one)
        plugins += len(one.plugins)
        if one.status is Status.FAILED:
            problems.append(f"{one.path.relative_to(folder)}: {one.reason}")
    return Examined(record.name, tuple(mask(problem) for problem in problems), plugins, settings)


def _beyond_what_it_declares(record: AddonRecord, plugin: PluginRecord) -> list[str]:
    """What a hook needs to see that `addon.toml` does not say."""
    hooks = plugin.plugins if plugin.kind is Kind.HOOKS else ()
    allowed = "session.list" in record.declared.requests and "read" in record.declared.permissions
    if allowed or not any(cls.events & OF_SESSIONS for cls in hooks):
        return []
    needed = 'the request "session.list" and the permission "read"'
    return [f"{plugin.path.name} waits for sessions, and addon.toml does not declare {needed}"]


def _leaves(tree: Any) -> int:
    return sum(map(_leaves, tree.values())) if isinstance(tree, dict) and tree else 1


if __name__ == "__main__":
    sys.exit(main())
