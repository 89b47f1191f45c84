"""Questions to the services of a studio whose log holds a million events."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actors.history.service import HistoryIndex
from bench.log import big_log
from bench.row import Row, Samples, Size
from events.bundle_events import BundleSettingsChanged
from events.bundles import bundle_stream
from events.catalog import encode_change
from events.head import HeadFile
from events.ids import new_id
from events.record import Change
from events.sqlite import SqliteReader
from events.views import Views
from qi import context
from qi.actor import Actor
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.bus import Bus
from qi.contracts.bundles import GetBundle
from qi.contracts.db import CreateProject
from qi.contracts.log import AppendEvents, ReadLog
from qi.contracts.settings import ExplainSetting, GetSettings, PatchSettings, Setting
from qi.home import Home
from qi.messages import Request

FIELDS = 400
GROUPS = 20
QUESTIONS = 200
PAGE = 100

ADDON_TOML = """name = "fields"
version = "1.0.0"
title = "Many settings"
roles = []
"""


def write_addon(folder: Path) -> None:
    """An addon with many settings."""
    folder.mkdir(parents=True)
    (folder / "addon.toml").write_text(ADDON_TOML)
    each = FIELDS // GROUPS
    lines = ["from qi.settings import SettingsModel"]
    for group in range(GROUPS):
        lines.append(f"class Group{group}(SettingsModel):")
        lines += [f"    field{number}: str = 'default of {group}.{number}'" for number in range(each)]
    lines.append("class Settings(SettingsModel):")
    lines += [f"    group{group}: Group{group} = Group{group}()" for group in range(GROUPS)]
    (folder / "settings.py").write_text("\n".join(lines) + "\n")


def given_log(home: Home, events: int) -> None:
    """A home with a log of so many events of others, and the index of them."""
    home.make()
    shutil.copy(big_log(events), home.events)
    with SqliteReader(home.events) as reader:
        HeadFile(home.keys).write(reader.head())
        # The index is made once in a studio's life; that takes longer than a start may.
        views = Views(home.views)
        views.catch_up(HistoryIndex(), reader)
        views.close()


@contextmanager
def studio(events: int) -> Iterator[Studio]:
    """A studio in this process, over a log of so many events of others; its actors speak over its broker."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder, "home"))
        given_log(home, events)
        write_addon(Path(folder, "addons", "fields"))
        made = Studio(read_launch_config(home=home.root, addon_paths=(Path(folder, "addons"),)))
        made.start(resume=False)
        try:
            yield made
        finally:
            made.stop()


def _given_layers(bus: Bus) -> dict[str, str]:
    """Differences from the defaults in production's bundle, a project and a user; what to ask for."""
    bus.request(CreateProject(name="Lighthouse", command=new_id()))
    bundle = bus.request(GetBundle(bundle="production"))
    changed = [
        BundleSettingsChanged(
            addon="fields", path=("group0", f"field{n}"), was_set=False, old=None, is_set=True, new=f"bundle {n}",
            reason="bench", schema="1.0.0",
        )
        for n in range(20)
    ]  # fmt: skip
    # Past the domain, which rightly refuses to change a frozen bundle.
    stream = bundle_stream(bundle.id)
    bus.request(AppendEvents(events=tuple(encode_change(Change(stream, one)) for one in changed), expected={}))
    for scope, target, group in (("project", "Lighthouse", 1), ("user", "adaline.k", 2)):
        values = tuple(Setting(path=f"fields.group{group}.field{n}", value=f"{scope} {n}") for n in range(20))
        bus.request(PatchSettings(scope=scope, target=target, settings=values, reason="bench", command=new_id()))
    return {"project": "Lighthouse", "user": "adaline.k"}


def _actor(made: Studio, name: str) -> Actor:
    assert made._supervisor is not None
    actor: Actor = made._supervisor._children[name].running._actor  # type: ignore[union-attr]
    return actor


def _asked(bus: Bus, questions: list[Request[Any]], rounds: int) -> list[float]:
    """Milliseconds of each round's median question, asked over the mesh and answered."""
    medians = []
    for _ in range(rounds):
        took = []
        for question in questions:
            began = time.perf_counter()
            bus.request(question)
            took.append((time.perf_counter() - began) * 1000)
        medians.append(sorted(took)[len(took) // 2])
    return medians


def _studio_context() -> context.Context:
    return context.Context(trace=new_id(), user="adaline.k")


def get_settings(size: Size) -> Samples:
    with studio(1) as made, context.use(_studio_context()):
        bus = made._running_bus
        question = GetSettings(addon="fields", **_given_layers(bus))
        found = bus.request(question).values["fields"]
        assert sum(len(group) for group in found.values()) == FIELDS
        assert (found["group0"]["field0"], found["group2"]["field0"]) == ("bundle 0", "user 0")
        durations = _actor(made, "settings")._stats._durations
        rounds = []
        for _ in range(size.rounds):
            durations.clear()
            for _ in range(size.of(QUESTIONS)):
                bus.request(question)
            rounds.append(sorted(durations)[len(durations) // 2] * 1000)
        return Samples(rounds, [])


def pages(size: Size) -> Samples:
    """The slower of `explain` and of history pages by stream, user, type and newest; each the median of a round."""
    with studio(size.events) as made, context.use(_studio_context()):
        bus = made._running_bus
        layers = _given_layers(bus)
        explained: list[Request[Any]] = [ExplainSetting(path="fields.group2.field3", **layers)]
        middle = size.events // 2
        history: list[list[Request[Any]]] = [
            [ReadLog(stream="bench-000007", limit=PAGE)],
            [ReadLog(user="adaline.k", after=middle, limit=PAGE)],
            [ReadLog(type="bench.*", after=middle, limit=PAGE)],
            [ReadLog(newest=True, limit=PAGE)],
        ]
        count = size.of(20, 3)
        each = [_asked(bus, questions * count, size.rounds) for questions in (explained, *history)]
        return Samples(max(each, key=lambda rounds: sorted(rounds)[len(rounds) // 2]), [])


ROWS = (
    Row(
        "settings", "settings.get, 400 fields, 4 layers, in the actor, warm",
        "from the request in the mailbox to the reply in the outbox, decoding included", "ms", 1.0, 0.2, "less",
        get_settings,
    ),
    Row(
        "pages", "explain and history pages in a log of 1 M events",
        "from request to reply over the mesh: the slowest of explain and of pages of 100 events by stream, user, "
        "type, newest", "ms", 50.0, 10.0, "less", pages,
    ),
)  # fmt: skip
