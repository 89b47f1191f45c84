"""Kill an integration at every line it runs, resume it each time, and tell what went wrong.

Run as a program with a scratch folder: the process forks one child a line; each is killed by SIGKILL when it first
reaches that line. It prints how many were killed and exits with an error when a promise was broken.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import qi.integrate
from qi.integrate import Place, Plan, PlannedFile, State, abandon, claim, commit, digest_file, inspect, stage

SOURCES = str(Path(qi.integrate.__file__).parent)
Line = tuple[str, int]


def plan_in(folder: Path) -> Plan:
    source = folder / "source"
    source.mkdir(parents=True)
    (folder / "root").mkdir()
    files = []
    for name, linkable in (("a.1001.exr", False), ("a.1002.exr", False), ("sub/thumbnail.jpg", True)):
        path = source / Path(name).name
        path.write_bytes(name.encode() * 5000)
        files.append(PlannedFile(path, name, *digest_file(path), linkable=linkable))
    return Plan(Place("p1", folder / "root", folder / "root" / "beauty" / "v003"), tuple(files))


def integrate(plan: Plan) -> None:
    claim(plan.place)
    stage(plan)
    commit(plan)


def give_up(plan: Plan) -> None:
    claim(plan.place)
    stage(plan)
    abandon(plan.place)


def traced(job: Callable[[Plan], None], plan: Plan, at_line: Callable[[Line], None]) -> None:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        if event == "line":
            at_line((Path(frame.f_code.co_filename).name, frame.f_lineno))
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    job(plan)
    sys.settrace(None)


def forked(job: Callable[[], None]) -> int:
    """The wait status of a child that did `job`."""
    child = os.fork()
    if child == 0:
        try:
            job()
        except BaseException:  # noqa: BLE001 - the child must never run the parent's code
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def lines_of(job: Callable[[Plan], None], scratch: Path) -> list[Line]:
    """Every line of the transaction that `job` runs, in the order in which it is first reached."""
    plan, found = plan_in(scratch / "dry"), scratch / "lines.json"

    def record() -> None:
        seen: dict[Line, None] = {}
        traced(job, plan, lambda line: seen.setdefault(line))
        found.write_text(json.dumps(list(seen)))

    assert forked(record) == 0
    return [(name, number) for name, number in json.loads(found.read_text())]


def killed_at(line: Line, job: Callable[[Plan], None], plan: Plan) -> bool:
    def kill(reached: Line) -> None:
        if reached == line:
            os.kill(os.getpid(), signal.SIGKILL)

    status = forked(lambda: traced(job, plan, kill))
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    assert status == 0, f"the child failed before {line}"
    return False  # another thread's timing: the line was not reached this time


def whole(plan: Plan) -> bool:
    folder = plan.place.destination
    return all(digest_file(folder / file.name) == (file.size, file.digest) for file in plan.files)


def check(job: Callable[[Plan], None], scratch: Path) -> int:
    killed = 0
    for number, line in enumerate(lines_of(job, scratch)):
        plan = plan_in(scratch / str(number))
        place = plan.place
        killed += killed_at(line, job, plan)
        found = inspect(place)
        assert found.state is not State.FOREIGN, (line, found)
        assert place.destination.exists() == (found.state is State.COMMITTED), (line, found)
        assert not place.destination.exists() or whole(plan), (line, "a reader saw half a version")
        if job is give_up:
            abandon(place)
            assert inspect(place).state is State.NOTHING, (line, "something stayed")
            assert not list(place.destination.parent.glob(".*")), (line, "a hidden folder stayed")
        else:
            integrate(plan)
            assert inspect(place).state is State.COMMITTED, line
            assert whole(plan), line
            assert [entry.name for entry in place.destination.parent.iterdir()] == ["v003"], line
        for file in plan.files:
            assert digest_file(file.source) == (file.size, file.digest), (line, "a source was touched")
    return killed


if __name__ == "__main__":
    print(check({"integrate": integrate, "give_up": give_up}[sys.argv[1]], Path(sys.argv[2])))
