"""Where a studio keeps its files: roots, templates and preset folders, and the paths they give.

Any thread; only :meth:`Paths.make_folders` touches the disk.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qi.errors import Conflict, Invalid, NotFound
from qi.paths.template import Padding, Template
from qi.paths.values import Values

Platform = Literal["linux", "darwin", "windows"]


def this_platform() -> Platform:
    return "windows" if sys.platform == "win32" else "darwin" if sys.platform == "darwin" else "linux"


@dataclass(frozen=True, slots=True)
class PathConfig:
    """The path settings of one project."""

    roots: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {
            "projects": {"linux": "/mnt/projects", "darwin": "/Volumes/projects", "windows": "P:/projects"}
        }
    )
    """Root name → platform → absolute folder, which must exist."""
    publish_folder: str = (
        "{root[projects]}/{project[name]}/<{hierarchy}/>{entity[name]}/publish/{product[name]}/{@version}"
    )
    """Folder of one published version; its last level is `{@version}`."""
    publish_file: str = "{entity[name]}_{product[name]}_{@version}<_{output}><.{@frame}>.{ext}"
    """File in it. `output` tells representations of one extension apart."""
    work_folder: str = "{root[projects]}/{project[name]}/<{hierarchy}/>{entity[name]}/work/{task[name]}"
    """Folder of a task's workfiles."""
    work_file: str = "{entity[name]}_{task[name]}_{@version}<_{comment}>.{ext}"
    """Workfile in it."""
    version_padding: int = 3
    frame_padding: int = 4
    folders: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "project": ("{root[projects]}/{project[name]}/editorial", "{root[projects]}/{project[name]}/reference"),
            "entity": (
                "{root[projects]}/{project[name]}/<{hierarchy}/>{entity[name]}/publish",
                "{root[projects]}/{project[name]}/<{hierarchy}/>{entity[name]}/work",
            ),
            "task": ("{root[projects]}/{project[name]}/<{hierarchy}/>{entity[name]}/work/{task[name]}",),
        }
    )
    """Preset name → the folders it makes."""


def path_values(project: str, entity: str = "", *, task: str = "", product: str = "", **others: str | int) -> Values:
    """The values of a context, ready to fill a template; empty ones are left out.

    `entity` is its path in the project (`seq010/sh0100`): the last level is the entity's name, the levels above are
    the `hierarchy`. `others` are keys without a part, such as `version`, `frame`, `ext`, `output`, `comment`.
    """
    hierarchy, _, name = entity.rpartition("/")
    grouped = {"project": project, "entity": name, "task": task, "product": product}
    values: dict[str, Any] = {group: {"name": text} for group, text in grouped.items() if text}
    values |= {key: value for key, value in {"hierarchy": hierarchy, **others}.items() if value != ""}
    return values


def entity_path(values: Values) -> str:
    """The entity's path in the project: what :func:`path_values` took apart."""
    entity = values.get("entity")
    name = entity.get("name") if isinstance(entity, Mapping) else ""
    return "/".join(str(part) for part in (values.get("hierarchy"), name) if part)


class Paths:
    """The paths of one project on one platform. Raises :class:`Invalid` for a malformed configuration."""

    def __init__(self, config: PathConfig, platform: Platform | None = None) -> None:
        self._platform = platform or this_platform()
        self._padding = Padding(version=config.version_padding, frame=config.frame_padding)
        self.roots = {
            name: places[self._platform].replace("\\", "/") if self._platform == "windows" else places[self._platform]
            for name, places in config.roots.items()
            if self._platform in places
        }
        if not config.publish_folder.endswith("/{@version}"):
            raise Invalid(
                "The template of the published version's folder must end with '/{@version}'.",
                remedy="All files of a version lie in one folder, so that it can appear at once.",
                fields={"publish_folder": "must end with '/{@version}'"},
            )
        self._publish_folder = self._template(config.publish_folder)
        self._publish_file = self._template(config.publish_file)
        self._publish = self._template(f"{config.publish_folder}/{config.publish_file}")
        self._product_folder = self._template(config.publish_folder.removesuffix("/{@version}"))
        self._work_folder = self._template(config.work_folder)
        self._work = self._template(f"{config.work_folder}/{config.work_file}")
        self._folders = {
            preset: tuple(self._template(text) for text in texts) for preset, texts in config.folders.items()
        }

    def publish_folder(self, values: Values) -> Path:
        """Folder of the published version."""
        return Path(self._publish_folder.fill(values))

    def product_folder(self, values: Values) -> Path:
        """Folder that holds all versions of the product; needs no version."""
        return Path(self._product_folder.fill(values))

    def publish_name(self, values: Values) -> str:
        """Name of a published file within its version's folder."""
        return self._publish_file.fill(values)

    def parse_publish(self, path: Path | str) -> dict[str, Any]:
        """The values of a published file's path. Raises :class:`Invalid` when it is none."""
        return self._publish.parse(str(path))

    def work_folder(self, values: Values) -> Path:
        """Folder of the task's workfiles."""
        return Path(self._work_folder.fill(values))

    def workfile(self, values: Values) -> Path:
        """Path of a workfile."""
        return Path(self._work.fill(values))

    def parse_work(self, path: Path | str) -> dict[str, Any]:
        """The values of a workfile's path. Raises :class:`Invalid` when it is none."""
        return self._work.parse(str(path))

    def root_of(self, path: Path) -> Path:
        """The root that `path` lies in. Raises :class:`Invalid` when it lies in none."""
        for folder in self.roots.values():
            if path.is_relative_to(folder) and ".." not in path.parts:
                return Path(folder)
        raise Invalid(f"'{path}' lies in no root of the project.", fields={"path": "lies in no root"})

    def make_folders(self, preset: str, values: Values) -> tuple[Path, ...]:
        """Make the preset's folders; what exists stays. Returns those that were made.

        Raises :class:`NotFound` for an unknown preset or a root that is not there, :class:`Invalid` for values that
        do not fit or a folder that a link leads out of its root, :class:`Conflict` where a file stands in the way.
        """
        if preset not in self._folders:
            raise NotFound(f"There is no folder preset '{preset}'.", known=sorted(self._folders))
        folders = [Path(template.fill(values)) for template in self._folders[preset]]
        made: list[Path] = []
        for folder in folders:
            root = self.root_of(folder)
            if not root.is_dir():
                raise NotFound(f"The root '{root}' is not there.", remedy="Is the disk mounted?", path=str(root))
            for level in reversed((folder, *folder.parents)):
                if level != root and level.is_relative_to(root):
                    made += _make_folder(level, root)
        return tuple(made)

    def _template(self, text: str) -> Template:
        return Template(text, roots=self.roots, padding=self._padding)


def _make_folder(folder: Path, root: Path) -> list[Path]:
    if not folder.resolve().is_relative_to(root.resolve()):
        raise Invalid(f"'{folder}' is a link that leads out of '{root}'.", fields={"path": "leads out of its root"})
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_dir():
            return []
        raise Conflict(f"'{folder}' is a file where a folder should be.", path=str(folder)) from None
    return [folder]
