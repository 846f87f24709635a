"""From samples at any rate, with any time stamps, to the 50 Hz grid on absolute time.

Between samples the signal is a straight line. Where samples are no denser than the grid, a
grid value is that line's value at the grid time, so samples that already lie on the grid
come out unchanged. Where they are denser it is the line's mean over a time that grows to a
whole grid step at twice the grid's rate: what the grid cannot carry is averaged away instead
of being folded into the band where falls are. All rows are done in one pass.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ
from contract.units import NS_PER_MS, NS_PER_S

STEP_NS: Final = NS_PER_S // GRID_HZ
_GRID_NS: Final = np.arange(GRID_HZ) * STEP_NS
"""Grid times within a second."""

MAX_GAP_NS: Final = 250 * NS_PER_MS
"""Longest time between two samples that is bridged by a straight line. 20 Hz wearables leave
50 ms, packet bursts 100 ms; an impact is over in about 250 ms, so a longer hole could hold
a whole one and must not look like quiet. (31 of WEDA's 969 files have longer ones, SCIENCE 0.2.)"""

BURST_NS: Final = 2 * NS_PER_MS
"""Time stamps this close are arrivals of one burst and not times of measurement: it would
take 500 Hz, beyond what a packet may claim (`contract.packets.MAX_RATE_HZ`)."""


APART_NS: Final = 3_600 * NS_PER_S
"""From one row's second to the next row's where rows are laid end to end on one axis of time: far
more than samples around a second span, so that no row meets another. Half a million rows fit."""


class FlatSamples(NamedTuple):
    """Samples of many rows, sorted by row, then time; no two of a row at one time."""

    row: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    xyz_g: NDArray[np.float32]
    """Shape (3, n)."""


NO_SAMPLES: Final = FlatSamples(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((3, 0), np.float32)
)


def spread_bursts(row: NDArray[np.int64], t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace arrival times of bursts by evenly spaced times of measurement.

    A wearable that delivers four samples each 100 ms measured them 25 ms apart: a burst's
    samples are spread back to the burst before, the last one keeps its stamp. After a hole
    longer than `MAX_GAP_NS`, or at the beginning, they are spread at the grid's rate.

    Parameters
    ----------
    row, t_ns
        Shape (n,), sorted by row, then time.

    Returns
    -------
    NDArray
        Times, shape (n,), in the same order.
    """
    if len(t_ns) == 0:
        return t_ns
    same_row = row[1:] == row[:-1]
    in_burst = same_row & (t_ns[1:] - t_ns[:-1] <= BURST_NS)
    if not in_burst.any():
        return t_ns
    first = np.flatnonzero(np.concatenate(([True], ~in_burst)))
    size = np.diff(first, append=len(t_ns))
    arrival = t_ns[first + size - 1]
    since = np.full(len(first), np.iinfo(np.int64).max)
    follows = row[first[1:]] == row[first[:-1]]
    since[1:][follows] = np.diff(arrival)[follows]
    at_grid_rate = np.minimum(since, size * STEP_NS)
    span = np.where(since <= MAX_GAP_NS, since, at_grid_rate)
    burst = np.repeat(np.arange(len(first)), size)
    left = size[burst] - 1 - (np.arange(len(t_ns)) - first[burst])
    spread: NDArray[np.int64] = arrival[burst] - span[burst] * left // size[burst]
    return np.where(size[burst] > 1, spread, t_ns)


def resample(
    flat: FlatSamples, rows: int, start_ns: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One second on the grid.

    Parameters
    ----------
    flat
        Samples around the second; those more than `MAX_GAP_NS` away do not matter.
    rows
        Number of rows in the result.
    start_ns
        Beginning of the second.

    Returns
    -------
    samples
        Shape (3, rows, GRID_HZ), in g; zero where not valid.
    valid
        Shape (rows, GRID_HZ): the grid time meets a sample, or lies between two that are at
        most `MAX_GAP_NS` apart.
    """
    samples = np.zeros((3, rows, GRID_HZ), np.float32)
    if len(flat.t_ns) == 0:
        return samples, np.zeros((rows, GRID_HZ), np.bool_)
    key, gap = _on_one_axis(flat.row, flat.t_ns - start_ns)
    if len(gap) and gap.min() <= BURST_NS:
        key, gap = _on_one_axis(flat.row, spread_bursts(flat.row, flat.t_ns) - start_ns)
    # Time from each sample to the next one of its row; zero where no line may be drawn.
    spacing = np.zeros(len(key), np.int64)
    np.multiply(gap, gap <= MAX_GAP_NS, out=spacing[:-1])
    grid = _grid_on_one_axis(rows)
    # The last sample at or before; where a row has none, another row's, which is far away.
    left = key.searchsorted(grid, side="right")
    left -= 1
    after_left = grid - key.take(left, mode="clip")
    line = spacing.take(left, mode="clip")
    # A negative time is a huge one without its sign.
    bridged = after_left.view(np.uint64) < line.view(np.uint64)
    valid = bridged | (after_left == 0)
    share = (after_left / np.maximum(line, 1)).astype(np.float32)
    flat.xyz_g.take(left, axis=1, out=samples, mode="clip")
    left += 1
    change = flat.xyz_g.take(left, axis=1, mode="clip")
    change -= samples
    change *= share
    samples += change
    samples *= valid
    dense = bridged & (line < STEP_NS)
    if dense.any():
        # The mean of a piece of one straight line is what stands in its middle already.
        reach = _mean_width(line) // 2
        dense &= (after_left < reach) | (line - after_left < reach)
        if dense.any():
            _average_dense(samples.reshape(3, -1), np.flatnonzero(dense), line.ravel(), flat, key)
    return samples, valid


@functools.lru_cache(maxsize=8)
def _grid_on_one_axis(rows: int) -> NDArray[np.int64]:
    """The grid times of all rows, shape (rows, GRID_HZ)."""
    grid: NDArray[np.int64] = np.arange(rows)[:, None] * APART_NS + _GRID_NS
    grid.flags.writeable = False
    return grid


def _on_one_axis(
    row: NDArray[np.int64], since_ns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All rows end to end on one axis of time, and the distance of each sample to the next."""
    key = row * APART_NS
    key += since_ns
    return key, key[1:] - key[:-1]


def _mean_width(spacing_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Over how long samples so far apart are averaged.

    Zero at the grid's rate and a whole step at twice the rate and above, growing linearly, so
    that a wearable whose rate is a little off 50 Hz is not treated by turns in two ways.
    """
    return np.minimum(2 * (STEP_NS - spacing_ns), STEP_NS)


def _average_dense(
    out: NDArray[np.float32],
    cells: NDArray[np.intp],
    spacing_ns: NDArray[np.int64],
    flat: FlatSamples,
    key: NDArray[np.int64],
) -> None:
    """Overwrite grid values where samples are denser than the grid by the line's mean."""
    width = _mean_width(spacing_ns[cells])
    cell_row, cell_step = np.divmod(cells, GRID_HZ)
    centre = cell_row * APART_NS + cell_step * STEP_NS
    low, high = centre - width // 2, centre + width // 2
    at_low = np.searchsorted(key, low, side="right") - 1
    at_high = np.searchsorted(key, high, side="right") - 1
    last = len(key) - 1
    inside = (
        (at_low >= 0)
        & (flat.row[at_low] == cell_row)
        & (at_high < last)
        & (flat.row[np.minimum(at_high + 1, last)] == cell_row)
        & (high > low)
    )
    cells, low, high = cells[inside], low[inside], high[inside]
    at_low, at_high = at_low[inside], at_high[inside]
    seconds = np.diff(key) / NS_PER_S
    xyz = flat.xyz_g.astype(np.float64)
    area = np.zeros_like(xyz)
    np.cumsum((xyz[:, 1:] + xyz[:, :-1]) / 2 * seconds, axis=1, out=area[:, 1:])
    integral = _area_to(high, at_high, key, xyz, area) - _area_to(low, at_low, key, xyz, area)
    out[:, cells] = integral / ((high - low) / NS_PER_S)


def _area_to(
    moment: NDArray[np.int64],
    at: NDArray[np.intp],
    key: NDArray[np.int64],
    xyz: NDArray[np.float64],
    area: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Integral of the straight lines from the first sample to `moment`, shape (3, k)."""
    seconds = (moment - key[at]) / NS_PER_S
    slope = (xyz[:, at + 1] - xyz[:, at]) / ((key[at + 1] - key[at]) / NS_PER_S)
    return area[:, at] + (xyz[:, at] + slope * seconds / 2) * seconds
