"""Log files are read in windows of whole lines, masked, and nothing else of the home is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from actors.logs import LogFiles
from qi.bus import Bus
from qi.contracts.log_files import ListLogFiles, LogLine, LogWindow, ReadLogFile
from qi.errors import Forbidden, Invalid, NotFound
from qi.home import Home
from qi.testing.mesh import Mesh

LINES = 6_000
SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("logs") / "home")
    made.make()
    with (made.logs / "studio.jsonl").open("w", encoding="utf-8") as file:
        for number in range(LINES):
            level = "error" if number == 17 else "debug" if number % 2 else "info"
            said = {"event": f"line {number}", "level": level, "logger": "qi.test", "timestamp": "2026-01-01T00:00:00Z"}
            file.write(json.dumps(said) + "\n")
    return made


@pytest.fixture(scope="module")
def mesh(home: Home) -> Iterator[Mesh]:
    with Mesh() as made:
        made.start(LogFiles, home=str(home.root))
        yield made


@pytest.fixture(scope="module")
def bus(mesh: Mesh) -> Bus:
    return mesh.bus()


def back(bus: Bus, **asked: str) -> list[LogWindow]:
    found = [bus.request(ReadLogFile(name="studio.jsonl", **asked))]
    while found[-1].start:
        found.append(bus.request(ReadLogFile(name="studio.jsonl", before=found[-1].start, **asked)))
    return found


def test_a_file_is_read_from_its_end_in_windows_without_a_gap_and_filters_look_at_all_of_it(bus: Bus) -> None:
    windows = back(bus)
    lines = [line for window in reversed(windows) for line in window.lines]
    assert [line.message for line in lines] == [f"line {number}" for number in range(LINES)]
    assert max(len(window.lines) for window in windows) <= 1000
    assert [newer.start for newer in windows[:-1]] == [older.end for older in windows[1:]]
    (old,) = [line for window in back(bus, level="warning") for line in window.lines]
    assert (old.message, old.level, old.logger, old.time[:4]) == ("line 17", "error", "qi.test", "2026")
    assert {line.level for window in back(bus, level="info") for line in window.lines} == {"info", "error"}
    assert [line.message for window in back(bus, text="LINE 1234") for line in window.lines][-1] == "line 1234"


def test_it_is_followed_line_by_line_and_a_rotation_is_told(bus: Bus, home: Home) -> None:
    path = home.logs / "server.jsonl"
    path.write_text("one\ntw", "utf-8")
    first = bus.request(ReadLogFile(name="server.jsonl"))
    assert [line.message for line in first.lines] == ["one"]
    with path.open("a", encoding="utf-8") as file:
        file.write("o\nthree\n")
    second = bus.request(ReadLogFile(name="server.jsonl", after=first.end))
    assert [(line.at, line.message) for line in second.lines] == [(4, "two"), (8, "three")]
    assert (second.file, second.end) == (first.file, second.size)
    path.rename(home.logs / "server.jsonl.1")
    path.write_text("four\n", "utf-8")
    third = bus.request(ReadLogFile(name="server.jsonl", after=0))
    assert [line.message for line in third.lines] == ["four"]
    assert third.file != first.file
    assert bus.request(ReadLogFile(name="server.jsonl.1", after=second.end)).lines == ()


def test_a_line_longer_than_a_window_is_passed_over_and_not_told_in_halves(bus: Bus, home: Home) -> None:
    giant = f"password={SECRET} " * 100_000
    (home.logs / "desktop.jsonl").write_text(f"before\n{giant}\nafter\n", "utf-8")
    size = len(giant) + 14
    at, older = 0, []
    while True:
        window = bus.request(ReadLogFile(name="desktop.jsonl", before=at))
        older += [line.message for line in window.lines]
        at = window.start
        if at == 0:
            break
    assert older == ["after", "before"]
    at, newer = 0, []
    while at < size:
        window = bus.request(ReadLogFile(name="desktop.jsonl", after=at))
        newer += [line.message for line in window.lines]
        at = window.end
    assert newer == ["before", "after"]


def test_nothing_that_looks_like_a_secret_gets_out_whoever_wrote_it(bus: Bus, home: Home) -> None:
    run = home.runs / "0192aa"
    run.mkdir()
    nested = {"api_key": SECRET, "n": [f"token: {SECRET}"]}
    said = {"event": f'began with password="{SECRET}"', "level": "info", "nested": nested}
    (run / "worker.log").write_text(
        f"token={SECRET}\n\x1b[36mpassword\x1b[0m=\x1b[35m{SECRET}\x1b[0m\n\x1b[31mred alone\x1b[0m\n"
        f"{json.dumps(said)}\n" + '{"event": "cut', "utf-8",
    )  # fmt: skip
    lines: tuple[LogLine, ...] = bus.request(ReadLogFile(name="run:0192aa")).lines
    assert lines[2].message == "\x1b[31mred alone\x1b[0m"
    assert lines[3].message.startswith("began with password=")
    assert "nested" in lines[3].detail
    assert len(lines) == 4  # a line that is still being written may be half a secret
    assert SECRET not in json.dumps([(line.message, line.detail) for line in lines])
    assert [one.name for one in bus.request(ListLogFiles()).files][-1] == "run:0192aa"


def test_names_lead_to_logs_alone(bus: Bus, mesh: Mesh, home: Home) -> None:
    outside = home.root / "studio.json"
    outside.write_text("a key", "utf-8")
    (home.logs / "linked.jsonl").symlink_to(outside)
    (home.runs / "linked").symlink_to(home.logs)
    (home.logs / "worker.log").write_text("not of a run\n", "utf-8")
    (home.logs / "folder.jsonl").mkdir()
    for name in ("linked.jsonl", "run:linked", "folder.jsonl", "none.jsonl", "run:none"):
        with pytest.raises(NotFound):
            bus.request(ReadLogFile(name=name))
    for name in ("../studio.json", "studio.json", "run:../logs", "/etc/passwd", "run:", "studio.jsonl\n", "a\0.jsonl"):
        with pytest.raises(Invalid):
            bus.request(ReadLogFile(name=name))
    listed = {one.name for one in bus.request(ListLogFiles()).files}
    assert not {name for name in listed if "linked" in name or "folder" in name or "worker" in name}
    lead = mesh.participant("lead", user="lin", permissions=("read", "history.read", "log.manage"))
    for question in (ListLogFiles(), ReadLogFile(name="studio.jsonl")):
        with pytest.raises(Forbidden):
            lead.request(question)
