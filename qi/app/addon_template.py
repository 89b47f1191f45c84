"""What `qi addon new` writes: a small addon that works, with a test that says so. Any thread."""

from __future__ import annotations

from pathlib import Path
from string import Template

from events.owners import RESERVED
from qi.addon_record import NAME
from qi.errors import Conflict, Invalid

FILES: dict[str, str] = {
    "addon.toml": """\
name = "$name"
version = "0.1.0"
title = "$title"
description = "What it is for, in a sentence or two."
isolation = "process"
requests = []                 # topics it asks of the studio's services, such as "db.version.list"
permissions = ["read"]        # what it needs to be allowed for that

[[commands]]
title = "Say hello from $title"
topic = "$name.hello"
""",
    "lib/${name}_lib/__init__.py": '''\
"""What $title's actor, plugins and callers share."""
''',
    "lib/${name}_lib/messages.py": '''\
"""What $title can be asked."""

from qi.messages import Request, message


@message
class Greeting:
    text: str


@message
class Hello(Request[Greeting], topic="$name.hello", needs="read"):
    """Say hello."""

    name: str = "you"
''',
    "addon.py": '''\
"""$title."""

from ${name}_lib.messages import Greeting, Hello

from qi.actor import handles
from qi.addon import Addon


class $class_name(Addon):
    """Answers requests, one at a time, in a thread of its own."""

    name = "$name"

    @handles(Hello)
    def hello(self, message: Hello) -> Greeting:
        return Greeting(text=f"{self.settings.get('word', 'Hello')}, {message.name}!")
''',
    "cli/hello.py": '''\
"""`qi $name hello`."""

import typer
from ${name}_lib.messages import Hello

from qi.verbs import ask

verbs = typer.Typer()


@verbs.command()
def hello(name: str = "you") -> None:
    """Say hello."""
    typer.echo(ask(Hello(name=name)).text)
''',
    "settings.py": '''\
"""Settings of $title. Every field has a default."""

from qi.settings import SettingsModel, setting


class Settings(SettingsModel):
    word: str = setting("Hello", title="How it greets")
''',
    "plugins/publish/validate_$name.py": '''\
"""One pyblish plugin a file; it runs in the worker of a publish."""

import pyblish.api


class Validate$class_name(pyblish.api.InstancePlugin):
    label = "$title"
    order = pyblish.api.ValidatorOrder
    optional = True

    def process(self, instance):
        if not instance.name:
            raise ValueError("an instance without a name cannot be found again")
''',
    "tests/test_$name.py": '''\
"""Tests of $title: on a real broker, without a studio. `qi addon test` runs them."""

from pathlib import Path

from ${name}_lib.messages import Hello

from qi.addon import load_addon
from qi.messages import to_addon
from qi.testing.mesh import Mesh

FOLDER = str(Path(__file__).parents[1])


def test_it_greets(tmp_path: Path) -> None:
    options = {"folder": FOLDER, "bundle": "b1", "addon": "$name", "home": str(tmp_path), "settings": {"word": "Ahoy"}}
    with Mesh() as mesh:
        mesh.start(load_addon(**options), **options)
        assert mesh.bus().request(Hello(name="Ada"), to=to_addon("b1", "$name")).text == "Ahoy, Ada!"
''',
}


def write_addon(name: str, below: Path) -> Path:
    """Write a new addon as the folder `below/name`; the folder. Raises :class:`Invalid` for a name that no addon can
    have, :class:`Conflict` when the folder is there."""
    if not NAME.fullmatch(name):
        raise Invalid(f"'{name}' is no name for an addon: small letters, digits and '_', a letter first")
    if name in RESERVED:
        raise Invalid(f"'{name}' is a word of Qi's own: call the addon otherwise")
    folder = below / name
    if folder.exists():
        raise Conflict(f"{folder} exists already", remedy="choose another name or another folder with --at")
    words = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "class_name": "".join(part.capitalize() for part in name.split("_") if part) or "New",
    }
    for path, text in FILES.items():
        file = folder / Template(path).substitute(words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(words), "utf-8")
    return folder
