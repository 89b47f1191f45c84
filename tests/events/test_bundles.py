import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import bundles
from events.bundle_commands import (
    ArchiveBundle,
    CloneBundle,
    CreateBundle,
    DeleteBundle,
    EditBundle,
    FreezeBundle,
    LiftHold,
    PatchBundleSettings,
    PinBundle,
    PromoteBundle,
    RecordCheck,
    RequireCheck,
    RestoreBundle,
    RevertPointer,
)
from events.bundle_decisions import decide
from events.bundle_events import (
    AddonPin,
    BundleAddonChanged,
    BundleArchived,
    BundleCreated,
    BundleFrozen,
    BundleSettingsChanged,
    BundleUnpinned,
    BundleVariableChanged,
    PointerMoved,
)
from events.bundles import Bundle, Pointer, bundle_stream, find, pointer_stream
from events.errors import Conflict, Gone, Invalid, Locked, NotFound
from events.names import NameClaimed, claim_stream
from events.settings import Patch
from qi.testing.decider import Scenario

A, B, C = (letter * 64 for letter in "abc")


def scenario() -> Scenario:
    return Scenario(bundles.FOLDS, decide)


def create(bundle: str, name: str = "", digest: str = A, **more: Any) -> CreateBundle:
    pins = {"core": AddonPin(version="1.0", digest=digest)}
    return CreateBundle(id=bundle, name=name or bundle, addons=more.pop("addons", pins), **more)


def frozen(bundle: str, *args: str, **more: Any) -> tuple[CreateBundle, FreezeBundle]:
    return create(bundle, *args, **more), FreezeBundle(bundle=bundle)


def promote(bundle: str, pointer: str = "production", replaces: str | None = None) -> PromoteBundle:
    return PromoteBundle(bundle=bundle, pointer=pointer, reason="it works", replaces=replaces)


def fps(value: int) -> Patch:
    return Patch(addon="core", path=("fps",), value=value, schema="1.0")


def bundle_of(made: Scenario, bundle: str) -> Bundle:
    return made.state(Bundle, bundle_stream(bundle))


def test_a_new_bundle_claims_its_name_and_is_dev() -> None:
    made = scenario().when(create("b1", "Film 1", environment={"OCIO": "/aces.ocio"}))
    pins = {"core": AddonPin(version="1.0", digest=A)}
    made.then(
        NameClaimed(kind="bundle", name="Film 1", owner="b1"),
        BundleCreated(name="Film 1", addons=pins, environment={"OCIO": "/aces.ocio"}, reason=""),
    )
    assert bundle_of(made, "b1").state == "dev"
    assert bundle_of(made, "b1").created_by == "ada"
    assert made.last.expected == {bundle_stream("b1"): 0, claim_stream("bundle", "film 1"): 0}


def test_two_bundles_never_share_a_name_however_it_is_typed() -> None:
    scenario().when(*frozen("b1", "Film")).refused(Conflict, *frozen("b2", "FILM"))


def test_an_id_is_used_once() -> None:
    scenario().when(*frozen("b1", "one")).refused(Conflict, *frozen("b1", "two"))


def test_a_bundle_may_be_born_frozen_with_its_settings() -> None:
    made = scenario().when(*frozen("b1", settings=(fps(25),)))
    assert bundle_of(made, "b1").state == "frozen"
    assert bundle_of(made, "b1").settings.layer("core")[("fps",)].value == 25
    assert [change.event.event_type for change in made.last.changes] == [
        "name.claimed", "bundle.created", "bundle.settings_changed", "bundle.frozen",
    ]  # fmt: skip


def test_an_addon_that_comes_from_a_folder_is_not_frozen_without_a_digest() -> None:
    folder = {"core": AddonPin(version="1.0", path="/home/ada/core")}
    error = scenario().refused(Invalid, *frozen("b1", addons=folder))
    assert "addons.core" in error.data["fields"]
    made = scenario().when(create("b1", addons=folder))
    made.when(FreezeBundle(bundle="b1", digests={"core": A}))
    assert bundle_of(made, "b1").addons == {"core": AddonPin(version="1.0", digest=A)}
    assert bundle_of(made, "b1").digest == bundle_of(made.when(*frozen("b2")), "b2").digest


def test_a_stale_digest_beside_a_folder_does_not_freeze() -> None:
    both = {"core": AddonPin(version="1.0", digest=A, path="/home/ada/core")}
    scenario().refused(Invalid, *frozen("b1", addons=both))


@pytest.mark.parametrize("bad", [{"": AddonPin(version="1", digest=A)}, {"core": AddonPin(version="1")}])
def test_a_pin_says_where_the_addon_comes_from(bad: dict[str, AddonPin]) -> None:
    scenario().refused(Invalid, create("b1", addons=bad))


@pytest.mark.parametrize("bad", [{"": "x"}, {"A=B": "x"}, {"A": "x\0"}])
def test_an_environment_can_be_handed_to_a_process(bad: dict[str, str]) -> None:
    scenario().refused(Invalid, *frozen("b1", environment=bad))


def test_an_edit_of_a_dev_bundle_is_one_event_for_each_change() -> None:
    made = scenario().when(create("b1", environment={"OLD": "1"}))
    new = AddonPin(version="2.0", path="/home/ada/nuke")
    edit = EditBundle(
        bundle="b1", addons={"core": None, "nuke": new}, environment={"OLD": None, "NEW": "2"}, reason="try"
    )
    made.when(edit).then(
        BundleAddonChanged(addon="core", old=AddonPin(version="1.0", digest=A), new=None, reason="try"),
        BundleAddonChanged(addon="nuke", old=None, new=new, reason="try"),
        BundleVariableChanged(variable="NEW", old=None, new="2", reason="try"),
        BundleVariableChanged(variable="OLD", old="1", new=None, reason="try"),
    )
    assert (bundle_of(made, "b1").addons, bundle_of(made, "b1").environment) == ({"nuke": new}, {"NEW": "2"})
    made.when(edit).then()

    seen = bundle_of(made, "b1").digest
    made.when(replace(edit, addons={"core": None, "nuke": None}, reason="a mistake", expected=seen))
    late = made.refused(Conflict, replace(edit, expected=seen))
    assert "ada took 'nuke' away in 'b1' meanwhile, “a mistake”" in late.message


def test_a_frozen_bundle_never_changes() -> None:
    made = scenario().when(*frozen("b1"))
    digest = bundle_of(made, "b1").digest
    made.refused(Locked, EditBundle(bundle="b1", environment={"A": "1"}))
    made.refused(Locked, PatchBundleSettings(bundle="b1", patches=(fps(25),)))
    made.when(FreezeBundle(bundle="b1")).then()
    assert bundle_of(made, "b1").digest == digest


def test_settings_of_a_dev_bundle_lie_in_its_own_stream_and_move_its_digest() -> None:
    made = scenario().when(create("b1"))
    before = bundle_of(made, "b1").digest
    made.when(PatchBundleSettings(bundle="b1", patches=(fps(25),), reason="PAL", expected=1))
    made.then(
        BundleSettingsChanged(
            addon="core", path=("fps",), was_set=False, old=None, is_set=True, new=25, reason="PAL", schema="1.0"
        )
    )
    assert bundle_of(made, "b1").digest != before
    error = made.refused(Conflict, PatchBundleSettings(bundle="b1", patches=(fps(30),), expected=1))
    assert error.data["actual"] == 2


def test_a_secret_in_the_open_is_refused_in_a_bundle_too() -> None:
    secrets = {"core": frozenset({("token",)})}
    patch = Patch(addon="core", path=("token",), value="hunter2")
    made = scenario().when(create("b1"))
    made.refused(Invalid, PatchBundleSettings(bundle="b1", patches=(patch,), secrets=secrets))
    made.refused(Invalid, *frozen("b2", settings=(patch,), secrets=secrets))


def test_promoting_records_what_was_replaced_and_reads_bundle_and_pointer() -> None:
    made = scenario().when(*frozen("b1"), promote("b1", replaces=""))
    first = bundle_of(made, "b1").digest
    made.when(*frozen("b2", digest=B)).when(promote("b2", replaces=first))
    made.then(
        PointerMoved(
            bundle="b2", digest=bundle_of(made, "b2").digest, previous="b1", previous_digest=first, reason="it works",
            reverts=False,
        )
    )  # fmt: skip
    assert made.last.expected == {pointer_stream("production"): 1, bundle_stream("b2"): 2}


def test_a_promotion_that_expects_another_digest_is_refused() -> None:
    made = scenario().when(*frozen("b1"), *frozen("b2", digest=B), promote("b1"))
    assert made.refused(Conflict, promote("b2", replaces=C)).data["actual"] == bundle_of(made, "b1").digest
    made.refused(Conflict, promote("b2", replaces=""))


def test_both_pointers_may_point_at_one_bundle() -> None:
    made = scenario().when(*frozen("b1")).when(promote("b1"), promote("b1", "staging"))
    assert {made.state(Pointer, pointer_stream(p)).bundle for p in bundles.POINTERS} == {"b1"}


def test_promoting_what_is_there_already_changes_nothing() -> None:
    scenario().when(*frozen("b1"), promote("b1")).when(promote("b1")).then()


def test_only_a_frozen_bundle_is_promoted() -> None:
    made = scenario().when(create("dev"), *frozen("gone"))
    made.when(ArchiveBundle(bundle="gone", reason="old"))
    made.refused(Conflict, promote("dev"))
    made.refused(Gone, promote("gone"))
    made.refused(NotFound, promote("nothing"))
    made.refused(Invalid, promote("dev", pointer="preview"))


@pytest.mark.parametrize(
    "command",
    [
        PromoteBundle(bundle="b1", pointer="staging", reason=" "),
        RevertPointer(pointer="production", reason=""),
        ArchiveBundle(bundle="b2", reason=""),
    ],
)
def test_promote_revert_and_archive_need_a_reason(command: Any) -> None:
    made = scenario().when(*frozen("b1"), *frozen("b2", digest=B), promote("b2"), promote("b1"))
    assert "reason" in made.refused(Invalid, command).data["fields"]


def test_a_revert_points_at_the_bundle_before_and_says_so() -> None:
    made = scenario().when(*frozen("b1"), *frozen("b2", digest=B), promote("b1"), promote("b2"))
    made.when(RevertPointer(pointer="production", reason="broken", replaces=bundle_of(made, "b2").digest))
    moved = made.last.changes[0].event
    assert isinstance(moved, PointerMoved)
    assert (moved.bundle, moved.previous, moved.reverts) == ("b1", "b2", True)


def test_there_is_no_revert_before_the_first_bundle() -> None:
    made = scenario().when(*frozen("b1"), promote("b1"))
    made.refused(Conflict, RevertPointer(pointer="production", reason="broken"))
    made.refused(Conflict, RevertPointer(pointer="staging", reason="broken"))


@pytest.mark.parametrize("pointer", bundles.POINTERS)
def test_a_bundle_that_is_pointed_at_is_not_archived(pointer: str) -> None:
    made = scenario().when(*frozen("b1"), promote("b1", pointer))
    assert made.refused(Locked, ArchiveBundle(bundle="b1", reason="old")).data["used_by"] == [pointer]


def pin(bundle: str, of: str = "project", target: str = "p1", **more: Any) -> PinBundle:
    return PinBundle(of=of, target=target, label=target, bundle=bundle, reason="they need it", **more)


def test_a_bundle_that_a_project_refers_to_is_active_and_not_archived() -> None:
    made = scenario().when(*frozen("b1"))
    assert bundles.pinned_by(made.known, "b1") == []
    made.when(pin("b1"))
    assert [one.label for one in bundles.pinned_by(made.known, "b1")] == ["p1"]
    made.refused(Locked, ArchiveBundle(bundle="b1", reason="old", used_by=("film",)))


def test_the_nearest_pin_names_the_bundle() -> None:
    made = scenario().when(*frozen("b1")).when(*frozen("b2", digest=B)).when(pin("b1"), pin("b2", "entity", "e1"))
    assert bundles.bundle_for(made.known, "p1", "") == "b1"
    assert bundles.bundle_for(made.known, "p1", "e1") == "b2"
    assert bundles.bundle_for(made.known, "p2", "e2") == ""
    made.when(pin("", "entity", "e1")).then(BundleUnpinned(previous="b2", reason="they need it"))
    assert bundles.bundle_for(made.known, "p1", "e1") == "b1"


def test_a_pin_names_what_it_expects_to_replace() -> None:
    made = scenario().when(*frozen("b1")).when(*frozen("b2", digest=B)).when(pin("b1", replaces=""))
    assert made.refused(Conflict, pin("b2", replaces="")).data["actual"] == bundle_of(made, "b1").digest
    made.when(pin("b2", replaces=bundle_of(made, "b1").digest))
    made.refused(Conflict, pin("b1", replaces="0" * 64))


def test_only_a_frozen_bundle_is_pinned() -> None:
    made = scenario().when(create("b1")).when(*frozen("b2")).when(ArchiveBundle(bundle="b2", reason="old"))
    made.refused(Conflict, pin("b1"))
    made.refused(Gone, pin("b2"))


def test_a_clone_has_the_content_of_its_origin_and_may_be_changed() -> None:
    made = scenario().when(create("b1", environment={"A": "1"}))
    made.when(PatchBundleSettings(bundle="b1", patches=(fps(25),)), FreezeBundle(bundle="b1"))
    made.when(CloneBundle(id="b2", name="next", origin="b1"))
    clone = bundle_of(made, "b2")
    assert (clone.state, clone.origin, clone.digest) == ("dev", "b1", bundle_of(made, "b1").digest)
    made.when(PatchBundleSettings(bundle="b2", patches=(fps(30),)))
    assert bundle_of(made, "b2").digest != bundle_of(made, "b1").digest


def test_an_archived_bundle_is_restored_as_what_it_was() -> None:
    made = scenario().when(*frozen("b1")).when(create("b2", digest=B))
    before = {name: bundle_of(made, name).digest for name in ("b1", "b2")}
    for name, state in (("b1", "frozen"), ("b2", "dev")):
        made.when(ArchiveBundle(bundle=name, reason="old")).when(RestoreBundle(bundle=name, reason="needed again"))
        assert (bundle_of(made, name).state, bundle_of(made, name).digest) == (state, before[name])
    made.when(RestoreBundle(bundle="b1", reason="twice")).then()


def test_an_archived_bundle_that_nothing_needs_is_deleted_and_its_name_is_free() -> None:
    made = scenario().when(*frozen("b1"))
    made.refused(Conflict, DeleteBundle(bundle="b1", reason="not archived"))
    made.when(ArchiveBundle(bundle="b1", reason="old"))
    made.refused(Locked, DeleteBundle(bundle="b1", reason="a publish needs it", used_by=("publish 1",)))
    made.when(DeleteBundle(bundle="b1", reason="never used"))
    made.refused(NotFound, RestoreBundle(bundle="b1", reason="too late"))
    made.when(create("b9", "b1", digest=B))


def test_after_a_revert_nothing_automatic_moves_the_pointer_until_a_person_lifts_the_hold() -> None:
    made = scenario().when(*frozen("b1")).when(*frozen("b2", digest=B)).when(promote("b1")).when(promote("b2"))
    robot = replace(promote("b2"), automatic=True)
    made.when(RevertPointer(pointer="production", reason="it crashed"))
    assert "it crashed" in made.refused(Locked, robot).message
    made.when(LiftHold(pointer="production", reason="mended"), robot)
    assert made.state(Pointer, pointer_stream("production")).bundle == "b2"


def test_a_person_promotes_past_a_hold_and_so_lifts_it() -> None:
    made = scenario().when(*frozen("b1")).when(*frozen("b2", digest=B)).when(promote("b1")).when(promote("b2"))
    made.when(RevertPointer(pointer="production", reason="it crashed")).when(promote("b2"))
    assert not made.state(Pointer, pointer_stream("production")).held


def test_a_gated_pointer_takes_only_what_was_checked_as_it_is_now() -> None:
    made = scenario().when(*frozen("b1"))
    made.when(RequireCheck(pointer="production", required=True, reason="twice bitten"))
    made.refused(Locked, promote("b1"))
    digest = bundle_of(made, "b1").digest
    found = RecordCheck(bundle="b1", digest=digest, problems=("a test fails",), addons=1, tests=0, settings=1,
                        duration_ms=1)  # fmt: skip
    assert "a test fails" in made.when(found).refused(Locked, promote("b1")).message
    made.when(replace(found, problems=(), digest=A)).refused(Locked, promote("b1"))  # of another content
    made.when(replace(found, problems=())).when(promote("b1"))
    assert made.state(Pointer, pointer_stream("production")).bundle == "b1"


def test_a_revert_passes_a_gate_because_it_goes_where_production_was() -> None:
    made = scenario().when(*frozen("b1")).when(*frozen("b2", digest=B)).when(promote("b1")).when(promote("b2"))
    made.when(RequireCheck(pointer="production", required=True, reason="from now on"))
    made.when(RevertPointer(pointer="production", reason="it crashed"))
    assert made.state(Pointer, pointer_stream("production")).bundle == "b1"


def test_a_revert_restores_the_exact_digest_and_may_go_further_back() -> None:
    made = scenario()
    for name, digest in (("b1", A), ("b2", B), ("b3", C)):
        made.when(*frozen(name, digest=digest)).when(promote(name))
    made.when(RevertPointer(pointer="production", reason="all of it", bundle="b1"))
    assert made.state(Pointer, pointer_stream("production")).digest == bundle_of(made, "b1").digest


def test_a_pointer_that_somebody_else_moved_says_who_when_and_why() -> None:
    made = scenario().when(*frozen("b1")).when(*frozen("b2", digest=B))
    made.user = "grace"
    made.when(promote("b1", replaces=""))
    error = made.refused(Conflict, promote("b2", replaces=""))
    assert "'b1'" in error.message
    assert "grace moved it" in error.message
    assert "it works" in error.message
    assert (error.data["by"], error.data["actual"]) == ("grace", bundle_of(made, "b1").digest)


def test_archiving_expects_both_pointers_so_a_promotion_meanwhile_is_a_conflict() -> None:
    made = scenario().when(*frozen("b1")).when(ArchiveBundle(bundle="b1", reason="old"))
    digest = bundle_of(made, "b1").digest
    made.then(BundleArchived(digest=digest, reason="old"))
    assert {pointer_stream(p): 0 for p in bundles.POINTERS}.items() <= made.last.expected.items()
    made.refused(Gone, EditBundle(bundle="b1", environment={"A": "1"}))
    made.when(ArchiveBundle(bundle="b1", reason="again")).then()


def test_archiving_another_content_than_expected_is_refused() -> None:
    scenario().when(*frozen("b1")).refused(Conflict, ArchiveBundle(bundle="b1", reason="old", digest=C))


def test_a_bundle_is_found_by_name_or_by_the_beginning_of_its_digest() -> None:
    made = scenario().when(*frozen("b1", "Film"), *frozen("b2", "Show", B))
    known = list(made.known.all(Bundle))
    assert find(known, "ＦＩＬＭ").id == "b1"  # noqa: RUF001
    assert find(known, bundle_of(made, "b2").digest[:8].upper()).id == "b2"
    for unknown in ("Nothing", bundle_of(made, "b2").digest[:7]):
        with pytest.raises(NotFound):
            find(known, unknown)


def test_of_bundles_with_one_content_the_one_in_use_is_found() -> None:
    made = scenario().when(*frozen("b1"), *frozen("b2"), ArchiveBundle(bundle="b1", reason="old"))
    assert find(made.known.all(Bundle), bundle_of(made, "b1").digest).id == "b2"


def test_a_bundle_at_a_position_is_the_fold_up_to_there() -> None:
    made = scenario().when(create("b1")).when(EditBundle(bundle="b1", environment={"A": "1"}))
    past = scenario()
    for fact in made.facts[:2]:
        past.known.follow(fact)
    assert bundle_of(past, "b1").environment == {}


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=5)
PINS = st.builds(lambda d: AddonPin(version="1", digest=d), st.sampled_from([A, B, C]))
JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT


@given(st.dictionaries(TEXT, PINS), st.dictionaries(TEXT, TEXT), st.dictionaries(TEXT, JSON), st.randoms())
def test_the_digest_depends_on_content_alone(
    addons: dict[str, AddonPin], environment: dict[str, str], values: dict[str, Any], random: Any
) -> None:
    def shuffled(mapping: dict[str, Any]) -> dict[str, Any]:
        items = list(mapping.items())
        random.shuffle(items)
        return dict(items)

    def patches(values: dict[str, Any]) -> tuple[Patch, ...]:
        return tuple(Patch(addon="core", path=(key,), value=value) for key, value in values.items())

    made = scenario().when(
        *frozen("b1", addons=addons, environment=environment, settings=patches(values)),
        *frozen("b2", addons=shuffled(addons), environment=shuffled(environment), settings=patches(shuffled(values))),
    )
    step_by_step = create("b3", addons={})
    made.when(step_by_step, EditBundle(bundle="b3", addons=addons, environment=environment))
    made.when(PatchBundleSettings(bundle="b3", patches=patches(values)), FreezeBundle(bundle="b3"))
    travelled = {key: json.loads(json.dumps(value)) for key, value in values.items()}
    made.when(*frozen("b4", addons=addons, environment=environment, settings=patches(travelled)))
    assert len({bundle_of(made, bundle).digest for bundle in ("b1", "b2", "b3", "b4")}) == 1
    more = {**environment, "another": "variable"} if "another" not in environment else {}
    made.when(*frozen("b5", addons=addons, environment=more, settings=patches(values)))
    assert bundle_of(made, "b5").digest != bundle_of(made, "b1").digest


def test_another_pin_variable_or_setting_is_another_digest() -> None:
    made = scenario().when(
        *frozen("b1"), *frozen("b2", digest=B), *frozen("b3", environment={"A": "1"}),
        *frozen("b4", settings=(fps(25),)), *frozen("b5", settings=(fps(24),)),
    )  # fmt: skip
    assert len({bundle.digest for bundle in made.known.all(Bundle)}) == 5


def test_freezing_records_the_final_pins() -> None:
    made = scenario().when(create("b1")).when(FreezeBundle(bundle="b1", reason="release"))
    pins = {"core": AddonPin(version="1.0", digest=A)}
    made.then(BundleFrozen(addons=pins, digest=bundle_of(made, "b1").digest, reason="release"))
