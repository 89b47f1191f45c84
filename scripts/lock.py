"""Write the versions `uv lock` chose into pyproject.toml: `uv.lock` names registry hosts and is not kept."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "constraint-dependencies = [", "]"


def main() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    pins: list[str] = []
    for package in packages:
        if "registry" in package.get("source", {}):
            # One name can have several versions, each for some interpreters or platforms.
            markers = " or ".join(f"({marker})" for marker in package.get("resolution-markers", []))
            pin = f"{package['name']}=={package['version']}" + (f"; {markers}" if markers else "")
            pins.append(f'    "{pin}",')
    lines = sorted(pins)
    project = ROOT / "pyproject.toml"
    text = project.read_text("utf-8")
    made = "\n".join([BEGIN, *lines, END])
    if BEGIN in text:
        text = re.sub(re.escape(BEGIN) + r".*?\n\]", lambda _: made, text, flags=re.DOTALL)
    else:
        text = text.replace("[tool.uv]\n", f"[tool.uv]\n{made}\n")
    project.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
