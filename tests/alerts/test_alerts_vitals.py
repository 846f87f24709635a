"""Heart rates: written down for everybody, and called out where a clinician has chosen so."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from alerts.policy import LogKind
from alerts.records.models import Incident, ReceivedEvent
from contract.events import EventKind
from contract.messages import IncidentState, Outcome, Priority

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])

HIGH, LOW, ABSENT = (
    EventKind.HEART_RATE_HIGH,
    EventKind.HEART_RATE_LOW,
    EventKind.HEART_RATE_ABSENT,
)


def chosen(ward, **changes):
    ward.directory.set_vitals("r1", pages=True, clinician="Dr Ho", **changes)


@pytest.mark.parametrize("kind", [HIGH, LOW, ABSENT])
def test_without_a_choice_it_is_written_down_and_nobody_is_called(ward, kind):
    event = ward.event(kind, key="r1:episode-1")
    ward.play((0, lambda: ward.send(event)), until=400)
    assert ward.rings() == []
    assert ward.incidents() == []
    assert ward.outcomes(event.id) == [Outcome.STORED]
    with ward.database.session() as session:
        assert list(session.scalars(select(ReceivedEvent.kind))) == [kind]
        assert list(session.scalars(select(Incident))) == []


@pytest.mark.parametrize("kind", [HIGH, LOW, ABSENT])
def test_by_choice_the_assigned_carer_is_called_and_no_siren_sounds(ward, kind):
    chosen(ward)
    ward.play((0, ward.say(kind, key="r1:episode-1")), until=400)
    assert ward.rings()[0][1] == "mei"
    incident = ward.only()
    assert (incident.priority, incident.state) == (Priority.MEDIUM, IncidentState.OPEN)
    assert incident.kind == kind
    assert not any(item.sound for state in ward.states for item in state.alerts)
    (line,) = [each for each in incident.log if each.what == LogKind.PAGED]
    assert line.detail == "Dr Ho"


def test_limits_alone_are_no_choice_to_call(ward):
    ward.directory.set_vitals("r1", high_bpm=100)
    ward.play((0, ward.say(HIGH, key="r1:episode-1")), until=60)
    assert ward.rings() == []


def test_a_choice_is_one_residents_alone_and_can_be_taken_back(ward):
    chosen(ward)
    ward.play(
        (0, ward.say(HIGH, key="r2:episode-1", resident="r2", device="w2")),
        (10, lambda: ward.directory.set_vitals("r1", pages=False)),
        (20, ward.say(HIGH, key="r1:episode-1")),
        until=60,
    )
    assert ward.rings() == []


def test_a_wearable_that_nobody_wears_calls_nobody(ward):
    chosen(ward)
    ward.play((0, ward.say(HIGH, key="spare:episode-1", device="spare")), until=60)
    assert ward.rings() == []


def test_one_episode_told_by_two_gateways_is_one_alert(ward):
    chosen(ward)
    ward.play(
        (0, ward.say(HIGH, key="r1:episode-1")),
        (3, ward.say(HIGH, key="r1:episode-2", gateway="gateway-b")),
        until=60,
    )
    assert ward.rings() == [(pytest.approx(0, abs=0.3), "mei")]
    assert len(ward.only().events) == 2


def test_a_new_episode_after_an_answer_calls_again(ward):
    chosen(ward)
    ward.play(
        (0, ward.say(HIGH, key="r1:episode-1")),
        (10, ward.arrive()),
        (200, ward.say(LOW, key="r1:episode-2")),
        until=201,
    )
    assert [who for _, who in ward.rings()] == ["mei", "mei"]
    assert ward.only().kind == LOW


def test_a_fall_beside_it_is_an_alert_of_its_own(ward):
    chosen(ward)
    ward.play(
        (0, ward.say(HIGH, key="r1:episode-1")),
        (10, ward.say(EventKind.FALL_DETECTED, fall_id="f1")),
        until=20,
    )
    assert len(ward.incidents()) == 2
