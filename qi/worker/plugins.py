"""The plugins of a publish, laid out as they are sealed, and the data that collecting begins with. Main thread."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from events.blobs import Blobs
from events.record import Digest
from qi.errors import Invalid
from qi.home import Home
from qi.manifest import Pinned, PluginTree
from qi.session.publishing import discover
from qi.worker.hooks import Asked, hooks_of

PLUGIN_PATH = "PYBLISHPLUGINPATH"


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What is ready to run."""

    plugins: list[type]
    """pyblish plugins, in their order."""
    hooks: list[Asked]


def lay_out(home: Home, blobs: Blobs, pinned: Pinned, trees: Sequence[PluginTree]) -> LaidOut:
    """The plugins of the pinned addons and of `trees`, from the content store: a run and each replay of it run the very
    same files. Raises :class:`Invalid` for a file that does not load."""
    folders: list[Path] = []
    hooks: list[Asked] = []
    for addon in pinned.addons:
        folder = home.code / addon.digest
        blobs.checkout(Digest(addon.digest), folder)
        if (folder / "lib").is_dir():
            sys.path.insert(0, str(folder / "lib"))
        folders.append(folder / "plugins" / "publish")
        hooks += hooks_of(addon.name, folder, pinned.settings.get(addon.name, {}))
    for tree in trees:
        folder = home.code / tree.digest
        blobs.checkout(Digest(tree.digest), folder)
        folders.append(folder)
    # What the environment names is among `trees`, sealed; pyblish must not look at the live folders as well.
    os.environ.pop(PLUGIN_PATH, None)
    return LaidOut(discover([folder for folder in folders if folder.is_dir()]), hooks)


def seal_plugin_path(blobs: Blobs) -> tuple[PluginTree, ...]:
    """What the environment's own plugin path names, as it is now. Raises :class:`Invalid` for what is no folder."""
    trees = []
    for path in os.environ.get(PLUGIN_PATH, "").split(os.pathsep):
        if path and Path(path).is_dir():
            trees.append(PluginTree(path=path, digest=str(blobs.put_tree(Path(path)))))
        elif path:
            raise Invalid(f"{PLUGIN_PATH} names {path}, which is no folder", remedy="mend the variable")
    return tuple(trees)


def context_data(
    pinned: Pinned, *, publish: str, mode: str, user: str, sources: Sequence[str], scratch: Path
) -> dict[str, Any]:
    """What stands in `context.data` before the first collector."""
    return {
        "publish": publish,
        "mode": mode,
        "project": pinned.project,
        "entity": pinned.entity,
        "task": pinned.task,
        "product": pinned.product,
        "comment": pinned.comment,
        "user": user,
        "fps": pinned.fps,
        "sources": list(sources),
        "settings": pinned.settings,
        "staging": str(scratch),
    }
