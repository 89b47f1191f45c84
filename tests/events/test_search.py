"""What an event says and names, compared as it is."""

from __future__ import annotations

import json
from typing import Any

from events.record import StreamName
from events.search import Said, Sought


def said(data: dict[str, Any], stream: str = "settings-project_p1", kind: str = "settings.changed") -> Said:
    return Said(1, StreamName(stream), kind, json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def none(_: StreamName) -> Said:
    raise AssertionError("nobody asked for the first event")


def test_a_text_is_found_whatever_its_case_in_data_type_and_stream_and_nothing_in_it_is_special() -> None:
    one = said({"reason": 'für das "Große" Ende\n100%', "new": [{"crf": 18}]})
    for text in ("FÜR DAS", "grosse", '"große"', "ende\n100%", "crf", "Settings.CHANGED", "PROJECT_P1", '{"crf":18}'):
        assert Sought(text, frozenset(), none).fits(one), text
    for text in ("%", "_", "*", "' OR 1=1 --", '") OR ("1"="1', ".*", "settings.changed.more"):
        assert Sought(text, frozenset(), none).fits(one) is (text in ("%", "_")), text


def test_a_name_must_stand_there_whole_as_a_value_a_key_or_what_the_stream_is_of() -> None:
    named = [
        said({"addon": "media"}), said({"addons": {"media": {"version": "1"}}}), said({"a": [["media"]]}),
        said({}, "addon-media"), said({}, "settings-project_media"), said({}, "media-0192"),
    ]  # fmt: skip
    sought = Sought("", frozenset({"media"}), none)
    assert [one for one in named if not sought.fits(one)] == []
    others = [said({"reason": "the media"}), said({"n": 1}, "settings-project_mediaa"), said({"k": 'a "media" b'})]
    assert [one for one in others if sought.fits(one)] == []
    assert not Sought("", frozenset({"publish"}), lambda _: said({})).fits(said({}, "publish-1"))


def test_every_event_of_a_publish_names_what_its_request_does_and_text_and_name_must_both_hold() -> None:
    asked: list[str] = []

    def first(stream: StreamName) -> Said:
        asked.append(stream)
        return said({"project": "p1" if stream == "publish-1" else "p2"}, stream)

    sought = Sought("late", frozenset({"p1"}), first)
    assert sought.fits(said({"message": "too late"}, "publish-1"))
    assert sought.fits(said({"message": "late again"}, "publish-1"))
    assert not sought.fits(said({"message": "in time"}, "publish-1"))
    assert not sought.fits(said({"message": "too late"}, "publish-2"))
    assert asked == ["publish-1", "publish-2"]
