"""Hosting makes up for an announcement that was lost: every so often it looks what production is."""

from __future__ import annotations

import threading
from typing import Any

from actors.hosting import Host
from qi.actor import Actor, handles
from qi.contracts.bundles import BundleInfo, GetBundle
from qi.contracts.session import ListSessions, SessionList
from qi.testing.mesh import Mesh, eventually


class Services(Actor):
    """Stands in for those that hosting asks."""

    name = "services"

    def __init__(self, bus: Any) -> None:
        super().__init__(bus)
        self.production = "b1"
        self.looked = 0

    @handles(GetBundle)
    def bundle(self, _: GetBundle) -> BundleInfo:
        self.looked += 1
        made = self.production
        return BundleInfo(id=made, name=made, state="frozen", digest="", addons=(), environment={}, settings={})

    @handles(ListSessions)
    def sessions(self, _: ListSessions) -> SessionList:
        return SessionList(sessions=())


class Followed:
    """What hosting was told to do."""

    providing = ""

    def __init__(self) -> None:
        self.started: list[tuple[str, bool]] = []

    def register(self, _: BundleInfo) -> None: ...

    def bundles(self) -> set[str]:
        return set()

    def start_all(self, bundle: BundleInfo, *, production: bool) -> None:
        self.started.append((bundle.id, production))


class Looking(Host):
    look_every_s = 0.05


def test_production_that_moved_unheard_is_followed_at_the_next_look() -> None:
    followed, moved = Followed(), threading.Event()
    with Mesh() as mesh:
        services = mesh.start(Services)
        mesh.start(Looking, hosting=followed, production="b1", moved=lambda bundle: moved.set())
        eventually(lambda: services.looked >= 2)
        assert followed.started == []
        services.production = "b2"
        assert moved.wait(20)
        eventually(lambda: followed.started)
        looked = services.looked
        eventually(lambda: services.looked > looked + 1)
    assert followed.started == [("b2", True)]
