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


def excused(ward, kind=ELOPEMENT, key=KEY, **fields):
    return ward.say(kind, key=key, excused=True, **fields)


def plain(ward, kind=ELOPEMENT, key=KEY, **fields):
    return ward.say(kind, key=key, **fields)


def test_with_a_carer_beside_her_it_is_told_low_and_no_siren_sounds(ward):
    ward.play((0, excused(ward)), until=5)
    incident = ward.only()
    assert (incident.priority, incident.kind) == (Priority.LOW, ELOPEMENT)
    assert incident.events[0].excused
    assert ward.rings()[0] == (pytest.approx(0, abs=0.3), "mei")
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
    ward.play((0, excused(ward)), *steps, (40, plain(ward)), until=41)
    incident = next(each for each in ward.incidents() if each.state is IncidentState.OPEN)
    assert incident.priority is Priority.HIGH
    assert (pytest.approx(40, abs=0.3), "mei") in ward.rings()
    assert len(ward.incidents()) == (2 if answer == "closed" else 1)


def test_an_excused_walk_lowers_nothing_that_was_told_before(ward):
    ward.play((0, plain(ward)), (5, excused(ward, key="elopement:r1:1767232900")), until=6)
    assert ward.only().priority is Priority.HIGH
    assert [event.excused for event in ward.only().events] == [False, True]


def test_who_answered_and_walks_with_her_is_not_called_again(ward):
    ward.play(
        (0, plain(ward, SEEKING, "exit_seeking:r1:1")),
        (10, ward.acknowledge()),
        (40, excused(ward)),
        until=60,
    )
    assert ward.only().state is IncidentState.ACKNOWLEDGED
    ward.want_rings((0, "mei"))


def test_no_other_kind_is_excused(ward):
    ward.play((0, ward.say(EventKind.HELP_REQUESTED, key="h", excused=True)), until=1)
    assert ward.only().priority is Priority.HIGH


def test_seeking_an_exit_and_going_out_is_one_alert_that_grows(ward):
    ward.play(
        (0, plain(ward, SEEKING, "exit_seeking:r1:1")),
        (10, ward.acknowledge()),
        (20, plain(ward)),
        until=21,
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
    late = ward.say(ELOPEMENT, key=other_key, gateway="gateway-b", ago_s=48)
    ward.play((0, plain(ward)), *steps, (50, late), until=52)
    ward.want_rings((0, "mei"))
    assert len(ward.incidents()) == 1


@BOTH
def test_out_again_after_she_was_brought_back_calls_again(ward):
    """Also when another gateway leads by then, and within the time of one episode."""
    again = ward.say(ELOPEMENT, key="elopement:r1:1767232870", gateway="gateway-b")
    ward.play(
        (0, plain(ward)), (20, ward.arrive()), (30, ward.resolve("other")), (70, again), until=71
    )
    ward.want_rings((0, "mei"), (70, "mei"))
    assert len(ward.incidents()) == 2


def test_another_episode_while_somebody_is_on_the_way_calls_again(ward):
    ward.play(
        (0, plain(ward, SEEKING, "exit_seeking:r1:1")),
        (10, ward.acknowledge()),
        (40, plain(ward, SEEKING, "exit_seeking:r1:2", gateway="gateway-b")),
        until=41,
    )
    ward.want_rings((0, "mei"), (40, "mei"))


def test_a_fall_explains_a_silence(ward):
    ward.play(
        (0, ward.say(EventKind.FALL_DETECTED, fall_id="f1")),
        (10, ward.arrive()),
        (60, plain(ward, INACTIVE, "inactive:r1:1")),
        until=61,
    )
    ward.want_rings((0, "mei"))
    assert ward.only().kind == EventKind.FALL_DETECTED


@BOTH
def test_a_forgotten_fall_hides_no_silence_for_long(ward):
    """Each silence that a fall explains does not make the fall younger."""

    def take(at_s, event):
        at_us = now_us(ward.clock) + at_s * US_PER_S
        with ward.database.transaction("demo") as session:
            receive(session, event, encode(event), at_us, ward.ids)

    take(0, ward.event(EventKind.FALL_DETECTED, fall_id="f1"))
    ward.desk.arrive(ward.only().id, "mei")
    take(1_500, ward.event(INACTIVE, key="inactive:r1:1"))
    assert ward.only().state is IncidentState.ARRIVED
    take(2_900, ward.event(INACTIVE, key="inactive:r1:2"))
    assert {each.kind for each in ward.incidents()} == {EventKind.FALL_DETECTED, INACTIVE}


def test_the_numbers_of_its_sentence_are_kept_and_not_without_end(ward):
    features = {"visits": 6.0} | {f"more_{n:02}": 1.0 for n in range(40)}
    evidence = Evidence(detector="whereabouts/1", features=features)
    ward.play((0, plain(ward, SEEKING, "exit_seeking:r1:1", evidence=evidence)), until=1)
    (line,) = ward.only().events
    assert len(line.features) == 24
