"""The table of verbs and the verbs themselves agree."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from qi.app import cli
from qi.app.cli.verbs import VERBS, load


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_where_the_table_says_and_helps_as_it_says(verb: str) -> None:
    assert load(verb).get_short_help_str(200) == VERBS[verb][1]


def test_no_verb_is_missing_from_the_table() -> None:
    made = typer.Typer()
    for file in Path(str(cli.__file__)).parent.glob("*.py"):
        module = import_module(f"qi.app.cli.{file.stem}")
        if hasattr(module, "add_to"):
            module.add_to(made)
    assert set(typer.main.get_group(made).commands) == set(VERBS)


def test_the_help_names_every_verb_and_imports_none() -> None:
    start = "import sys; from qi.app.cli.main import main; main(['--help']); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True).stdout
    shown, _, imported = said.partition("['")
    assert [verb for verb in VERBS if verb not in shown] == []
    assert [module for module, _ in VERBS.values() if f"'qi.app.cli.{module}'" in imported] == []
    assert "'qi.contracts" not in imported
