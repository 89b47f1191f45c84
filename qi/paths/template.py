"""One path template, filled in and read back.

Syntax::

    {project[name]} {project.name}   a value; both spellings are the same key
    {Task[name]} {TASK[NAME]}        the same value, first letter or all letters in upper case
    {version} {frame}                the bare number
    {@version} {@frame}              v003, 1001: the number as the studio pads it
    {hierarchy}                      one or several levels, seq010/act2
    {root[projects]}                 a root of the studio
    <_{comment}>                     optional: vanishes when a key inside has no value; may nest

Reading back never guesses: what can be read in two ways is refused, and filling in what was read gives the
same path. Any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from qi.errors import Invalid
from qi.paths.values import MAX_NUMBER_DIGITS, Scalar, Values, normal, segment_fault, text_fault


class KeyType(StrEnum):
    """What a key holds."""

    TEXT = "text"
    """Any text that can be a name."""
    WORD = "word"
    """Text without a dot, such as an extension."""
    LEVELS = "levels"
    """One or several names joined by `/`."""
    INT = "int"
    """A whole number, 0 or above."""
    VERSION = "version"
    """A version number, 1 or above."""
    FRAME = "frame"
    """A frame number, 0 or above."""


KEY_TYPES: Mapping[str, KeyType] = {
    "hierarchy": KeyType.LEVELS,
    "version": KeyType.VERSION,
    "frame": KeyType.FRAME,
    "udim": KeyType.INT,
    "ext": KeyType.WORD,
    "output": KeyType.WORD,
}
"""Keys that are not plain text."""


@dataclass(frozen=True, slots=True)
class Padding:
    """Digits that `{@version}` and `{@frame}` are filled up to."""

    version: int = 3
    frame: int = 4


@dataclass(frozen=True, slots=True)
class _Key:
    name: str  # dotted and lower-case: "project.name"
    type: KeyType
    case: str  # "", "first" or "upper"
    prefix: str  # "v" in {@version}
    digits: int  # least digits of a number; 0 writes it bare


@dataclass(frozen=True, slots=True)
class _Optional:
    parts: tuple[_Part, ...]


_Part = str | _Key | _Optional
_CASE_MARK = {"": "", "first": "~", "upper": "~~"}
_TOKEN = re.compile(r"\{(@?)([^\W\d]\w*(?:\[\w+\]|\.\w+)*)\}|([<>{}])|([^<>{}]+)", re.ASCII)


class Template:
    """A template such as `{root[projects]}/{project[name]}/<{hierarchy}/>{entity[name]}`.

    `roots` maps a root's name to its absolute folder. Raises :class:`Invalid` when `text` is not a template.
    """

    def __init__(self, text: str, *, roots: Mapping[str, str] | None = None, padding: Padding | None = None) -> None:
        self.text = text
        self._roots = {name: _slashed(folder).rstrip("/") for name, folder in (roots or {}).items()}
        self._padding = padding or Padding()
        self._root = ""
        self._parts = self._compile()

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def fill(self, values: Values) -> str:
        """The path that `values` give, with `/` between its levels.

        Raises :class:`Invalid` whose `fields` name every key that is missing or cannot be part of a path.
        """
        faults: dict[str, str] = {}
        filled = self._fill(self._parts, values, faults) or ""
        if faults:
            raise _cannot_fill(self.text, faults)
        for segment in filled.removeprefix(self._root).strip("/").split("/"):
            if fault := segment_fault(segment):
                raise _cannot_fill(self.text, {"path": f"'{segment}' {fault}"})
        return filled

    def parse(self, path: str) -> dict[str, Any]:
        """The values that fill to `path`, nested as :data:`Values`; roots are left out.

        A value that stands only under a cased key (`{TASK}`) comes back in that case. Raises :class:`Invalid` when
        `path` does not match, or could have been filled from different values.
        """
        text = normal(_slashed(path))
        readings: list[dict[str, str | int]] = []
        for rest, found in self._read(self._parts, text, {}):
            # Plain spellings sort last and win over `~` (first letter) and `~~` (all letters in upper case).
            reading = {name.lstrip("~"): value for name, value in sorted(found.items(), reverse=True)}
            if not rest and reading not in readings and self._fills_to(reading, text):
                readings.append(reading)
            if len(readings) > 1:
                raise Invalid(
                    f"'{path}' can be read in more than one way by the template {self.text}.",
                    remedy="Separate the values by something they do not hold, or name them in the folder too.",
                    readings=[_nested(reading) for reading in readings],
                )
        if not readings:
            raise Invalid(f"'{path}' does not match the template {self.text}.", path=path, template=self.text)
        return _nested(readings[0])

    # -- the text -------------------------------------------------------------------------------------------

    def _compile(self) -> tuple[_Part, ...]:
        stack: list[list[_Part]] = [[]]
        for match in _TOKEN.finditer(normal(self.text)):
            reference, key, bracket, literal = match.groups()
            if key:
                stack[-1].append(self._key(key, padded=bool(reference)))
            elif literal:
                stack[-1].append(literal)
            elif bracket == "<":
                stack.append([])
            elif bracket == ">" and len(stack) > 1:
                parts = tuple(stack.pop())
                if not any(isinstance(part, _Key) for part in parts):
                    raise self._malformed("an optional part holds no key")
                stack[-1].append(_Optional(parts))
            else:
                raise self._malformed(f"'{bracket}' stands alone")
        if len(stack) > 1:
            raise self._malformed("'<' is never closed")
        if {".", ".."} & set(re.split(r"[/<>]", self.text)) or "\\" in self.text or "\0" in self.text:
            raise self._malformed("it may hold no '.', '..' or '\\' level")
        return tuple(stack[0])

    def _key(self, spelled: str, *, padded: bool) -> _Part:
        name = spelled.replace("[", ".").replace("]", "").lower()
        if name.startswith("root."):
            if not self.text.startswith("{" + spelled + "}/"):
                raise self._malformed("a root stands at the beginning and is followed by '/'")
            if name[5:] not in self._roots:
                raise Invalid(f"There is no root '{name[5:]}' on this platform.", fields={name: "is not set"})
            self._root = normal(self._roots[name[5:]])
            return self._root
        kind = KEY_TYPES.get(name, KeyType.TEXT)
        if padded and name not in ("version", "frame"):
            raise self._malformed(f"'@{name}' is not known: use '@version' or '@frame'")
        case = "upper" if spelled.isupper() else "first" if spelled[0].isupper() else ""
        return _Key(
            name=name,
            type=kind,
            case=case,
            prefix="v" if padded and name == "version" else "",
            digits={"version": self._padding.version, "frame": self._padding.frame}[name] if padded else 0,
        )

    def _malformed(self, why: str) -> Invalid:
        return Invalid(f"'{self.text}' is not a path template: {why}.", fields={"template": why})

    # -- filling --------------------------------------------------------------------------------------------

    def _fill(
        self, parts: tuple[_Part, ...], values: Values, faults: dict[str, str], *, optional: bool = False
    ) -> str | None:
        """The text of `parts`; None when a key of an optional part is missing. Faults are collected, not raised."""
        out: list[str] = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, _Optional):
                out.append(self._fill(part.parts, values, faults, optional=True) or "")
            else:
                value = _look_up(values, part.name)
                if value is None or value == "":
                    if optional:
                        return None
                    faults[part.name] = "is missing"
                elif fault := _value_fault(part, value):
                    faults[part.name] = fault
                else:
                    out.append(_spell(part, value))
        return "".join(out)

    def _fills_to(self, reading: dict[str, str | int], path: str) -> bool:
        try:
            return normal(self.fill(_nested(reading))) == path
        except Invalid:
            return False

    # -- reading --------------------------------------------------------------------------------------------

    def _read(
        self, parts: tuple[_Part, ...], text: str, found: dict[str, str | int]
    ) -> Iterator[tuple[str, dict[str, str | int]]]:
        """Every way to read a beginning of `text` by `parts`: what is left of it, and what was found."""
        if not parts:
            yield text, found
            return
        part, after = parts[0], parts[1:]
        if isinstance(part, str):
            if text.startswith(part):
                yield from self._read(after, text[len(part) :], found)
        elif isinstance(part, _Optional):
            for rest, values in self._read(part.parts, text, found):
                yield from self._read(after, rest, values)
            yield from self._read(after, text, found)
        else:
            for length in _lengths(part, text, found):
                value = _unspell(part, text[:length])
                if value is not None:
                    yield from self._read(after, text[length:], {**found, _CASE_MARK[part.case] + part.name: value})


def _lengths(key: _Key, text: str, found: Mapping[str, str | int]) -> Iterator[int]:
    """How many characters at the start of `text` may belong to `key`."""
    if key.name in found:
        spelled = _spell(key, found[key.name])
        if text.startswith(spelled):
            yield len(spelled)
        return
    end = len(text) if key.type is KeyType.LEVELS else (text + "/").index("/")
    if key.type in (KeyType.INT, KeyType.VERSION, KeyType.FRAME):
        end = min(end, MAX_NUMBER_DIGITS + len(key.prefix))
    elif key.type is KeyType.WORD:
        end = min(end, (text + ".").index("."))
    yield from range(end, 0, -1)


def _unspell(key: _Key, text: str) -> str | int | None:
    """The value that is spelled `text`, or None when `text` does not spell one."""
    if key.type in (KeyType.INT, KeyType.VERSION, KeyType.FRAME):
        digits = text.removeprefix(key.prefix)
        if not (digits.isascii() and digits.isdigit()):
            return None
        return int(digits) if _spell(key, int(digits)) == text else None
    value = normal(text)
    return None if _value_fault(key, value) else value


def _spell(key: _Key, value: str | int) -> str:
    if isinstance(value, int):
        return f"{key.prefix}{value:0{key.digits}d}"
    text = normal(value)
    if key.case == "upper":
        return text.upper()
    return text[0].upper() + text[1:] if key.case == "first" else text


def _value_fault(key: _Key, value: str | int) -> str:
    """Why `value` cannot be the value of `key`, or ""."""
    if key.type in (KeyType.INT, KeyType.VERSION, KeyType.FRAME):
        least = 1 if key.type is KeyType.VERSION else 0
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            return f"must be a whole number, {least} or above"
        return "is too large" if value >= 10**MAX_NUMBER_DIGITS else ""
    if not isinstance(value, str):
        return "must be text"
    if key.type is KeyType.LEVELS:
        return next((fault for level in value.split("/") if (fault := segment_fault(level))), "")
    if key.type is KeyType.WORD and "." in value:
        return "holds a dot"
    return text_fault(normal(value))


def _look_up(values: Values, name: str) -> str | int | None:
    first, _, rest = name.partition(".")
    value: Scalar | Mapping[str, Scalar] = values.get(first)
    if rest:
        return value.get(rest) if isinstance(value, Mapping) else None
    return None if isinstance(value, Mapping) else value


def _nested(flat: Mapping[str, str | int]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        first, _, rest = name.partition(".")
        if rest:
            nested.setdefault(first, {})[rest] = value
        else:
            nested[first] = value
    return nested


def _slashed(path: str) -> str:
    """`path` with `/` between its levels. Only a drive or a share shows that `\\` separates and is not a letter."""
    return path.replace("\\", "/") if re.match(r"[A-Za-z]:|\\\\", path) else path


def _cannot_fill(text: str, faults: dict[str, str]) -> Invalid:
    listed = "; ".join(f"{name} {fault}" for name, fault in sorted(faults.items()))
    return Invalid(f"The path template {text} cannot be filled: {listed}.", fields=faults, template=text)
