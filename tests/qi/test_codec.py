"""Both codecs say and read the same; what does not fit is refused."""

import json
import pkgutil
from dataclasses import field, fields, is_dataclass
from importlib import import_module
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qi.contracts
from qi.checked import Checked
from qi.codec import Codec, Plain
from qi.errors import BadRequest, Invalid
from qi.limits import Items, Name, PageSize, Text, Token
from qi.messages import TOPICS, message

CODECS: list[Codec] = [Plain(), Checked()]


@message
class Leaf:
    name: str
    size: int = 0
    share: float = 0.0


@message
class Sample:
    leaf: Leaf
    maybe: Leaf | None = None
    many: tuple[Leaf, ...] = ()
    pair: tuple[int, str] = (0, "")
    by_name: dict[str, Leaf] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    anything: Any = None
    flag: bool = False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**53), 2**53)
leaves = st.builds(Leaf, name=texts, size=numbers, share=st.floats(allow_nan=False, allow_infinity=False))
jsons = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
samples = st.builds(
    Sample,
    leaf=leaves,
    maybe=st.none() | leaves,
    many=st.lists(leaves, max_size=3).map(tuple),
    pair=st.tuples(numbers, texts),
    by_name=st.dictionaries(texts, leaves, max_size=3),
    tags=st.frozensets(texts, max_size=3),
    anything=jsons,
    flag=st.booleans(),
)


@given(samples)
def test_what_either_codec_writes_either_reads(sample: Sample) -> None:
    for writer in CODECS:
        data = writer.encode(sample)
        assert [reader.decode(Sample, data) for reader in CODECS] == [sample, sample]


@given(samples)
def test_both_codecs_write_the_same(sample: Sample) -> None:
    plain, checked = (json.loads(codec.encode(sample)) for codec in CODECS)
    for told in (plain, checked):
        told["tags"].sort()
    assert plain == checked


@pytest.mark.parametrize("codec", CODECS)
def test_a_newer_peer_may_say_more(codec: Codec) -> None:
    assert codec.decode(Leaf, b'{"name": "a", "new": {"x": 1}}') == Leaf(name="a")


@pytest.mark.parametrize("codec", CODECS)
def test_an_empty_message_is_one_without_fields(codec: Codec) -> None:
    @message
    class Nothing:
        pass

    assert codec.decode(Nothing, b"") == Nothing()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", [b"{", b"\xff", b"nonsense"])
def test_what_is_no_json_is_a_bad_request(codec: Codec, data: bytes) -> None:
    with pytest.raises(BadRequest):
        codec.decode(Leaf, data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", [b"[]", b"3", b'{"size": 1}'])
def test_what_has_another_shape_is_refused(codec: Codec, data: bytes) -> None:
    with pytest.raises((BadRequest, Invalid)):
        codec.decode(Leaf, data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("value", [Leaf(name="half \ud800"), object()])
def test_what_has_no_json_form_cannot_be_sent(codec: Codec, value: object) -> None:
    with pytest.raises(BadRequest, match="cannot be sent"):
        codec.encode(value)


@message
class Bounded:
    token: Token = ""
    name: Name = ""
    limit: PageSize = 100
    maybe: Annotated[str, Text(3)] | None = None
    items: Annotated[tuple[str, ...], Items(2)] = ()
    table: Annotated[dict[str, int], Items(1)] = field(default_factory=dict)


@message
class Outer:
    inner: tuple[Bounded, ...] = ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("token", "a.b"),
        ("token", "a b"),
        ("token", "a\n"),
        ("token", "x" * 129),
        ("name", "x" * 201),
        ("limit", 0),
        ("limit", 1001),
        ("maybe", "four"),
        ("items", ["a", "b", "c"]),
        ("table", {"a": 1, "b": 2}),
    ],
)
def test_limits_are_enforced_with_the_path_of_the_field(path: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        Checked().decode(Outer, json.dumps({"inner": [{}, {path: value}]}).encode())
    assert list(caught.value.data["fields"]) == [f"inner.1.{path}"]


def test_what_lies_within_its_limits_is_taken() -> None:
    told = {
        "token": "a-b_C9",
        "name": "字" * 200,
        "limit": 1000,
        "maybe": "abc",
        "items": ["a", "b"],
        "table": {"a": 1},
    }
    assert Checked().decode(Bounded, json.dumps(told).encode()).items == ("a", "b")
    assert Plain().decode(Bounded, json.dumps(told).encode()) == Checked().decode(Bounded, json.dumps(told).encode())


def contract_types() -> list[type]:
    for module in pkgutil.iter_modules(qi.contracts.__path__):
        import_module(f"qi.contracts.{module.name}")
    found: dict[str, type] = {}

    def walk(kind: Any) -> None:
        if is_dataclass(kind) and isinstance(kind, type):
            if kind.__qualname__ not in found:
                found[kind.__qualname__] = kind
                for hint in get_type_hints(kind).values():
                    walk(hint)
            return
        for inner in get_args(kind):
            walk(inner)

    for request in list(TOPICS.values()):
        if request.__module__.startswith("qi.contracts"):
            walk(request)
            walk(request.reply)
    return list(found.values())


def test_no_contract_has_a_choice_that_the_plain_codec_cannot_make() -> None:
    """Plain takes the first of a union: two shapes in one would be told apart by services only."""
    kinds = contract_types()
    assert len(kinds) > 50
    for kind in kinds:
        hints = get_type_hints(kind)
        for each in fields(kind):
            hint = hints[each.name]
            if get_origin(hint) in (Union, UnionType):
                shaped = [arm for arm in get_args(hint) if is_dataclass(arm) or get_origin(arm) in (tuple, dict, list)]
                assert len(shaped) <= 1, f"{kind.__qualname__}.{each.name}"
