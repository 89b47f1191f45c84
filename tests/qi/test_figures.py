"""An actor's figures, as the mesh shows them."""

from __future__ import annotations

from typing import Any

from qi.figures import figures_of


def answer(name: str, **more: Any) -> dict[str, Any]:
    data = {"topics": {"db.project.list": {"requests": 2, "mean_ms": 1.5, "p50_ms": 1, "p99_ms": 2}}, "mailbox": 1,
            "mailbox_deepest": 3, "mailbox_bytes": 10, "dropped": 0, "p50_ms": 1, "p99_ms": 2}  # fmt: skip
    return {"name": name, "endpoints": [{"num_requests": 2, "num_errors": 0}], "data": {**data, **more}}


def test_an_answer_of_another_shape_is_left_out_and_told_and_the_others_are_there() -> None:
    told: list[str] = []
    made = figures_of([answer("db"), answer("odd", mailbox="many"), {"name": "bare"}], told.append)
    assert [(one.name, one.waiting, one.topics[0].topic) for one in made] == [("db", 1, "db.project.list")]
    odd, bare = told
    assert odd.startswith("the figures of 'odd' cannot be read: ValueError")
    assert bare.startswith("the figures of 'bare' cannot be read: KeyError")
