"""`qi history`: what happened, filtered, or as a tree of cause and effect."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from events.record import Event
from qi.app.cli.filters import filtered, when
from qi.app.cli.output import Json, document, line, moment, problem, short, table
from qi.app.cli.state import studio
from qi.codec import as_json as plain_json
from qi.contracts.history import QueryHistory
from qi.contracts.log import EventPage, ReadLog
from qi.errors import DeadlineExceeded, Unavailable

if TYPE_CHECKING:
    from qi.bus import Bus

LOOK_EVERY_S = 5.0
GIST_KEYS = (
    "name", "product", "version", "number", "plugin", "outcome", "step", "message", "role", "addon", "variable", "path",
    "reason", "user",
)  # fmt: skip
"""What tells the most of an event's data, in this order."""
SIDE_CHARACTERS = 40


def add_to(app: typer.Typer) -> None:
    app.command("history")(history)


@filtered
def history(
    asked: ReadLog,
    trace: Annotated[str, typer.Option(help="Everything one command set off, as a tree.")] = "",
    publish: Annotated[str, typer.Option(help="Everything one publish set off, as a tree.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens next.")] = False,
    as_json: Json = False,
) -> None:
    """What changed, who changed it, and why. The newest events, oldest first."""
    with studio(acts=False) as bus:
        if trace or publish:
            events = whole_tree(bus, publish=publish, trace=trace)
            document(events) if as_json else print_tree(events)
            return
        asked = replace(asked, limit=limit, newest=True)
        page = newest(bus, asked)
        if follow:
            _follow(bus, asked, page, as_json)
            return
    if as_json:
        document(page.events)
    else:
        print_events(page.events)


def newest(bus: Bus, asked: ReadLog) -> EventPage:
    """The newest events that fit, as many as `asked` wants, however long that takes."""
    page = bus.request(asked)
    found, head = list(page.events), page.head
    while page.more and len(found) < asked.limit:
        _tell_progress(head - page.reached, head)
        page = bus.request(replace(asked, before=page.reached, limit=asked.limit - len(found)))
        found[:0] = page.events
    return EventPage(events=tuple(found), head=head, more=False, reached=head)


def every(bus: Bus, asked: ReadLog) -> Iterator[EventPage]:
    """All events that fit, page by page, oldest first."""
    while True:
        page = bus.request(asked)
        yield page
        if not page.more:
            return
        _tell_progress(page.reached, page.head)
        asked = replace(asked, after=page.reached)


def _tell_progress(done: int, head: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\rlooked at {done:,} of {head:,} events")
        if done >= head:
            sys.stderr.write("\r\033[K")


def position_at(bus: Bus, asked: str) -> int:
    """The log position that a number or a time means; 0 for now."""
    if not asked or asked.isdecimal():
        return int(asked or 0)
    page = bus.request(ReadLog(until=when(asked), limit=1, newest=True))
    if not page.events:
        raise typer.BadParameter(f"there was nothing yet at {asked}")
    return int(page.events[-1].position)


def print_events(events: Iterable[Event]) -> None:
    """A table, one event a row."""
    rows = [(e.position, moment(e.recorded_at), e.meta.user, e.type, e.stream, gist(e)) for e in events]
    table(("position", "when", "user", "what", "stream", ""), rows, empty="nothing has happened that fits")


def whole_tree(bus: Bus, *, publish: str = "", trace: str = "") -> list[Event]:
    """All events that a publish or a trace set off."""
    if publish:
        from qi.contracts.publish import ShowPublish

        publish = bus.request(ShowPublish(publish=publish)).publish
    events: list[Event] = []
    while True:
        page = bus.request(QueryHistory(publish=publish, trace=trace, after=events[-1].position if events else 0))
        events += page.events
        if not page.more:
            return events


def print_tree(events: Iterable[Event]) -> None:
    """Each event below the one that caused it, in the order of the log."""
    for text in tree_lines(list(events)):
        line(text)


def tree_lines(events: list[Event]) -> list[str]:
    known = {event.id for event in events}
    below: dict[str, list[Event]] = {}
    roots: list[Event] = []
    for event in events:
        (below.setdefault(event.meta.cause, []) if event.meta.cause in known else roots).append(event)
    lines: list[str] = []

    def draw(event: Event, front: str, joint: str, rest: str) -> None:
        lines.append(
            f"{event.position:>6}  {moment(event.recorded_at)[11:]}  {front}{joint}{event.type}  {gist(event)}".rstrip()
        )
        children = below.get(event.id, [])
        for at, child in enumerate(children):
            last = at == len(children) - 1
            draw(child, front + rest, "└─ " if last else "├─ ", "   " if last else "│  ")

    for root in roots:
        if root.meta.user and (root is roots[0] or root.meta.command != roots[roots.index(root) - 1].meta.command):
            lines.append(f"        {root.meta.user}@{root.meta.host or '?'}  trace {short(root.meta.trace)}")
        draw(root, "", "", "")
    return lines


def gist(event: Event) -> str:
    """The few words of an event's data that tell the most."""
    data: dict[str, Any] = event.data
    if event.type == "publish.steps_recorded":
        steps = data["steps"]
        failed = [step["plugin"] for step in steps if step["outcome"] == "failed"]
        many = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
        return many + (f", failed: {', '.join(failed)}" if failed else "")
    parts = []
    for key in GIST_KEYS:
        value = data.get(key)
        if isinstance(value, list):
            value = ".".join(map(str, value))
        if value not in (None, ""):
            parts.append(f"v{value:03d}" if key in ("version", "number") and isinstance(value, int) else str(value))
        if key == "path" and "old" in data and "new" in data:
            parts.append(f"{_side(data, 'old', 'was_set')} → {_side(data, 'new', 'is_set')}")
    return "  ".join(parts)[:160]


def _side(data: dict[str, Any], key: str, there: str) -> str:
    """What was there before, or is there after a change."""
    if not data.get(there, data[key] is not None):
        return "nothing"
    return json.dumps(data[key], ensure_ascii=False)[:SIDE_CHARACTERS]


def _follow(bus: Bus, asked: ReadLog, page: EventPage, as_json: bool) -> None:
    """Announcements only wake this; what is shown is read from the log, so nothing is missed or doubled. It outlives a
    studio that is away."""
    woken = threading.Event()
    bus.subscribe("qi.event.>", lambda _: woken.set())
    asked = replace(asked, newest=False, after=page.head)
    while True:
        for event in page.events:
            if as_json:
                line(json.dumps(event, default=plain_json, ensure_ascii=False))
            else:
                who = f"{moment(event.recorded_at)}  {event.meta.user:<12}"
                line(f"{event.position:>6}  {who}  {event.type}  {gist(event)}")
        if not page.more:
            woken.wait(LOOK_EVERY_S)  # an announcement can be lost with a connection
        woken.clear()
        try:
            page = bus.request(asked)
            asked = replace(asked, after=page.reached)
        except (DeadlineExceeded, Unavailable) as error:
            problem(f"waiting for the studio: {error.message}")
            page = replace(page, events=(), more=False)
