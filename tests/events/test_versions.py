from hypothesis import given
from hypothesis import strategies as st

from events import versions
from events.errors import Conflict, Invalid
from events.versions import Numbers, ReleaseVersion, ReserveVersion, VersionReleased, VersionReserved, version_stream
from qi.testing.decider import Scenario

STREAM = version_stream("film", "sh010", "renderMain")


def scenario() -> Scenario:
    return Scenario(versions.FOLDS, versions.decide)


def reserve(publish: str, on_disk: int = 0, in_tracker: int = 0, product: str = "renderMain") -> ReserveVersion:
    return ReserveVersion(
        project="film", entity="sh010", product=product, publish=publish, on_disk=on_disk, in_tracker=in_tracker
    )


def release(publish: str) -> ReleaseVersion:
    return ReleaseVersion(project="film", entity="sh010", product="renderMain", publish=publish, reason="cancelled")


def number_of(made: Scenario, publish: str) -> int | None:
    return versions.reserved(made.known.get(Numbers, STREAM), publish)


def test_the_first_number_is_1_and_expects_that_nobody_took_it() -> None:
    made = scenario().when(reserve("p1"))
    made.then(VersionReserved(project="film", entity="sh010", product="renderMain", number=1, publish="p1"))
    assert made.last.expected == {STREAM: 0}


def test_a_number_lies_above_what_log_disk_and_tracker_know() -> None:
    made = scenario().when(reserve("p1"), reserve("p2", on_disk=7), reserve("p3", 3, 12), reserve("p4", 3, 4))
    assert [number_of(made, p) for p in ("p1", "p2", "p3", "p4")] == [1, 8, 13, 14]


def test_the_same_publish_asking_twice_gets_the_same_number() -> None:
    made = scenario().when(reserve("p1")).when(reserve("p1", on_disk=40))
    made.then()
    assert number_of(made, "p1") == 1


def test_a_released_number_is_void_and_not_given_again() -> None:
    made = scenario().when(reserve("p1")).when(release("p1"))
    made.then(VersionReleased(number=1, publish="p1", reason="cancelled"))
    made.when(reserve("p2"), reserve("p1"))
    assert (number_of(made, "p2"), number_of(made, "p1")) == (2, 3)
    assert made.state(Numbers, STREAM).void == {1}


def test_what_is_not_held_is_not_released() -> None:
    made = scenario().when(reserve("p1"))
    made.refused(Conflict, release("p2"))
    made.when(release("p1")).refused(Conflict, release("p1"))


def test_a_product_has_one_row_of_numbers_however_its_name_is_typed() -> None:
    made = scenario().when(reserve("p1"), reserve("p2", product="RENDERmain"))
    assert number_of(made, "p2") == 2
    assert version_stream("film", "sh01", "0render") != version_stream("film", "sh010", "render")


def test_a_negative_number_is_refused() -> None:
    scenario().refused(Invalid, reserve("p1", on_disk=-1))


STEPS = st.lists(
    st.tuples(st.sampled_from(["reserve", "release"]), st.sampled_from("abcd"), st.integers(0, 5), st.integers(0, 5))
)


@given(STEPS)
def test_a_number_is_never_given_twice(steps: list[tuple[str, str, int, int]]) -> None:
    made = scenario()
    for verb, publish, on_disk, in_tracker in steps:
        if verb == "reserve":
            before = number_of(made, publish)
            made.when(reserve(publish, on_disk, in_tracker))
            number = number_of(made, publish)
            assert number is not None
            assert number == before or (before is None and number > max(on_disk, in_tracker))
        elif number_of(made, publish) is not None:
            made.when(release(publish))
    given_out = [f.event.number for f in made.facts if isinstance(f.event, VersionReserved)]
    assert given_out == sorted(set(given_out))
