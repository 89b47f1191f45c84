"""The peer of a publish: the same plugins on the same sources by pyblish alone, in a process of its own.

`python -m bench.pyblish_alone`, its order as one JSON line on standard input: `folders` of plugins, `lib` folders for
the search path, `data` of the context.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pyblish.api
import pyblish.util


def main() -> int:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    sys.path[:0] = order["lib"]
    pyblish.api.deregister_all_paths()
    plugins = pyblish.api.discover(paths=order["folders"])
    context = pyblish.api.Context()
    context.data.update(order["data"])
    pyblish.util.publish(context, plugins)
    failed = [str(result["error"]) for result in context.data["results"] if result["error"] is not None]
    print("; ".join(failed), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
