"""Python files from anywhere, as modules that no other import finds. Any thread."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from qi.errors import QiError


def import_file(path: Path, module: str) -> ModuleType:
    """Import one file under a name of its own, so that two versions never meet. Raises :class:`QiError`."""
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise QiError(f"{path} is not a Python file")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    try:
        spec.loader.exec_module(made)
    except (Exception, SystemExit) as error:
        sys.modules.pop(module, None)
        raise QiError(f"{path.name} does not load: {type(error).__name__}: {error}", file=str(path)) from error
    return made
