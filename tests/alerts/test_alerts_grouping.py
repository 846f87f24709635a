"""One happening, one alert; a new happening is never hidden by an old alert."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.policy import LogKind
from contract.events import EventKind
from contract.messages import IncidentState, Priority

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])

SUSPECTED = EventKind.FALL_SUSPECTED
DETECTED = EventKind.FALL_DETECTED
GOT_UP = EventKind.MAY_HAVE_GOT_UP
LONG_LIE = EventKind.LONG_LIE
HELP = EventKind.HELP_REQUESTED


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_and_doubling_of_one_fall_is_one_paged_incident(make_ward, data):
    ward = make_ward()
    kinds = data.draw(
        st.lists(st.sampled_from([SUSPECTED, DETECTED, GOT_UP, LONG_LIE]), min_size=1, max_size=4)
    )
    events = [ward.event(kind, fall_id="f1") for kind in kinds]
    order = data.draw(
        st.lists(st.integers(0, len(events) - 1), max_size=6).flatmap(
            lambda more: st.permutations([*range(len(events)), *more])
        )
    )
    times = data.draw(
        st.lists(st.floats(0, 40), min_size=len(order), max_size=len(order)).map(sorted)
    )
    timeline = [
        (at_s, lambda event=events[index]: ward.send(event))
        for at_s, index in zip(times, order, strict=True)
    ]
    ward.play(*timeline, until=100)
    incident = ward.only()
    assert incident.state is IncidentState.OPEN
    assert ward.rings()
    assert len(incident.events) == len(events)
    if {DETECTED, LONG_LIE} & set(kinds) or GOT_UP not in kinds:
        assert incident.priority is Priority.HIGH


def test_a_second_fall_while_unanswered_joins(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")), (30, ward.say(DETECTED, fall_id="f2")), until=61
    )
    ward.want_rings((0, "mei"), (60, "mei wai"))
    assert len(ward.only().events) == 2


def test_a_new_fall_raises_an_acknowledged_incident_again(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.acknowledge()),
        (30, ward.say(DETECTED, fall_id="f2")),
        until=31,
    )
    ward.want_rings((0, "mei"), (30, "mei"))
    assert ward.only().state is IncidentState.OPEN
    assert ward.only().acknowledged_by is None


def test_a_new_fall_raises_an_incident_again_that_somebody_forgot_to_resolve(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.acknowledge()),
        (20, ward.arrive()),
        (900, ward.say(DETECTED, fall_id="f2")),
        until=901,
    )
    ward.want_rings((0, "mei"), (900, "mei"))


def test_long_after_a_new_incident_opens_beside_the_forgotten_one(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.acknowledge()),
        (20, ward.arrive()),
        (2_000, ward.say(DETECTED, fall_id="f2")),
        until=2_001,
    )
    ward.want_rings((0, "mei"), (2_000, "mei"))
    assert len(ward.incidents()) == 2
    assert len({each.case_id for each in ward.incidents()}) == 1


def test_more_word_of_the_acknowledged_fall_calls_nobody_again(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (46, ward.acknowledge()),
        (47, ward.say(DETECTED, fall_id="f1")),
        until=100,
    )
    ward.want_rings((45, "mei"))


def test_a_long_lie_raises_the_acknowledged_fall_again(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.acknowledge()),
        (60, ward.say(LONG_LIE, fall_id="f1")),
        until=61,
    )
    ward.want_rings((0, "mei"), (60, "mei"))


def test_a_long_lie_is_no_news_to_who_has_arrived(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (10, ward.arrive()),
        (60, ward.say(LONG_LIE, fall_id="f1")),
        until=61,
    )
    ward.want_rings((0, "mei"))
    assert ward.only().state is IncidentState.ARRIVED


def test_residents_and_families_stay_apart(ward):
    ward.play(
        (0, ward.say(DETECTED, fall_id="f1")),
        (0, ward.say(DETECTED, fall_id="f2", resident="r2", device="w2")),
        (0, ward.say(HELP, key="r1/help/1")),
        until=1,
    )
    assert len(ward.incidents()) == 3


def test_two_gateways_report_one_press(ward):
    ward.play(
        (0, ward.say(HELP, key="w1/help/7")),
        (0.5, ward.acknowledge()),
        (1, ward.say(HELP, key="w1/help/7", gateway="gateway-b")),
        until=2,
    )
    assert ward.only().state is IncidentState.ACKNOWLEDGED
    ward.want_rings((0, "mei"))


def test_pressing_again_after_the_answer_calls_again(ward):
    ward.play(
        (0, ward.say(HELP, key="w1/help/7")),
        (5, ward.acknowledge()),
        (20, ward.say(HELP, key="w1/help/8")),
        until=21,
    )
    ward.want_rings((0, "mei"), (20, "mei"))


def test_a_device_finds_its_resident(ward):
    ward.play((0, ward.say(DETECTED, device="w1")), (1, ward.say(LONG_LIE, resident="r1")), until=2)
    assert ward.only().resident_id == "r1"


def test_word_that_was_late_on_its_way_does_not_open_a_settled_fall_again(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (1, ward.arrive()),
        (60, ward.resolve("assisted")),
        (600, ward.say(DETECTED, fall_id="f1", ago_s=590, took_s=30)),
        until=601,
    )
    assert ward.rings() == []
    assert ward.only().state is IncidentState.RESOLVED
    assert ward.only().log[-1].what == LogKind.LATE_EVENT


def test_walking_again_is_no_news_of_a_settled_fall(ward):
    """Helped up, a while in a chair, and then she walks: the gateway says so about the fall."""
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (30, ward.say(DETECTED, fall_id="f1", ago_s=30, took_s=30)),
        (40, ward.arrive()),
        (100, ward.resolve("true_fall_no_injury")),
        (480, ward.say(GOT_UP, fall_id="f1", ago_s=480, took_s=480)),
        until=900,
    )
    ward.want_rings((30, "mei"))
    assert ward.only().state is IncidentState.RESOLVED
    assert ward.only().log[-1].what == LogKind.LATE_EVENT


def test_another_gateways_word_of_a_settled_press_is_no_second_alert(ward):
    """It hung on its way, and says how old it was when it was sent; a new press is another."""
    ward.play(
        (0, ward.say(HELP, key="r1:help:w1:97:1")),
        (20, ward.arrive()),
        (25, ward.resolve("assisted")),
        (45, ward.say(HELP, key="r1:help:w1:97:1", gateway="gateway-b")),
        (55, ward.say(HELP, key="r1:help:w1:97:2")),
        until=56,
    )
    ward.want_rings((0, "mei"), (55, "mei"))
    assert len(ward.incidents()) == 2
    logs = [[line.what for line in incident.log] for incident in ward.incidents()]
    assert sum(LogKind.LATE_EVENT in log for log in logs) == 1


def test_a_press_whose_number_was_used_long_ago_is_a_new_alert(ward):
    ward.play(
        (0, ward.say(HELP, key="r1:help:w1:97:1")),
        (20, ward.arrive()),
        (25, ward.resolve("assisted")),
        (1_000, ward.say(HELP, key="r1:help:w1:97:1")),
        until=1_001,
    )
    assert len(ward.incidents()) == 2


def test_a_settled_fall_that_speaks_again_afterwards_is_a_new_incident(ward):
    ward.play(
        (0, ward.say(SUSPECTED, fall_id="f1")),
        (1, ward.arrive()),
        (60, ward.resolve("false_alarm")),
        (300, ward.say(LONG_LIE, fall_id="f1", ago_s=300, took_s=300)),
        until=301,
    )
    assert len(ward.incidents()) == 2
    ward.want_rings((300, "mei"))


def test_the_zone_heard_last_wins_whatever_the_order(ward):
    ward.play(
        (10, ward.say(DETECTED, fall_id="f1", resident="r1", zone="corridor", ago_s=0)),
        (12, ward.say(SUSPECTED, fall_id="f1", resident="r1", zone="room-1", ago_s=8)),
        until=13,
    )
    assert ward.only().zone == "corridor"
