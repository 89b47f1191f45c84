"""What a command prints: tables for people, one JSON document for programs. Progress and problems go to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from qi.codec import as_json

WIDE_CHARACTERS = 400

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def document(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, default=as_json, ensure_ascii=False, indent=2) + "\n")


def line(text: str) -> None:
    """One line on standard output, as it is."""
    sys.stdout.write(text + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table that fits the terminal; `empty` says what to do when there is nothing to show."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    # What is piped elsewhere is never cut to the width of a terminal that is not there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE_CHARACTERS)
    if made.row_count:
        console.print(made)
    else:
        console.print(empty, style="dim")


def problem(message: str, remedy: str = "") -> None:
    """One clear line on standard error, and what to do about it."""
    sys.stderr.write(f"qi: {message}\n")
    if remedy:
        sys.stderr.write(f"    {remedy}\n")


def moment(micros: int) -> str:
    """A time as people here read it; empty for none."""
    if not micros:
        return ""
    return datetime.fromtimestamp(micros / 1e6, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(count: int) -> str:
    """Bytes, readable."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def short(identity: str) -> str:
    """Enough of an id for people; ids begin with their time, so their end tells them apart."""
    return identity[-12:]


STATE_STYLES = {
    "succeeded": ("✔", "green"),
    "failed": ("✘", "red"),
    "cancelled": ("■", "yellow"),
    "interrupted": ("◐", "yellow"),
    "unknown": ("?", "magenta"),
}


def state(name: str) -> Any:
    """A state with its sign: told apart without its colour."""
    from rich.text import Text

    sign, style = STATE_STYLES.get(name, ("▸", "cyan"))
    return Text(f"{sign} {name}", style=style)
