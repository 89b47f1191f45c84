"""An actor's inbox keeps order, counts bytes, and looks ahead without losing anything."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from qi.mailbox import Mailbox


def messages(box: Mailbox) -> list[Any]:
    return [box.get().message for _ in range(box.qsize())]


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 10), st.integers(0, 9))
def test_looking_ahead_keeps_order_and_loses_nothing(numbers: list[int], most: int, below: int) -> None:
    box = Mailbox()
    for number in numbers:
        box.put_sized(Envelope(number), 1)
    taken = box.take_while(lambda number: number < below, most)
    expected = []
    for number in numbers[:most]:
        if number >= below:
            break
        expected.append(number)
    assert taken == expected
    assert box.qsize() == len(numbers) - len(taken)
    assert taken + messages(box) == numbers
    assert box.empty()


def test_bytes_wait_until_they_are_taken() -> None:
    box = Mailbox()
    box.put_sized(Envelope("a"), 10)
    box.put_sized(Envelope("b"), 5)
    assert box.waiting_bytes == 15
    box.took(10)
    assert box.waiting_bytes == 5


def test_emptying_leaves_what_pykka_needs() -> None:
    box = Mailbox()
    stop = Envelope(_ActorStop())
    for envelope in (Envelope("a"), stop, Envelope("b")):
        box.put(envelope)
    assert box.empty_out() == ["a", "b"]
    assert box.get() is stop
    assert box.empty()
