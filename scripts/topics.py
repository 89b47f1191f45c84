"""Write docs/topics.md: every topic, and which role may ask it. Read off the code; a test keeps it current."""

from __future__ import annotations

from pathlib import Path

from events.users import PERMISSIONS
from qi.app.catalogue import topics
from qi.messages import PUBLIC, STUDIO_ONLY

PAGE = Path(__file__).resolve().parents[1] / "docs" / "topics.md"
HEAD = """# Topics and roles

Written by `python scripts/topics.py` from the message types; do not edit it. A role may ask what is marked; what nobody
may ask is left to the services themselves. Some handlers look closer: `config.patch` also needs the permission of
the scope it changes, and a worker may speak for its own publish only.

"""


def page() -> str:
    """The whole page."""
    roles = list(PERMISSIONS)
    lines = [
        f"| topic | what | needs | anybody | {' | '.join(roles)} |",
        f"| --- | --- | --- | --- | {' | '.join('---' for _ in roles)} |",
    ]
    for row in topics():
        if row.needs == PUBLIC:
            marks, needs = ["●"] * (len(roles) + 1), ""
        elif row.needs == STUDIO_ONLY:
            marks, needs = [""] * (len(roles) + 1), "*the studio*"
        else:
            marks, needs = ["", *("●" if row.needs in PERMISSIONS[role] else "" for role in roles)], f"`{row.needs}`"
        lines.append(f"| `{row.topic}` | {row.about} | {needs} | {' | '.join(marks)} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
