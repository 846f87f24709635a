"""When each resident's night is: from going to bed to rising, by her own habit once it is known.

Of each day from noon to noon the longest stretch in bed counts, short absences left in it; its
begin and end are circular statistics (`detectors.rhythm.Times`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.whereabouts import NIGHT_FROM_MINUTE, NIGHT_TO_MINUTE
from detectors.habits import LEARNING_DAYS
from detectors.resident_rows import LONG_AGO, Each, Kept, ResidentRows
from detectors.rhythm import MINUTES, Times
from detectors.whereabouts_scene import Flags

NOON_MINUTE: Final = 720
BREAK_S: Final = 60 * 60
"""A shorter absence does not end the night: a toilet trip, a glass of water, an hour awake."""
LEAST_NIGHT_S: Final = 3 * 3600
"""A shorter stretch is a nap, and that day has no night to learn from."""
MARGIN_DEVIATIONS: Final = 1.645
"""She is in bed in 19 of 20 nights at so many standard deviations after her usual time, and not yet
up so many before the usual time of rising (SCIENCE 3.3: between the own 5 % and 95 %)."""
EARLIEST_FROM: Final = 20 * 60
LATEST_TO: Final = 9 * 60
"""Nobody's night is begun earlier or ended later than this: who lies in her room all day would else
be out at night at noon."""
LEAST_LENGTH: Final = 3 * 60
"""A night that would be shorter says that she has no fixed hours; then the home's is taken."""
_LOOK_EACH_S: Final = 60


class Bedtimes(ResidentRows):
    """Learns everybody's nights.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self._bed = Times(residents, NIGHT_FROM_MINUTE)
        self._rise = Times(residents, NIGHT_TO_MINUTE)
        self._begun_s = self._seconds("night.begun_s", LONG_AGO)
        self._begun_minute = self._values("night.begun_minute")
        self._latest_s = self._seconds("night.latest_s", LONG_AGO)
        self._longest_s = self._seconds("night.longest_s", 0)
        self._bed_minute = self._values("night.bed_minute", is_habit=True, least=0.0)
        self._rise_minute = self._values("night.rise_minute", is_habit=True, least=0.0)
        self._from = np.full(residents, float(NIGHT_FROM_MINUTE))
        self._length = np.full(residents, float(_home_length()))
        self._is_afternoon: bool | None = None
        self._look = Each(_LOOK_EACH_S)

    @property
    def is_known(self) -> Flags:
        """(residents,) her own times are known."""
        return self._bed.days_seen >= LEARNING_DAYS

    def is_night(self, minute: int, *, after_min: int = 0) -> Flags:
        """(residents,) whether it is the night of each, and has been for so many minutes."""
        into = (minute - self._from) % MINUTES
        night: Flags = (into < self._length) & (into >= after_min)
        return night

    def step(self, in_bed: Flags, second: int, minute: int) -> None:
        """Take in who is in bed; at noon the night that is over is learnt."""
        if not self._look.is_due(second):
            return
        rows = np.flatnonzero(in_bed)
        fresh = rows[second - self._latest_s[rows] > BREAK_S]
        self._begun_s[fresh] = second
        self._begun_minute[fresh] = minute
        self._latest_s[rows] = second
        length = second - self._begun_s[rows]
        longest = length > self._longest_s[rows]
        best = rows[longest]
        self._longest_s[best] = length[longest]
        self._bed_minute[best] = self._begun_minute[best]
        self._rise_minute[best] = minute
        is_afternoon = minute >= NOON_MINUTE
        is_noon = is_afternoon and self._is_afternoon is False
        self._is_afternoon = is_afternoon
        if is_noon:
            self._learn()

    def to_arrays(self) -> Kept:
        """All that must outlive the process."""
        kept = super().to_arrays()
        for name, times in (("bed", self._bed), ("rise", self._rise)):
            kept |= {f"night.{name}.{each}": array for each, array in times.to_arrays().items()}
        return kept

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        super().restore(kept, habits_only=habits_only)
        self._bed = _times("night.bed.", kept, self.residents)
        self._rise = _times("night.rise.", kept, self.residents)
        self._derive()

    def _learn(self) -> None:
        has_night = self._longest_s >= LEAST_NIGHT_S
        self._bed.learn(np.where(has_night, self._bed_minute, np.nan))
        self._rise.learn(np.where(has_night, self._rise_minute, np.nan))
        self.clear(np.arange(self.residents))
        self._derive()

    def _derive(self) -> None:
        """From and length of everybody's night."""
        # On an axis that begins at noon no night is cut in two.
        begins = (self._bed.mean_minute - NOON_MINUTE) % MINUTES
        begins = begins + MARGIN_DEVIATIONS * self._bed.spread_minutes
        ends = (self._rise.mean_minute - NOON_MINUTE) % MINUTES
        ends = ends - MARGIN_DEVIATIONS * self._rise.spread_minutes
        begins = np.maximum(begins, EARLIEST_FROM - NOON_MINUTE)
        ends = np.minimum(ends, LATEST_TO + MINUTES - NOON_MINUTE)
        own = self.is_known & (ends - begins >= LEAST_LENGTH)
        self._from[:] = np.where(own, begins + NOON_MINUTE, NIGHT_FROM_MINUTE)
        self._length[:] = np.where(own, ends - begins, _home_length())


def _home_length() -> int:
    return (NIGHT_TO_MINUTE - NIGHT_FROM_MINUTE) % MINUTES


def _times(prefix: str, kept: Mapping[str, NDArray[np.float64]], residents: int) -> Times:
    own = {
        each.removeprefix(prefix): array for each, array in kept.items() if each.startswith(prefix)
    }
    times = Times.from_arrays(own)
    if len(times.days_seen) != residents:
        raise ValueError(f"kept times are damaged: of {len(times.days_seen)} residents")
    return times
