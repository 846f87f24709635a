"""How much everybody's wearable moves: who lies still walks nowhere, and who sits does not pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.location import WALKING_DEVIATION_G
from detectors.resident_rows import LONG_AGO, Kept, ResidentRows

WALKS_G: Final = WALKING_DEVIATION_G
WALKS_MEMORY_S: Final = 30.0
WALKS_S: Final = 14.0
"""A wearable that moved for so many seconds, each weighing less by 1/`WALKS_MEMORY_S` with each
further one, may have been carried to another room: 20 s without a break, of getting up, of the way
and of what she does there. Who turns over in bed moves for some 10 s."""

HISTORY_MIN: Final = 60
"""Minutes of which it is known how much each moved: wandering lasts about half an hour at most."""
_MINUTE_S: Final = 60


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
        # What was before nobody knows: they may have moved.
        self._of_minute_s = self._values("of_minute_s", _MINUTE_S, lead=(HISTORY_MIN,), least=0.0)
        self._minute = LONG_AGO

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
        self._count(moves, second, passed_s)
        np.copyto(self.moved_s, second, where=moves)
        np.copyto(self.walked_s, second, where=self._moving_s >= WALKS_S)

    def share(self, row: int, begun_s: int, ended_s: int) -> float:
        """Share of these seconds in which one moved, as far as the last `HISTORY_MIN` tell."""
        last = ended_s // _MINUTE_S
        first = max(begun_s // _MINUTE_S, last - HISTORY_MIN + 2)
        minutes = np.arange(first, last + 1) % HISTORY_MIN
        seconds = max(min(ended_s - begun_s, len(minutes) * _MINUTE_S), 1)
        return min(float(self._of_minute_s[minutes, row].sum()) / seconds, 1.0)

    def to_arrays(self) -> Kept:
        """All that must outlive the process."""
        return super().to_arrays() | {"minute": np.array([self._minute], np.float64)}

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        super().restore(kept, habits_only=habits_only)
        if not habits_only:
            minute = kept.get("minute")
            if minute is None or minute.shape != (1,) or not np.isfinite(minute).all():
                raise ValueError("kept whereabouts are damaged: minute")
            self._minute = int(minute[0])

    def _count(self, moves: NDArray[np.bool_], second: int, passed_s: int) -> None:
        minute = second // _MINUTE_S
        if minute != self._minute:
            is_later = LONG_AGO < self._minute < minute
            fresh = min(minute - self._minute, HISTORY_MIN) if is_later else 1
            begun = np.arange(minute - fresh + 1, minute + 1)
            self._of_minute_s[begun % HISTORY_MIN] = 0
            self._minute = minute
        self._of_minute_s[minute % HISTORY_MIN] += moves * min(passed_s, _MINUTE_S)
