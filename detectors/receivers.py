"""Receivers that lie, and wearables that are in two places at once.

A radio's strengths never stand still: two wearables differ, and one that moves changes by some dB
from one second to the next. A receiver that says the same of all, or of one that moves, repeats an
old word. A wearable that is loud at two ends of the home in one second is two: its identity was
copied, or somebody plays a recording of it; nobody can tell then where its resident is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import STRONGEST_DBM, UNKNOWN, WEAKEST_DBM, RoomModel, audible
from detectors.rows import rearrange

SAME_DB: Final = 0.01
"""Means of a second that are nearer than this are one number: the mean of two adverts moves by half
a dB at least."""

MOVES_G: Final = 0.05
"""A wearable with this deviation of |a| moves: an arm at work, a walk. One that lies on a table may
sound the same for long."""

STUCK_S: Final = 60
"""A moving wearable that sounded the same in so many heard seconds did not sound so. By chance one
second in ten repeats the last where one advert a second is heard, in whole dB."""

FORGIVEN_S: Final = 5
"""Each second that sounds otherwise takes so many off: who is stuck at one strength, then at
another, stays stuck."""
COUNTED_AT_MOST_S: Final = 2 * STUCK_S
"""A receiver that was restarted is believed again a quarter of a minute later."""

WITNESS_S: Final = 10
"""A receiver that has changed its word of anybody so lately is no stuck one: then only what it
repeats is not believed."""

ALIKE_LEAST: Final = 3
"""So many wearables do not sound alike by chance for long: each that does has one chance in ten."""
ALIKE_S: Final = 10

LOUD_DBM: Final = -70.0
"""In the room of the receiver: the mean of SPHERE's own rooms, 11 dB above that of the next ones.
At -75 one in five residents with a wearable that is 6 dB stronger, midway between two receivers of
a large hall, was taken for two; a place that is wrongly unknown hides an exit."""

WEAKER_DB: Final = 18.0
"""A receiver that hears nothing so loud as `LOUD_DBM` less this from where another one stands, and
from the rooms next to it, is far from that: three deviations of a body that turns."""

TORN_S: Final = 10
"""Heard loud at two ends in so many of the last `LOOKED_AT_S` seconds it is in two places. Nobody
who walks at 3 m/s is loud at both within one second, but for adverts that come late."""
LOOKED_AT_S: Final = 20


class Lies(NamedTuple):
    """What is not to be believed in this second."""

    stuck: NDArray[np.bool_]
    """(receivers,) tells the same whatever it hears: take it for dead."""
    in_two_places: NDArray[np.bool_]
    """(residents,) nobody can tell where they are."""
    rssi_dbm: NDArray[np.float32]
    """(receivers, residents) what is left: NaN in place of words that are only repeated."""


class ReceiverWatch:
    """Follows what the receivers of a home say of all residents.

    Parameters
    ----------
    model
        The home.
    residents
        How many are followed.
    """

    def __init__(self, model: RoomModel, residents: int) -> None:
        self._model = model
        shape = (len(model.receivers), residents)
        self._before = np.full(shape, np.nan, np.float32)
        self._repeated_s = np.zeros(shape, np.int16)
        self._changed_s = np.zeros(len(model.receivers), np.int64)
        """Since when each has not changed its word of anybody."""
        self._alike_s = np.zeros(len(model.receivers), np.int64)
        self._torn = np.zeros((LOOKED_AT_S, residents), np.bool_)
        self._second = 0
        self._far = _far_apart(model).astype(np.float32)

    def arrange(self, rows: NDArray[np.int64]) -> None:
        """Follow others from now on: (new residents,) the row of each so far, -1 for a new one."""
        rearrange(self, ReceiverWatch(self._model, len(rows)), rows, last=_BY_RESIDENT)

    def step(self, rssi_dbm: NDArray[np.float32], movement_g: NDArray[np.float32]) -> Lies:
        """Take in one more second.

        Parameters
        ----------
        rssi_dbm
            (receivers, residents) mean of the second, NaN where nothing was heard.
        movement_g
            (residents,) standard deviation of |a|, NaN where unknown.
        """
        self._second += 1
        is_heard = audible(rssi_dbm)
        rssi_dbm = np.where(is_heard, rssi_dbm, np.float32(np.nan))
        repeats = self._repeats(rssi_dbm, is_heard, movement_g)
        is_stuck = repeats.any(axis=1) & (self._changed_s >= WITNESS_S)
        is_stuck |= self._are_alike(rssi_dbm, is_heard)
        believed = np.where(repeats | is_stuck[:, None], np.float32(np.nan), rssi_dbm)
        return Lies(is_stuck, self._is_torn(believed), believed)

    def _repeats(
        self,
        rssi_dbm: NDArray[np.float32],
        is_heard: NDArray[np.bool_],
        movement_g: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """(receivers, residents) whose strength has stood still while they moved."""
        away = np.abs(rssi_dbm - self._before)
        changed = away >= SAME_DB  # Not so where either is NaN.
        same = (away < SAME_DB) & (movement_g >= MOVES_G)
        self._repeated_s += same
        self._repeated_s -= np.int16(FORGIVEN_S) * changed
        np.clip(self._repeated_s, 0, COUNTED_AT_MOST_S, out=self._repeated_s)
        self._changed_s = np.where(changed.any(axis=1), 0, self._changed_s + 1)
        np.copyto(self._before, rssi_dbm, where=is_heard)
        return self._repeated_s >= STUCK_S

    def _are_alike(
        self, rssi_dbm: NDArray[np.float32], is_heard: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """(receivers,) that say the same of all whom they hear."""
        enough = is_heard.sum(axis=1) >= ALIKE_LEAST
        least = np.where(is_heard, rssi_dbm, np.float32(np.inf)).min(axis=1, initial=np.inf)
        most = np.where(is_heard, rssi_dbm, np.float32(-np.inf)).max(axis=1, initial=-np.inf)
        alike = most - least < SAME_DB
        count = self._alike_s + np.where(alike, 1, -FORGIVEN_S) * enough
        self._alike_s = np.clip(count, 0, COUNTED_AT_MOST_S)
        return self._alike_s >= ALIKE_S

    def _is_torn(self, rssi_dbm: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(residents,) heard loud where nobody can be at once."""
        loud = rssi_dbm >= LOUD_DBM
        torn = np.zeros(loud.shape[1], np.bool_)
        twice = np.flatnonzero(loud.sum(axis=0) > 1)
        if len(twice):
            at = loud[:, twice]
            torn[twice] = (at & (self._far @ at.astype(np.float32) > 0)).any(axis=0)
        self._torn[self._second % LOOKED_AT_S] = torn
        return np.asarray(self._torn.sum(axis=0) >= TORN_S, np.bool_)


_BY_RESIDENT: Final = ("_before", "_repeated_s", "_torn")


def _far_apart(model: RoomModel) -> NDArray[np.bool_]:
    """(receivers, receivers) neither of which hears loud what is where the other one stands."""
    strength = np.arange(WEAKEST_DBM, STRONGEST_DBM + 1)
    share = np.exp(model.heard)
    mean = (share * strength[:, None]).sum(axis=1) / share.sum(axis=1)
    # Who is not heard there in most seconds is weaker than any that is.
    mean[np.exp(model.silent) > 0.5] = WEAKEST_DBM
    there = model.near | np.eye(len(model.zones), dtype=np.bool_)
    loudest = np.array([np.where(zones, mean, -np.inf).max(axis=1) for zones in there])
    placed = model.stands_in != UNKNOWN
    heard = np.where(placed[:, None], loudest[model.stands_in], np.inf)
    far: NDArray[np.bool_] = heard < LOUD_DBM - WEAKER_DB
    return far & far.T
