"""Hosting: addons of several bundles side by side, replaced while they are used, followed when production moves."""

from __future__ import annotations

import textwrap
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from events.ids import new_id
from qi.checked import Checked
from qi.contracts.bundles import CreateBundle, EditBundle, FreezeBundle, GetBundle, PromoteBundle, RevertPointer
from qi.contracts.hosting import AddonRun, GetAddons, RestartAddon
from qi.contracts.settings import PatchSettings, Setting
from qi.contracts.studio import GetStatus
from qi.errors import Forbidden, Invalid, NotFound
from qi.messages import Request, message, to_addon
from qi.session.participant import Participant
from qi.testing.mesh import eventually
from qi.testing.studio import RunningStudio, start_studio

GREETER = """
    import os
    from qi.actor import handles
    from qi.addon import Addon
    from qi.messages import Request, message
    from greeter_words import WORD

    @message
    class Greeting:
        text: str
        pid: int
        version: str
        settings: dict[str, str]

    @message
    class Greet(Request[Greeting], topic="greeter.greet", needs="read"):
        name: str

    class Greeter(Addon):
        @handles(Greet)
        def greet(self, message: Greet) -> Greeting:
            return Greeting(text=f"{WORD} {message.name}", pid=os.getpid(), version="VERSION", settings=self.settings)
"""
SETTINGS = """
    from qi.settings import SettingsModel

    class Settings(SettingsModel):
        mood: str = "calm"
"""


@message
class Greeting:
    text: str
    pid: int
    version: str
    settings: dict[str, str]


@message
class Greet(Request[Greeting], topic="greeter.greet", needs="read"):
    name: str


def write(folder: Path, name: str, code: str, *, version: str = "1.0.0", toml: str = "") -> Path:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "addon.toml").write_text(f'name = "{name}"\nversion = "{version}"\n{toml}\n', "utf-8")
    (place / "addon.py").write_text(textwrap.dedent(code).replace("VERSION", version), "utf-8")
    return place


def greeter(folder: Path, version: str, word: str) -> Path:
    place = write(folder, "greeter", GREETER, version=version)
    (place / "lib").mkdir(exist_ok=True)
    (place / "lib" / "greeter_words.py").write_text(f"WORD = {word!r}\n", "utf-8")
    (place / "settings.py").write_text(textwrap.dedent(SETTINGS), "utf-8")
    return place


@contextmanager
def session(studio: RunningStudio, bundle: str = "") -> Iterator[Participant]:
    connection = studio.home.connection()
    assert connection is not None
    made = Participant(connection.credentials, kind="cli", codec=Checked(), home=studio.home, bundle=bundle)
    made.join()
    yield made
    made.leave()


def of(studio: RunningStudio, name: str, bundle: str = "") -> AddonRun:
    return {run.name: run for run in studio.bus.request(GetAddons(bundle=bundle)).addons}[name]


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("addons")
    greeter(folder, "1.0.0", "hello")
    return folder


@pytest.fixture(scope="module")
def running(more: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio whose production greets with `hello`, and a dev bundle `next` that takes the greeter from its folder."""
    home = tmp_path_factory.mktemp("studio") / "home"
    # Compiled files are kept, as on the machine of whoever writes addons: they must not hide a save.
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(home.parent / "compiled")}
    with start_studio(home, environment={**environment, "QI_ADDON_PATHS": str(more)}) as studio:
        greeter(more, "2.0.0", "good evening")
        studio.bus.request(CreateBundle(name="next", dev=True, command=new_id()))
        yield studio


def test_two_versions_of_one_addon_answer_at_once_each_its_own_sessions(running: RunningStudio) -> None:
    with session(running) as old, session(running, "next") as new:
        said = [(old.ask(Greet(name="Ada"), "greeter"), new.ask(Greet(name="Ada"), "greeter")) for _ in range(20)]
        assert {(one.text, two.text) for one, two in said} == {("hello Ada", "good evening Ada")}
        one, two = said[0]
        assert (one.version, two.version) == ("1.0.0", "2.0.0")
        assert one.pid == running.pid != two.pid
        production, other = (new.bus.request(GetBundle(bundle=name)).id for name in ("production", "next"))
        for asking, to in ((old, other), (new, production)):
            with pytest.raises(Forbidden, match="another bundle"):
                asking.bus.request(Greet(name="Ada"), to=to_addon(to, "greeter"))
    assert (of(running, "greeter").where, of(running, "greeter", "next").where) == ("thread", "process")


def test_what_is_saved_runs_within_a_moment_and_no_request_is_lost(running: RunningStudio, more: Path) -> None:
    """A flood of requests without a command id, which nobody sends again, over five saves."""
    over, answers = threading.Event(), []

    def flood(number: int) -> int:
        asked = 0
        while not over.is_set():
            answers.append(new.ask(Greet(name=f"{number}"), "greeter").text.rpartition(" ")[0])
            asked += 1
        return asked

    with session(running, "next") as new:
        new.ask(Greet(name="Ada"), "greeter")
        with ThreadPoolExecutor(3) as pool:
            floods = [pool.submit(flood, number) for number in range(3)]
            for save in range(5):
                greeter(more, "2.0.0", f"save {save}")
                eventually(lambda: f"save {save}" in answers[-1:])  # noqa: B023 - called at once
            over.set()
            assert all(each.result(20) for each in floods)
        wrong = (more / "greeter" / "addon.py").read_text("utf-8")
        (more / "greeter" / "addon.py").write_text("class Greeter(:\n", "utf-8")
        eventually(lambda: of(running, "greeter", "next").problem)
        assert new.ask(Greet(name="Ada"), "greeter").text == "save 4 Ada"
        run = of(running, "greeter", "next")
        assert (run.status, run.stage) == ("enabled", "started")
        assert "runs as it was before" in run.problem
        assert "SyntaxError" in run.problem
        (more / "greeter" / "addon.py").write_text(wrong, "utf-8")
        greeter(more, "2.0.1", "mended")
        eventually(lambda: new.ask(Greet(name="Ada"), "greeter").version == "2.0.1")
        eventually(lambda: not of(running, "greeter", "next").problem)

    def children() -> list[str]:
        return [child.name for child in running.bus.request(GetStatus()).children if "greeter" in child.name]

    # The new one answers a moment before the old one is let go.
    eventually(lambda: len(children()) == 2)


def test_an_edit_of_a_dev_bundle_reaches_what_runs_of_it(running: RunningStudio) -> None:
    with session(running, "next") as new:
        assert new.ask(Greet(name="Ada"), "greeter").settings == {"mood": "calm"}
        change = (Setting(path="greeter.mood", value="wild"),)
        running.bus.request(PatchSettings(scope="bundle", target="next", settings=change, command=new_id()))
        eventually(lambda: new.ask(Greet(name="Ada"), "greeter").settings == {"mood": "wild"})
        before = of(running, "greeter", "next").child
        running.bus.request(RestartAddon(name="greeter", bundle=running.bus.request(GetBundle(bundle="next")).id))
        assert of(running, "greeter", "next").child != before
        running.bus.request(EditBundle(bundle="next", remove=("greeter",), command=new_id()))
        eventually(lambda: of(running, "greeter", "next").status == "disabled")
        with pytest.raises(NotFound, match="pins no addon"):
            new.ask(Greet(name="Ada"), "greeter")
        running.bus.request(EditBundle(bundle="next", add=("greeter",), command=new_id()))
        assert new.ask(Greet(name="Ada"), "greeter").text.endswith("Ada")
    with pytest.raises(Invalid, match="no actor"), session(running) as old:
        old.ask(Greet(name="Ada"), "media")


def test_production_moves_and_sessions_keep_what_they_began_with(running: RunningStudio, more: Path) -> None:
    greeter(more, "3.0.0", "bonjour")
    with session(running) as old:
        assert old.ask(Greet(name="Ada"), "greeter").text == "hello Ada"
        running.bus.request(CreateBundle(name="french", dev=True, command=new_id()))
        running.bus.request(FreezeBundle(bundle="french", command=new_id()))
        running.bus.request(PromoteBundle(bundle="french", reason="a new season", command=new_id()))
        with session(running) as new:
            assert new.ask(Greet(name="Ada"), "greeter").text == "bonjour Ada"
            assert old.ask(Greet(name="Ada"), "greeter").text == "hello Ada"
            running.given_project()  # the new bundle's providers answer
            running.bus.request(RevertPointer(reason="too early", command=new_id()))
            with session(running) as back:
                assert back.ask(Greet(name="Ada"), "greeter").text == "hello Ada"
                assert new.ask(Greet(name="Ada"), "greeter").text == "bonjour Ada"
                running.given_project()
    assert not [problem for problem in running.bus.request(GetStatus()).problems if "greeter" in problem]


FINE = """
    from qi.addon import Addon

    class Fine(Addon):
        pass
"""
STEALS = """
    from qi.actor import handles
    from qi.addon import Addon
    from qi.contracts.auth import Verified, VerifyPassword

    class Steals(Addon):
        @handles(VerifyPassword)
        def verify(self, message: VerifyPassword) -> Verified:
            return Verified(user="owner")
"""
ASKS = """
    from qi.addon import Addon
    from qi.contracts.bundles import GetBundle

    class Asks(Addon):
        requests = (GetBundle,)

        def setup(self):
            self.request(GetBundle())
"""
BAD: dict[str, tuple[str, str, str]] = {
    "slow": ("import time\ntime.sleep(1.5)\n" + textwrap.dedent(FINE), "", ""),
    "crashes": ("import os\nos._exit(9)\n", 'isolation = "process"', "ended or hung while it started"),
    "newer": (FINE, 'qi = ">=99"', "made for Qi >=99"),
    "lonely": (FINE, '[requires]\nnobody = ">=1"', "requires 'nobody', which this bundle does not pin"),
    "picky": (FINE, '[requires]\nlocal = ">=9"', "requires 'local' >=9, this bundle pins 0.1.0"),
    "egg": (FINE, '[requires]\nhen = ""', "in a circle: egg → hen → egg"),
    "hen": (FINE, '[requires]\negg = ""', "in a circle: hen → egg → hen"),
    "chick": (FINE, '[requires]\nhen = ""', "requires 'hen', which cannot start"),
    "steals": (STEALS, "", "without having the role 'auth'"),
    "asks": (ASKS, "", "requests 'bundle.get' without declaring it"),
    "typo": (FINE, 'titel = "Typo"', "'titel' Extra inputs are not permitted"),
    "behind": (FINE, '[requires]\nslow = ">=1"', ""),
}


@pytest.fixture(scope="module")
def bad_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    folder = tmp_path_factory.mktemp("bad")
    for name, (code, toml, _) in BAD.items():
        write(folder, name, code, toml=toml)
    packed(folder)
    home = tmp_path_factory.mktemp("studio") / "home"
    with start_studio(home, environment={"QI_ADDON_PATHS": str(folder)}) as studio:
        yield studio


@pytest.mark.parametrize("name", BAD)
def test_each_bad_addon_has_a_record_that_says_why(bad_company: RunningStudio, name: str) -> None:
    problem, run = BAD[name][2], of(bad_company, name)
    assert problem in run.problem
    assert (run.stage == "started") is (problem == ""), run
    if problem:
        assert run.status in ("failed", "incompatible")
        assert any(f"'{name}'" in line for line in bad_company.bus.request(GetStatus()).problems) or name == "typo"


def test_the_good_ones_among_them_serve(bad_company: RunningStudio) -> None:
    bad_company.given_project()
    assert of(bad_company, "slow").stage == of(bad_company, "behind").stage == "started"


NEEDY = """
    from qi.actor import handles
    from qi.addon import Addon
    from qi.messages import Request, message
    import qi_test_needed

    @message
    class Had:
        what: str

    @message
    class Have(Request[Had], topic="needy.have", needs="read"): ...

    class Needy(Addon):
        @handles(Have)
        def have(self, _: Have) -> Had:
            return Had(what=qi_test_needed.WHAT)
"""


@message
class Had:
    what: str


@message
class Have(Request[Had], topic="needy.have", needs="read"): ...


def packed(folder: Path) -> None:
    """An addon that needs a Python package which nobody has but it."""
    wheel = folder / "qi_test_needed-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("qi_test_needed.py", "WHAT = 'its own package'\n")
        said = "Metadata-Version: 2.1\nName: qi-test-needed\nVersion: 1.0\n"
        archive.writestr("qi_test_needed-1.0.dist-info/METADATA", said)
        archive.writestr("qi_test_needed-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("qi_test_needed-1.0.dist-info/RECORD", "")
    write(folder, "needy", NEEDY, toml=f'python = ["qi-test-needed @ {wheel.as_uri()}"]')


def test_an_addon_that_needs_python_packages_has_them_in_a_process_of_its_own(bad_company: RunningStudio) -> None:
    assert bad_company.participant.ask(Have(), "needy", timeout_s=60).what == "its own package"
    assert of(bad_company, "needy").where == "process"
