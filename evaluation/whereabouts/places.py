"""Where the one resident of a recorded home is, by its motion sensors and doors alone.

The places are those of `detectors.location.RoomFilter`, as in a home with wearables, told that a
wearable is heard everywhere alike: so only the sensors speak. Nobody changes room unseen in a home
with a sensor in each, so the filter stands still while nothing happens: who sits or sleeps is where
she was last seen. Each second is decided by what came until then and five seconds later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.location import DELAY_S, RoomFilter
from detectors.room_model import AHEAD_S, BEHIND_S, FIRES_AT_LEAST, LEVELS, UNKNOWN, RoomModel
from evaluation.whereabouts.recorded import Happening, RecordedHome, What

FIRES: Final = 0.5
"""Chance that the sensor of her room sees her in a second in which she moves about: in the set of
the development data one fires each three to six seconds, for two."""

SEEN_AT_MOST_S: Final = 2
"""One sight is a witness for so long: the seconds after it repeat it, and some sensors never say
that they see nobody any more. In the development data half of all sights last 2 s."""

RESTING_AFTER_S: Final = 60
"""Nothing seen for so long, and she rests. Who gets up is first seen where she rested: a sensor
elsewhere that fires once and is all (one at night in a week of the development data) is a ghost."""

AWAY_AFTER_S: Final = 30
"""Nothing seen inside for so long after the door has closed, and she is out, since it closed. Of
the 66 times that she stayed in (development data) the next room saw her within 8 s 65 times, and
once after 21 s."""

WALKS_UNSEEN_S: Final = 3
"""Who walks on is seen again by then, or the sensor of the next room has missed her."""

BACK_WITHIN_S: Final = 60
BACK_SEEN: Final = 2
"""So often seen inside, within so long, while the door was closed: she is back, and the contact has
missed it. Once is a ghost."""

QUIET_STEP_S: Final = 20
"""Seconds between two that are looked at while nothing happens. What the detectors tell by their
clocks alone comes later by at most so much."""

MOVING_G: Final = 0.15
"""What a wrist would have told (standard deviation of |a|) of whom a motion sensor sees; of whom
none sees nobody knows whether she moves."""

_STRENGTH_DBM: Final = np.float32(-60.0)
"""Any at all: it is the same everywhere."""


class Place(NamedTuple):
    """What is known of one second."""

    second: int
    zone: int
    """`DELAY_S` ago; `UNKNOWN` while she is out."""
    belief: NDArray[np.float32]
    """(zones,) now."""
    heard_s: int
    """Seconds since a wearable would have been heard: 0 at home."""
    movement_g: float
    """NaN while no sensor sees her."""
    is_open: NDArray[np.int8]
    """(doors,) 1, 0, -1 before it has said anything."""
    has_opened: NDArray[np.bool_]
    """(doors,) in this second."""


class Follower:
    """Follows her, second by second. Copies (`copy.deepcopy`) go on by themselves."""

    def __init__(self, home: RecordedHome) -> None:
        self._doors = home.doors
        self._exits = frozenset(self._doors)
        self._rooms = RoomFilter(_model(home), 1)
        self._seen_since = dict[int, int]()
        """Sensors that see somebody, and since when."""
        self._seen_at: list[tuple[int, bool]] = []
        """(second, inside) of what was seen within `RESTING_AFTER_S`."""
        self._is_open = np.full(len(self._doors), -1, np.int8)
        self._zone = UNKNOWN
        self._listens_until = 0
        self._closed_at: int | None = None
        """Nothing inside was seen since then."""
        self._silent_since = 0
        self._left_at: int | None = None
        self._door_moved_at: int | None = None

    def step(self, second: int, happenings: Sequence[Happening]) -> Place:
        """Take in what was said in this second."""
        has_opened = np.zeros(len(self._doors), np.bool_)
        for each in happenings:
            if each.what is What.SEEN:
                self._seen(each.zone, second)
            elif each.what is What.QUIET:
                self._seen_since.pop(each.zone, None)
            else:
                self._door(each, second, has_opened)
        sees = self._sees(second, happenings)
        self._look_out(second)
        if happenings or sees.any():
            if len(self._seen_at) <= 1 and second > self._listens_until:
                self._rest(second)
            self._listens_until = second + DELAY_S + 1
        if second <= self._listens_until:
            self._follow(second, sees)
        heard_s = 0 if self._left_at is None else second - self._left_at
        return Place(
            second=second,
            zone=UNKNOWN if heard_s else self._zone,
            belief=self._rooms.belief[0],
            heard_s=heard_s,
            movement_g=MOVING_G if sees.any() and not heard_s else np.nan,
            is_open=self._is_open.copy(),
            has_opened=has_opened,
        )

    def _seen(self, zone: int, second: int) -> None:
        self._seen_since.setdefault(zone, second)
        inside = zone not in self._exits
        self._seen_at.append((second, inside))
        if inside:
            self._closed_at = None
        elif self._closed_at is not None:
            self._silent_since = second
        if self._left_at is None:
            return
        since = [at for at, was_inside in self._seen_at if was_inside and at > self._left_at]
        came_in = self._door_moved_at is not None and self._door_moved_at > self._left_at
        if came_in or sum(at > second - BACK_WITHIN_S for at in since) >= BACK_SEEN:
            self._left_at = None

    def _door(self, each: Happening, second: int, has_opened: NDArray[np.bool_]) -> None:
        door = self._doors.index(each.zone)
        self._door_moved_at = second
        if each.what is What.OPENED:
            has_opened[door] = self._is_open[door] != 1
            self._is_open[door] = 1
            self._closed_at = None
        else:
            self._is_open[door] = 0
            if not (self._is_open == 1).any():
                self._closed_at = self._silent_since = second

    def _look_out(self, second: int) -> None:
        """She is out if nothing inside was seen since the door has closed."""
        if self._closed_at is not None and second - self._silent_since >= AWAY_AFTER_S:
            self._left_at, self._closed_at = self._closed_at, None

    def _sees(self, second: int, happenings: Sequence[Happening]) -> NDArray[np.bool_]:
        """(zones,) sensors that see somebody in this second."""
        sees = np.zeros(len(self._rooms.model.zones), np.bool_)
        for zone, since in list(self._seen_since.items()):
            if second - since >= SEEN_AT_MOST_S:
                del self._seen_since[zone]
            else:
                sees[zone] = True
        for each in happenings:
            sees[each.zone] |= each.what is What.SEEN
        self._seen_at = [each for each in self._seen_at if each[0] > second - RESTING_AFTER_S]
        return sees

    def _rest(self, second: int) -> None:
        """Of the seconds that were left out the filter is shown as many as it still looks at: in
        them she was where she was last, as no other sensor has seen her.
        """
        there, earlier = np.zeros(len(self._rooms.model.zones), np.bool_), self._seen_at
        there[self._zone] = self._zone != UNKNOWN
        self._seen_at = []
        for _ in range(BEHIND_S + 1 + AHEAD_S):
            self._follow(second, there)
        self._seen_at = earlier

    def _follow(self, second: int, sees: NDArray[np.bool_]) -> None:
        if self._left_at is not None:
            return  # Where she will come in again is known.
        walks = len(self._seen_at) > 1 and second - self._seen_at[-1][0] <= WALKS_UNSEEN_S
        movement = np.array([MOVING_G if walks else 0.0], np.float32)
        strength = np.array([[_STRENGTH_DBM]])
        told = self._rooms.step(strength, movement, sees, np.ones(1, np.bool_)).zone[0]
        self._zone = int(told) if told != UNKNOWN else self._zone


def seconds_to_look_at(happenings: Sequence[Happening], first: int, end: int) -> Iterator[int]:
    """Each second in and shortly after which something happens, and one in `QUIET_STEP_S` else.

    Parameters
    ----------
    happenings
        From `first` on.
    """
    busy = np.zeros(end - first, np.bool_)
    busy[-first % QUIET_STEP_S :: QUIET_STEP_S] = True
    for each in happenings:
        second = int(each.at_s) - first
        is_door = each.what in {What.OPENED, What.CLOSED}
        busy[second : second + (AWAY_AFTER_S if is_door else DELAY_S) + 2] = True
    return (first + int(each) for each in np.flatnonzero(busy))


def _model(home: RecordedHome) -> RoomModel:
    zones = len(home.zones)
    fires = np.full((zones, zones), FIRES_AT_LEAST, np.float32)
    np.fill_diagonal(fires, FIRES)
    return RoomModel(
        zones=home.zones,
        receivers=("anywhere",),
        sensors=home.zones,
        heard=np.zeros((1, LEVELS, zones), np.float32),
        silent=np.zeros((1, zones), np.float32),
        fires=fires,
        near=home.near,
        stands_in=np.array([UNKNOWN]),
        is_calibrated=False,
    )
