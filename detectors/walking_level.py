"""How much of a time somebody's wearable moved as it does when she walks, by her own measure.

At 90 a wrist may move less in walking than another's at 70 in washing. So walking is what moves
each resident most: the level that one in twenty of her moving seconds exceeds, learnt over days.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.location import WALKING_DEVIATION_G
from detectors.resident_rows import LONG_AGO, ResidentRows

START_G: Final = 0.14
"""Deviation of |a| in walking before hers is known: the upper quarter of people of 77 to 95 years
(WEDA D01, see `detectors.walking`). Too much rather than too little: an episode that was none stays
in her record."""
LEAST_G: Final = 0.04
MOST_G: Final = 0.6
"""Sitting is below, flailing and falls above (`detectors.walking`)."""

MEASURED_G: Final = 16.0
"""The widest range of a wearable's accelerometer; a message that says more is damaged, and what it
said could not be kept over a restart."""

EXCEEDED: Final = 0.05
"""Share of moving seconds above the level: half an hour of walking among ten hours awake and
moving, as in the simulated home; who walks more is judged by a quieter part of her walking."""
LEARNS_PER_S: Final = 5e-4
"""Step of the level's logarithm for each moving second, shared out so that it rests where
`EXCEEDED` holds: half an hour of walking lifts it by the factor 2.3, a day without lowers it by
1.5."""

BLOCK_S: Final = 10
"""The deviation is averaged for so long: two to ten steps."""
HISTORY_S: Final = 1800
"""So long is remembered: wandering seldom lasts longer, and of a longer walk its end is judged."""
_BLOCKS: Final = HISTORY_S // BLOCK_S


class WalkingLevel(ResidentRows):
    """Learns everybody's level, and remembers for a while how near to it each was.

    Parameters
    ----------
    residents
        How many are followed.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self.log_level = self._values(
            "log_level", math.log(START_G), is_habit=True, least=math.log(LEAST_G)
        )
        """(residents,) natural logarithm of the level in g."""
        # What was before nobody knows: they may have walked.
        self._shares = self._values("shares", 1.0, lead=(_BLOCKS,), least=0.0)
        self._block = self._seconds("block", LONG_AGO)
        """Number of the block that each is in; below it its sum, and what is known of it."""
        self._sum_g = self._values("sum_g", least=0.0)
        self._seconds_known = self._seconds("seconds_known", 0)

    def step(self, movement_g: NDArray[np.float32], second: int) -> None:
        """Take in one more second; seconds that are left out were like those around them.

        Parameters
        ----------
        movement_g
            (residents,) standard deviation of |a|; where it is unknown she may be walking.
        """
        block = second // BLOCK_S
        others = (self._block != block).nonzero()[0]
        if len(others):
            self._close(others[self._block[others] != LONG_AGO], block)
            self._block[others] = block
            self._sum_g[others] = 0
            self._seconds_known[others] = 0
        known = (movement_g >= 0) & (movement_g <= MEASURED_G)
        self._seconds_known += known
        np.add(self._sum_g, movement_g, out=self._sum_g, where=known)

    def share(self, row: int, begun_s: int, ended_s: int) -> float:
        """Mean of these seconds, as far as `HISTORY_S` tell: 1 is all at her level or above it."""
        last = ended_s // BLOCK_S
        first = max(begun_s // BLOCK_S, last - _BLOCKS + 2)
        return float(self._shares[np.arange(first, last + 1) % _BLOCKS, row].mean())

    def _close(self, rows: NDArray[np.int64], block: int) -> None:
        """The blocks of these are over."""
        known = self._seconds_known[rows]
        mean_g = np.minimum(self._sum_g[rows] / np.maximum(known, 1), MOST_G)
        level_g = np.exp(self.log_level[rows])
        share = np.where(known > 0, np.minimum(mean_g / level_g, 1.0), 1.0)
        passed = np.clip(block - self._block[rows], 1, _BLOCKS)
        for later in range(int(passed.max(initial=0))):
            some = rows[passed > later]
            self._shares[(self._block[some] + later) % _BLOCKS, some] = share[passed > later]
        moves = (known > 0) & (mean_g >= WALKING_DEVIATION_G)
        lifts = np.where(mean_g > level_g, 1 - EXCEEDED, -EXCEEDED)
        log_level = self.log_level[rows] + moves * lifts * (LEARNS_PER_S * BLOCK_S)
        self.log_level[rows] = np.clip(log_level, math.log(LEAST_G), math.log(MOST_G))
