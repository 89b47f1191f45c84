"""Golden records: one stored example for each (type, schema) ever released, decoded in every test run.

`python -m qi.testing.golden FOLDER MODULE…` writes the missing ones for the newest schemas of the events those modules
define. What exists is never written again: it is what old logs hold.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from events.catalog import Catalog
from events.errors import Invalid
from events.record import TYPES

TEXT = "text"


def import_all(package: str) -> None:
    """Import a module, and all modules below it, so that its event types are registered."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(getattr(root, "__path__", []), f"{package}."):
        importlib.import_module(module.name)


def types_of(package: str) -> dict[str, type[Any]]:
    """The event types that a package defines, Qi's own or an addon's, by name."""
    modules = [module for name, module in sys.modules.items() if f"{name}.".startswith(f"{package}.")]
    catalogs = [value.types for module in modules for value in vars(module).values() if isinstance(value, Catalog)]
    every = {name: cls for types in (TYPES, *catalogs) for name, cls in types.items()}
    return {name: cls for name, cls in every.items() if f"{cls.__module__}.".startswith(f"{package}.")}


def missing(folder: Path, package: str) -> list[Path]:
    """The golden files that a package's event types lack, of every schema from 1 to the newest."""
    return [
        path
        for name, cls in sorted(types_of(package).items())
        for schema in range(1, cls.event_schema + 1)
        if not (path := folder / f"{name}.{schema}.json").exists()
    ]


def write_missing(folder: Path, package: str) -> list[Path]:
    """Write the missing golden file of each newest schema. An older one can no longer be made: its shape is gone."""
    written = []
    for name, cls in sorted(types_of(package).items()):
        path = folder / f"{name}.{cls.event_schema}.json"
        if not path.exists():
            record = {"type": name, "schema": cls.event_schema, "data": sample(cls)}
            path.write_text(json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
            written.append(path)
    return written


def sample(cls: type[Any]) -> Any:
    """A JSON-ready example of a type: every field filled, every list and mapping with one item."""
    return msgspec.to_builtins(_value(inspect.type_info(cls)))


def _value(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StrType():
            return TEXT
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 1
        case inspect.FloatType():
            return 0.5
        case inspect.NoneType():
            return None
        case inspect.AnyType():
            return {"any": [1, TEXT, None]}
        case inspect.LiteralType(values=values):
            return sorted(values, key=str)[0]
        case inspect.EnumType(cls=enum):
            return next(iter(enum)).value
        case inspect.UnionType(types=types):
            return _value(next(member for member in types if not isinstance(member, inspect.NoneType)))
        case inspect.TupleType(item_types=items):
            return [_value(item) for item in items]
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [_value(item)]
        case inspect.DictType(key_type=key, value_type=value):
            return {_value(key): _value(value)}
        case inspect.DataclassType(fields=fields) | inspect.StructType(fields=fields):
            return {field.encode_name: _value(field.type) for field in fields}
        case inspect.CustomType(cls=cls):
            raise Invalid(f"an event cannot hold a {cls.__name__}", remedy="Use JSON-ready fields.")
    raise Invalid(f"an event cannot hold a {type(kind).__name__}", remedy="Use JSON-ready fields.")


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m qi.testing.golden FOLDER MODULE...\n")
        return 2
    for package in arguments[1:]:
        import_all(package)
        for path in write_missing(Path(arguments[0]), package):
            sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
