"""Judging: what was expected against what happened, on records written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardlight.scenes import Line, Scene, Timeline, Verdict, What
from wardlight.scenes.cast import Cast
from wardlight.scenes.judging import Judgement, judge

PAGED = [
    Line(at_s=38.05, what=What.STATE, value="open", resident="ada", incident="i1"),
    Line(at_s=38.05, what=What.ALERT, value="fall_detected", resident="ada", incident="i1"),
    Line(at_s=38.05, what=What.PAGE, value="fall_detected", person="mei", incident="i1"),
]


def judged(timeline: Timeline, lines: list[Line]) -> Judgement:
    return judge(timeline.scene, Cast(timeline.scene), lines)


def verdict(lines: list[Line], **said: object) -> Verdict:
    return judged(Timeline("Judged").expect(**said), lines).verdicts[0]


def test_a_page_within_its_window_is_met():
    found = verdict(PAGED, page="night carer", about="ada", within=(30, 45))
    assert found.met
    assert found.at_s == [38.05]
    assert found.sentence == "it was sent at 38.05 s"


@pytest.mark.parametrize(
    ("window", "said"),
    [((5, 12), "at 38.05 s, 26 s too late"), ((40, 45), "at 38.05 s, 1.95 s too early")],
)
def test_a_page_outside_its_window_says_by_how_much(window, said):
    found = verdict(PAGED, page="mei", within=window)
    assert not found.met
    assert found.sentence == f"but it was sent {said}"


def test_the_ends_of_a_window_belong_to_it():
    assert verdict(PAGED, page="mei", within=(38.05, 50)).met
    assert verdict(PAGED, page="mei", within=(30, 38.05)).met


def test_another_person_or_resident_or_kind_is_not_meant():
    missed = verdict(PAGED, page="night nurse", within=(30, 45))
    assert missed.sentence == (
        "but it was never sent; there was a page to mei (night carer) about ada (fall_detected) "
        "at 38.05 s"
    )
    assert not verdict(PAGED, page="mei", about="ben", within=(30, 45)).met
    assert not verdict(PAGED, page="mei", kind="help_requested", within=(30, 45)).met
    assert verdict(PAGED, page="care worker", within=(30, 45)).met
    assert verdict(PAGED, page="anyone", kind="any", within=(30, 45)).met


def test_times_is_exact():
    twice = [*PAGED, Line(at_s=42, what=What.PAGE, person="mei", incident="i1", value="x")]
    assert verdict(twice, page="mei", within=(30, 45), times=2).met
    once = verdict(twice, page="mei", within=(30, 45), times=1)
    assert not once.met
    assert once.sentence == "but it was sent twice: at 38.05, 42 s"
    assert verdict(twice, page="mei", within=(30, 40), times=1).met


def test_what_must_not_happen():
    assert verdict(PAGED, no_page="anyone", between=(0, 38)).met
    assert verdict(PAGED, no_page="kin").met
    found = verdict(PAGED, no_page="anyone", between=(0, 40))
    assert not found.met
    assert found.sentence.startswith("but there was a page to mei")
    assert verdict(PAGED, no_alarm=True, between=(0, 38)).met
    assert verdict(PAGED, no_alarm=True, about="ben").met
    assert not verdict(PAGED, no_alarm=True).met


def test_a_siren_that_sounds_already_is_an_alarm():
    siren = [
        Line(at_s=10, what=What.SIREN, value="alarm", gateway="gateway-a"),
        Line(at_s=50, what=What.SIREN, value="quiet", gateway="gateway-a"),
    ]
    assert not verdict(siren, no_alarm=True, between=(20, 30)).met
    assert verdict(siren, no_alarm=True, between=(51, 60)).met
    assert verdict(siren, no_alarm=True, between=(0, 9)).met


def test_a_fault_is_known_by_its_cause_its_place_and_its_words():
    fault = [
        Line(at_s=5, what=What.FAULT, value="service_silent", detail="The ingest service is silent")
    ]
    assert verdict(fault, fault="service_silent", saying="INGEST", within=9).met
    assert not verdict(fault, fault="service_silent", saying="alerts", within=9).met
    assert not verdict(fault, fault="any", gateway="gateway-a", within=9).met
    assert verdict(fault, fault="any", within=9).met


def test_what_nobody_expected():
    lines = [
        *PAGED,
        Line(at_s=3, what=What.FAULT, value="battery_low", resident="ben"),
        Line(at_s=60, what=What.SIREN, value="alarm", gateway="gateway-a", detail="one reason"),
        Line(at_s=61, what=What.SIREN, value="alarm", gateway="gateway-a", detail="another"),
        Line(at_s=70, what=What.SIREN, value="quiet", gateway="gateway-a"),
    ]
    nothing = judged(Timeline("Judged").expect_nothing_else(), lines)
    assert [line.value for line in nothing.unexpected] == [
        "fall_detected", "battery_low", "alarm", "alarm",
    ]  # fmt: skip
    assert not nothing.passed
    assert "and 3 more" in nothing.verdicts[0].sentence
    timeline = Timeline("Judged").expect_nothing_else()
    timeline.expect_page("mei", about="ada", within=(30, 45))
    timeline.expect_fault("battery_low", "ben", within=9)
    timeline.expect_siren(within=(55, 65))
    everything = judged(timeline, lines)
    assert everything.unexpected == []
    assert everything.passed


def test_what_could_not_be_done_fails_the_scene():
    line = Line(at_s=3, what=What.NOT_DONE, value="acknowledge", person="mei", detail="no alert")
    assert not judge(Scene(title="Empty"), Cast(Scene(title="Empty")), [line]).passed


@given(
    st.lists(st.integers(0, 100_000), max_size=6),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
)
def test_a_window_is_met_exactly_if_something_lies_in_it(times_ms, one_ms, other_ms):
    start_ms, end_ms = sorted((one_ms, other_ms))
    lines = [
        Line(at_s=time_ms / 1000, what=What.FEELS, value="locate", resident="ada")
        for time_ms in sorted(times_ms)
    ]
    window = (start_ms / 1000, end_ms / 1000)
    inside = sum(start_ms <= time_ms <= end_ms for time_ms in times_ms)
    met = verdict(lines, feels="locate", resident="ada", within=window)
    never = verdict(lines, no_feels="locate", resident="ada", between=window)
    assert met.met == (inside > 0)
    assert never.met == (inside == 0)
    assert len(met.at_s) == inside
