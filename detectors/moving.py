"""How much everybody's wearable moves: who lies still walks nowhere, and who sits does not pace."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.location import WALKING_DEVIATION_G
from detectors.resident_rows import LONG_AGO, ResidentRows

WALKS_G: Final = WALKING_DEVIATION_G
WALKS_MEMORY_S: Final = 30.0
WALKS_S: Final = 14.0
"""A wearable that moved for so many seconds, each weighing less by 1/`WALKS_MEMORY_S` with each
further one, may have been carried to another room: 20 s without a break, of getting up, of the way
and of what she does there. Who turns over in bed moves for some 10 s."""


class Walking(ResidentRows):
    """When everybody's wearable has moved last, and as it does on a walk to another room.

    Parameters
    ----------
    residents
        How many are followed.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self.walked_s = self._seconds("walked_s", LONG_AGO)
        """(residents,) when each may have been on a walk last."""
        self.moved_s = self._seconds("moved_s", LONG_AGO)
        """(residents,) when each has moved last."""
        self._moving_s = self._values("moving_s", least=0.0)
        self._latest_s: int | None = None

    def step(self, movement_g: NDArray[np.float32], second: int) -> None:
        """Take in one more second.

        Parameters
        ----------
        movement_g
            (residents,) standard deviation of |a|; where it is unknown she may be moving.
        """
        passed_s = 1 if self._latest_s is None else max(second - self._latest_s, 1)
        self._latest_s = second
        moves = ~(movement_g < WALKS_G)
        # Seconds that were left out were like this one.
        kept = (1 - 1 / WALKS_MEMORY_S) ** passed_s
        self._moving_s *= kept
        self._moving_s += moves * ((1 - kept) * WALKS_MEMORY_S)
        np.copyto(self.moved_s, second, where=moves)
        np.copyto(self.walked_s, second, where=self._moving_s >= WALKS_S)
