"""A secret is planted wherever one can come in; afterwards it is searched for in all that the studio keeps and says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from events.ids import new_id
from qi.contracts.auth import AddUser, Login
from qi.contracts.publish import PublishInfo
from qi.errors import QiError
from qi.session.participant import Participant
from qi.testing.studio import RunningStudio, Shot, start_studio

PASSWORD = "planted-password-8c1f"
IN_ENVIRONMENT = "planted-variable-77ab"
IN_URL = "planted-in-a-url-50de"
PRINTED = "planted-in-print-19aa"
RAISED = "planted-in-an-error-e0b2"
IN_STUDIO = "planted-in-the-studio-4d4d"

PLUGIN = """
    import os, pyblish.api

    PRINTED, RAISED = open(os.environ["WHERE_IT_KEEPS_THEM"]).read().split()

    class Careless(pyblish.api.ContextPlugin):
        order = pyblish.api.ValidatorOrder

        def process(self, context):
            print("the licence server wants password=" + PRINTED)
            self.log.warning("token: %s", PRINTED)
            context.data["seen"] = dict(os.environ)
            raise RuntimeError("connecting with https://bot:%s@farm.example failed" % RAISED)
"""


@dataclass
class Aftermath:
    home: Path
    tokens: dict[str, str]
    commands: list[str]
    environments: list[dict[str, str]]
    failed: PublishInfo
    answers: list[str]


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    place = tmp_path_factory.mktemp("secrets")
    note = place / "note.txt"
    note.write_text("hold the last frame", "utf-8")
    folder = place / "plugins"
    folder.mkdir()
    (folder / "careless.py").write_text("".join(line[4:] for line in PLUGIN.splitlines(keepends=True)), "utf-8")
    with start_studio(place / "home", environment={"FARM_API_KEY": IN_STUDIO}) as studio:
        shot = studio.given_project()
        studio.bus.request(AddUser(name="ada", password=PASSWORD, command=new_id()))
        visitor = studio.join()
        done = visitor.bus.request(Login(user="ada", password=PASSWORD))
        answers = [refusal(lambda: visitor.bus.request(Login(user="ada", password=PASSWORD + "x")))]
        mine = studio.join(done.token)
        answers.append(refusal(lambda: studio.join(done.token + "x")))
        failed = publish(studio, shot, note, folder)
        family = psutil.Process(studio.pid).children(recursive=True)
        commands, environments = [" ".join(psutil.Process(studio.pid).cmdline())], []
        for one in family:
            with suppress(psutil.NoSuchProcess):
                commands.append(" ".join(one.cmdline()))
                environments.append(one.environ())
        connection = studio.home.connection()
        assert connection is not None
        tokens = {"a log-in": done.token, "the owner's": connection.token}
        leave(visitor, mine)
    return Aftermath(place / "home", tokens, commands, environments, failed, answers)


def publish(studio: RunningStudio, shot: Shot, note: Path, plugins: Path) -> PublishInfo:
    kept = plugins.parent / "kept.txt"
    kept.write_text(f"{PRINTED} {RAISED}", "utf-8")
    environment = {
        "PYBLISHPLUGINPATH": str(plugins), "WHERE_IT_KEEPS_THEM": str(kept), "RENDER_TOKEN": IN_ENVIRONMENT,
        "PROXY": f"http://me:{IN_URL}@proxy.example",
    }  # fmt: skip
    return studio.finished(studio.publish(shot, [str(note)], product="notes", environment=environment))


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(QiError) as told:
        ask()
    return json.dumps(told.value.as_reply(), default=str)


def leave(*participants: Participant) -> None:
    for one in participants:
        one.leave()


def holding(home: Path, secret: str) -> list[str]:
    """The files below the home that hold the secret, as bytes: databases, their WAL, the content store, logs."""
    return [
        str(path.relative_to(home))
        for folder, _, names in os.walk(home)
        for path in (Path(folder, name) for name in names)
        if secret.encode() in path.read_bytes()
    ]


def test_the_search_finds_what_is_there(after: Aftermath) -> None:
    """A search that could find nothing would prove nothing."""
    assert "events.db" in "".join(holding(after.home, "hold the last frame") + holding(after.home, "publish.requested"))
    assert after.failed.state == "failed"
    assert after.failed.error is not None
    assert "farm.example" in after.failed.error.message


@pytest.mark.parametrize("secret", [PASSWORD, IN_ENVIRONMENT, IN_URL, PRINTED, RAISED, IN_STUDIO])
def test_nothing_the_studio_keeps_holds_a_secret(after: Aftermath, secret: str) -> None:
    assert holding(after.home, secret) == []


@pytest.mark.parametrize("whose", ["a log-in", "the owner's"])
def test_a_token_is_kept_as_a_digest_only(after: Aftermath, whose: str) -> None:
    assert [file for file in holding(after.home, after.tokens[whose]) if file != "studio.json"] == []


def test_no_argument_and_no_child_environment_holds_one(after: Aftermath) -> None:
    secrets = [PASSWORD, IN_ENVIRONMENT, IN_URL, PRINTED, RAISED, IN_STUDIO, *after.tokens.values()]
    assert after.environments
    for secret in secrets:
        assert not any(secret in command for command in after.commands)
        assert not any(secret in value for environment in after.environments for value in environment.values())


def test_no_error_repeats_what_was_presented(after: Aftermath) -> None:
    for answer in after.answers:
        assert PASSWORD not in answer
        assert not any(token in answer for token in after.tokens.values())
    assert RAISED not in repr(after.failed)
