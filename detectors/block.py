"""A closed second of all wearables, and what is measured of it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ
from detectors.filters import COLUMNS, DECIMATION, SAMPLE_COLUMNS
from detectors.summary import DEVIATION_G, FEATURES, MAX_G, MEAN, MIN_G, SummaryBlock

_AVERAGE: Final = np.zeros(COLUMNS, np.float32)
"""Weights of the filter's output columns for a mean over time."""
_AVERAGE[:GRID_HZ] = 1 / GRID_HZ

_SQUARED: Final = slice(MEAN.stop, len(FEATURES))
"""Features that are roots of squares."""
assert {MIN_G, MAX_G, DEVIATION_G} == set(range(len(FEATURES))[_SQUARED])


class Block(NamedTuple):
    """One closed second for all rows. Whoever gets one keeps it unchanged: detectors hold on
    to the same arrays.
    """

    second: int
    """Unix second at which it begins."""
    motion: NDArray[np.float32]
    """Shape (3, rows, MOTION_HZ), in g, low-passed; the i-th is at second + i / MOTION_HZ.
    Imputed where not valid."""
    valid: NDArray[np.bool_]
    """Shape (rows, MOTION_HZ)."""
    peak_g: NDArray[np.float32]
    """Greatest low-passed |a| of valid samples at 50 Hz, shape (rows,); NaN if none. At 25 Hz
    the top of an impact may fall between two samples, and the wearable's own screen, which
    must agree with this one (`contract.screen`), sees all of them."""
    low_g: NDArray[np.float32]
    """Least, likewise."""
    summary: NDArray[np.float32]
    """Shape (features, rows), see `detectors.summary.FEATURES`; NaN without a valid sample."""


def summary_of(block: Block) -> SummaryBlock:
    """The summary stream of held links; whether they are worn is not known from motion alone."""
    unknown = np.full(block.summary.shape[1], np.nan, np.float32)
    return SummaryBlock(block.second, block.summary, unknown)


class Meter:
    """Measures the filter's output, with room of its own for what comes in between.

    Parameters
    ----------
    rows
        Number of rows that are measured at a time.
    """

    def __init__(self, rows: int) -> None:
        self._time_first = np.empty((SAMPLE_COLUMNS // 4, rows), np.complex128)
        self._lanes = self._time_first.view(np.float32)
        self._extreme = np.empty(4 * rows, np.float32)
        self._pair = np.empty(2 * rows, np.float32)
        self._mean = np.empty(rows, np.float32)

    def measure(self, output: NDArray[np.float32], summary: NDArray[np.float32]) -> None:
        """Measure a second, all of it valid.

        Parameters
        ----------
        output
            What `filters.Part.filter` returned, (3, rows, COLUMNS); used up.
        summary
            Shape (features, rows): where all but the mean goes.
        """
        np.square(output, out=output)
        square = output[0]
        square += output[1]
        square += output[2]
        # With time first, what is reduced over the first axis runs side by side; and four floats
        # are moved as one number of their size, four times as fast as by themselves.
        self._time_first[...] = square[:, :SAMPLE_COLUMNS].view(np.complex128).T
        self._reduce(np.maximum, summary[MAX_G])
        self._reduce(np.minimum, summary[MIN_G])
        np.sqrt(square, out=square)
        # Measured from 1 g, where a still wearable is, float32 loses nothing in the subtraction.
        square -= 1
        mean = np.matmul(square, _AVERAGE, out=self._mean)
        np.square(square, out=square)
        deviation = np.matmul(square, _AVERAGE, out=summary[DEVIATION_G])
        deviation -= np.square(mean, out=mean)
        np.maximum(deviation, 0, out=deviation)
        np.sqrt(summary[_SQUARED], out=summary[_SQUARED])

    def _reduce(self, extreme: np.ufunc, out: NDArray[np.float32]) -> None:
        """The greatest or least of each row's squares."""
        lanes, pair = self._extreme, self._pair
        extreme.reduce(self._lanes, axis=0, out=lanes)
        extreme(lanes[0::2], lanes[1::2], out=pair)
        extreme(pair[0::2], pair[1::2], out=out)


def summary_of_valid(
    low_passed: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The summary of rows that are valid in part.

    Parameters
    ----------
    low_passed
        The filter's output, shape (3, k, GRID_HZ), in the order of `filters.STEP_COLUMNS`.
    valid
        In order of time, shape (k, GRID_HZ); at least one sample of each.

    Returns
    -------
    NDArray
        Shape (features, k).
    """
    count = valid.sum(axis=1)
    mask = np.concatenate([valid[:, first::DECIMATION] for first in range(DECIMATION)], axis=1)
    share = mask / count[:, None]
    magnitude = np.sqrt(np.square(low_passed).sum(axis=0))
    summary = np.empty((len(FEATURES), len(count)), np.float32)
    summary[MEAN] = (low_passed * share).sum(axis=2)
    summary[MAX_G] = np.where(mask, magnitude, -np.inf).max(axis=1)
    summary[MIN_G] = np.where(mask, magnitude, np.inf).min(axis=1)
    centred = magnitude - (magnitude * share).sum(axis=1)[:, None]
    summary[DEVIATION_G] = np.sqrt((np.square(centred) * share).sum(axis=1))
    return summary
