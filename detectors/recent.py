"""The latest seconds of all rows, side by side in memory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.minute import padded

_SPARE: Final = 0.25
"""Room beyond what is kept, as a share of it. The kept seconds slide along it, and are moved back
only when they have reached its end: moving them every second took five times as long as all else
that is done with them."""


class Recent:
    """What was measured of all rows in the latest seconds; NaN where nothing was.

    Parameters
    ----------
    seconds
        How many are kept.
    measures
        How many numbers there are for each row and second.
    rows
        Number of wearables.
    """

    def __init__(self, seconds: int, measures: int, rows: int) -> None:
        self._seconds = seconds
        self._end = seconds
        room = seconds + max(round(seconds * _SPARE), 1)
        self._room = np.full((room, measures, rows), np.nan, np.float32)

    @property
    def seconds(self) -> NDArray[np.float32]:
        """Shape (seconds, measures, rows), the latest last; a view until the next `advance`."""
        return self._room[self._end - self._seconds : self._end]

    def advance(self, seconds: int) -> NDArray[np.float32]:
        """Let seconds pass; returns where the latest one's measures go, shape (measures, rows)."""
        passed = min(seconds, self._seconds)
        if self._end + passed > len(self._room):
            kept = self._seconds - passed
            self._room[:kept] = self._room[self._end - kept : self._end]
            self._end = kept
        self._room[self._end : self._end + passed] = np.nan
        self._end += passed
        latest: NDArray[np.float32] = self._room[self._end - 1]
        return latest

    def forget(self, row: int) -> None:
        """Nothing was measured of this row until now."""
        self._room[:, :, row] = np.nan

    def grow(self, rows: int) -> None:
        """Make room for more wearables."""
        self._room = padded(self._room, rows, np.nan)
