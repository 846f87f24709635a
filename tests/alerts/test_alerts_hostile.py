"""What a stranger, a defect or a broken clock may send in an alarm's place."""

from __future__ import annotations

import pytest

from alerts import publisher
from contract.events import EventKind, FaultCause
from contract.messages import Outcome

FALL, HELP = EventKind.FALL_DETECTED, EventKind.HELP_REQUESTED
YEAR_2099_US = 4_070_908_800_000_000


def test_an_alarm_whose_id_another_event_has_is_refused_aloud_and_never_called_known(ward):
    """The gateway of a refused alarm sounds its siren; of a known one it would forget it."""
    first = ward.event(EventKind.WANDERING_EPISODE)
    alarm = ward.event(HELP, id=first.id, session="another run", resident="r2")
    again = ward.event(HELP, id=first.id, resident="r1")
    ward.play(
        (0, lambda: ward.send(first)),
        (1, lambda: ward.send(alarm)),
        (2, lambda: ward.send(again)),
        (3, lambda: ward.send(first)),
        until=4,
    )
    assert ward.outcomes(first.id) == [
        Outcome.STORED,
        Outcome.REJECTED,
        Outcome.REJECTED,
        Outcome.DUPLICATE,
    ]
    reasons = {each.reason for each in ward.receipts if each.outcome is Outcome.REJECTED}
    assert reasons == {"another event has this id"}


@pytest.mark.parametrize(
    "clock",
    [
        {"at_us": YEAR_2099_US, "emitted_at_us": YEAR_2099_US},
        {"at_us": YEAR_2099_US, "emitted_at_us": 0},
        {"at_us": 0, "emitted_at_us": YEAR_2099_US, "age_ms": 0},
        {"at_us": 0, "emitted_at_us": 0, "age_ms": None},
        {"at_us": YEAR_2099_US, "emitted_at_us": YEAR_2099_US, "clock": "unsynced"},
    ],
)
def test_whatever_a_clock_says_the_alarm_is_called_now(ward, clock):
    ward.play((0, ward.say(HELP, **clock)), (5, ward.say(FALL, resident="r2", **clock)), until=6)
    ward.want_rings((0, "mei"), (5, "mei ka wai"))  # nobody is assigned to r2


def test_an_old_alarm_that_is_replayed_opens_nothing_new(ward):
    event = ward.event(HELP)
    ward.play(
        (0, lambda: ward.send(event)),
        (1, lambda: ward.desk.acknowledge(ward.only().id, "mei")),
        (2, lambda: ward.send(event)),
        (3, lambda: ward.send(event)),
        until=5,
    )
    assert ward.outcomes(event.id) == [Outcome.STORED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    ward.want_rings((0, "mei"))
    assert len(ward.only().events) == 1


def test_receipts_for_very_many_events_stay_short_enough_to_be_read(ward, monkeypatch):
    monkeypatch.setattr(publisher, "MAX_IDS", 3)
    events = [ward.event(EventKind.WANDERING_EPISODE) for _ in range(8)]
    ward.play((0, lambda: [ward.send(event) for event in events]), until=2)
    assert all(len(each.ids) <= 3 for each in ward.receipts)
    assert sorted(i for each in ward.receipts for i in each.ids) == sorted(e.id for e in events)


def test_strangers_cannot_cover_the_board_with_inventions(ward):
    def invent():
        for number in range(50):
            ward.broker.publish(f"wardlight/v1/demo/stranger-{number}/event/fall_detected", b"{}")
        ward.broker.publish("wardlight/v1/demo/gateway-a/event/fall_detected", b"{}")

    seen = []
    ward.play(
        (0, ward.say(HELP)),
        (1, invent),
        (2, lambda: seen.extend(ward.desk.board().faults)),
        until=3,
    )
    subjects = [each.gateway for each in seen if each.cause == FaultCause.PACKET_REJECTED]
    assert sorted(subjects, key=str) == [None, "gateway-a"]
