"""Windows come back where they were, as long as that can be seen."""

from __future__ import annotations

from pathlib import Path

from qi.app.desktop.places import Place, Places, offered

SCREENS = [Place(0, 0, 1920, 1080), Place(1920, 0, 1280, 1024)]


def test_a_place_is_kept_across_starts(tmp_path: Path) -> None:
    Places(tmp_path / "desktop" / "windows.json").keep("main", Place(1950, 20, 900, 700))
    assert Places(tmp_path / "desktop" / "windows.json").of("main", SCREENS) == Place(1950, 20, 900, 700)


def test_whether_it_was_maximized_is_kept_and_a_file_of_before_says_nothing_of_that(tmp_path: Path) -> None:
    kept = Place(1950, 20, 900, 700, maximized=True)
    Places(tmp_path / "windows.json").keep("main", kept)
    assert Places(tmp_path / "windows.json").of("main", SCREENS) == kept
    (tmp_path / "windows.json").write_text('{"main": {"x": 1, "y": 2, "width": 900, "height": 700}}', "utf-8")
    assert Places(tmp_path / "windows.json").of("main", SCREENS) == Place(1, 2, 900, 700)


def test_a_place_whose_screen_is_gone_or_that_is_too_small_is_none(tmp_path: Path) -> None:
    places = Places(tmp_path / "windows.json")
    places.keep("second", Place(1950, 20, 900, 700))
    places.keep("above", Place(10, -40, 900, 700))
    places.keep("speck", Place(10, 10, 3, 3))
    assert places.of("second", SCREENS[:1]) is None
    assert [places.of(name, SCREENS) for name in ("above", "speck", "never")] == [None, None, None]


def test_a_place_larger_than_any_screen_is_none(tmp_path: Path) -> None:
    places = Places(tmp_path / "windows.json")
    places.keep("main", Place(0, 0, 100_000, 600))
    assert places.of("main", [Place(0, 0, 100_000, 600)]) is None


def test_a_damaged_file_costs_the_places_and_nothing_else(tmp_path: Path) -> None:
    for damaged in ("{not json", '["list"]', '{"main": {"x": "a"}}', '{"main": 3}'):
        (tmp_path / "windows.json").write_text(damaged, "utf-8")
        places = Places(tmp_path / "windows.json")
        assert places.of("main", SCREENS) is None
        places.keep("main", Place(1, 2, 900, 700))
        assert Places(tmp_path / "windows.json").of("main", SCREENS) == Place(1, 2, 900, 700)


def test_windows_that_never_had_a_place_lie_side_by_side_and_on_the_screen() -> None:
    places = [offered(SCREENS[1], 700, 500, others) for others in (1, 2, 9)]
    assert [(one.x, one.y) for one in places] == [(2242, 294), (2274, 326), (2242, 294)]
    assert offered(SCREENS[0], 4000, 3000, 0) == Place(0, 0, 4000, 3000)
