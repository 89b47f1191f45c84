"""What the bench of the Command Center writes; how fast it is, is for `python -m bench.pages` to say."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bench import pages
from bench.pages import BEGIN, END, Figures, keep, sizes, written


def test_scripts_and_styles_are_counted_and_nothing_else(tmp_path: Path) -> None:
    script = b"let light = 1;" * 100
    (tmp_path / "page.js").write_bytes(script)
    (tmp_path / "font.woff2").write_bytes(b"x" * 5000)
    assert sizes(tmp_path.iterdir()) == (len(script), len(gzip.compress(script, 6)))


def test_the_section_takes_the_place_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text(f"# Results\n\nWords.\n\n{pages.MARK}\n\nTable.\n", "utf-8")
    monkeypatch.setattr(pages, "RESULTS", results)
    figures = Figures(times={"palette: a key": [10.0, 12.0, 99.0]}, first=(2048, 1024), whole=(4096, 2048))
    keep(written(figures, 500))
    figures.times = {"history: a jump": [7.0]}
    keep(written(figures, 1000))
    text = results.read_text("utf-8")
    assert text.startswith(f"# Results\n\nWords.\n\n{BEGIN}\n\n## The Command Center\n")
    assert text.endswith(f"{END}\n\n{pages.MARK}\n\nTable.\n")
    assert "| history: a jump | - | 7 ms | 7 ms | 7 ms | 1 |" in text
    assert "palette" not in text.partition("| --- |")[2]
    assert "log of 1,000" in text
