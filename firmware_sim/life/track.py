"""What one person does, second by second: rests and walks, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.floor import OUTSIDE
from firmware_sim.life.ways import Ways

DAY_S: Final = 86_400
HOUR_S: Final = 3600.0
FAR: Final = -1
"""In the place of a place: away from the home, where no radio hears."""

OPENING_S: Final = 2.0
"""To reach for a door's handle and pull it open."""


class Activity(IntEnum):
    """How much somebody moves."""

    ASLEEP = 0
    RESTING = 1
    """Sits, or lies awake."""
    UP = 2
    """Stands, dresses, washes, eats."""
    WALKING = 3
    STILL = 4
    """Does not move, and is not asleep in bed: taken ill, unconscious, or with the wearable off."""


class Crossing(NamedTuple):
    """Somebody goes through a door that has a contact sensor."""

    second: float
    """When she sets foot on the threshold."""
    door: int


def doors_of(crossings: Iterable[Crossing]) -> tuple[tuple[int, int], ...]:
    """Door and whole second of each, as an `Episode` has them."""
    return tuple((each.door, int(each.second)) for each in crossings)


class Track:
    """A day of one person. It begins at 0 s and grows; what lies behind never changes.

    Parameters
    ----------
    ways
        Through the home.
    place
        Where the day begins.
    """

    def __init__(self, ways: Ways, place: int) -> None:
        self._ways = ways
        self.place = place
        self.now_s = 0.0
        self.zone = np.full(DAY_S, OUTSIDE, np.int16)
        self.x_m = np.full(DAY_S, np.nan, np.float32)
        self.y_m = np.full(DAY_S, np.nan, np.float32)
        self.storey = np.zeros(DAY_S, np.int8)
        self.activity = np.full(DAY_S, Activity.RESTING, np.int8)
        self.in_bed = np.zeros(DAY_S, np.bool_)
        self.crossings: list[Crossing] = []

    def rest(self, until_s: float, activity: Activity, *, in_bed: bool = False) -> None:
        """Stay where she is; nothing if that time is over."""
        begin, end = self._until(until_s)
        self.activity[begin:end] = activity
        self.in_bed[begin:end] = in_bed
        if self.place == FAR:
            return
        self.zone[begin:end] = self._ways.zone_of(self.place)
        self.x_m[begin:end], self.y_m[begin:end] = self._ways.position_m(self.place)
        self.storey[begin:end] = self._ways.storey_of(self.place)

    def walk(self, place: int, speed_m_s: float, *, opening_s: float = OPENING_S) -> float:
        """Walk to a place; returns when she is there. From or to `FAR` she is there at once."""
        if FAR in {place, self.place} or place == self.place:
            self.place = place
            return self.now_s
        way = self._ways.way(self.place, place)
        at_s, cell = self._timed(way.along_m / speed_m_s, way.gates, opening_s)
        begin, end = self._until(float(at_s[-1]))
        second = np.arange(begin, end, dtype=np.float64)
        at = np.interp(second, at_s, cell)
        nearest = np.round(at).astype(np.int64)
        storey = way.storey[nearest]
        self.x_m[begin:end] = np.interp(at, np.arange(len(way.x_m)), way.x_m)
        self.y_m[begin:end] = np.interp(at, np.arange(len(way.y_m)), way.y_m)
        self.storey[begin:end] = storey
        self.zone[begin:end] = self._ways.floor.zone_at(
            self.x_m[begin:end], self.y_m[begin:end], storey
        )
        self.activity[begin:end] = Activity.WALKING
        self.place = place
        return self.now_s

    def follow(self, leader: Track, begin_s: float, end_s: float, behind_s: int) -> None:
        """Walk the leader's way of this time, so many seconds behind; both begin at one place.

        Who comes late walks it later.
        """
        behind_s = max(behind_s, int(np.ceil(self.now_s)) - int(begin_s))
        self.rest(int(begin_s) + behind_s, Activity.UP)
        arrived_s = int(np.ceil(end_s))  # there the leader stands
        begin, end = self._until(arrived_s + 1 + behind_s)
        theirs = slice(begin - behind_s, end - behind_s)
        for name in ("zone", "x_m", "y_m", "storey", "activity"):
            getattr(self, name)[begin:end] = getattr(leader, name)[theirs]
        self.crossings += [
            Crossing(each.second + behind_s, each.door)
            for each in leader.crossings
            if begin_s <= each.second < end_s
        ]
        self.place = leader.place_at(arrived_s)

    def place_at(self, second: float) -> int:
        """Where she is at a second that is decided."""
        at = min(int(second), DAY_S - 1)
        if np.isnan(self.x_m[at]):
            return FAR
        return self._ways.place_at(float(self.x_m[at]), float(self.y_m[at]), int(self.storey[at]))

    def _until(self, until_s: float) -> tuple[int, int]:
        """Whole seconds from now to then; then is now. Nobody goes beyond midnight."""
        begin = int(np.ceil(self.now_s))
        self.now_s = min(max(self.now_s, until_s), float(DAY_S))
        return begin, max(begin, int(np.ceil(self.now_s)))

    def _timed(
        self, walked_s: NDArray[np.float64], gates: tuple[tuple[int, int], ...], opening_s: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When she is at which cell of a way: she stops before each door to open it."""
        at_s = self.now_s + walked_s
        cell = np.arange(len(at_s), dtype=np.float64)
        for number, (gate, door) in enumerate(gates):
            before = gate - 1 + number  # each door before this one has put in a row
            at_s[before + 1 :] += opening_s
            at_s = np.insert(at_s, before + 1, at_s[before] + opening_s)
            cell = np.insert(cell, before + 1, cell[before])
            self.crossings.append(Crossing(float(at_s[before + 1]), door))
        return at_s, cell
