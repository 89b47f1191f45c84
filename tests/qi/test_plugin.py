"""The five kinds of plugins, and finding them whatever their files do."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from qi.discovery import PluginRecord, Status, discover, in_order
from qi.errors import Invalid
from qi.plugin import Action, Creator, Field, FieldType, Hook, Item, Kind, LifeEvent, Loader, Selection, filled

# pyblish and the compatibility layer in it are older than these warnings.
pytestmark = [
    pytest.mark.filterwarnings("ignore:invalid escape sequence"),
    pytest.mark.filterwarnings("ignore:_SixMetaPathImporter:ImportWarning"),
]

EXAMPLES = {
    "create/create_camera.py": """
        from qi.plugin import Creator, Field

        class CreateCamera(Creator):
            family = "camera"
            hosts = frozenset({"blender"})
            form = (Field("lens"),)

            def create(self, host, product, values):
                return host.add(product, values["lens"])
        """,
    "load/load_image.py": """
        from qi.plugin import Loader

        class LoadImage(Loader):
            extensions = frozenset({"exr", "png"})

            def load(self, host, representation):
                return host.add(representation, "")
        """,
    "hooks/set_colour.py": """
        from qi.plugin import Hook, LifeEvent

        class SetColour(Hook):
            events = frozenset({LifeEvent.BEFORE_LAUNCH})

            def run(self, event, data):
                data["environment"]["OCIO"] = self.settings["ocio"]
        """,
    "publish/validate_name.py": """
        import pyblish.api

        class Repair(pyblish.api.Action):
            def process(self, context, plugin):
                pass

        class ValidateName(pyblish.api.InstancePlugin):
            order = pyblish.api.ValidatorOrder
            actions = [Repair]

            def process(self, instance):
                assert instance.data["name"]
        """,
    "actions/open_folder.py": """
        from qi.plugin import Action, Item, Result, RunsIn, Selection

        class OpenFolder(Action):
            label = "Open the folder"
            runs_in = RunsIn.SESSION
            selection = Selection(kinds=frozenset({"version"}), most=1)

            def run(self, items, values):
                return Result("Opened.", items=tuple(items), refresh=frozenset({"version"}))
        """,
}


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("qi_plugin_"):
            del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
    return folder


def plugin_of(records: tuple[PluginRecord, ...], kind: Kind) -> Any:
    (record,) = (record for record in records if record.kind is kind)
    assert (record.status, record.reason) == (Status.READY, "")
    (plugin,) = record.plugins
    return plugin


class Host:
    def __init__(self) -> None:
        self.scene: list[tuple[Any, str]] = []

    def add(self, what: Any, detail: str) -> int:
        self.scene.append((what, detail))
        return len(self.scene)


def test_one_plugin_of_each_kind_is_found_and_works(tmp_path: Path) -> None:
    records = discover(write(tmp_path, EXAMPLES))
    assert [record.kind for record in records] == list(Kind)
    host = Host()

    create = plugin_of(records, Kind.CREATE)
    assert issubclass(create, Creator)
    assert (create.name, create.label, create.family) == ("create_camera", "Create camera", "camera")
    assert create().create(host, "main", filled(create.form, {"lens": "35"})) == 1

    load = plugin_of(records, Kind.LOAD)
    assert issubclass(load, Loader)
    assert load().load(host, "v001/exr") == 2
    assert host.scene == [("main", "35"), ("v001/exr", "")]

    hook = plugin_of(records, Kind.HOOKS)
    assert issubclass(hook, Hook)
    launch: dict[str, Any] = {"environment": {}}
    hook({"ocio": "studio.ocio"}).run(LifeEvent.BEFORE_LAUNCH, launch)
    assert launch == {"environment": {"OCIO": "studio.ocio"}}

    action = plugin_of(records, Kind.ACTIONS)
    assert issubclass(action, Action)
    version = Item("version", "1")
    assert action.label == "Open the folder"
    assert action.selection.accepts([version])
    assert action().run([version], {}).items == (version,)

    assert plugin_of(records, Kind.PUBLISH).__name__ == "ValidateName"


def test_a_kind_can_be_asked_for_alone(tmp_path: Path) -> None:
    write(tmp_path, EXAMPLES)
    assert [record.kind for record in discover(tmp_path, Kind.HOOKS)] == [Kind.HOOKS]
    assert discover(tmp_path / "nothing here") == ()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def broken(", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('needs a licence')", "RuntimeError: needs a licence"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit"),
        ("x = 1", "0 plugins"),
        ("from qi.plugin import Hook", "0 plugins"),
        ("from qi.plugin import Loader\nclass A(Loader): ...", "0 plugins"),
        ("from qi.plugin import Hook\nclass A(Hook): ...\nclass B(Hook): ...", "2 plugins"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_record_with_the_reason(tmp_path: Path, source: str, reason: str) -> None:
    fine = "from qi.plugin import Hook\nclass _Base(Hook): ...\nclass Fine(_Base): ..."
    write(tmp_path, {"hooks/a.py": source, "hooks/b.py": fine, "hooks/_c.py": "raise RuntimeError", "hooks/d.txt": ""})
    modules = set(sys.modules)
    broken, other = discover(tmp_path)
    assert (broken.status, broken.plugins, broken.path.name) == (Status.FAILED, (), "a.py")
    assert reason in broken.reason
    assert other.status is Status.READY
    assert ("Traceback" in broken.detail) == ("imported" in broken.reason)
    if broken.detail:
        assert len(set(sys.modules) - modules) == 1


def test_an_interrupt_is_not_taken_for_a_broken_file(tmp_path: Path) -> None:
    write(tmp_path, {"hooks/a.py": "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        discover(tmp_path)


def test_two_versions_of_a_plugin_live_side_by_side(tmp_path: Path) -> None:
    source = "from qi.plugin import Hook\nclass A(Hook):\n    label = 'version {}'"
    versions = [write(tmp_path / str(n), {"hooks/a.py": source.format(n)}) for n in (1, 2)]
    first, second = (plugin_of(discover(folder), Kind.HOOKS) for folder in versions)
    assert (first.label, second.label) == ("version 1", "version 2")
    assert sys.modules[first.__module__] is not sys.modules[second.__module__]


def test_plugins_come_in_the_order_they_ask_for(tmp_path: Path) -> None:
    source = "from qi.plugin import Hook\nclass A(Hook):\n    order = {}"
    write(tmp_path, {"hooks/a.py": source.format(2), "hooks/b.py": source.format(1), "hooks/c.py": source.format(1)})
    assert [plugin.name for plugin in in_order(discover(tmp_path), Kind.HOOKS)] == ["b", "c", "a"]


def test_an_action_is_offered_only_for_what_it_takes() -> None:
    version, task = Item("version", "1", family="render"), Item("task", "2")
    one = Selection(kinds=frozenset({"version"}), families=frozenset({"render"}), most=1)
    assert one.accepts([version])
    assert not one.accepts([])
    assert not one.accepts([task])
    assert not one.accepts([version, version])
    assert not one.accepts([Item("version", "3", family="camera")])
    assert Selection().accepts([version, task])
    assert Selection(least=0).accepts([])


def test_a_form_is_filled_with_its_defaults_and_all_its_faults_are_named() -> None:
    form = (
        Field("name", required=True),
        Field("frames", FieldType.INT, default=24),
        Field("scale", FieldType.FLOAT),
        Field("proxy", FieldType.BOOL, default=False),
        Field("mode", FieldType.CHOICE, choices=("copy", "link"), default="copy"),
        Field("views", FieldType.CHOICES, choices=("left", "right")),
    )
    values = filled(form, {"name": "x", "scale": 2, "views": ["left"]})
    assert values == {"name": "x", "frames": 24, "scale": 2, "proxy": False, "mode": "copy", "views": ["left"]}
    with pytest.raises(Invalid) as refused:
        filled(form, {"frames": True, "scale": "2", "proxy": 1, "mode": "move", "views": ["up"], "other": 1})
    assert refused.value.data["fields"] == {
        "name": "is required",
        "frames": "must be int",
        "scale": "must be float",
        "proxy": "must be bool",
        "mode": "has no choice move",
        "views": "has no choice up",
        "other": "is no field of this form",
    }


def test_the_plugin_modules_need_nothing_but_the_standard_library() -> None:
    program = """
        import sys
        before = set(sys.modules)
        import qi.discovery
        loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(loaded - set(sys.stdlib_module_names)))
        """
    run = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['events', 'qi']"
