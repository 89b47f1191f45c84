"""Where a publish's version goes: the templates as they were pinned, the project's own root. Any thread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qi.core_settings import CORE, CoreSettings
from qi.integrate import Place
from qi.manifest import Pinned
from qi.paths import PathConfig, Paths, path_values, this_platform


def core_settings(pinned: Pinned) -> CoreSettings:
    """Qi's own settings as they were pinned."""
    return CoreSettings.model_validate(pinned.settings.get(CORE, {}))


def rooted(config: PathConfig, root: str) -> Paths:
    """The templates with the project's own root in the place of `projects`."""
    projects = {**config.roots.get("projects", {}), this_platform(): root}
    return Paths(replace(config, roots={**config.roots, "projects": projects}))


def paths_of(pinned: Pinned) -> Paths:
    return rooted(core_settings(pinned).paths, pinned.root)


def place_of(pinned: Pinned, publish: str, number: int) -> Place:
    """The folder of that version. Raises :class:`Invalid` when it would lie outside every root."""
    paths = paths_of(pinned)
    folder = paths.publish_folder(path_values(pinned.project, pinned.entity, product=pinned.product, version=number))
    return Place(publish, paths.root_of(folder), folder)


def product_folder(pinned: Pinned) -> Path:
    """The folder that holds all versions of the product."""
    return paths_of(pinned).product_folder(path_values(pinned.project, pinned.entity, product=pinned.product))


def require_file_name(pinned: Pinned) -> None:
    """Raises :class:`Invalid` when no file of the version could have a name, whatever its extension."""
    values = path_values(
        pinned.project, pinned.entity, task=pinned.task, product=pinned.product, version=1, ext="x", output="x", frame=1
    )
    paths_of(pinned).publish_name(values)


def example_name(pinned: Pinned, number: int) -> str:
    """How the main file of frame 1001 would be named in that version, were it an EXR."""
    values = path_values(
        pinned.project, pinned.entity, task=pinned.task, product=pinned.product, version=number, ext="exr", frame=1001
    )
    return paths_of(pinned).publish_name(values)
