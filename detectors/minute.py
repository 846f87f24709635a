"""A minute of summaries, measured once: what wear and trust in the sensor are judged by.

Neither can change faster than that, so what is done each second is to keep the second.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.summary import DEVIATION_G, FEATURES, MAX_G, MEAN, MIN_G, SummaryBlock

Scalar = TypeVar("Scalar", bound=np.generic)

MINUTE_S: Final = 60

ENOUGH_S: Final = 20
"""Seconds of a minute that must have been heard for anything to be said of it: a third, so that
whoever is heard badly is judged as well, and three breaths at the slowest are seen."""


class Minute(NamedTuple):
    """One minute of all rows. Arrays are not to be changed."""

    number: int
    """Unix time in minutes."""
    seconds: NDArray[np.float32]
    """Shape (features, rows, MINUTE_S), in the order of `detectors.summary.FEATURES`; NaN where
    not heard."""
    worn: NDArray[np.float32]
    """What the wearables say of themselves, shape (rows, MINUTE_S): 1 worn, 0 not, NaN unknown."""
    heard: NDArray[np.bool_]
    """Shape (rows, MINUTE_S)."""
    heard_s: NDArray[np.int64]
    """Shape (rows,)."""
    centre_g: NDArray[np.float32]
    """Mean acceleration of the heard seconds, shape (3, rows); zero without any."""
    away_g: NDArray[np.float32]
    """Distance of each second's mean acceleration from it, shape (rows, MINUTE_S); zero where not
    heard. At rest as good as an angle in radians."""
    shift_g: NDArray[np.float32]
    """Distance of each second's mean acceleration from the second before, shape (rows, MINUTE_S);
    NaN in the first and where one of the two was not heard."""
    deviation_g: NDArray[np.float32]
    """Median of the seconds' standard deviation of |a|, shape (rows,); infinite without any."""

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Rows of which enough was heard, shape (rows,)."""
        judged: NDArray[np.bool_] = self.heard_s >= ENOUGH_S
        return judged

    @property
    def excess_g(self) -> NDArray[np.float32]:
        """Greatest distance of |a| from that of each second's mean, shape (rows, MINUTE_S)."""
        level = np.sqrt(np.square(self.seconds[MEAN]).sum(axis=0))
        excess: NDArray[np.float32] = np.maximum(
            self.seconds[MAX_G] - level, level - self.seconds[MIN_G]
        )
        return excess


class Minutes:
    """Collects seconds of all rows into minutes of unix time.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._number: int | None = None
        self._begin()

    def push(self, block: SummaryBlock) -> list[Minute]:
        """Take in the next second; returns the minutes that it ends, at most two.

        A minute of which seconds are missing ends when one of another minute comes.
        """
        number, second = divmod(block.second, MINUTE_S)
        ended = []
        if self._number is not None and number != self._number:
            ended.append(self._end(self._number))
        self._number = number
        self._seconds[:, :, second] = block.values
        self._worn[:, second] = block.worn
        if second == MINUTE_S - 1:
            ended.append(self._end(number))
            self._number = None
        return ended

    def reset(self, row: int) -> None:
        """Another wearable stands in this row: nothing of this minute is its own."""
        self._seconds[:, row] = np.nan
        self._worn[row] = np.nan

    def grow(self, rows: int) -> None:
        """Make room for more wearables; what the others said of this minute stays."""
        seconds, worn, before = self._seconds, self._worn, self._rows
        self._rows = rows
        self._begin()
        self._seconds[:, :before], self._worn[:before] = seconds, worn

    def _begin(self) -> None:
        self._seconds = np.full((len(FEATURES), self._rows, MINUTE_S), np.nan, np.float32)
        self._worn = np.full((self._rows, MINUTE_S), np.nan, np.float32)

    def _end(self, number: int) -> Minute:
        minute = measure_minute(number, self._seconds, self._worn)
        self._begin()
        return minute


def measure_minute(number: int, seconds: NDArray[np.float32], worn: NDArray[np.float32]) -> Minute:
    """The measures of a minute; shapes as in `Minute`."""
    heard = np.isfinite(seconds[DEVIATION_G])
    heard_s = heard.sum(axis=1)
    mean = np.where(heard, seconds[MEAN], 0)
    centre = mean.sum(axis=2) / np.maximum(heard_s, 1).astype(np.float32)
    away = np.sqrt(np.square(mean - centre[:, :, None]).sum(axis=0)) * heard
    shift = np.full_like(away, np.nan)
    shift[:, 1:] = np.sqrt(np.square(np.diff(seconds[MEAN], axis=2)).sum(axis=0))
    # NaN sorts behind everything that was heard.
    ordered = np.sort(seconds[DEVIATION_G], axis=1)
    middle = ordered[np.arange(len(heard_s)), np.maximum(heard_s - 1, 0) // 2]
    deviation = np.where(heard_s > 0, middle, np.float32(np.inf))
    return Minute(number, seconds, worn, heard, heard_s, centre, away, shift, deviation)


def padded(array: NDArray[Scalar], rows: int, fill: float = 0) -> NDArray[Scalar]:
    """The same with more rows, which are the last axis."""
    grown = np.full((*array.shape[:-1], rows), fill, array.dtype)
    grown[..., : array.shape[-1]] = array
    return grown
