"""Where everybody was last: the latest word alone, whatever is sent."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import func, select

from alerts.last_places import AGES_WRITTEN_S, KEPT_S, LEAD_LOST_S, SWEPT_EACH_S, LastPlaces
from alerts.listener import MAX_PLACES, read_whereabouts
from alerts.records.models import LastPlace
from contract import topics
from contract.clock import now_us
from contract.messages import MESSAGE_SCHEMA
from contract.units import US_PER_S
from contract.whereabouts import Place, Whereabouts
from contract.wire import RejectedMessageError, encode

BOTH = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])


def word(ward, places, *, gateway="gateway-a", session="s1", sequence=1, probability=0.9):
    at_us = now_us(ward.clock)
    return Whereabouts(
        schema=MESSAGE_SCHEMA,
        gateway=gateway,
        session=session,
        sequence=sequence,
        at_us=at_us,
        places={
            who: Place(zone=zone, probability=probability, since_us=at_us - 30 * US_PER_S)
            for who, zone in places.items()
        },
    )


class Told:
    """The records and what leads say, without the service around them."""

    def __init__(self, ward):
        self.ward = ward
        self.places = LastPlaces("demo", ward.clock, ward.database)

    def say(self, places, **fields):
        self.places.hear(word(self.ward, places, **fields))

    def write(self):
        taken = self.places.take()
        if taken is not None:
            self.places.write(*taken)
        return taken is not None

    def wait(self, seconds):
        self.ward.clock.run(self.ward.clock.sleep(seconds))

    def board(self):
        return {
            view.id: view.place and view.place.zone for view in self.ward.desk.board().residents
        }


@pytest.fixture
def told(ward):
    return Told(ward)


@BOTH
def test_the_board_has_the_latest_place_and_no_history(ward, told):
    told.say({"r1": "lounge", "r2": "corridor"}, sequence=1)
    assert told.write()
    revision = ward.desk.revision()
    assert told.board() == {"r1": "lounge", "r2": "corridor", "r3": None}
    told.wait(3)
    told.say({"r1": "toilet", "r2": "corridor"}, sequence=2)
    assert told.write()
    assert told.board()["r1"] == "toilet"
    with ward.database.session() as session:
        assert session.scalar(select(func.count()).select_from(LastPlace)) == 2
    assert ward.desk.revision() == revision, "it wakes nobody"
    (first, *_) = ward.desk.board().residents
    assert first.zone == "room-1", "where her bed is stands apart"


def test_who_stays_is_written_now_and_then_and_who_is_lost_grows_old(ward, told):
    told.say({"r1": "lounge", "r2": "corridor"}, sequence=1)
    told.write()
    seen_us = ward.desk.board().residents[0].place.seen_at_us
    for sequence in range(2, 14):
        told.wait(AGES_WRITTEN_S / 12)
        told.say({"r1": "lounge", "r2": None}, sequence=sequence)
        assert told.write() == (sequence == 13), "one commit in half a minute"
    first, second, _ = ward.desk.board().residents
    assert first.place.seen_at_us == seen_us + round(AGES_WRITTEN_S * US_PER_S)
    assert first.place.since_us == seen_us - 30 * US_PER_S
    assert (second.place.zone, second.place.seen_at_us) == ("corridor", seen_us)
    told.wait(KEPT_S)
    told.say({"r1": "lounge"}, sequence=99)
    told.write()
    assert told.board()["r2"] is None, "after a shift nobody is looked for by it"


def test_after_a_shift_without_a_word_of_any_lead_no_place_is_left(ward, told):
    told.say({"r1": "lounge"})
    for waited_s, kept in ((0, 1), (KEPT_S - 60, 1), (60 + SWEPT_EACH_S, 0)):
        told.wait(waited_s)
        ward.clock.run(told.places.keep_up(writes=True))
        with ward.database.session() as session:
            assert session.scalar(select(func.count()).select_from(LastPlace)) == kept


def test_of_two_leads_one_is_believed_until_it_is_silent(told):
    told.say({"r1": "lounge"}, sequence=5)
    told.say({"r1": "exit"}, gateway="gateway-b")
    told.say({"r1": "toilet"}, sequence=4)
    told.write()
    assert told.board()["r1"] == "lounge"
    told.wait(LEAD_LOST_S)
    told.say({"r1": "exit"}, gateway="gateway-b")
    told.write()
    assert told.board()["r1"] == "exit"
    told.wait(3)
    told.say({"r1": "toilet"}, gateway="gateway-b", session="after a restart", sequence=1)
    told.write()
    assert told.board()["r1"] == "toilet"


def test_what_was_not_written_is_written_later_and_strangers_never(told):
    told.say({"r1": "lounge", "nobody": "lounge"})
    changed, _ = told.places.take()
    told.places.put_back(changed)
    told.wait(3)
    assert told.write()
    assert told.board()["r1"] == "lounge"


@pytest.mark.parametrize(
    "broken",
    [
        {"places": {"r1": "No Zone"}},
        {"places": {"R 1": "lounge"}},
        {"places": {f"r{n}": "lounge" for n in range(MAX_PLACES + 1)}},
        {"places": {"r1": "lounge"}, "probability": 1.5},
        {"places": {"r1": "lounge"}, "probability": -math.inf},
        {"places": {}, "gateway": "gateway-b"},
        {"places": {}, "session": "x" * 600},
    ],
)
def test_what_cannot_be_is_refused(ward, broken):
    topic = topics.parse(topics.build("demo", "gateway-a", topics.WHEREABOUTS))
    with pytest.raises(RejectedMessageError):
        read_whereabouts(topic, encode(word(ward, **broken)))


def test_the_service_hears_it(ward):
    def say():
        topic = topics.build("demo", "gateway-a", topics.WHEREABOUTS)
        ward.broker.publish(topic, encode(word(ward, {"r1": "lounge"})))

    ward.play((0, say), until=3)
    assert ward.last_board.residents[0].place.zone == "lounge"
