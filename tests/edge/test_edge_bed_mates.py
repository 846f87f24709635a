"""Two of one room who wear each other's wearable: told by which one moves when a bed is left."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bed_mates import AFTER_S, BEFORE_S, TIMES, BedMates

WEARERS = [(f"resident-{number}", f"w{number}") for number in range(4)]
ROOMS = ["ward", "ward", "ward", "room-9"]
STILL_G, UP_G = 0.005, 0.15


class Ward:
    """Four residents, three of them in one room; all in bed."""

    def __init__(self) -> None:
        self.mates = BedMates()
        self.mates.follow(WEARERS, ROOMS)
        self.in_bed = np.ones(4, np.int8)
        self.worn_by = [0, 1, 2, 3]
        """Of each wearable the row of whoever has it on."""
        self.run(BEFORE_S + AFTER_S)

    def run(
        self, seconds: int, moving: tuple[int, ...] = (), unheard: tuple[int, ...] = ()
    ) -> None:
        movement_g = np.where([each in moving for each in self.worn_by], UP_G, STILL_G)
        movement_g[list(unheard)] = np.nan
        for _ in range(seconds):
            self.mates.step(self.in_bed, movement_g.astype(np.float32), np.ones(4, np.bool_))

    def trip(self, sleeper: int, late_s: int = 2, **changes) -> None:
        """Somebody gets up, and comes back to bed."""
        for state in (0, 1):
            self.run(late_s, (sleeper,), **changes)
            self.in_bed[sleeper] = state
            self.run(3, (sleeper,), **changes)
            self.run(60, **changes)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.one, each.other) for each in self.mates.swapped()]


@pytest.fixture
def ward():
    return Ward()


def exchange(ward, one: int = 0, other: int = 1) -> None:
    ward.worn_by[one], ward.worn_by[other] = ward.worn_by[other], ward.worn_by[one]


def test_a_night_of_trips_to_the_toilet_tells_who_is_exchanged(ward):
    exchange(ward)
    ward.trip(0)
    ward.trip(1)
    assert ward.told == []
    ward.trip(0)
    ward.trip(1, late_s=BEFORE_S - AFTER_S)
    assert ward.told == [("w0", "w1")]
    (mates,) = ward.mates.swapped()
    assert "w0 and w1 seem to be exchanged: in ward" in mates.words("ward")
    assert not ward.mates.may_clear("w0")
    exchange(ward)
    ward.trip(0)
    assert ward.told == []
    assert ward.mates.may_clear("w0")
    assert not ward.mates.may_clear("w1")


def test_nobody_is_told_of_who_wears_her_own(ward):
    for sleeper in (0, 1, 2, 3, 0, 1, 2, 3):
        ward.trip(sleeper)
    assert ward.told == []
    assert ward.mates.may_clear("w2")


def test_beds_that_staff_make_while_a_neighbour_walks_by_are_no_exchange(ward):
    for _ in range(2 * TIMES):
        for state in (0, 1):
            ward.in_bed[0] = state
            ward.run(20, moving=(1,))
            ward.run(60)
    assert ward.told == []


def test_two_who_move_at_once_and_one_in_another_room_say_nothing(ward):
    exchange(ward, 0, 3)
    for _ in range(TIMES):
        ward.trip(0)
        ward.trip(3)
    assert ward.told == []
    exchange(ward, 0, 3)
    exchange(ward)
    for _ in range(TIMES):
        for state in (0, 1):
            ward.in_bed[:2] = state
            ward.run(5, moving=(0, 1))
            ward.run(60)
    assert ward.told == []


def test_who_is_not_heard_proves_nothing(ward):
    exchange(ward)
    for _ in range(TIMES):
        ward.trip(0, unheard=(0,))
        ward.trip(1, unheard=(0,))
    assert ward.told == []


def test_a_wearable_that_was_given_to_somebody_else_begins_anew(ward):
    exchange(ward)
    for _ in range(TIMES):
        ward.trip(0)
        ward.trip(1)
    ward.mates.follow([*WEARERS[1:], WEARERS[0]], [*ROOMS[1:], ROOMS[0]])
    assert ward.told == [("w0", "w1")]
    right = [("resident-0", "w1"), ("resident-1", "w0"), *WEARERS[2:]]
    ward.mates.follow(right, ROOMS)
    assert ward.told == []
