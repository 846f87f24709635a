"""What receivers hear and sensors see in a second, as likelihoods of everybody's zones.

For all residents in one go: a row of a table for each receiver, a few zones for each sensor that
fired.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import (
    AHEAD_S,
    BEHIND_S,
    STRONGEST_DBM,
    WEAKEST_DBM,
    RoomModel,
    audible,
)
from detectors.rows import rearrange

PARTS: Final = np.float32(64)
"""A signal's strength is kept in sixty-fourths of a dB: four of them fill an int16."""

_KEPT_S: Final = BEHIND_S + 1 + AHEAD_S
_BY_RESIDENT: Final = ("_rssi", "_heard", "_sum", "_count")


class RoomEvidence:
    """Weighs what is heard and seen, the last seconds together.

    Parameters
    ----------
    model
        The home.
    residents
        How many are followed.
    """

    def __init__(self, model: RoomModel, residents: int) -> None:
        self._model = model
        self._residents = residents
        receivers = len(model.receivers)
        self._rows = _words(model)
        # Whole numbers, so that what is added to a sum and taken away again leaves nothing.
        self._rssi = np.zeros((_KEPT_S, receivers, residents), np.int16)
        self._heard = np.zeros((_KEPT_S, receivers, residents), np.uint8)
        self._sum = np.zeros((receivers, residents), np.int16)
        self._count = np.zeros((receivers, residents), np.uint8)
        """Of these seconds, and in how many of them each was heard."""
        self._active = np.zeros((2, len(model.sensors)), np.bool_)
        self._second = 0
        self._fires = [_fires_alone(chance) for chance in model.fires]

    def arrange(self, rows: NDArray[np.int64]) -> None:
        """Follow others from now on: (new residents,) the row of each so far, -1 for a new one."""
        rearrange(self, RoomEvidence(self._model, len(rows)), rows, last=_BY_RESIDENT)
        self._residents = len(rows)

    def take(self, rssi_dbm: NDArray[np.float32], active: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Take in one more second; returns (residents,) whether anything was heard of each.

        Parameters
        ----------
        rssi_dbm
            (receivers, residents) mean of the second, NaN where nothing was heard.
        active
            (sensors,) whether it fired.
        """
        is_heard = audible(rssi_dbm)
        self._second += 1
        at = self._second % _KEPT_S
        scaled = np.fmax(rssi_dbm, np.float32(WEAKEST_DBM))  # A number also where there is none.
        np.minimum(scaled, np.float32(STRONGEST_DBM), out=scaled)
        scaled *= PARTS
        np.rint(scaled, out=scaled)
        rssi, heard = self._rssi[at], self._heard[at]
        self._sum -= rssi
        self._count -= heard
        rssi[:] = scaled
        heard[:] = is_heard
        rssi *= heard
        self._sum += rssi
        self._count += heard
        self._active[self._second % 2] = active
        return np.asarray(is_heard.any(axis=0))

    def weigh(
        self,
        alive: NDArray[np.bool_],
        belief: NDArray[np.float32],
        trust: NDArray[np.float32],
        likelihood: NDArray[np.float32],
    ) -> None:
        """Give the likelihoods of what was heard and seen around the last second but `AHEAD_S`.

        Parameters
        ----------
        alive
            (receivers,) whether it works.
        belief
            (zones, residents) where each was held to be.
        trust
            (residents,) weight of the signal strengths, 1 for witnesses that are independent.
        likelihood
            (zones, residents) is written; 1 for the likeliest by what was heard.
        """
        self._hear(alive, trust, likelihood)
        for sensor in np.flatnonzero(self._active.any(axis=0)):
            self._see(int(sensor), belief, likelihood)

    def _hear(
        self,
        alive: NDArray[np.bool_],
        trust: NDArray[np.float32],
        likelihood: NDArray[np.float32],
    ) -> None:
        mean = self._sum.astype(np.float32)
        mean /= np.maximum(self._count, 1)
        mean *= np.float32(1 / PARTS)
        # In whole dB above the weakest; what was not heard has the mean 0 and so the last row.
        mean -= np.float32(WEAKEST_DBM - 0.5)
        row = mean.astype(np.int64)
        working = np.flatnonzero(alive)
        words = np.empty((self._residents, len(self._model.zones)), np.float32)
        one = np.empty_like(words)
        for number, receiver in enumerate(working):
            # Without a mode the rows would be copied once more.
            into = one if number else words
            np.take(self._rows[receiver], row[receiver], axis=0, out=into, mode="clip")
            if number:
                words += one
        np.copyto(likelihood, words.T if len(working) else 0)
        likelihood -= likelihood.max(axis=0)
        likelihood *= trust * self._count.any(axis=0)
        np.exp(likelihood, out=likelihood)

    def _see(
        self, sensor: int, belief: NDArray[np.float32], likelihood: NDArray[np.float32]
    ) -> None:
        """Weigh a sensor that fired.

        Who fires it is shared out: the likelier it is that others did, the less it says of her (a
        noisy-or over all residents, each where she is believed to be).
        """
        zones, alone, idle = self._fires[sensor]
        if not len(zones):
            return
        # Chance that she is not the one, and that neither is any of the others.
        not_she = 1 - np.minimum(alone @ belief[zones], np.float32(0.999))
        nobody = (1 - idle) * np.exp(np.log(not_she).sum(dtype=np.float64))
        quiet = (nobody / not_she).astype(np.float32)
        quiet /= 1 - quiet
        for zone, chance in zip(zones, alone, strict=True):
            likelihood[zone] *= 1 + chance * quiet


def _words(model: RoomModel) -> NDArray[np.float32]:
    """(receivers, dB from the weakest to 0, zones) log probability of each level; in the last row
    of not being heard, and between them nothing.
    """
    receivers, levels, zones = model.heard.shape
    words = np.zeros((receivers, 1 - WEAKEST_DBM, zones), np.float32)
    words[:, :levels] = model.heard
    words[:, -1] = model.silent
    return words


def _fires_alone(
    fires: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """Zones where somebody makes a sensor fire, with what chance, and that of nobody's."""
    idle = fires.min(initial=1.0)
    zones = np.flatnonzero(fires > idle)
    alone = (fires[zones] - idle) / (1 - idle)
    return zones, alone.astype(np.float32), float(idle)
