"""Her own bed's word on where she is: it holds a sleeper, and nobody who walks away."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.location import DELAY_S, RoomFilter
from detectors.room_model import UNKNOWN
from detectors.room_plan import from_plan

ZONES = ("room-1", "room-2", "corridor", "entrance")
ROOM_1, ROOM_2, CORRIDOR, ENTRANCE = range(4)
NEAR = np.zeros((4, 4), np.bool_)
NEAR[CORRIDOR] = True
NEAR[CORRIDOR, CORRIDOR] = False
RECEIVERS = {"a": "room-2", "b": "entrance"}
ASLEEP_NEXT_DOOR = (-78.0, -90.0)
AT_THE_EXIT = (-92.0, -66.0)


def follow(heard, lies_in: int, seconds: int, rooms: RoomFilter | None = None, moves=0.005):
    """Play so many seconds of two residents who sound alike; the first one's bed speaks."""
    if rooms is None:
        model = from_plan(zones=ZONES, near=NEAR, receivers=list(RECEIVERS), stands_in=RECEIVERS)
        rooms = RoomFilter(model, 2)
    rssi_dbm = np.array([heard, heard], np.float32).T
    still, alive = np.full(2, moves, np.float32), np.ones(2, np.bool_)
    for _ in range(seconds):
        rooms.note_beds(np.array([lies_in, UNKNOWN]))
        places = rooms.step(rssi_dbm, still, np.zeros(0, np.bool_), alive)
    return rooms, places


def test_a_sleeper_who_sounds_as_if_next_door_is_in_her_bed():
    _, places = follow(ASLEEP_NEXT_DOOR, ROOM_1, 60)
    assert places.zone[0] == ROOM_1
    assert places.zone[1] != ROOM_1


def test_nobody_is_held_by_a_bed_in_which_somebody_else_lies():
    rooms, places = follow(ASLEEP_NEXT_DOOR, ROOM_1, 60)
    # While she walks nobody asks her bed (`edge.following`); then it speaks again.
    follow(AT_THE_EXIT, UNKNOWN, 10, rooms, moves=0.15)
    _, places = follow(AT_THE_EXIT, ROOM_1, 60 + DELAY_S, rooms)
    assert places.zone[0] == ENTRANCE


@pytest.mark.parametrize("order", [[1, 0], [0, -1]])
def test_what_beds_have_said_goes_with_their_residents(order):
    rooms, _ = follow(ASLEEP_NEXT_DOOR, ROOM_1, 20)
    before = rooms.belief[order[0]].copy()
    rooms.arrange(np.array(order))
    assert rooms.belief[0] == pytest.approx(before)
    follow(ASLEEP_NEXT_DOOR, ROOM_1, 20, rooms)
