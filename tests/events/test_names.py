import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from events import names
from events.decider import View
from events.errors import Conflict, Invalid
from events.names import Claim, NameClaimed, NameReleased, check_name, claim_stream, fold_name
from events.record import Change
from qi.testing.decider import Scenario

ANY_NAME = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cn", "Co", "Zl", "Zp")), min_size=1)


def claim_or_release(view: View, command: tuple[str, str, str]) -> list[Change]:
    verb, name, owner = command
    return (names.claim if verb == "claim" else names.release)(view, "bundle", name, owner)


def scenario() -> Scenario:
    return Scenario(names.FOLDS, claim_or_release)


def test_a_free_name_is_claimed_at_version_0_of_its_stream() -> None:
    made = scenario().when(("claim", "Sequence 10", "b1"))
    made.then(NameClaimed(kind="bundle", name="Sequence 10", owner="b1"))
    assert made.last.expected == {claim_stream("bundle", "Sequence 10"): 0}


@pytest.mark.parametrize("other", ["FILM", "film", "ｆｉｌｍ", "fiLm", "ﬁlm"])  # noqa: RUF001
def test_another_spelling_of_a_claimed_name_is_refused(other: str) -> None:
    error = scenario().when(("claim", "Film", "b1")).refused(Conflict, ("claim", other, "b2"))
    assert error.data["owner"] == "b1"


def test_claiming_a_name_again_for_its_owner_changes_nothing() -> None:
    scenario().when(("claim", "film", "b1")).when(("claim", "Film", "b1")).then()


def test_a_released_name_is_free_for_somebody_else() -> None:
    made = scenario().when(("claim", "film", "b1")).when(("release", "FILM", "b1"))
    made.then(NameReleased(kind="bundle", name="film", owner="b1"))
    made.when(("claim", "Film", "b2"))
    assert made.state(Claim, claim_stream("bundle", "film")) == Claim("bundle", "Film", "b2")
    assert made.last.expected == {claim_stream("bundle", "film"): 2}


def test_only_its_owner_releases_a_name() -> None:
    scenario().when(("claim", "film", "b1")).when(("release", "film", "b2")).then()


def test_the_same_name_may_be_used_for_things_of_different_kinds() -> None:
    assert claim_stream("bundle", "film") != claim_stream("user", "film")


@pytest.mark.parametrize("bad", ["", " ", "film ", "\tfilm", "fi\u202elm", "fi\u200blm", "a\nb", "x" * 201, "\u200d"])
def test_names_nobody_could_retype_are_refused(bad: str) -> None:
    with pytest.raises(Invalid):
        check_name(bad)


@pytest.mark.parametrize("good", ["base", "Film 2.1", "日本", "میخواهم".replace("م", "م\u200c", 1), "Ærø", "1"])
def test_names_of_any_script_are_welcome(good: str) -> None:
    assert fold_name(check_name(good)) == fold_name(good)


@given(ANY_NAME)
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)


@given(ANY_NAME, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]), st.booleans())
def test_form_and_case_never_make_another_name(name: str, form: str, swap: bool) -> None:
    other = unicodedata.normalize(form, name.casefold() if swap else name)
    assert claim_stream("bundle", other) == claim_stream("bundle", name)


@given(ANY_NAME, ANY_NAME)
def test_names_that_fold_apart_are_claimed_apart(one: str, other: str) -> None:
    assume(fold_name(one) != fold_name(other))
    assert claim_stream("bundle", one) != claim_stream("bundle", other)
