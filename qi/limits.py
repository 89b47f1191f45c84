"""Bounds on what crosses a border, written beside the field they bound.

Contracts must load in interpreters without Pydantic, so a bound is a plain object that Pydantic, where it exists,
asks for its schema. Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True, slots=True)
class Text:
    """At most `longest` characters; of the form `pattern` (a whole-string regular expression) where one is given."""

    longest: int
    pattern: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = handler(source)
        schema["max_length"] = self.longest
        if self.pattern is not None:
            schema["pattern"] = self.pattern
        return schema


@dataclass(frozen=True, slots=True)
class Span:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = handler(source)
        schema["ge"], schema["le"] = self.low, self.high
        return schema


@dataclass(frozen=True, slots=True)
class Items:
    """A list or mapping of at most `most` items."""

    most: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        schema = handler(source)
        schema["max_length"] = self.most
        return schema


Token = Annotated[str, Text(128, r"^[A-Za-z0-9_\-]*$")]
"""An opaque id: safe in subjects, stream names and file names."""

Name = Annotated[str, Text(200)]
"""What a person calls a thing, in any script."""

Prose = Annotated[str, Text(10_000)]
"""A comment, a reason, a note."""

PathText = Annotated[str, Text(4096)]
"""A path or pattern on disk."""

PageSize = Annotated[int, Span(1, 1000)]
"""How many items one reply may hold at most."""

Whole = Annotated[int, Span(0, 2**62)]
"""A log position, or a time in microseconds since the epoch; what 0 means is told where it stands."""
