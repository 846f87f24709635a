"""Carers' tags: the records know that there are some, and never where or when one was heard."""

from __future__ import annotations

from sqlalchemy import select

from alerts.records.base import Base
from contract import topics
from contract.clock import now_us
from contract.messages import MESSAGE_SCHEMA, Presence
from contract.whereabouts import Place, Whereabouts
from contract.wire import encode

TAG = "tag-1"


def rows_about(ward, word: str) -> list[tuple[str, str]]:
    """Each row of all tables that has it anywhere: its table, and all of it."""
    with ward.database.session() as session:
        return sorted(
            (table.name, str(tuple(row)))
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
            if word in str(tuple(row))
        )


def test_neither_when_nor_where_a_tag_was_heard_is_ever_written(ward):
    ward.directory.add_wearable(TAG, address="aa:00:00:00:00:99", identity=99, is_carer=True)
    before = rows_about(ward, TAG)
    assert [table for table, _ in before] == ["device_log", "wearables"]

    def say(sequence: int) -> None:
        at_us = now_us(ward.clock)
        said = {"schema": MESSAGE_SCHEMA, "gateway": "gateway-a", "session": "s", "at_us": at_us}
        presence = Presence(
            **said,
            sequence=sequence,
            heard={TAG: -60.0, "w1": -70.0},
            strengths={"": {TAG: -60.0, "w1": -70.0}},
            movement_g={TAG: 0.1},
            zone="room-1",
        )
        # Also of a lead that tells of the tag as if it were a resident's.
        place = Place(zone="lounge", probability=0.9, since_us=at_us)
        told = Whereabouts(**said, sequence=sequence, places={TAG: place, "r1": place})
        for branch, message in ((topics.PRESENCE, presence), (topics.WHEREABOUTS, told)):
            ward.broker.publish(topics.build("demo", "gateway-a", branch), encode(message))

    def at(second: int):
        return second, lambda: say(second)

    ward.play(*map(at, range(1, 75, 5)), until=80)
    (resident, *_) = ward.last_board.residents
    assert resident.last_heard_us > ward.origin_us, "of a resident both are written"
    assert resident.place.zone == "lounge"
    assert rows_about(ward, TAG) == before
