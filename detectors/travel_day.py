"""What comes together of everybody's walks in a day: how many of each kind, and how winding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import UNKNOWN
from detectors.rows import kept_array, rearrange
from detectors.travel_shape import KINDS


class TravelDay(NamedTuple):
    """How everybody walked since the last `TravelPatterns.close_day`."""

    episodes: NDArray[np.int64]
    """(kinds, residents) walks that ended, in the order of `KINDS`."""
    minutes: NDArray[np.float64]
    """(kinds, residents)"""
    tortuosity: NDArray[np.float64]
    """(residents,) steps walked over steps needed, of all walks; NaN without one."""
    entropy_bits: NDArray[np.float64]
    """(residents,) entropy rate of the changes of room, bits each (SCIENCE 3.3); NaN without."""


_BY_RESIDENT: Final = ("_episodes", "_seconds", "_steps", "_needed")


class TravelTally:
    """Counts since it was last closed.

    Parameters
    ----------
    zones, residents
        How many there are.
    """

    def __init__(self, zones: int, residents: int) -> None:
        self._zones = zones
        self._residents = residents
        self._begin()

    def _begin(self) -> None:
        self._episodes = np.zeros((len(KINDS), self._residents), np.int64)
        self._seconds = np.zeros((len(KINDS), self._residents), np.int64)
        self._steps = np.zeros(self._residents, np.int64)
        self._needed = np.zeros(self._residents, np.int64)
        self._changes: list[NDArray[np.int64]] = []
        """Of each change of room (resident, from, to) as one number."""

    def change(
        self, rows: NDArray[np.int64], left: NDArray[np.int64], entered: NDArray[np.int64]
    ) -> None:
        """These went from one room into another."""
        self._changes.append((rows * self._zones + left) * self._zones + entered)

    def add(
        self,
        rows: NDArray[np.int64],
        kind: NDArray[np.int64],
        seconds: NDArray[np.int64],
        steps: NDArray[np.int64],
        needed: NDArray[np.int64],
    ) -> None:
        """The walks of these are over."""
        self._episodes[kind, rows] += 1
        self._seconds[kind, rows] += seconds
        self._steps[rows] += steps
        self._needed[rows] += needed

    def close(self) -> TravelDay:
        """What has come together; it begins anew."""
        walked = self._needed > 0
        tortuosity = np.where(walked, self._steps / np.maximum(self._needed, 1), np.nan)
        day = TravelDay(self._episodes, self._seconds / 60.0, tortuosity, self._entropy_bits())
        self._begin()
        return day

    def arrange(self, rows: NDArray[np.int64]) -> None:
        """Follow others from now on: (new residents,) the row of each so far, -1 for a new one."""
        moved = np.full(self._residents, UNKNOWN)
        known = np.flatnonzero(rows >= 0)
        moved[rows[known]] = known
        changes = self._all_changes()
        resident, steps = np.divmod(changes, self._zones**2)
        stays = moved[resident] != UNKNOWN
        rearrange(self, TravelTally(self._zones, len(rows)), rows, last=_BY_RESIDENT)
        self._changes = [moved[resident[stays]] * self._zones**2 + steps[stays]]
        self._residents = len(rows)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All of it, residents last."""
        changes = np.sort(self._all_changes())
        resident, steps = np.divmod(changes, self._zones**2)
        number = np.arange(len(changes)) - np.searchsorted(resident, resident)
        of_each = np.full((int(number.max(initial=-1)) + 1, self._residents), UNKNOWN)
        of_each[number, resident] = steps
        kept = {name.removeprefix("_"): getattr(self, name) for name in _BY_RESIDENT}
        return {
            name: array.astype(np.float64) for name, array in (kept | {"changes": of_each}).items()
        }

    @classmethod
    def from_arrays(
        cls, zones: int, residents: int, kept: Mapping[str, NDArray[np.float64]]
    ) -> Self:
        """What `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, or cannot be.
        """
        tally = cls(zones, residents)
        for name in _BY_RESIDENT:
            wanted = getattr(tally, name)
            setattr(tally, name, kept_array(kept, name.removeprefix("_"), wanted, least=0))
        changes = np.asarray(kept.get("changes"))
        if changes.ndim != 2:
            raise ValueError("changes: a table with a column for each resident is missing")
        changes = kept_array(
            kept, "changes", np.zeros((len(changes), residents), np.int64), UNKNOWN, zones**2 - 1
        )
        number, resident = np.nonzero(changes != UNKNOWN)
        tally._changes = [resident * zones**2 + changes[number, resident]]
        return tally

    def _all_changes(self) -> NDArray[np.int64]:
        return np.concatenate([np.zeros(0, np.int64), *self._changes])

    def _entropy_bits(self) -> NDArray[np.float64]:
        """H = -Σ π(i) Σ p(i, j) log2 p(i, j) over the day's changes from i to j."""
        entropy = np.full(self._residents, np.nan)
        change, count = np.unique(self._all_changes(), return_counts=True)
        left = change // self._zones
        of_left = np.zeros(self._residents * self._zones)
        np.add.at(of_left, left, count)
        total = of_left.reshape(self._residents, self._zones).sum(axis=1)
        bits = np.zeros(self._residents)
        np.add.at(bits, left // self._zones, -count * np.log2(count / of_left[left]))
        walked = total > 0
        entropy[walked] = bits[walked] / total[walked]
        return entropy
