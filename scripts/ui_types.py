"""Write ui/src/lib/contracts.ts: the types of every topic's request and reply. Read off the code; a test keeps it
current."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qi.app.catalogue  # noqa: F401 - knows every service, and so every message type
from qi.messages import STUDIO_ONLY, TOPICS

FILE = Path(__file__).resolve().parents[1] / "ui" / "src" / "lib" / "contracts.ts"
HEAD = """// Written by `python scripts/ui_types.py` from the message types; do not edit it.
// Fields that a request may leave out are optional; a reply has them all.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
"""
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


class Writer:
    """Collects the interfaces that the topics need."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self._of: dict[str, type] = {}

    def of(self, hint: Any) -> str:
        """The TypeScript of one annotation; interfaces it needs are written beside."""
        if isinstance(hint, typing.NewType):
            return self.of(hint.__supertype__)
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self.of(args[0])
        if origin in (typing.Union, types.UnionType):
            return " | ".join(dict.fromkeys(self.of(one) for one in args))
        if origin is typing.Literal:
            return " | ".join(repr(one).replace("'", '"') for one in args)
        if origin is tuple and not (len(args) == 2 and args[1] is ...):
            return f"[{', '.join(self.of(one) for one in args)}]"
        if origin in (tuple, list, set, frozenset) or (isinstance(origin, type) and issubclass(origin, Sequence)):
            inner = self.of(args[0])
            return f"({inner})[]" if " " in inner and not inner.startswith("{") else f"{inner}[]"
        if origin is dict:
            return f"{{ [key: string]: {self.of(args[1])} }}"
        if dataclasses.is_dataclass(hint):
            return self.interface(typing.cast(type, hint))
        return "Json" if hint in (Any, object) else PLAIN[hint]

    def interface(self, kind: type) -> str:
        """The name under which a dataclass is written."""
        name = kind.__name__
        if self._of.setdefault(name, kind) is not kind:
            raise RuntimeError(f"two message types are called {name}")
        if name not in self.made:
            self.made[name] = ""  # one that holds itself
            asked = hasattr(kind, "topic")
            hints = typing.get_type_hints(kind, include_extras=True)
            lines = []
            for one in dataclasses.fields(kind):
                free = one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING
                lines.append(f"\t{one.name}{'?' if asked and free else ''}: {self.of(hints[one.name])};\n")
            self.made[name] = f"export interface {name} {{\n{''.join(lines)}}}\n"
        return name


def page() -> str:
    """The whole file."""
    writer = Writer()
    rows, limits = [], []
    for topic, kind in sorted(TOPICS.items()):
        if not kind.__module__.startswith("qi.contracts.") or kind.needs == STUDIO_ONLY:
            continue
        rows.append(f"\t'{topic}': [{writer.interface(kind)}, {writer.interface(kind.reply)}];\n")
        if kind.timeout_s != 10.0:
            limits.append(f"\t'{topic}': {int(kind.timeout_s * 1000)},\n")
    made = "\n".join(writer.made[name] for name in sorted(writer.made))
    return (
        f"{HEAD}\n{made}\n/** Topic: its request and its reply. */\nexport interface Topics {{\n{''.join(rows)}}}\n"
        "\n/** How long an answer may take where it is not ten seconds, milliseconds. */\n"
        f"export const TIMEOUTS: Partial<Record<keyof Topics, number>> = {{\n{''.join(limits)}}};\n"
    )


if __name__ == "__main__":
    FILE.write_text(page(), "utf-8")
