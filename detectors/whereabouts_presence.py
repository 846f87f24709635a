"""Who is followed, and who was away for so long that nothing of before is open any more."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.resident_rows import LONG_AGO, ResidentRows
from detectors.whereabouts_scene import Flags, Numbers

AWAY_S: Final = 60
"""Shorter she was not away: a loose band says for some seconds that nobody wears it, and who takes
it off to wash her hands has it on again by then. Nothing is told of her meanwhile. Longer, and
where she was before says nothing of what she has done since."""
_NOBODY: Final = np.zeros(0, np.int64)


class Presence(ResidentRows):
    """Knows since when each is away.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self.is_here = self._flags("is_here")
        """(residents,) `Scene.present` of the latest second."""
        self._left_s = self._seconds("left_s", LONG_AGO)

    def step(self, present: Flags, second: int) -> tuple[bool, Numbers]:
        """Take in one more second; returns whether anybody came or went, and the rows of those who
        are back from having been away.
        """
        changed = (present != self.is_here).nonzero()[0]
        if not len(changed):
            return False, _NOBODY
        self.is_here[changed] = present[changed]
        comes = present[changed]
        self._left_s[changed[~comes]] = second
        came = changed[comes]
        return True, came[second - self._left_s[came] >= AWAY_S]

    def clear(self, rows: Numbers) -> None:
        """Who is here is here."""
