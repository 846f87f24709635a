"""A fall in the making: unpaged with a deadline, and what moves it."""

from __future__ import annotations

import msgspec
import pytest

from alerts.policy import UNPAGED_DEADLINE_S
from contract.events import EventKind
from contract.messages import IncidentState, Priority

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])

SUSPECTED = EventKind.FALL_SUSPECTED
DETECTED = EventKind.FALL_DETECTED
GOT_UP = EventKind.MAY_HAVE_GOT_UP


def test_a_suspicion_calls_nobody_and_is_watched(ward):
    ward.play((0, ward.say(SUSPECTED, fall_id="f1", ago_s=5, took_s=5)), until=40)
    assert ward.rings() == []
    board = ward.desk.board()
    assert board.incidents == []
    assert [each.state for each in board.watching] == [IncidentState.UNPAGED]
    assert ward.seconds(board.watching[0].deadline_at_us) == pytest.approx(45, abs=0.1)


def test_the_gateway_dies_and_the_deadline_pages(ward):
    """Killed ten seconds after the impact: paged within 60 s of it."""
    ward.play((5, ward.say(SUSPECTED, fall_id="f1", ago_s=5, took_s=5)), until=60)
    ward.want_rings((5 + UNPAGED_DEADLINE_S, "mei"))
    assert ward.only().kind == SUSPECTED
    assert ward.only().priority is Priority.HIGH


def test_a_late_suspicion_is_still_paged_within_a_minute_of_the_impact(ward):
    ward.play((25, ward.say(SUSPECTED, fall_id="f1", ago_s=25, took_s=24)), until=60)
    ward.want_rings((55, "mei"))


def test_a_suspicion_that_was_long_under_way_pages_at_once(ward):
    ward.play((0, ward.say(SUSPECTED, fall_id="f1", ago_s=600, took_s=5)), until=1)
    ward.want_rings((0, "mei"))


def test_unknown_age_is_now(ward):
    ward.play((0, ward.say(SUSPECTED, fall_id="f1", ago_s=None)), until=50)
    ward.want_rings((45, "mei"))


@pytest.mark.parametrize("skew_s", [-3_600, 3_600, -1_767_000_000])
def test_a_wrong_wall_clock_of_the_gateway_changes_nothing(ward, skew_s):
    """An hour off, or booted in 1970: lateness is judged by age alone."""

    def send():
        event = ward.event(SUSPECTED, fall_id="f1", ago_s=5, took_s=5)
        skew_us = skew_s * 1_000_000
        moved = {"at_us": event.at_us + skew_us, "emitted_at_us": event.emitted_at_us + skew_us}
        ward.send(msgspec.structs.replace(event, clock="unsynced", **moved))

    ward.play((0, send), until=46)
    ward.want_rings((45, "mei"))
    assert ward.seconds(ward.only().at_us) == pytest.approx(-5, abs=0.1)


def test_detected_pages_the_same_incident(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (25, ward.say(DETECTED, fall_id="f1")),
        until=70,
    )
    ward.want_rings((25, "mei"))
    assert ward.only().kind == DETECTED
    assert len(ward.only().events) == 2


def test_got_up_before_paging_becomes_check_her_and_never_closes(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (30, ward.say(GOT_UP, fall_id="f1")),
        until=155,
    )
    ward.want_rings((30, "mei"), (150, "mei wai"))  # the medium plan
    incident = ward.only()
    assert (incident.state, incident.priority) == (IncidentState.OPEN, Priority.MEDIUM)
    assert incident.kind == GOT_UP


def test_got_up_never_lowers_a_paged_incident(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (50, ward.say(GOT_UP, fall_id="f1")),
        until=106,
    )
    ward.want_rings((45, "mei"), (105, "mei wai"))
    incident = ward.only()
    assert (incident.state, incident.priority) == (IncidentState.OPEN, Priority.HIGH)
    assert incident.kind == SUSPECTED


def test_got_up_from_one_fall_does_not_answer_another(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (20, ward.say(SUSPECTED, fall_id="f2")),
        (25, ward.say(GOT_UP, fall_id="f1")),
        until=70,
    )
    ward.want_rings((65, "mei"))
    assert ward.only().priority is Priority.HIGH


def test_a_second_suspicion_after_check_her_has_its_own_deadline(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (20, ward.say(GOT_UP, fall_id="f1")),
        (30, ward.say(SUSPECTED, fall_id="f2")),
        until=80,
    )
    ward.want_rings((20, "mei"), (75, "mei"))
    assert ward.only().priority is Priority.HIGH


def test_a_suspicion_after_the_answer_raises_the_alarm_again_at_its_deadline(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.acknowledge()),
        (20, ward.arrive()),
        (100, ward.say(SUSPECTED, fall_id="f2")),
        until=150,
    )
    ward.want_rings((0, "mei"), (145, "mei"))
    assert ward.only().state is IncidentState.OPEN


def test_a_suspicion_after_the_answer_that_gets_up_raises_nothing(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.acknowledge()),
        (20, ward.arrive()),
        (100, ward.say(SUSPECTED, fall_id="f2")),
        (130, ward.say(GOT_UP, fall_id="f2")),
        until=300,
    )
    ward.want_rings((0, "mei"))
    assert ward.only().state is IncidentState.ARRIVED


def test_detected_after_check_her_raises_the_priority(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (20, ward.say(GOT_UP, fall_id="f1")),
        (21, ward.acknowledge()),
        (40, ward.say(DETECTED, fall_id="f1")),
        until=105,
    )
    ward.want_rings((20, "mei"), (40, "mei"), (100, "mei wai"))
    assert ward.only().priority is Priority.HIGH


def test_somebody_may_answer_before_anybody_is_called(ward):
    ward.play((0, ward.say(SUSPECTED, fall_id="f1")), (10, ward.acknowledge()), until=100)
    assert ward.rings() == []
    assert ward.only().state is IncidentState.ACKNOWLEDGED
