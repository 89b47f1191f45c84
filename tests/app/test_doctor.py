"""What the doctor finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from qi.app.doctor import examine
from qi.app.launch import read_launch_config
from qi.testing.studio import RunningStudio


def found(home: Path) -> dict[str, tuple[bool, str]]:
    return {one.check: (one.ok, one.found) for one in examine(read_launch_config(home=str(home)))}


def test_a_studio_that_runs_is_well(studio: RunningStudio) -> None:
    findings = found(studio.home.root)
    assert all(ok for ok, _ in findings.values()), findings
    assert findings["studio"][1].startswith("ready")


def test_a_home_that_is_not_there_yet_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    findings = found(tmp_path / "new" / "home")
    assert all(ok for ok, _ in findings.values()), findings
    assert "not made yet" in findings["home"][1]
    assert not (tmp_path / "new").exists()


def test_a_damaged_log_is_named_and_hides_no_other_finding(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"this is no database" * 500)
    findings = found(tmp_path)
    assert not findings["log"][0]
    assert findings["SQLite"][0]
    assert findings["broker binary"][0]


def test_a_server_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    findings = found(tmp_path)
    assert findings["broker binary"] == (False, "there is no nats-server")
