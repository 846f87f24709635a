"""Exits, nights, silences: excused is lower and never gone; two leads are one alert."""

from __future__ import annotations

import pytest

from alerts.incidents import receive
from alerts.policy import ESCALATION, LogKind
from contract.clock import now_us
from contract.events import EventKind, Evidence
from contract.messages import IncidentState, Priority
from contract.units import US_PER_S
from contract.wire import encode

BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])

ELOPEMENT = EventKind.ELOPEMENT
SEEKING = EventKind.EXIT_SEEKING
INACTIVE = EventKind.INACTIVE
KEY = "elopement:r1:1767232800"


def told(ward, kind=ELOPEMENT, key=KEY, **fields):
    """For a timeline: an event made at that moment is taken in, without the service around it."""

    def take():
        event, at_us = ward.event(kind, key=key, **fields), now_us(ward.clock)
        with ward.database.transaction("demo") as session:
            receive(session, event, encode(event), at_us, ward.ids)

    return take


def excused(ward, kind=ELOPEMENT, key=KEY, **fields):
    return told(ward, kind, key, excused=True, **fields)


def play(ward, *timeline):
    """Do each thing at its second."""
    ward.origin_us = now_us(ward.clock)
    for at_s, action in timeline:
        ahead_s = at_s - (now_us(ward.clock) - ward.origin_us) / US_PER_S
        ward.clock.run(ward.clock.sleep(ahead_s))
        action()


CALLS = {LogKind.PAGED, LogKind.RAISED_AGAIN, LogKind.PRIORITY_RAISED}


def calls(ward):
    """The seconds at which people began to be called."""
    lines = [line for each in ward.incidents() for line in each.log]
    return sorted(round((e.at_us - ward.origin_us) / US_PER_S) for e in lines if e.what in CALLS)


def test_with_a_carer_beside_her_it_is_told_low_and_no_siren_sounds(ward):
    ward.play((0, ward.say(ELOPEMENT, key=KEY, excused=True)), until=2)
    incident = ward.only()
    assert (incident.priority, incident.kind) == (Priority.LOW, ELOPEMENT)
    assert incident.events[0].excused
    ward.want_rings((0, "mei"))
    # No step of a low alert sounds (`alerts.policy.ESCALATION`).
    assert not any(step.sounds for step in ESCALATION[Priority.LOW].steps)


@pytest.mark.parametrize("answer", ["nobody", "on the way", "there", "closed"])
def test_when_the_carer_is_gone_it_calls_at_its_own_priority(ward, answer):
    """The same episode once more, no longer excused: whatever was answered to the excused one."""
    steps = {
        "nobody": [],
        "on the way": [(20, ward.acknowledge())],
        "there": [(20, ward.arrive())],
        "closed": [(20, ward.arrive()), (30, ward.resolve("false_alarm"))],
    }[answer]
    play(ward, (0, excused(ward)), *steps, (40, told(ward)))
    incident = next(each for each in ward.incidents() if each.state is IncidentState.OPEN)
    assert incident.priority is Priority.HIGH
    assert 40 in calls(ward)
    assert len(ward.incidents()) == (2 if answer == "closed" else 1)


def test_an_excused_walk_lowers_nothing_that_was_told_before(ward):
    play(ward, (0, told(ward)), (5, excused(ward, key="elopement:r1:1767232900")))
    assert ward.only().priority is Priority.HIGH
    assert [event.excused for event in ward.only().events] == [False, True]


def test_who_answered_and_walks_with_her_is_not_called_again(ward):
    play(
        ward,
        (0, told(ward, SEEKING, "exit_seeking:r1:1")),
        (10, ward.acknowledge()),
        (40, excused(ward)),
    )
    assert ward.only().state is IncidentState.ACKNOWLEDGED
    assert calls(ward) == [0]


def test_no_other_kind_is_excused(ward):
    play(ward, (0, told(ward, EventKind.HELP_REQUESTED, key="h", excused=True)))
    assert ward.only().priority is Priority.HIGH


def test_seeking_an_exit_and_going_out_is_one_alert_that_grows(ward):
    play(
        ward,
        (0, told(ward, SEEKING, "exit_seeking:r1:1")),
        (10, ward.acknowledge()),
        (20, told(ward)),
    )
    incident = ward.only()
    assert (incident.kind, incident.priority) == (ELOPEMENT, Priority.HIGH)
    assert LogKind.PRIORITY_RAISED in [line.what for line in incident.log]


@pytest.mark.parametrize("other_key", [KEY, "elopement:r1:1767232802"])
@pytest.mark.parametrize("answer", ["nobody", "on the way", "closed"])
def test_two_leads_are_one_alert_whatever_was_answered(ward, other_key, answer):
    """The same key, and begins two seconds apart; the second comes late, with its age."""
    steps = {
        "nobody": [],
        "on the way": [(20, ward.acknowledge())],
        "closed": [(20, ward.arrive()), (30, ward.resolve("other"))],
    }[answer]
    late = told(ward, ELOPEMENT, key=other_key, gateway="gateway-b", ago_s=48)
    play(ward, (0, told(ward)), *steps, (50, late))
    assert calls(ward) == [0]
    assert len(ward.incidents()) == 1


def test_what_was_asked_again_and_answered_is_not_asked_a_third_time_by_another_lead(ward):
    """Its age is unknown: the gateway was restarted before it could send it."""
    late = told(ward, gateway="gateway-b", ago_s=None)

    def newest(act, *how):
        return lambda: act(ward.desk.board().incidents[0].id, "mei", *how)

    play(
        ward,
        (0, excused(ward)),
        (20, newest(ward.desk.arrive)),
        (30, newest(ward.desk.resolve, "other")),
        (300, told(ward)),
        (310, newest(ward.desk.arrive)),
        (320, newest(ward.desk.resolve, "other")),
        (330, late),
    )
    assert calls(ward) == [0, 300]


@BOTH
def test_out_again_after_she_was_brought_back_calls_again(ward):
    """Also when another gateway leads by then, and within the time of one episode."""
    again = told(ward, ELOPEMENT, key="elopement:r1:1767232870", gateway="gateway-b")
    play(ward, (0, told(ward)), (20, ward.arrive()), (30, ward.resolve("other")), (70, again))
    assert calls(ward) == [0, 70]
    assert len(ward.incidents()) == 2


def test_another_episode_while_somebody_is_on_the_way_calls_again(ward):
    play(
        ward,
        (0, told(ward, SEEKING, "exit_seeking:r1:1")),
        (10, ward.acknowledge()),
        (40, told(ward, SEEKING, "exit_seeking:r1:2", gateway="gateway-b")),
    )
    assert calls(ward) == [0, 40]


def test_a_fall_explains_a_silence(ward):
    play(
        ward,
        (0, told(ward, EventKind.FALL_DETECTED, None, fall_id="f1")),
        (10, ward.arrive()),
        (60, told(ward, INACTIVE, "inactive:r1:1")),
    )
    assert calls(ward) == [0]
    assert ward.only().kind == EventKind.FALL_DETECTED


def test_a_forgotten_fall_hides_no_silence_for_long(ward):
    """Each silence that a fall explains does not make the fall younger."""
    play(
        ward,
        (0, told(ward, EventKind.FALL_DETECTED, None, fall_id="f1")),
        (10, ward.arrive()),
        (1_500, told(ward, INACTIVE, "inactive:r1:1")),
        (2_900, told(ward, INACTIVE, "inactive:r1:2")),
    )
    assert calls(ward) == [0, 2_900]
    assert {each.kind for each in ward.incidents()} == {EventKind.FALL_DETECTED, INACTIVE}


def test_the_numbers_of_its_sentence_are_kept_and_not_without_end(ward):
    features = {"visits": 6.0} | {f"more_{n:02}": 1.0 for n in range(40)}
    evidence = Evidence(detector="whereabouts/1", features=features)
    play(ward, (0, told(ward, SEEKING, "exit_seeking:r1:1", evidence=evidence)))
    (line,) = ward.only().events
    assert len(line.features) == 24
