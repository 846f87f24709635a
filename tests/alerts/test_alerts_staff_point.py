"""Answers that were given at a gateway while nobody could hear of them, and come later."""

from __future__ import annotations

from alerts.policy import LogKind
from contract.events import STAFF_POINT, EventKind
from contract.messages import IncidentState

FALL, LIE, ACKNOWLEDGED = EventKind.FALL_DETECTED, EventKind.LONG_LIE, EventKind.ACKNOWLEDGED


def what(view):
    return [line.what for line in view.log]


def test_after_an_outage_alarm_and_answer_come_together_and_nobody_is_called_again(ward):
    def outage_ends():
        alarm = ward.event(FALL, fall_id="f1", ago_s=600)
        answer = ward.event(ACKNOWLEDGED, incident=alarm.id, by=STAFF_POINT, ago_s=560)
        ward.send(alarm)
        ward.send(answer)

    ward.play((0, outage_ends), until=100)
    view = ward.only()
    assert view.state is IncidentState.ACKNOWLEDGED
    assert view.acknowledged_by == STAFF_POINT
    assert [who for _, who in ward.rings()] in ([], ["mei"]), "once at the most"


def test_who_answered_and_has_not_arrived_is_missed_after_an_outage_too(ward):
    def outage_ends():
        alarm = ward.event(FALL, fall_id="f1", ago_s=600)
        ward.send(alarm)
        ward.send(ward.event(ACKNOWLEDGED, incident=alarm.id, by=STAFF_POINT, ago_s=560))

    ward.play((0, outage_ends), until=125)
    assert ward.only().state is IncidentState.OPEN
    assert LogKind.NO_ARRIVAL in what(ward.only())


def test_an_answer_before_the_long_lie_is_no_answer_to_it(ward):
    def outage_ends():
        alarm = ward.event(FALL, fall_id="f1", ago_s=600)
        ward.send(alarm)
        ward.send(ward.event(LIE, fall_id="f1", ago_s=300))
        ward.send(ward.event(ACKNOWLEDGED, incident=alarm.id, by=STAFF_POINT, ago_s=560))

    ward.play((0, outage_ends), until=30)
    assert ward.only().state is IncidentState.OPEN
    assert LogKind.LATE_ACKNOWLEDGEMENT in what(ward.only())


def test_an_answer_to_a_suspicion_counts_for_what_its_deadline_raised(ward):
    alarm = ward.event(EventKind.FALL_SUSPECTED, fall_id="f1")

    def answer():
        ward.send(ward.event(ACKNOWLEDGED, incident="f1", by=STAFF_POINT, ago_s=30))

    ward.play((0, lambda: ward.send(alarm)), (50, answer), until=55)
    assert ward.only().state is IncidentState.ACKNOWLEDGED
