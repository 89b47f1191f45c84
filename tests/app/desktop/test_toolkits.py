"""What each toolkit asks for: GTK's own thread, and a tray where it is not Qt's."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import ImageColor

from qi.app.desktop import tray
from qi.app.desktop.backend import Backend
from qi.app.desktop.other_tray import PystrayTray
from qi.app.desktop.places import Place, Places
from qi.errors import Unavailable

LIMIT_S = 60.0


def test_with_gtk_the_thread_that_shows_reads_a_windows_place_off_the_window_itself(tmp_path: Path) -> None:
    """Asked there, pywebview would wait for the very thread that asks."""
    from qi.app.desktop.screen import Screen

    native = SimpleNamespace(get_position=lambda: (1, 2), get_size=lambda: (800, 600))
    screen = Screen(Backend("gtk"), tmp_path, "s", str, closing=lambda _: True)
    screen._keep_place("main", SimpleNamespace(native=native))  # type: ignore[arg-type]
    assert Places(tmp_path / "windows.json").of("main", [Place(0, 0, 1440, 900)]) == Place(1, 2, 800, 600)


def test_of_a_desktop_that_is_quit_no_window_opens_that_would_keep_it_alive(tmp_path: Path) -> None:
    from qi.app.desktop.screen import Screen

    screen = Screen(Backend("native"), tmp_path, "s", str, closing=lambda _: True)
    screen.destroy_all()
    screen.run(lambda: None)  # quit while it starts
    with pytest.raises(Unavailable, match="being quit"):
        screen.open("main", None, "Qi", 1280, 800)
    assert screen.windows() == []


def test_elsewhere_than_with_qt_the_tray_is_pystrays_where_that_has_menus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSTRAY_BACKEND", "dummy")
    import pystray

    class Unseen(pystray.Icon):  # type: ignore[misc]
        """All of pystray but what it asks of a system's own tray."""

        def _run_detached(self) -> None:
            self._mark_ready()

        def _nothing(self) -> None: ...

        _stop = _show = _hide = _update_icon = _update_title = _update_menu = _nothing

    clicked, chosen = threading.Event(), threading.Event()
    monkeypatch.setattr(pystray, "Icon", Unseen)
    monkeypatch.setattr(Unseen, "HAS_MENU", False)
    assert not tray.tray_for(Backend("native"), clicked.set).there
    monkeypatch.setattr(Unseen, "HAS_MENU", True)
    made = tray.tray_for(Backend("native"), clicked.set)
    assert isinstance(made, PystrayTray)
    assert made.there
    made.show([tray.Item("Nothing runs", None), tray.Item("Quit", chosen.set)], 3, alarm=True)
    opens, tells, leaves = made._icon.menu.items
    assert (opens.visible, opens.default, tells.enabled) == (False, True, False)
    assert (made._icon.title, leaves.text) == ("Qi: 3", "Quit")
    assert made._icon.icon.getpixel((46, 32)) == ImageColor.getcolor(tray.ALARM, "RGBA")
    made._icon.menu(made._icon)
    leaves(made._icon)
    assert clicked.wait(LIMIT_S)
    assert chosen.wait(LIMIT_S)
    made.close()
