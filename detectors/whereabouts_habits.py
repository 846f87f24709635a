"""Learns, hour by hour, how often each resident goes to exits, and how often she is active.

Each hour that a day has is learnt when it ends, of 23 or 25 of them, and only as much of it as she
was there, heard and told to be somewhere: leave, hospital and a flat wearable teach nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.habits import HOURS, Rates
from detectors.resident_rows import Each, Kept, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import Flags, Numbers, Scene, Values

LOOK_EACH_S: Final = 10
"""Between two looks at who is watched and who is active."""
HEARD_WITHIN_S: Final = 60
"""Who was not heard for so long is not watched: her silence is the radio's."""
GREATEST_STEP_S: Final = 60
"""A longer hole in the seconds is time that nobody watched."""

EXIT_VISITS_AN_HOUR: Final = 0.5
"""Before the home has said anything, at any hour (`detectors.habits.HOME_RATE`)."""
BOUTS_AN_HOUR: Final = np.array([1.0] * 7 + [2.5] * 14 + [1.5] * 3)
"""(24,) Stretches of `BOUT_S` with some activity, of at most four, likewise: awake a wrist seldom
rests for a quarter of an hour, a nap aside; asleep it turns about once an hour."""
BOUT_S: Final = 15 * 60
"""Activity comes in bouts: only what comes so long after the last that counted is an event of its
own. Each movement by itself would make half an hour's nap as improbable as a lottery win."""


class Habits(ResidentRows):
    """Counts the present hour and holds what is usual.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self.exit_visits = Rates(residents, EXIT_VISITS_AN_HOUR)
        self.activity = Rates(residents, BOUTS_AN_HOUR)
        self._exit_visits = self._values("exit_visits_this_hour", is_habit=True, least=0.0)
        self._bouts = self._values("bouts_this_hour", is_habit=True, least=0.0)
        self._watched_s = self._values("watched_this_hour_s", is_habit=True, least=0.0)
        self.watched_today_s = self._values("watched_today_s", is_habit=True, least=0.0)
        """(residents,) seconds of this local day that each was watched."""
        self.is_watched = np.zeros(residents, np.bool_)
        """(residents,) there, heard, and told to be somewhere."""
        self._hour: int | None = None
        self._minute = -1
        self._looked_s: int | None = None
        self._look = Each(LOOK_EACH_S)

    @property
    def is_learning(self) -> Flags:
        """(residents,) of whom too few days are known."""
        return self.activity.is_learning

    def count_exit_visits(self, rows: Numbers) -> None:
        """These have come to an exit."""
        self._exit_visits[rows] += 1

    def count_bouts(self, rows: Numbers) -> None:
        """These have become active again."""
        self._bouts[rows] += 1

    def step(self, zone: Numbers, scene: Scene) -> bool:
        """Take in one more second; returns whether an hour has ended before it."""
        hour, minute = scene.minute_of_day // 60, scene.minute_of_day
        # A clock that is put back an hour has the same hour twice, and each is one.
        ended = self._hour is not None and (hour != self._hour or minute < self._minute)
        if ended:
            self.end_hour()
        self._hour, self._minute = hour, minute
        if self._look.is_due(scene.second):
            self.is_watched = scene.present & (scene.heard_s < HEARD_WITHIN_S) & (zone != UNKNOWN)
            passed_s = 0 if self._looked_s is None else scene.second - self._looked_s
            if 0 < passed_s <= GREATEST_STEP_S:
                self._watched_s[self.is_watched] += passed_s
                self.watched_today_s[self.is_watched] += passed_s
            self._looked_s = scene.second
        return ended

    def end_hour(self) -> None:
        """Learn the present hour and begin the next."""
        if self._hour is None:
            return
        watched_h: Values = np.minimum(self._watched_s / 3600, 1.0)
        self.exit_visits.learn(self._hour, self._exit_visits, watched_h)
        self.activity.learn(self._hour, self._bouts, watched_h)
        for each in (self._exit_visits, self._bouts, self._watched_s):
            each[:] = 0

    def end_day(self) -> None:
        """Local midnight, after the last hour has ended."""
        self.exit_visits.end_day()
        self.activity.end_day()
        self.watched_today_s[:] = 0

    def to_arrays(self) -> Kept:
        """All that must outlive the process."""
        kept = super().to_arrays()
        for name, rates in (("exit_visits", self.exit_visits), ("activity", self.activity)):
            kept |= {f"{name}.{each}": array for each, array in rates.to_arrays().items()}
        hour = -1 if self._hour is None else self._hour
        return kept | {"hour": np.array([hour, self._minute], np.float64)}

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        super().restore(kept, habits_only=habits_only)
        now = kept.get("hour")
        if now is None or now.shape != (2,) or not (now >= -1).all() or now[0] >= HOURS:
            raise ValueError("kept whereabouts are damaged: hour")
        self._hour, self._minute = (int(now[0]) if now[0] >= 0 else None), int(now[1])
        self.exit_visits = _rates("exit_visits", kept, self.residents)
        self.activity = _rates("activity", kept, self.residents)


def _rates(name: str, kept: Mapping[str, NDArray[np.float64]], residents: int) -> Rates:
    prefix = f"{name}."
    own = {
        each.removeprefix(prefix): array for each, array in kept.items() if each.startswith(prefix)
    }
    rates = Rates.from_arrays(own)
    if len(rates.days_seen) != residents:
        raise ValueError(f"kept habits are damaged: {name} of {len(rates.days_seen)} residents")
    return rates
