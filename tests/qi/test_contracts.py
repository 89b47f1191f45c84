"""Every topic says what it is for, who may ask it, and what it answers."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import qi.contracts
from actors.sessions import ADDON_PERMISSIONS
from events.users import PERMISSIONS
from qi.messages import PUBLIC, STUDIO_ONLY, TOPICS, Request

for module in pkgutil.iter_modules(qi.contracts.__path__):
    importlib.import_module(f"qi.contracts.{module.name}")

OURS = {topic: kind for topic, kind in TOPICS.items() if kind.__module__.startswith("qi.contracts")}


@pytest.mark.parametrize("kind", OURS.values(), ids=OURS.keys())
def test_a_request_is_documented(kind: type[Request[object]]) -> None:
    # A dataclass without a docstring is given its signature as one.
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}("), "it says nothing about itself"


@pytest.mark.parametrize("kind", OURS.values(), ids=OURS.keys())
def test_a_request_needs_a_permission_that_a_role_can_grant(kind: type[Request[object]]) -> None:
    granted = frozenset().union(*PERMISSIONS.values())
    assert kind.needs in granted | ADDON_PERMISSIONS | {PUBLIC, STUDIO_ONLY}
