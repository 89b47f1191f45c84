"""Secrets never reach a log."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qi import masking
from qi.app import logs
from qi.masking import MASK, MaskingFormatter, hide, is_secret_name, mask, mask_value, without_secrets


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_values", set())
    monkeypatch.setattr(masking, "_known", None)


def test_a_hidden_value_is_masked_wherever_it_stands() -> None:
    hide("tr0ub4dor")
    hide("tr0ub4dor-longer")
    assert mask("a tr0ub4dor-longer b tr0ub4dor c") == f"a {MASK} b {MASK} c"


def test_short_values_are_left_alone() -> None:
    hide("the")
    assert mask("the cat") == "the cat"


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter22",
        "FTRACK_API_KEY: hunter22",
        '{"token": "hunter22"}',
        "secret = 'hunter22'",
        "Authorization: Bearer hunter22hunter22",
        "nats://user:hunter22@127.0.0.1:4222",
        "\x1b[36mpassword\x1b[0m=\x1b[35mhunter22\x1b[0m",
        "pass\x1b]8;;x\x07word: hunter22",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert "hunter22" not in mask(text)
    assert MASK in mask(text)


@pytest.mark.parametrize(
    "text", ["published comp v003 of sh010", "/mnt/projects/lighthouse/v003/main.1001.exr", "nats://127.0.0.1:4222"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.timeout(20)
def test_a_word_of_a_million_letters_is_masked_as_fast_as_many_short_ones() -> None:
    assert mask("x" * 1_000_000 + " password=hunter22") == "x" * 1_000_000 + f" password={MASK}"


@given(st.text(max_size=60))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_what_is_nested_is_masked_too_and_colours_stay_where_nothing_was_hidden() -> None:
    said = {"event": "x", "headers": {"Token": "hunter22", "n": [1, "secret=hunter22", {"a": None}]}, "path": Path("p")}
    assert "hunter22" not in str(mask_value(said))
    assert mask_value(said)["headers"]["n"][0] == 1
    assert logs._masked(None, "", {**said, "exc_info": None}) == {**mask_value(said), "exc_info": None}
    assert mask("\x1b[31mred\x1b[0m") == "\x1b[31mred\x1b[0m"


def test_an_environment_is_recorded_without_secrets() -> None:
    given_ = {
        "PATH": "/bin",
        "FTRACK_API_KEY": "x",
        "PROXY": "http://ada:hunter22@proxy",
        "QI_NATS_SERVICE_PASSWORD": "q",
    }
    assert without_secrets(given_) == {"PATH": "/bin"}
    assert is_secret_name("AWS_SECRET_ACCESS_KEY")
    assert not is_secret_name("PATH")


def test_a_formatter_masks_what_a_library_logs() -> None:
    record = logging.LogRecord("lib", logging.WARNING, __file__, 1, "password=%s", ("hunter22",), None)
    assert MaskingFormatter("%(message)s").format(record) == f"password={MASK}"
