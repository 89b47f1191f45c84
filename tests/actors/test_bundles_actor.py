"""Bundles and pointers, through the mesh."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from events.ids import new_id
from qi.contracts.auth import AddUser, Login
from qi.contracts.bundles import (
    ArchiveBundle,
    BundleInfo,
    CreateBundle,
    DeleteBundle,
    GetBundle,
    ListBundles,
    PromoteBundle,
)
from qi.contracts.settings import PatchSettings, Setting
from qi.errors import Conflict, Gone, Invalid, Locked, NotFound, QiError
from qi.testing.studio import RunningStudio, Shot


def made(studio: RunningStudio, *, dev: bool = False, **environment: str) -> BundleInfo:
    name = f"bundle {new_id()[-8:]}"
    return studio.bus.request(CreateBundle(name=name, dev=dev, environment=environment, command=new_id()))


def test_a_new_home_begins_with_base_in_production(studio: RunningStudio) -> None:
    base = next(one for one in studio.bus.request(ListBundles()).bundles if one.name == "base")
    assert base.state == "frozen"
    assert {addon.name for addon in base.addons} == {"local", "media", "terminal"}
    assert all(addon.digest and not addon.path for addon in base.addons)


def test_the_same_content_has_the_same_digest(studio: RunningStudio) -> None:
    assert made(studio, LOOK="warm").digest == made(studio, LOOK="warm").digest
    assert made(studio, LOOK="warm").digest != made(studio, LOOK="cold").digest


def test_a_bundle_is_found_by_name_digest_and_pointer_and_as_it_was(studio: RunningStudio) -> None:
    bundle = made(studio, LOOK=new_id())
    before = studio.bus.request(GetBundle(bundle="staging", at=bundle.position)) if bundle.pointers else None
    promoted = studio.bus.request(
        PromoteBundle(bundle=bundle.digest[:10], pointer="staging", reason="try it", command=new_id())
    )

    assert before is None
    assert promoted.pointers == ("staging",)
    assert studio.bus.request(GetBundle(bundle="staging")).id == bundle.id
    assert studio.bus.request(GetBundle(bundle=bundle.name.upper())).id == bundle.id
    with pytest.raises(NotFound):
        studio.bus.request(GetBundle(bundle=bundle.name, at=1))


def test_a_promotion_that_expects_something_else_is_refused(studio: RunningStudio) -> None:
    first, second, third = made(studio, N="1"), made(studio, N="2"), made(studio, N="3")
    studio.bus.request(PromoteBundle(bundle=first.name, pointer="staging", reason="first", command=new_id()))
    studio.bus.request(
        PromoteBundle(bundle=second.name, pointer="staging", replaces=first.name, reason="next", command=new_id())
    )
    with pytest.raises(Conflict):
        studio.bus.request(
            PromoteBundle(bundle=third.name, pointer="staging", replaces=first.name, reason="late", command=new_id())
        )
    assert studio.bus.request(GetBundle(bundle="staging")).id == second.id


def test_of_two_leads_who_promote_at_once_one_wins_and_the_other_reads_what_happened(studio: RunningStudio) -> None:
    there, *wanted = made(studio, N="1"), made(studio, N="2"), made(studio, N="3")
    studio.bus.request(PromoteBundle(bundle=there.name, pointer="staging", reason="before", command=new_id()))
    names = [f"lead {new_id()[-8:]}" for _ in wanted]
    leads = []
    for name in names:
        studio.bus.request(AddUser(name=name, password="correct horse", roles=("admin",), command=new_id()))
        lead = studio.join()
        lead.bus.request(Login(user=name, password="correct horse"))
        leads.append(lead)

    def promote(number: int) -> BundleInfo | Conflict:
        asked = PromoteBundle(
            bundle=wanted[number].name, pointer="staging", replaces=there.digest, reason=f"why {number}",
            command=new_id(),
        )  # fmt: skip
        try:
            return leads[number].bus.request(asked)
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(promote, range(2))
    for lead in leads:
        lead.leave()

    refused, winner = (first, 1) if isinstance(first, Conflict) else (second, 0)
    assert isinstance(refused, Conflict)
    assert studio.bus.request(GetBundle(bundle="staging")).id == wanted[winner].id
    for said in (wanted[winner].name, names[winner], f"why {winner}", "UTC"):
        assert said in refused.message
    (moved,) = [e for e in studio.events(stream="pointer-staging") if e.data["reason"] == f"why {winner}"][-1:]
    assert refused.code == 409
    assert refused.data["actual"] == wanted[winner].digest
    assert (refused.data["by"], refused.data["at"]) == (names[winner], moved.occurred_at)


def test_a_promotion_needs_a_reason_and_a_frozen_bundle(studio: RunningStudio) -> None:
    with pytest.raises(Invalid):
        studio.bus.request(PromoteBundle(bundle="base", pointer="staging", reason="  ", command=new_id()))
    dev = made(studio, dev=True)
    assert dev.state == "dev"
    assert all(addon.path for addon in dev.addons)
    with pytest.raises(Conflict):
        studio.bus.request(PromoteBundle(bundle=dev.name, pointer="staging", reason="now", command=new_id()))


def test_a_frozen_bundle_is_locked_against_settings(studio: RunningStudio) -> None:
    change = (Setting(path="qi.publish.plugin_timeout_s", value=5),)
    with pytest.raises(Locked) as told:
        studio.bus.request(PatchSettings(scope="bundle", target="base", settings=change, reason="now"))
    assert told.value.code == 423
    dev = made(studio, dev=True)
    studio.bus.request(PatchSettings(scope="bundle", target=dev.name, settings=change, reason="now"))
    changed = studio.bus.request(GetBundle(bundle=dev.name))
    assert changed.settings == {"qi.publish.plugin_timeout_s": "5"}
    assert changed.digest != dev.digest


def test_what_a_pointer_points_at_is_not_archived_and_an_archived_one_is_not_promoted(studio: RunningStudio) -> None:
    with pytest.raises(Locked):
        studio.bus.request(ArchiveBundle(bundle="base", reason="tidy", command=new_id()))
    old = made(studio, OLD="1")
    assert studio.bus.request(ArchiveBundle(bundle=old.name, reason="tidy", command=new_id())).state == "archived"
    with pytest.raises(Gone):
        studio.bus.request(PromoteBundle(bundle=old.id, pointer="staging", reason="back", command=new_id()))


def test_content_that_a_publish_was_made_with_is_kept_in_one_bundle_at_least(
    studio: RunningStudio, shot: Shot, frames: str
) -> None:
    look = new_id()
    used, same = made(studio, LOOK=look), made(studio, LOOK=look)
    assert studio.finished(studio.publish(shot, [frames], bundle=used.name)).state == "succeeded"
    for bundle in (used, same):
        studio.bus.request(ArchiveBundle(bundle=bundle.name, reason="tidy", command=new_id()))
    studio.bus.request(DeleteBundle(bundle=used.name, reason="the other is the same", command=new_id()))
    with pytest.raises(Locked, match="is needed by publish"):
        studio.bus.request(DeleteBundle(bundle=same.name, reason="tidy", command=new_id()))


def test_a_command_sent_twice_makes_one_bundle(studio: RunningStudio) -> None:
    create = CreateBundle(name=f"once {new_id()[-8:]}", command=new_id())
    assert studio.bus.request(create).id == studio.bus.request(create).id
    with pytest.raises(QiError) as told:
        studio.bus.request(CreateBundle(name="something else", command=create.command))
    assert told.value.code == 409


def test_unknown_bundles_addons_and_pointers_are_told(studio: RunningStudio) -> None:
    with pytest.raises(NotFound):
        studio.bus.request(GetBundle(bundle="no such bundle"))
    with pytest.raises(NotFound, match="no addon 'houdini'"):
        studio.bus.request(CreateBundle(name="with houdini", addons=("houdini",), command=new_id()))
    with pytest.raises(QiError) as told:
        studio.bus.request(PromoteBundle(bundle="base", pointer="latest", reason="x", command=new_id()))
    assert told.value.code in (400, 422)
