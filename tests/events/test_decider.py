from dataclasses import dataclass

import pytest

from events.decider import Fact, Known, View, decision, need_reason
from events.errors import Conflict, CorruptLog, Invalid
from events.record import Change, DomainEvent, StreamName, Version

ACCOUNT = StreamName("account-a")
POLICY = StreamName("policy-a")


@dataclass(frozen=True)
class Deposited(DomainEvent):
    amount: int


@dataclass(frozen=True)
class Account:
    total: int


def evolve(state: Account | None, fact: Fact) -> Account:
    assert isinstance(fact.event, Deposited)
    return Account((state.total if state else 0) + fact.event.amount)


def deposit(view: View, amount: int) -> list[Change]:
    view.get(Account, POLICY)
    account = view.get(Account, ACCOUNT)
    if account is not None and account.total + amount > 100:
        raise Conflict("too much")
    return [Change(ACCOUNT, Deposited(amount=amount))]


def known() -> Known:
    known = Known({"account": evolve, "policy": evolve})
    known.follow(Fact(ACCOUNT, Version(1), Deposited(amount=40)))
    return known


def test_a_decision_names_every_stream_it_read_even_those_that_do_not_exist() -> None:
    assert decision(known(), deposit, 1).expected == {POLICY: 0, ACCOUNT: 1}


def test_a_stream_that_is_only_written_is_expected_too() -> None:
    blind = decision(known(), lambda _view, n: [Change(POLICY, Deposited(amount=n))], 5)
    assert blind.expected == {POLICY: 0}


def test_commands_decided_as_one_see_each_other_and_expect_the_log() -> None:
    made = decision(known(), deposit, 30, 30)
    assert [change.event for change in made.changes] == [Deposited(amount=30), Deposited(amount=30)]
    assert made.expected[ACCOUNT] == 1
    with pytest.raises(Conflict):
        decision(known(), deposit, 30, 30, 30)


def test_deciding_changes_nothing_that_is_known() -> None:
    state = known()
    decision(state, deposit, 30)
    assert state.get(Account, ACCOUNT) == Account(40)
    assert state.version(ACCOUNT) == 1


def test_a_fact_followed_twice_counts_once() -> None:
    state = known()
    state.follow(Fact(ACCOUNT, Version(1), Deposited(amount=40)))
    assert state.get(Account, ACCOUNT) == Account(40)


def test_a_gap_in_a_stream_is_noticed() -> None:
    with pytest.raises(CorruptLog):
        known().follow(Fact(ACCOUNT, Version(3), Deposited(amount=1)))


def test_an_empty_reason_is_none() -> None:
    assert need_reason(" because ") == "because"
    with pytest.raises(Invalid) as refused:
        need_reason("  ")
    assert "reason" in refused.value.data["fields"]
