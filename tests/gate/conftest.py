"""One studio in this process for all tests of the gate: they also look at it with the services' own credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from events.ids import new_id
from qi.app.launch import read_launch_config
from qi.app.studio import Studio
from qi.bus import Bus, Credentials
from qi.checked import Checked
from qi.contracts.auth import AddUser, LoggedIn, Login
from qi.session.participant import Participant

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = Studio(read_launch_config(home=tmp_path_factory.mktemp("gate") / "home"))
    studio.start()
    yield studio
    studio.stop()


@pytest.fixture(scope="session")
def credentials(running: Studio) -> Credentials:
    """The owner's."""
    found = running.home.connection()
    assert found is not None
    return found.credentials


@pytest.fixture
def join(credentials: Credentials) -> Iterator[Callable[..., Participant]]:
    """Joins with a token, the owner's unless one is given; everybody leaves at the end."""
    with ExitStack() as leaving:

        def joined(token: str = "", **more: str) -> Participant:
            given = replace(credentials, password=token) if token else credentials
            made = Participant(given, kind=more.pop("kind", "cli"), codec=Checked(), beat_every_s=0.5, **more)
            made.join()
            leaving.callback(made.leave)
            return made

        yield joined


@pytest.fixture
def owner(join: Callable[..., Participant]) -> Bus:
    return join().bus


@pytest.fixture
def log_in(owner: Bus, join: Callable[..., Participant]) -> Callable[..., LoggedIn]:
    """A new user with some roles, and the log-in of one."""

    def made(*roles: str) -> LoggedIn:
        name = f"{roles[0] if roles else 'nobody'} {new_id()[-8:]}"
        owner.request(AddUser(name=name, password=PASSWORD, roles=roles or ("guest",), command=new_id()))
        visitor = join()
        return visitor.bus.request(Login(user=name, password=PASSWORD))

    return made
