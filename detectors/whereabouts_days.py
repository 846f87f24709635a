"""How everybody walked on each day, and whether that has changed: for the trend of her risk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.habits import KEPT_A_DAY
from detectors.resident_rows import ResidentRows
from detectors.rhythm import Change
from detectors.travel_day import TravelDay
from detectors.whereabouts_scene import Flags, ResidentDay, Values

HOME_EPISODES: Final = 1.0
HOME_DAYS: Final = 2.0
"""Wandering episodes a day of somebody nobody knows, and days that this weighs beside her own."""
PRESENT_S: Final = 6 * 3600
"""Who was followed for less of a day had no day that could be compared with others."""


class Days(ResidentRows):
    """Closes days.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self._episodes = self._values("episodes", is_habit=True, least=0.0)
        self._days = self._values("days", is_habit=True, least=0.0)
        self._today = self._values("episodes_today", is_habit=True, least=0.0)
        self._minutes_today = self._values("minutes_today", is_habit=True, least=0.0)
        self._score = self._values("score", is_habit=True, least=0.0)
        self._change = Change(residents)

    def count(self, row: int, minutes: float) -> None:
        """One has wandered."""
        self._today[row] += 1
        self._minutes_today[row] += minutes

    def close(
        self,
        day: int,
        walks: TravelDay,
        *,
        watched_s: Values,
        night_trips: Values,
        exit_visits: Values,
        learning: Flags,
    ) -> list[ResidentDay]:
        """A local day has ended; returns its figures, of those who were followed."""
        episodes, minutes = self._today.copy(), self._minutes_today.copy()
        self._today[:] = self._minutes_today[:] = 0.0
        was_here = watched_s >= PRESENT_S
        expected = (self._episodes + HOME_EPISODES * HOME_DAYS) / (self._days + HOME_DAYS)
        compared = was_here & ~learning
        rising = self._change.step(np.where(compared, episodes, np.nan), expected)
        self._score[:] = self._change.score
        self._episodes[was_here] = KEPT_A_DAY * self._episodes[was_here] + episodes[was_here]
        self._days[was_here] = KEPT_A_DAY * self._days[was_here] + 1.0
        return [
            ResidentDay(
                row=int(row),
                day=day,
                walks=int(walks.episodes[:, row].sum()),
                episodes=int(episodes[row]),
                minutes=float(minutes[row]),
                tortuosity=float(walks.tortuosity[row]),
                entropy_bits=float(walks.entropy_bits[row]),
                night_trips=int(night_trips[row]),
                exit_visits=int(exit_visits[row]),
                is_rising=bool(rising[row]),
                is_learning=bool(learning[row]),
            )
            for row in np.flatnonzero(was_here)
        ]

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        super().restore(kept, habits_only=habits_only)
        self._change.score = self._score.copy()
