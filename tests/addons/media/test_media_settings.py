"""The settings people see are the settings the plugins read."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from qi.settings import defaults_of, load_schema

ADDON = Path(__file__).resolve().parents[3] / "addons" / "media"


@pytest.fixture
def plugin_defaults(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(sys, "path", [str(ADDON / "lib"), *sys.path])
    from qi_media.settings import MediaSettings

    return dataclasses.asdict(MediaSettings())


def test_the_schema_and_the_plugins_agree_on_every_field_and_default(plugin_defaults: dict[str, object]) -> None:
    schema = load_schema(ADDON, "media", "test")
    assert schema is not None
    assert defaults_of(schema) == plugin_defaults
