"""The command line: its verbs, its JSON, its exit codes, its one clear line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from blake3 import blake3

from actors.auth import TRIES_MOST
from events.ids import new_id
from qi.app.cli.main import main
from qi.testing.fixtures import Said
from qi.testing.images import write_image
from qi.testing.studio import RunningStudio, Shot

Qi = Callable[..., Said]

TIMEOUT = "qi.publish.plugin_timeout_s"

VERBS = {
    "demo": "--home --input --json", "serve": "--home", "status": "--wait --json", "login": "--password-stdin",
    "logout": "", "project create": "--root --json", "project list": "--json", "entity create": "--project --task",
    "entity list": "--project --json", "task create": "--entity --project --type --who --json",
    "publish": "--project --entity --task --product --comment --bundle --json",
    "publishes": "--failed --json", "show": "--json", "replay": "--mode --remap --accept-changed --json",
    "history": "--stream --type --user --text --entity --since --until --trace --limit --follow --json",
    "log verify": "--json", "log stats": "--json", "log backup": "--json", "log export": "--text --entity --after",
    "bundle create": "--json", "bundle list": "--json", "bundle show": "--json", "bundle promote": "--json",
    "settings get": "--json", "settings set": "--json",
    "user add": "--password-stdin --json", "user grant": "--json", "subjects": "--json", "doctor": "--json",
}  # fmt: skip


def into(shot: Shot, *more: str) -> list[str]:
    return ["--project", shot.project, "--entity", shot.entity, "--task", shot.task, *more]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_there_with_its_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    said = capsys.readouterr().out
    for option in VERBS[verb].replace("--home", "").split():
        assert option in said


def test_a_publish_prints_the_whole_result_as_json(qi: Qi, shot: Shot, frames: str) -> None:
    said = qi("publish", frames, *into(shot), "--product", "beauty", "--comment", "first", "--json")

    assert said.code == 0, said.err
    told = said.json
    assert (told["state"], told["version"], told["replay_of"], told["error"]) == ("succeeded", 1, None, None)
    assert Path(told["path"]).is_absolute()
    assert Path(told["path"]).name == "v001"
    assert len(told["files"]) == 5
    for file in told["files"]:
        content = Path(file["path"]).read_bytes()
        assert set(file) == {"path", "size", "digest", "representation"}
        assert (file["size"], file["digest"]) == (len(content), blake3(content).hexdigest())
    assert qi("show", told["publish"], "--json").json == told
    assert qi("show", told["publish"][-12:], "--json").json == told
    assert {**told, "steps": []} in qi("publishes", "--project", shot.project, "--plugin", "review", "--json").json


def test_a_failed_publish_prints_the_same_object_and_exits_1(qi: Qi, shot: Shot, frames: str) -> None:
    Path(frames.replace("####", "1002")).unlink()

    said = qi("publish", frames, *into(shot), "--product", "beauty", "--json")

    assert said.code == 1
    told = said.json
    assert (told["state"], told["version"], told["path"], told["files"]) == ("failed", None, None, [])
    assert set(told["error"]) == {"code", "step", "message", "remedy"}
    assert told["error"]["step"].startswith("ValidateFrameRange")
    assert told["publish"] in {one["publish"] for one in qi("publishes", "--failed", "--json").json}

    write_image(Path(frames.replace("####", "1002")), size=(32, 18))
    again = qi("replay", told["publish"], "--mode", "resume", "--accept-changed", "--json")
    assert (again.code, again.json["publish"], again.json["state"]) == (0, told["publish"], "succeeded"), again.err
    assert told["publish"] not in {one["publish"] for one in qi("publishes", "--failed", "--json").json}

    rerun = qi("replay", told["publish"], "--mode", "rerun", "--json")
    assert (rerun.code, rerun.json["replay_of"], rerun.json["version"]) == (0, told["publish"], 2), rerun.err


def test_people_read_the_same_in_lines_and_tables(qi: Qi, shot: Shot, frames: str) -> None:
    said = qi("publish", frames, *into(shot), "--product", "beauty")
    assert said.code == 0
    assert "succeeded" in said.out
    assert "v001" in said.out
    assert "succeeded" in qi("publishes").out
    shown = qi("show", "last").out
    assert "ValidateReadable" in shown
    assert "5 files" in shown
    tree = qi("history", "--publish", "last").out
    assert "├─ publish.collected" in tree
    assert "│  └─ publish.step_finished" in tree


def test_a_relative_path_is_taken_from_where_the_command_runs(
    qi: Qi, shot: Shot, frames: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(frames).parent)
    said = qi("publish", "beauty.####.exr", *into(shot), "--product", "beauty", "--json")
    assert said.code == 0, said.err


def test_what_is_refused_before_it_exists_exits_2_in_one_clear_line(qi: Qi, shot: Shot, frames: str) -> None:
    before = len(qi("publishes", "--json").json)
    good = ["publish", frames, "--product", "x"]
    for said, word in (
        (qi(*good, "--project", "Atlantis", "--entity", shot.entity, "--task", "comp"), "Atlantis"),
        (qi(*good, "--project", shot.project, "--entity", "sq/none", "--task", "comp"), "sq/none"),
        (qi(*good, "--project", shot.project, "--entity", shot.entity, "--task", "paint"), "paint"),
        (qi(*good, *into(shot), "--bundle", "nope"), "nope"),
        (qi("publish", "/nowhere/a.####.exr", *into(shot), "--product", "x"), "/nowhere/a.####.exr"),
        (qi("publish", frames, *into(shot), "--product", "../../../x"), "product"),
        (qi(*good, "--entity", shot.entity, "--task", "comp"), "--project"),
        (qi("publish", frames, *into(shot)), "--product"),
        (qi("publish", frames, "--bogus"), "--bogus"),
        (qi("frobnicate"), "frobnicate"),
        (qi("show", "nothing-like-it"), "nothing-like-it"),
        (qi("replay", "nothing-like-it"), "nothing-like-it"),
        (qi("replay", "last", "--mode", "sideways"), "sideways"),
        (qi("replay", "last", "--remap", "elsewhere"), "OLD=NEW"),
        (qi("history", "--since", "banana"), "banana"),
        (qi("bundle", "show", "nope"), "nope"),
        (qi("settings", "get", "nope.x"), "nope"),
        (qi("settings", "set", TIMEOUT, "soon", "-p", shot.project), TIMEOUT),
        (qi("project", "create", "Homeless", "--root", "/nowhere"), "/nowhere"),
        (qi("user", "grant", "nobody-at-all", "lead"), "nobody-at-all"),
    ):
        assert said.code == 2, (word, said)
        first, *rest = said.err.strip().splitlines()
        assert first.startswith("qi: ")
        assert word in first
        assert len(rest) <= 1
        assert said.out == ""
    assert len(qi("publishes", "--json").json) == before


def test_no_studio_exits_3(qi: Qi, tmp_path: Path) -> None:
    said = qi("status", home=tmp_path / "nobody")
    assert said.code == 3
    assert "no studio runs" in said.err
    assert qi("projects", "--help").code == 2
    assert qi("--connect", "nats://127.0.0.1:9", "project", "list", home=tmp_path / "nobody").code == 3
    assert not (tmp_path / "nobody").exists()


def test_a_conflict_exits_4(qi: Qi, tmp_path: Path) -> None:
    name = f"Show {new_id()[-8:]}"
    assert qi("project", "create", name).code == 0
    assert qi("project", "create", name).code == 4
    assert qi("bundle", "create", f"b-{name}", "--env", "A=1").code == 0
    said = qi("bundle", "promote", f"b-{name}", "--reason", "next", "--replaces", f"b-{name}")
    assert said.code == 4
    locked = qi("settings", "set", TIMEOUT, "3", "--scope", "bundle", "--target", "base")
    assert locked.code == 4
    assert "frozen" in locked.err
    assert qi("log", "backup", str(tmp_path / "copy.db")).code == 0
    assert qi("log", "backup", str(tmp_path / "copy.db")).code == 4


def log_in(qi: Qi, monkeypatch: pytest.MonkeyPatch, verb: list[str], password: str) -> Said:
    monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
    return qi(*verb, "--password-stdin")


def test_a_log_in_holds_until_the_log_out_and_limits_what_may_be_done(
    qi: Qi, studio: RunningStudio, shot: Shot, frames: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"ada{new_id()[-6:]}"
    assert log_in(qi, monkeypatch, ["user", "add", name], "correct horse").code == 0
    assert log_in(qi, monkeypatch, ["login", name], "wrong horse here").code == 5
    assert not studio.home.login.exists()
    try:
        assert log_in(qi, monkeypatch, ["login", name], "correct horse").code == 0
        assert studio.home.login.stat().st_mode & 0o777 == 0o600
        assert "correct horse" not in studio.home.login.read_text()

        published = qi("publish", frames, *into(shot), "--product", "beauty", "--json")
        assert (published.code, published.json["user"]) == (0, name), published.err
        assert qi("bundle", "promote", "base", "--reason", "mine").code == 5
        assert qi("user", "grant", name, "admin").code == 5
        assert qi("project", "create", f"Of {name}").code == 5
    finally:
        assert qi("logout").code == 0
    assert not studio.home.login.exists()
    assert qi("logout").out == "nobody is logged in\n"
    assert qi("user", "grant", name, "lead", "--reason", "runs the show").code == 0
    (granted,) = qi("history", "--type", "user.role_granted", "--since", "1h", "--json").json[-1:]
    assert granted["data"] == {"role": "lead", "reason": "runs the show"}
    assert granted["meta"]["user"]


def test_a_log_in_that_lapsed_can_be_renewed_and_logged_out(
    qi: Qi, studio: RunningStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"bob{new_id()[-6:]}"
    log_in(qi, monkeypatch, ["user", "add", name], "correct horse")
    studio.home.login.write_text(json.dumps({"here": {"user": name, "token": "long-gone"}}))
    try:
        said = qi("project", "list")
        assert said.code == 5
        assert "qi login" in said.err
        assert log_in(qi, monkeypatch, ["login", name], "correct horse").code == 0
        studio.home.login.write_text(json.dumps({"here": {"user": name, "token": "long-gone"}}))
        assert qi("logout").code == 0
        assert qi("project", "list").code == 0
    finally:
        studio.home.login.unlink(missing_ok=True)


def test_too_many_wrong_passwords_exit_6(qi: Qi, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"eve{new_id()[-6:]}"
    codes = [log_in(qi, monkeypatch, ["login", name], f"guess number {n}").code for n in range(TRIES_MOST + 1)]
    assert codes == [5] * TRIES_MOST + [6]


def test_projects_entities_and_tasks_are_listed(qi: Qi, tmp_path: Path) -> None:
    name = f"Show {new_id()[-8:]}"
    (tmp_path / "disk").mkdir()
    made = qi("project", "create", name, "--root", str(tmp_path / "disk"), "--fps", "25", "--json").json
    assert (made["name"], made["root"], made["fps"]) == (name, str(tmp_path / "disk"), 25.0)
    assert made in qi("project", "list", "--json").json
    qi("entity", "create", "sq/sh1", "--project", name, "--task", "comp", "--task", "light")
    found = {one["path"]: one for one in qi("entity", "list", "--project", name, "--json").json}
    assert {path: one["kind"] for path, one in found.items()} == {"sq": "sequence", "sq/sh1": "shot"}
    assert sorted(found["sq/sh1"]["tasks"]) == ["comp", "light"]
    told = qi("task", "create", "roto", "--entity", "sq/sh1", "--project", name, "--who", "ada")
    assert told.out == "task roto on sq/sh1 for ada\n"
    (sq,) = (one for one in qi("entity", "list", "--project", name, "--json").json if one["path"] == "sq/sh1")
    assert sorted(sq["tasks"]) == ["comp", "light", "roto"]


def test_settings_are_set_read_explained_and_read_as_they_were(qi: Qi, shot: Shot) -> None:
    path = TIMEOUT
    first = qi("settings", "set", path, "60", "--project", shot.project, "--reason", "slow farm", "--json").json
    assert qi("settings", "set", path, "70", "--project", shot.project).code == 0
    assert qi("settings", "get", path, "--project", shot.project, "--json").json["values"] == {path: 70}
    at = ["--at", str(first["position"])]
    assert qi("settings", "get", path, "--project", shot.project, *at, "--json").json["values"] == {path: 60}
    layers = qi("settings", "get", path, "--project", shot.project, "--explain", "--json").json["layers"]
    assert [(layer["layer"], layer["value"]) for layer in layers] == [("default", 900), ("project", 70)]
    assert qi("settings", "set", path, "80", "--project", shot.project, "--expected", "1").code == 4
    assert qi("settings", "set", path, "--unset", "--project", shot.project).code == 0
    assert qi("settings", "get", path, "--project", shot.project, "--json").json["values"] == {path: 900}


def test_history_is_filtered_followed_as_a_tree_and_exported(
    qi: Qi, studio: RunningStudio, shot: Shot, tmp_path: Path
) -> None:
    note = tmp_path / "note.txt"
    note.write_text("one", "utf-8")
    info = qi("publish", str(note), *into(shot), "--product", "notes", "--json").json
    stream = f"publish-{info['publish']}"
    studio.wait_for_event("publish.worker_ended", stream=stream)

    events = qi("history", "--stream", stream, "--limit", "500", "--json").json
    assert events[0]["type"] == "publish.requested"
    assert {event["stream"] for event in events} == {stream}
    assert [e["type"] for e in qi("history", "--stream", stream, "--type", "publish.comm*", "--json").json] == [
        "publish.committed"
    ]
    trace = events[0]["meta"]["trace"]
    tree = qi("history", "--trace", trace, "--json").json
    assert {event["meta"]["trace"] for event in tree} == {trace}
    assert {"version.reserved", "publish.registered"} <= {event["type"] for event in tree}
    assert qi("history", "--stream", stream, "--until", "1h", "--json").json == []
    assert len(qi("history", "--stream", stream, "--limit", "2", "--json").json) == 2
    exported = [json.loads(line) for line in qi("log", "export", "--stream", stream).out.splitlines()]
    assert exported == qi("history", "--stream", stream, "--limit", "500", "--json").json
    about = qi("history", "--entity", f"{shot.project}/{shot.entity}", "--text", "COMMITTED", "--json").json
    assert [event["type"] for event in about if event["stream"] == stream] == ["publish.committed"]
    named = qi("log", "export", "--entity", info["publish"]).out.splitlines()
    assert {stream, *(event["stream"] for event in tree if event["type"] == "version.reserved")} <= {
        json.loads(line)["stream"] for line in named
    }


def test_the_log_is_verified_measured_and_copied(qi: Qi, tmp_path: Path, shot: Shot) -> None:
    qi("settings", "set", TIMEOUT, "60", "--project", shot.project)
    proof, stats = qi("log", "verify", "--json").json, qi("log", "stats", "--json").json
    assert proof["events"] == proof["head"] == stats["events"] == sum(stats["types"].values()) > 0
    assert proof["hash"] == stats["head_hash"]
    copy = qi("log", "backup", str(tmp_path / "copy.db"), "--json").json
    assert (copy["events"], copy["hash"]) == (proof["events"], proof["hash"])
    assert (tmp_path / "copy.db").stat().st_size > 0


def test_status_subjects_and_doctor_tell_what_runs(qi: Qi, studio: RunningStudio) -> None:
    status = qi("status", "--json").json
    assert status["studio"]["pid"] == studio.pid
    assert {"journal", "publishes", "db"} <= {actor["name"] for actor in status["actors"]}
    topics = {row["topic"]: row for row in qi("subjects", "--json").json}
    assert topics["bundle.promote"]["needs"] == "bundle.promote"
    assert topics["db.project.list"]["subject"] == "qi.rpc.<session>.db.project.list"
    said = qi("doctor", "--json")
    assert said.code == 0
    assert all(finding["ok"] for finding in said.json), said.json
    for verb in ("status", "subjects", "doctor", "bundle list", "user list", "project list", "log stats"):
        assert qi(*verb.split()).code == 0


def test_home_may_stand_before_or_after_the_verb_or_in_the_environment(
    studio: RunningStudio, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(studio.home.root)

    def pid(*arguments: str) -> int:
        assert main(list(arguments)) == 0
        return int(json.loads(capsys.readouterr().out)["studio"]["pid"])

    assert pid("--home", home, "status", "--json") == studio.pid
    assert pid("status", "--json", "--home", home) == studio.pid
    assert pid("status", f"--home={home}", "--json") == studio.pid
    monkeypatch.setenv("QI_HOME", home)
    assert pid("status", "--json") == studio.pid


def test_the_working_project_comes_from_option_or_environment(
    qi: Qi, shot: Shot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert qi("--project", shot.project, "entity", "list").code == 0
    monkeypatch.setenv("QI_DEFAULT_PROJECT", shot.project)
    assert shot.entity in qi("entity", "list").out
    assert qi("settings", "set", TIMEOUT, "61").code == 0
    assert qi("settings", "get", TIMEOUT, "--json").json["values"] == {TIMEOUT: 61}


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    start = "import sys; from qi.app.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments], capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def test_a_traceback_is_shown_with_debug_only(studio: RunningStudio) -> None:
    wrong = ["show", "nothing-like-it", "--home", str(studio.home.root)]
    plain, debug = command(*wrong), command(*wrong, "--debug")
    assert "Traceback" not in plain.stderr
    assert plain.returncode == 2
    assert "Traceback" in debug.stderr
    assert "NotFound" in debug.stderr


def test_follow_shows_what_happens_next(studio: RunningStudio, shot: Shot) -> None:
    start = "import sys; from qi.app.cli.main import main; sys.exit(main())"
    arguments = ["history", "--follow", "--json", "--type", "settings.changed", "--limit", "1"]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", start, *arguments, "--home", str(studio.home.root)],
        stdout=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        try:
            for value in ("62", "63"):
                # Whichever comes first, the listening or the change: it is shown either way.
                assert main(["--home", str(studio.home.root), "settings", "set", TIMEOUT, value,
                             "--project", shot.project]) == 0  # fmt: skip
            seen = ""
            while '"new":63' not in seen.replace(" ", ""):
                line = following.stdout.readline()
                assert line, "it ended by itself"
                seen += line
        finally:
            following.terminate()


def test_help_answers_without_a_studio_or_heavy_imports() -> None:
    start = "import sys; from qi.app.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, timeout=60, check=True).stdout
    for heavy in ("'nats'", "'OpenImageIO'", "'pyblish'", "'sqlite_utils'", "'numpy'"):
        assert heavy not in said


def test_qi_says_which_qi_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"qi {version('qi-pipeline')}\n"
