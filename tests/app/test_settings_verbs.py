"""`qi settings`: what a person sees of settings, and what a program reads."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qi.testing.studio import RunningStudio

CRF = "media.review_crf"


def test_a_setting_is_set_explained_pinned_and_taken_away(qi: Callable[..., Any], studio: RunningStudio) -> None:
    project = studio.given_project().project
    of = ("--project", project)
    assert "changed" in qi("settings", "set", CRF, "18", *of, "--reason", "as it is").out
    assert "was so already" in qi("settings", "set", CRF, "18", *of).out
    shown = qi("settings", "get", "media", *of)
    assert next(line for line in shown.out.splitlines() if CRF in line).split()[-1] == "pinned"
    assert "pinned" in qi("settings", "explain", CRF, *of).out

    would = qi("settings", "set", CRF, "30", *of, "--dry-run")
    assert [line.split() for line in would.out.splitlines() if CRF in line] == [[CRF, "18", "30"]]
    assert qi("settings", "get", CRF, *of, "--json").json["values"] == {CRF: 18}

    why = qi("settings", "get", CRF, *of, "--explain", "--json").json
    assert [(one["layer"], one["pinned"], one["reason"]) for one in why["layers"]] == [
        ("default", False, ""), ("project", True, "as it is"),
    ]  # fmt: skip
    qi("settings", "unset", CRF, *of)
    assert "pinned" not in qi("settings", "explain", CRF, *of).out
    wrong = qi("settings", "set", CRF, "best", *of)
    assert (wrong.code, CRF in wrong.err) == (2, True)
    assert qi("settings", "invalid", "--json").json == []
    assert qi("settings", "schema", "media").json["properties"]["review_crf"]["maximum"] == 51
    assert "nothing offers values" in qi("settings", "options", CRF).err


def test_changes_are_listed_taken_back_and_compared(qi: Callable[..., Any], studio: RunningStudio) -> None:
    project, other = studio.given_project().project, studio.given_project().project
    for value in ("20", "22"):
        qi("settings", "set", CRF, value, "--project", project, "--reason", f"to {value}")
    changes = qi("settings", "history", CRF, "--scope", "project", "--target", project, "--json").json["changes"]
    assert [(one["old"], one["new"], one["reason"]) for one in changes] == [(20, 22, "to 22"), (None, 20, "to 20")]
    assert "to 22" in qi("settings", "history", "media", "--limit", "5").out

    differing = qi("settings", "diff", f"project={project}", f"project={other}", "--json")
    assert (differing.code, [(one["path"], one["first"], one["second"]) for one in differing.json]) == (
        1, [(CRF, 22, 18)],
    )  # fmt: skip
    past = qi("settings", "diff", f"project={project},at={changes[1]['position']}", f"project={project}")
    assert [line.split() for line in past.out.splitlines() if CRF in line] == [[CRF, "20", "22"]]
    assert qi("settings", "diff", f"project={project}", f"project={project}").code == 0

    why = ("--reason", "too coarse")
    assert "1 values are as they were" in qi("settings", "revert", "--change", str(changes[0]["position"]), *why).out
    assert qi("settings", "get", CRF, "--project", project, "--json").json["values"] == {CRF: 20}
    point = str(changes[1]["position"] - 1)
    back = qi("settings", "revert", point, "--project", project, "--dry-run", *why)
    assert [line.split() for line in back.out.splitlines() if CRF in line] == [[CRF, "20", "—"]]
    assert qi("settings", "revert", "--project", project, *why).code == 2
    assert qi("settings", "revert", "--change", "999999", *why).code == 2


def test_what_a_scope_says_is_carried_to_another(qi: Callable[..., Any], studio: RunningStudio, tmp_path: Path) -> None:
    project, other = studio.given_project().project, studio.given_project().project
    qi("settings", "set", CRF, "20", "--project", project)
    qi("settings", "set", "media.colour_space", "ACEScg", "--project", project)
    said = {"media": {"review_crf": 20, "colour_space": "ACEScg"}}
    assert tomllib.loads(qi("settings", "export", "--project", project).out) == said
    for name in ("settings.toml", "settings.json"):
        file = tmp_path / name
        assert "2 settings" in qi("settings", "export", str(file), "--project", project).out
        assert (json.loads if name.endswith("json") else tomllib.loads)(file.read_text()) == said
    assert "fps" in tomllib.loads(qi("settings", "export", "--project", project, "--effective").out)["media"]

    file = str(tmp_path / "settings.toml")
    looked = qi("settings", "import", file, "--project", other)
    assert "--apply does it" in looked.out
    assert qi("settings", "get", CRF, "--project", other, "--json").json["values"] == {CRF: 18}
    assert "2 settings changed" in qi("settings", "import", file, "--project", other, "--apply").out
    assert qi("settings", "get", CRF, "--project", other, "--json").json["values"] == {CRF: 20}
    assert "nothing would change" in qi("settings", "import", file, "--project", other).out

    (tmp_path / "settings.toml").write_text('[media]\nreview_crf = 21\nfps = "soon"\n')
    wrong = qi("settings", "import", file, "--project", other, "--apply")
    assert (wrong.code, "media.fps" in wrong.err) == (2, True)
    assert qi("settings", "get", CRF, "--project", other, "--json").json["values"] == {CRF: 20}, "all or nothing"
    (tmp_path / "settings.toml").write_text("[media")
    assert qi("settings", "import", file, "--project", other).code == 2
