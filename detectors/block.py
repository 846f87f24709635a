"""A closed second of all wearables, and what is measured of it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ, MOTION_HZ
from detectors.filters import DECIMATION, MEAN_COLUMN
from detectors.summary import DEVIATION_G, FEATURES, MAX_G, MEAN, MIN_G, SummaryBlock

_AVERAGE: Final = np.full(GRID_HZ, 1 / GRID_HZ, np.float32)


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


def measure(second: int, output: NDArray[np.float32]) -> Block:
    """The block of a second from the filter's output (`filters.filter_matrix`), all of it valid."""
    low_passed = output[:, :, :GRID_HZ]
    rows = output.shape[1]
    summary = np.empty((len(FEATURES), rows), np.float32)
    summary[MEAN] = output[:, :, MEAN_COLUMN]
    square = np.einsum("art,art->rt", low_passed, low_passed)
    # From here on time first: what is reduced over the first axis runs side by side.
    magnitude = np.ascontiguousarray(square.T)
    np.sqrt(magnitude.max(axis=0), out=summary[MAX_G])
    np.sqrt(magnitude.min(axis=0), out=summary[MIN_G])
    np.sqrt(magnitude, out=magnitude)
    # Measured from 1 g, where a still wearable is, float32 loses nothing in the subtraction.
    magnitude -= 1
    mean = _AVERAGE @ magnitude
    magnitude *= magnitude
    variance = magnitude.sum(axis=0) / GRID_HZ - mean * mean
    np.sqrt(np.maximum(variance, 0), out=summary[DEVIATION_G])
    motion = output[:, :, :MOTION_HZ].copy()
    valid = np.ones((rows, MOTION_HZ), np.bool_)
    return Block(second, motion, valid, summary[MAX_G], summary[MIN_G], summary)


def leave_out_holes(
    block: Block,
    output: NDArray[np.float32],
    holed: NDArray[np.intp],
    valid: NDArray[np.bool_],
) -> None:
    """Correct the summary of the rows that are valid in part.

    Parameters
    ----------
    block, output
        As in `measure`.
    holed
        These rows, shape (k,).
    valid
        What is valid of them, shape (k, GRID_HZ); at least one sample of each.
    """
    low_passed = output[:, holed, :GRID_HZ]
    block.summary[:, holed] = _summary_of_valid(low_passed, valid, valid.sum(axis=1))


def _summary_of_valid(
    low_passed: NDArray[np.float32], valid: NDArray[np.bool_], count: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The summary of rows from their valid samples; there is at least one in each."""
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
