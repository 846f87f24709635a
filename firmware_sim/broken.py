"""Accelerometers that are broken, in the ways in which they break."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

GAIN: Final = 1.6
"""Of a sensor set to another range than its firmware believes, or hit too hard."""

SPIKE_G: Final = 8.0
SPIKES_A_SECOND: Final = 0.4
"""Single samples at the end of the scale: a loose contact on the sensor's bus."""


class Breakage(StrEnum):
    """What is wrong with a sensor."""

    NONE = "none"
    STUCK_AXIS = "stuck_axis"
    FROZEN = "frozen"
    GAIN = "gain"
    SPIKES = "spikes"


class BrokenSensors:
    """Spoils what the sensors of some rows measure; the others are left as they are."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng([seed, 2])
        self._broken: dict[int, Breakage] = {}
        self._held: dict[int, NDArray[np.float32]] = {}
        """What stood on the axes when they got stuck, (3, 1)."""

    def set(self, row: int, breakage: Breakage) -> None:
        """Break the sensor of a row from the next second on, or mend it."""
        self._held.pop(row, None)
        if breakage is Breakage.NONE:
            self._broken.pop(row, None)
        else:
            self._broken[row] = breakage

    def apply(self, samples_g: NDArray[np.float32]) -> None:
        """Spoil a second of everyone, shape (rows, 3, n), in place."""
        for row, breakage in self._broken.items():
            own = samples_g[row]
            held = self._held.setdefault(row, own[:, :1].copy())
            match breakage:
                case Breakage.STUCK_AXIS:
                    own[0] = held[0]
                case Breakage.FROZEN:
                    own[:] = held
                case Breakage.GAIN:
                    own *= GAIN
                case Breakage.SPIKES:
                    spikes = self._random.random(own.shape[1]) * own.shape[1] < SPIKES_A_SECOND
                    own[2, spikes] = SPIKE_G
