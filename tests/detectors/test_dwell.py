"""How long people stay where, and what the filter makes of it."""

from __future__ import annotations

import numpy as np

from contract.whereabouts import ZoneUse
from detectors.dwell import OWN_BEDROOM, Stays, stays
from detectors.location import RoomFilter
from detectors.room_model import UNKNOWN
from detectors.room_plan import from_plan

USES = (ZoneUse.BEDROOM, ZoneUse.TOILET, ZoneUse.COMMON)
NEAR = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.bool_)


def model():
    return from_plan(
        zones=("bedroom", "toilet", "lounge"),
        near=NEAR,
        receivers=("gateway-a", "gateway-b"),
        stands_in={"gateway-a": "bedroom", "gateway-b": "toilet"},
    )


def test_nobody_lives_in_a_toilet_and_everybody_in_her_own_bedroom():
    found = stays(USES, np.array([0, UNKNOWN]))
    assert found.least[:, 0].tolist() == [0.0, np.float32(1 / 300), 0.0]
    assert found.share[0, 0] == np.float32(OWN_BEDROOM)
    assert (found.share[1:, 0] == 1).all()
    assert not found.least[:, 1].any(), "of a carer nothing is assumed"
    assert (found.share[:, 1] == 1).all()


def asleep(rooms: RoomFilter, seconds: int, strengths: tuple[float, float]) -> np.ndarray:
    """Everybody lies still and sounds the same for a while; where they are told to be."""
    rssi = np.repeat(np.array(strengths, np.float32)[:, None], rooms.residents, axis=1)
    still = np.full(rooms.residents, 0.002, np.float32)
    for _ in range(seconds):
        places = rooms.step(rssi, still, np.zeros(0, np.bool_), np.ones(2, np.bool_))
    return places.zone


def test_a_sleeper_who_was_taken_for_next_door_is_found_again_sooner_than_a_carer():
    rooms = RoomFilter(model(), 2)
    rooms.note_stays(stays(USES, np.array([0, UNKNOWN])))
    assert asleep(rooms, 60, (-85.0, -62.0)).tolist() == [1, 1]
    for _ in range(60):
        told = asleep(rooms, 10, (-72.0, -76.0)).tolist()
        if told[0] == 0:
            break
    assert told == [0, 1]


def test_who_comes_and_goes_keeps_her_own_bedroom_and_new_ones_have_none():
    rooms = RoomFilter(model(), 2)
    rooms.note_stays(stays(USES, np.array([UNKNOWN, 0])))
    rooms.arrange(np.array([1, UNKNOWN]))
    held = rooms._stays
    assert isinstance(held, Stays)
    assert held.share[0].tolist() == [np.float32(OWN_BEDROOM), 1.0]
    assert not held.least[:, 1].any()


def test_the_first_resident_of_a_home_may_come_when_it_is_followed_already():
    rooms = RoomFilter(model(), 0)
    rooms.note_stays(stays(USES, np.zeros(0, np.int64)))
    rooms.arrange(np.array([UNKNOWN]))
    assert asleep(rooms, 20, (-62.0, -85.0)).tolist() == [0]
