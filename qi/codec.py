"""How messages become bytes. Services check what they read; sessions inside foreign interpreters only shape it.

:class:`Plain` is pure standard library; :class:`Checked` (in :mod:`qi.checked`) validates with Pydantic. Both write
JSON of the same meaning. Any thread.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from functools import cache
from typing import Any, Protocol, TypeVar

from qi.errors import BadRequest

T = TypeVar("T")


class Codec(Protocol):
    """Both directions between a message and its JSON."""

    def encode(self, value: Any) -> bytes:
        """Raises :class:`BadRequest` when `value` has no JSON form."""
        ...

    def decode(self, kind: type[T], data: bytes) -> T:
        """Raises :class:`Invalid` (with field paths) or :class:`BadRequest`."""
        ...


class Plain:
    """Standard library only. Trusts its peer to keep to the shape: it is used against Qi's own services."""

    def encode(self, value: Any) -> bytes:
        try:
            return json.dumps(
                value, default=as_json, ensure_ascii=False, allow_nan=False, separators=(",", ":")
            ).encode()
        except (ValueError, TypeError) as error:  # UnicodeEncodeError too: half a surrogate pair
            raise BadRequest(f"{type(value).__name__} cannot be sent: {error}") from error

    def decode(self, kind: type[T], data: bytes) -> T:
        try:
            return typing.cast(T, shape(kind, json.loads(data or b"{}")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadRequest(f"not a {getattr(kind, '__name__', kind)}: {error}") from error


def as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@cache
def _fields(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def shape(kind: Any, value: Any) -> Any:
    """Rebuild dataclasses inside plain JSON, following the annotations of `kind`."""
    if isinstance(kind, typing.NewType):
        return shape(kind.__supertype__, value)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return shape(args[0], value)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return shape(next(a for a in args if a is not type(None)), value)
    if origin in (list, set, frozenset):
        return origin(shape(args[0], v) for v in value)
    if origin is tuple:
        inner = args[:1] * len(value) if len(args) == 2 and args[1] is ... else args
        return tuple(shape(a, v) for a, v in zip(inner, value, strict=True))
    if origin is dict:
        return {k: shape(args[1], v) for k, v in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        fields = _fields(kind)
        return kind(**{k: shape(fields[k], v) for k, v in value.items() if k in fields})
    return value
