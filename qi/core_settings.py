"""Qi's own settings, under the name `qi`: paths of a project, limits of a publish. Any thread."""

from __future__ import annotations

from qi.paths import PathConfig
from qi.settings import SettingsModel, setting

CORE = "qi"
"""The name under which Qi's own settings stand beside the addons'."""


class PublishSettings(SettingsModel):
    plugin_timeout_s: float = setting(
        900.0, gt=0, title="Longest time one plugin may take on one instance, seconds"
    )
    memory_gib: float = setting(
        0.0, ge=0, title="Most memory the plugins' process may take, GiB; 0: three quarters of the machine's"
    )
    tracker_timeout_s: float = setting(5.0, gt=0, title="How long registering waits for the tracker, seconds")


class CoreSettings(SettingsModel):
    paths: PathConfig = setting(factory=PathConfig, title="Roots, templates and preset folders")
    publish: PublishSettings = setting(factory=PublishSettings, title="Publishing")
