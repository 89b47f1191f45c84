"""Whether an event says a text, or names a thing: for finding old events among very many. Pure; any thread.

Nothing here is a pattern or a query: what is looked for is compared as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from events.owners import CATEGORIES
from events.record import StreamName, category_of, token_of


class Said(NamedTuple):
    """What of an event can be searched."""

    position: int
    stream: StreamName
    type: str
    data: str
    """JSON, as it lies in the log."""


class Sought:
    """Both must hold where both are given: the event says `text`, and it names one of `names`.

    A text is found in the data, the type and the stream, whatever its case. A name must stand there whole: as a value
    or a key of the data, or as what the stream is of. An event in the stream of a publish or a rehearsal also names
    what the first event of that stream does.
    """

    def __init__(self, text: str, names: frozenset[str], first: Callable[[StreamName], Said]) -> None:
        """`first` reads the first event of a stream. Without `names` any event will do."""
        # In JSON a quote or a line break is written otherwise; somebody may have copied either.
        self._texts = {text.casefold(), _in_json(text).casefold()} if text else set()
        self._names = names
        self._written = tuple(f'"{_in_json(name)}"' for name in sorted(names))
        self._first = first
        self._begun: dict[StreamName, bool] = {}

    def fits(self, said: Said) -> bool:
        return self._says(said) and (not self._names or self._is_named(said))

    def _says(self, said: Said) -> bool:
        if not self._texts:
            return True
        data = said.data.casefold()
        return any(text in data or text in said.type or text in said.stream.casefold() for text in self._texts)

    def _is_named(self, said: Said) -> bool:
        if self._names_itself(said):
            return True
        if category_of(said.stream) not in ("publish", "rehearsal"):
            return False
        known = self._begun.get(said.stream)
        if known is None:
            known = self._begun[said.stream] = self._names_itself(self._first(said.stream))
        return known

    def _names_itself(self, said: Said) -> bool:
        token, category = token_of(said.stream), category_of(said.stream)
        of = {token, token.partition("_")[2], *({category} - CATEGORIES)}
        if not self._names.isdisjoint(of):
            return True
        if not any(written in said.data for written in self._written):
            return False
        return not self._names.isdisjoint(_texts_in(json.loads(said.data)))


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _texts_in(value: Any) -> Iterator[str]:
    """Every key and every text, at any depth."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as mapping:
                yield from mapping
                waiting += mapping.values()
            case list() as items:
                waiting += items
