"""A studio's own plugins: found by PYBLISHPLUGINPATH, run unmodified, and never able to take the studio along."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from qi.app.cli.publish import print_publish
from qi.contracts.publish import ListFiles, PublishInfo
from qi.contracts.publish_record import GetManifest, GetStepLog
from qi.contracts.settings import PatchSettings, Setting
from qi.contracts.studio import GetStatus
from qi.errors import NotFound
from qi.testing.studio import RunningStudio, Shot

Plugins = Callable[..., dict[str, str]]

FAULTY = """
    import os, signal, subprocess, sys, time

    class Faulty(pyblish.api.ContextPlugin):
        order = {order}

        def process(self, context):
            {what}
"""


@pytest.fixture
def note(tmp_path: Path) -> str:
    (tmp_path / "note.txt").write_text("hold the last frame", "utf-8")
    return str(tmp_path / "note.txt")


def run(studio: RunningStudio, shot: Shot, source: str, environment: dict[str, str]) -> PublishInfo:
    return studio.finished(studio.publish(shot, [source], environment=environment))


def faulty(plugins: Plugins, what: str, order: str = "pyblish.api.ValidatorOrder") -> dict[str, str]:
    return plugins(FAULTY.format(what=what, order=order))


def test_a_studios_own_plugins_of_every_order_take_part(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, tmp_path: Path
) -> None:
    told = tmp_path / "told.txt"
    environment = plugins("""
        import os
        from pathlib import Path

        class CollectSupervisor(pyblish.api.ContextPlugin):
            order = pyblish.api.CollectorOrder + 0.2
            def process(self, context):
                context.data["supervisor"] = "Ada"

        class ValidateSupervisor(pyblish.api.InstancePlugin):
            order = pyblish.api.ValidatorOrder
            def process(self, instance):
                assert instance.context.data["supervisor"] == "Ada"

        class ExtractSlate(pyblish.api.InstancePlugin):
            order = pyblish.api.ExtractorOrder + 0.3
            def process(self, instance):
                path = Path(instance.context.data["staging"]) / "slate.txt"
                path.write_text(instance.context.data["supervisor"])
                instance.data["representations"].append(
                    {"name": "slate", "ext": "txt", "output": "slate", "files": [str(path)], "role": "slate"})

        class TellTheFarm(pyblish.api.ContextPlugin):
            order = pyblish.api.IntegratorOrder
            def process(self, context):
                with open(os.environ["TOLD"], "a") as file:
                    file.write(f"{context.data['version']} {Path(context.data['version_folder']).is_dir()}\\n")
    """)

    info = run(studio, shot, note, {**environment, "TOLD": str(told)})

    assert info.state == "succeeded", info.error
    outcomes = {(step.plugin, step.state): step.outcome for step in info.steps}
    assert outcomes["CollectSupervisor", "collected"] == outcomes["ValidateSupervisor", "validated"] == "ok"
    assert outcomes["ExtractSlate", "extracted"] == outcomes["TellTheFarm", "followed_up"] == "ok"
    files = studio.bus.request(ListFiles(publish=info.publish)).files
    assert [Path(file.path).read_text() for file in files if file.representation == "slate"] == ["Ada"]
    assert told.read_text() == "1 True\n"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("raise RuntimeError('the farm says no')", "the farm says no"),
        ("sys.exit(3)", "tried to end the process"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_a_plugin_that_raises_or_exits_fails_its_own_step(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, what: str, message: str
) -> None:
    info = run(studio, shot, note, faulty(plugins, what))

    assert info.state == "failed"
    assert info.error is not None
    assert info.error.step == "Faulty"
    assert message in info.error.message
    assert {step.plugin: step.outcome for step in info.steps}["Faulty"] == "failed"


def test_each_of_several_validators_that_fail_says_what_to_do(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = plugins("""
        class Wrong(ValueError):
            def __init__(self, what, remedy):
                super().__init__(f"{what}. {remedy}")
                self.remedy = remedy

        class ValidateColour(pyblish.api.InstancePlugin):
            order = pyblish.api.ValidatorOrder
            def process(self, instance):
                raise Wrong("It is too blue", "Grade it anew.")

        class ValidateLength(pyblish.api.InstancePlugin):
            order = pyblish.api.ValidatorOrder
            def process(self, instance):
                raise Wrong("It is too short", "Render the rest.")
    """)

    info = run(studio, shot, note, environment)

    assert [step.remedy for step in info.steps if step.outcome == "failed"] == ["Grade it anew.", "Render the rest."]
    print_publish(info)
    said = capsys.readouterr().out
    for what, remedy in (("It is too blue.", "Grade it anew."), ("It is too short.", "Render the rest.")):
        assert f"{what}\n  → {remedy}\n" in said
    assert "more)" not in said


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("os._exit(9)", "ended with 9"),
        ("os.abort()", "died of SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "died of SIGSEGV"),
    ],
)
@pytest.mark.parametrize("order", ["Validator", "Extractor"])
def test_a_plugin_that_takes_its_process_down_fails_its_own_step_and_nothing_else(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, what: str, how: str, order: str, tmp_path: Path
) -> None:
    begun = tmp_path / "child.pid"
    child = f"open({str(begun)!r}, 'w').write(str(subprocess.Popen(['sleep', '300']).pid)); {what}"

    info = run(studio, shot, note, faulty(plugins, child, f"pyblish.api.{order}Order"))

    assert info.state == "failed"
    assert info.error is not None
    assert (info.error.step, info.error.code) == ("Faulty", 500)
    assert how in info.error.message
    assert info.error.remedy
    assert {step.plugin: step.outcome for step in info.steps}["Faulty"] == "failed"
    wait_until_gone(int(begun.read_text()))
    untouched(studio)


def untouched(studio: RunningStudio) -> None:
    """None of the studio's actors had to be started again."""
    assert {child.name for child in studio.bus.request(GetStatus()).children if child.restarts} == set()


def test_after_plugins_that_died_the_studio_serves_the_next_publish(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    assert run(studio, shot, note, faulty(plugins, "os.abort()")).state == "failed"
    assert run(studio, shot, note, {}).state == "succeeded"


def test_a_worker_that_is_killed_in_a_step_is_interrupted_and_says_in_which(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    info = run(studio, shot, note, faulty(plugins, "os.kill(os.getpid(), signal.SIGKILL)"))

    assert info.state == "interrupted"
    assert info.error is not None
    assert "SIGKILL in 'Faulty'" in info.error.message
    assert info.error.remedy


LEAVES_CHILDREN = """
    import os, subprocess, sys, time
    from pathlib import Path

    PIDS = Path({pids!r})

    class Leaves(pyblish.api.ContextPlugin):
        order = pyblish.api.ValidatorOrder

        def process(self, context):
            children = [subprocess.Popen(["sleep", "300"]).pid]
            children.append(subprocess.Popen(["sleep", "300"], start_new_session=True).pid)
            for child in children:
                (PIDS / str(child)).touch()
            # A daemon by the book: two forks and a session of its own; its parent is gone when it begins.
            child = os.fork()
            if child == 0:
                os.setsid()
                if os.fork() == 0:
                    (PIDS / str(os.getpid())).touch()
                    time.sleep(300)
                os._exit(0)
            os.waitpid(child, 0)
            while len(list(PIDS.iterdir())) < 3:
                time.sleep(0.01)
            {end}
"""


@pytest.mark.parametrize(
    ("end", "state"), [("pass", "succeeded"), ("os.abort()", "failed"), ("os.kill(os.getpid(), 9)", "interrupted")]
)
def test_what_a_plugin_leaves_behind_is_gone_with_its_worker_also_what_left_its_group(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, tmp_path: Path, end: str, state: str
) -> None:
    (tmp_path / "pids").mkdir()

    info = run(studio, shot, note, plugins(LEAVES_CHILDREN.format(pids=str(tmp_path / "pids"), end=end)))

    assert info.state == state, info.error
    left = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    assert len(left) == 3
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    for pid in left:
        wait_until_gone(pid)


FORKS = """
    import os, sys

    class Forks(pyblish.api.ContextPlugin):
        order = pyblish.api.ValidatorOrder

        def process(self, context):
            child = os.fork()
            if child == 0:
                {twin}
            else:
                self.log.info("the twin ended with %s", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    class After(pyblish.api.ContextPlugin):
        order = pyblish.api.ValidatorOrder + 0.1

        def process(self, context):
            with open({ran!r}, "a") as file:
                file.write("ran\\n")
"""


@pytest.mark.parametrize(("twin", "code"), [("return", 0), ("raise ValueError", 0), ("sys.exit(7)", 7)])
def test_the_twin_of_a_plugin_that_forks_does_not_go_on_with_the_publish(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, tmp_path: Path, twin: str, code: int
) -> None:
    ran = tmp_path / "ran.txt"

    info = run(studio, shot, note, plugins(FORKS.format(twin=twin, ran=str(ran))))

    assert info.state == "succeeded", info.error
    assert ran.read_text() == "ran\n"
    records = [str(record) for record in logged(studio, info, "Forks")]
    assert f"the twin ended with {code}" in "".join(records)


def logged(studio: RunningStudio, info: PublishInfo, plugin: str) -> tuple[str, ...]:
    """What a plugin logged, as anybody may read it."""
    (step,) = [step for step in info.steps if step.plugin == plugin]
    return studio.bus.request(GetStepLog(publish=info.publish, records=step.records)).lines


def test_what_a_publish_keeps_of_itself_can_be_read_in_parts_and_nothing_else_can(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    lines = "[self.log.info('%s %s', number, '\\u00e9' * 3000) for number in range(50)]"
    info = run(studio, shot, note, faulty(plugins, lines))
    (step,) = [step for step in info.steps if step.plugin == "Faulty"]
    asked = GetStepLog(publish=info.publish, records=step.records)
    first = studio.bus.request(asked)
    rest = studio.bus.request(replace(asked, offset=len(first.lines)))
    assert (first.more, rest.more) == (True, False)
    assert [line.split()[:2] for line in first.lines + rest.lines] == [["INFO", str(number)] for number in range(50)]
    with pytest.raises(NotFound, match="no step of this publish"):
        studio.bus.request(replace(asked, records=info.manifest))

    text = ""
    while (part := studio.bus.request(GetManifest(publish=info.publish, offset=len(text)))).more:
        text += part.text
    kept = json.loads(text + part.text)
    assert kept["pinned"]["bundle_digest"] == info.bundle_digest
    assert "Faulty" in [plugin["name"] for plugin in kept["sealed"]["plugins"]]


def test_a_plugin_that_prints_a_hundred_megabytes_is_no_burden(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    before = psutil.Process(studio.pid).memory_info().rss
    lines = "for _ in range(100): sys.stdout.write('never mind\\n' * 90_000 + 'x' * 60_000)"

    info = run(studio, shot, note, faulty(plugins, lines))

    assert info.state == "succeeded", info.error
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    kept = studio.home.runs / info.publish / "worker.log"
    assert 8_000_000 < kept.stat().st_size < 9_000_000
    assert kept.read_text("utf-8").rstrip().endswith("the rest was not kept")
    assert psutil.Process(studio.pid).memory_info().rss - before < 40_000_000
    untouched(studio)


def test_a_secret_on_an_endless_line_is_not_kept_in_pieces(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    line = "print('x' * 3_990 + ' password=hunter2hunter2hunter2hunter2 and more')"

    info = run(studio, shot, note, faulty(plugins, line))

    assert info.state == "succeeded", info.error
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    kept = (studio.home.runs / info.publish / "worker.log").read_text("utf-8")
    assert "xxx" in kept
    assert "hunter2" not in kept


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits it")
def test_a_plugin_that_eats_memory_fails_its_step_before_the_machine_suffers(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    small = Setting(path="qi.publish.memory_gib", value=0.5)
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(small,)))
    eats = "kept = []\n            while True: kept.append(bytearray(16 * 1024 * 1024))"

    info = run(studio, shot, note, faulty(plugins, eats))

    assert info.state == "failed"
    assert info.error is not None
    assert (info.error.step, info.error.code) == ("Faulty", 422)
    assert "out of memory" in info.error.message
    assert "qi.publish.memory_gib" in info.error.remedy
    assert run(studio, shot, note, {}).state == "succeeded"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits it")
def test_by_default_a_worker_may_take_three_quarters_of_the_machine(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, tmp_path: Path
) -> None:
    told = tmp_path / "limit.txt"
    asks = f"import resource; open({str(told)!r}, 'w').write(str(resource.getrlimit(resource.RLIMIT_DATA)[0]))"

    assert run(studio, shot, note, faulty(plugins, asks)).state == "succeeded"

    assert 0.7 < int(told.read_text()) / psutil.virtual_memory().total < 0.8


def test_a_plugin_that_hangs_is_ended_after_the_time_its_project_allows(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, tmp_path: Path
) -> None:
    short = Setting(path="qi.publish.plugin_timeout_s", value=3)  # enough for all others
    studio.bus.request(PatchSettings(scope="project", target=shot.project, settings=(short,)))
    begun = tmp_path / "child.pid"
    child = f"open({str(begun)!r}, 'w').write(str(subprocess.Popen(['sleep', '300']).pid)); time.sleep(300)"

    info = run(studio, shot, note, faulty(plugins, child))

    assert info.state == "failed"
    assert info.error is not None
    assert (info.error.step, info.error.code) == ("Faulty", 504)
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    wait_until_gone(int(begun.read_text()))


@pytest.mark.parametrize(
    ("source", "message"),
    [("class Broken(:\n", "invalid syntax"), ("import sys\nsys.exit(2)\n", "exit"), ("1 / 0\n", "division")],
)
def test_a_plugin_file_that_does_not_load_fails_the_publish_rather_than_being_left_out(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins, source: str, message: str
) -> None:
    info = run(studio, shot, note, plugins(source, name="broken_check"))

    assert info.state == "failed"
    assert info.error is not None
    assert info.error.step == "collected"
    assert "broken_check" in info.error.message
    assert message in info.error.message


def test_a_secret_that_a_plugin_prints_reaches_no_log_and_no_event(
    studio: RunningStudio, shot: Shot, note: str, plugins: Plugins
) -> None:
    environment = faulty(
        plugins,
        "print('password=hunter2hunter2'); print(os.environ['FARM_TOKEN']);"
        " self.log.warning('token=%s', 'hunter2hunter2'); raise RuntimeError('secret: hunter2hunter2')",
    )

    info = run(studio, shot, note, {**environment, "FARM_TOKEN": "hunter2hunter2"})

    assert info.state == "failed"
    studio.wait_for_event("publish.worker_ended", stream=f"publish-{info.publish}")
    kept = [*studio.home.logs.rglob("*"), *studio.home.blobs.rglob("*"), *(studio.home.runs / info.publish).rglob("*")]
    kept += [studio.home.events, Path(f"{studio.home.events}-wal")]
    for path in kept:
        content = path.read_bytes() if path.is_file() else b""
        # The plugin's source is kept as it is: whoever writes a secret into code has published it.
        if b"class Faulty" not in content:
            assert b"hunter2hunter2" not in content, path
    assert "hunter2hunter2" not in str(studio.events(stream=f"publish-{info.publish}"))


def test_an_environment_that_names_no_folder_is_said_clearly(studio: RunningStudio, shot: Shot, note: str) -> None:
    info = run(studio, shot, note, {"PYBLISHPLUGINPATH": "/nowhere/at/all"})

    assert info.state == "failed"
    assert info.error is not None
    assert "/nowhere/at/all" in info.error.message


def wait_until_gone(pid: int) -> None:
    """Raises `psutil.TimeoutExpired` when the process stays."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)
