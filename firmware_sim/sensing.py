"""What a wearable's processor does with its accelerometer, for many wearables at once:
quantise, keep in a ring, low-pass at 10 Hz, and sum up each second.

The low-pass is the screen's Butterworth (`contract.screen`), applied to a whole chunk as one
matrix product (SCIENCE 6.3): the columns of the matrix are what the filter makes of unit vectors.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import LOW_PASS_HZ, LOW_PASS_ORDER, WINDOW_AFTER_S

SENSOR_RANGE_G: Final = 8
"""Full scale of the sensor. Raw impacts at the wrist of young fallers pass 6 g (WEDA, which
clips at 4 g an axis); at 8 g a count is still 0.24 mg."""

COUNTS_PER_G: Final = 32_768 // SENSOR_RANGE_G

RING_S: Final = 60
"""Seconds that the ring holds. A window reaches 10 s back, so a gateway has 50 s after an
impact to connect before the oldest part is gone."""

_AHEAD_S: Final = 2
"""Seconds that the simulation computes before they are over, beyond the ring's 60."""

_MIN_RATE_RATIO: Final = 2.2
"""Below so many samples per period of the corner the signal holds nothing for the low-pass to
remove (20 Hz recordings), and a digital Butterworth could not be made."""


class Measures(NamedTuple):
    """One second of every row, as the firmware sums it up."""

    measured: NDArray[np.intp]
    """(rows,) samples that were measured; 0 means that the other values say nothing."""
    mean_g: NDArray[np.float32]
    """(rows, 3)"""
    min_g: NDArray[np.float32]
    """(rows,) least low-passed |a|"""
    max_g: NDArray[np.float32]
    """(rows,) greatest low-passed |a|"""
    deviation_g: NDArray[np.float32]
    """(rows,) standard deviation of low-passed |a|"""
    saturated: NDArray[np.bool_]
    """(rows,) whether a sample reached the sensor's range"""
    magnitude_g: NDArray[np.float32]
    """(rows, n) low-passed |a|"""


def quantise(samples_g: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the sensor reports: clipped to its range, in whole counts, still in g.

    Parameters
    ----------
    samples_g
        Any shape; changed in place. NaN (nothing measured) stays NaN.
    """
    samples_g *= COUNTS_PER_G
    np.rint(samples_g, out=samples_g)
    # Twice as fast as numpy.clip on so few.
    np.maximum(samples_g, -SENSOR_RANGE_G * COUNTS_PER_G, out=samples_g)
    np.minimum(samples_g, SENSOR_RANGE_G * COUNTS_PER_G - 1, out=samples_g)
    samples_g *= 1.0 / COUNTS_PER_G
    return samples_g


class LowPass:
    """The screen's low-pass for `rows` wearables of one rate, with its state.

    The state begins at steady gravity: at the first sample, as if it had stood for ever.
    Filter and state are those of ``scipy.signal.butter`` and ``sosfilt``, whose import takes as
    long as that of a whole simulated home.
    """

    def __init__(self, rows: int, rate_hz: float) -> None:
        self._state: NDArray[np.float32] | None = None
        self._rows = rows
        self._coefficients: _Coefficients | None = None
        if rate_hz > _MIN_RATE_RATIO * LOW_PASS_HZ:
            self._coefficients = _butterworth(rate_hz)
        self._matrices: dict[int, NDArray[np.float32]] = {}

    def push(self, samples_g: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter a chunk.

        Parameters
        ----------
        samples_g
            Shape (rows, 3, n), without NaN.

        Returns
        -------
        numpy.ndarray
            Shape (rows, 3, n).
        """
        if self._coefficients is None:
            return samples_g
        count = samples_g.shape[2]
        matrix = self._matrices.get(count)
        if matrix is None:
            matrix = self._matrices[count] = _as_matrix(self._coefficients, count)
        states = matrix.shape[0] - count
        extended = np.empty((self._rows, 3, count + states), np.float32)
        extended[..., :count] = samples_g
        if self._state is None:
            self._state = samples_g[..., :1] * _steady_state(self._coefficients)
        extended[..., count:] = self._state
        result: NDArray[np.float32] = extended.reshape(-1, count + states) @ matrix
        result = result.reshape(extended.shape)
        self._state = result[..., count:]
        return result[..., :count]


class _Coefficients(NamedTuple):
    """Of y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float


def _butterworth(rate_hz: float) -> _Coefficients:
    """Second order, by the bilinear transform; as `detectors.filters` at 50 Hz."""
    assert LOW_PASS_ORDER == 2, "the formulae here are those of the second order"
    warped = math.tan(math.pi * LOW_PASS_HZ / rate_hz)
    scale = 1 + math.sqrt(2) * warped + warped**2
    gain = warped**2 / scale
    back = 2 * (warped**2 - 1) / scale, (1 - math.sqrt(2) * warped + warped**2) / scale
    return _Coefficients(gain, 2 * gain, gain, *back)


def _steady_state(filtering: _Coefficients) -> NDArray[np.float32]:
    """(states,) of a filter whose input has always been 1."""
    second = filtering.b2 - filtering.a2
    return np.array([filtering.b1 - filtering.a1 + second, second], np.float32)


def _as_matrix(filtering: _Coefficients, count: int) -> NDArray[np.float32]:
    """The filter over a chunk of `count` samples and its state, as a matrix from the right."""
    unit = np.eye(count + LOW_PASS_ORDER)
    matrix = np.empty(unit.shape)
    first, second = unit[:, count], unit[:, count + 1]
    for step in range(count):
        now = unit[:, step]
        out = matrix[:, step] = filtering.b0 * now + first
        first = filtering.b1 * now - filtering.a1 * out + second
        second = filtering.b2 * now - filtering.a2 * out
    matrix[:, count], matrix[:, count + 1] = first, second
    return np.asarray(matrix, np.float32)


class Summariser:
    """Sums up seconds of `rows` wearables of one rate."""

    def __init__(self, rows: int, rate_hz: float) -> None:
        self._low_pass = LowPass(rows, rate_hz)
        self._shares: dict[int, NDArray[np.float32]] = {}
        self._held: NDArray[np.float32] | None = None

    def push(self, samples_g: NDArray[np.float32], *, gaps: bool = False) -> Measures:
        """Sum up one second.

        Parameters
        ----------
        samples_g
            Shape (rows, 3, n), quantised; n may differ from call to call.
        gaps
            Whether there may be NaN. A gap is bridged with the latest sample for the
            filter's sake and left out of what is reported.
        """
        rows, _, count = samples_g.shape
        if not gaps:
            filtered = self._low_pass.push(samples_g)
            magnitude = _magnitude(filtered)
            shares = self._shares.get(count)
            if shares is None:
                shares = self._shares[count] = np.full(count, 1.0 / count, np.float32)
            return Measures(
                measured=np.full(rows, count),
                mean_g=samples_g @ shares,
                min_g=np.minimum.reduce(magnitude, axis=1),
                max_g=np.maximum.reduce(magnitude, axis=1),
                deviation_g=_deviation(magnitude, shares),
                saturated=_saturated(samples_g),
                magnitude_g=magnitude,
            )
        return self._push_with_gaps(samples_g)

    def _push_with_gaps(self, samples_g: NDArray[np.float32]) -> Measures:
        rows = samples_g.shape[0]
        measured: NDArray[np.bool_] = np.isfinite(samples_g).all(axis=1)  # type: ignore[assignment]
        bridged = samples_g.copy()
        held = self._held if self._held is not None else _first_measured(samples_g, measured)
        for row, sample in zip(*np.nonzero(~measured), strict=True):
            bridged[row, :, sample] = held[row] if sample == 0 else bridged[row, :, sample - 1]
        self._held = bridged[:, :, -1].copy()
        magnitude = _magnitude(self._low_pass.push(bridged))
        masked = np.where(measured, magnitude, np.nan)
        counts = measured.sum(axis=1)
        some = counts > 0
        mean = np.zeros((rows, 3), np.float32)
        least, greatest, deviation = (np.zeros(rows, np.float32) for _ in range(3))
        mean[some] = np.nanmean(np.where(measured[some, None], samples_g[some], np.nan), axis=2)
        least[some] = np.nanmin(masked[some], axis=1)
        greatest[some] = np.nanmax(masked[some], axis=1)
        deviation[some] = np.nanstd(masked[some], axis=1)
        saturated = _saturated(bridged)
        return Measures(
            counts, mean, least, greatest, deviation, saturated, masked.astype(np.float32)
        )


def _first_measured(
    samples_g: NDArray[np.float32], measured: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Per row the first sample that was measured, or rest along z; shape (rows, 3)."""
    first = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (len(samples_g), 1))
    for row in np.flatnonzero(measured.any(axis=1)):
        first[row] = samples_g[row, :, np.argmax(measured[row])]
    return first


def _magnitude(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = vectors * vectors
    total: NDArray[np.float32] = squares[:, 0] + squares[:, 1]
    total += squares[:, 2]
    return np.sqrt(total, out=total)


def _deviation(values: NDArray[np.float32], shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard deviation along the last axis, by rows; `shares` are its equal weights."""
    centred = values - (values @ shares)[:, None]
    centred *= centred
    result: NDArray[np.float32] = np.sqrt(centred @ shares)
    return result


def _saturated(samples_g: NDArray[np.float32]) -> NDArray[np.bool_]:
    # The range is clipped at -8 g and at one count below +8 g.
    limit = SENSOR_RANGE_G - 1.0 / COUNTS_PER_G
    flat = samples_g.reshape(-1)
    if np.maximum.reduce(flat) < limit and np.minimum.reduce(flat) > -limit:
        return np.zeros(len(samples_g), np.bool_)
    reached: NDArray[np.bool_] = np.abs(samples_g).max(axis=(1, 2)) >= limit
    return reached


class SampleRing:
    """The latest `RING_S` seconds of `rows` wearables of one rate, by sample number.

    It is filled up to two seconds before those are over; what may be read now is the
    reader's business.
    """

    def __init__(self, rows: int, rate_hz: float) -> None:
        self._capacity = int((RING_S + _AHEAD_S) * rate_hz) + 1
        self._samples = np.full((rows, 3, self._capacity), np.nan, np.float32)
        self.end = 0
        """Number of the next sample to be written."""

    def append(self, samples_g: NDArray[np.float32]) -> None:
        """Write a chunk of shape (rows, 3, n) over the oldest."""
        count = samples_g.shape[2]
        at = self.end % self._capacity
        head = min(count, self._capacity - at)
        self._samples[:, :, at : at + head] = samples_g[:, :, :head]
        if head < count:
            self._samples[:, :, : count - head] = samples_g[:, :, head:]
        self.end += count

    @property
    def oldest(self) -> int:
        """Number of the oldest sample that is kept."""
        return max(0, self.end - self._capacity)

    def read(self, row: int, first: int, count: int) -> NDArray[np.float32]:
        """Samples `first` … `first + count` of one row, shape (3, count).

        Raises
        ------
        IndexError
            If a part of them was overwritten or is not written yet.
        """
        if first < self.oldest or first + count > self.end:
            raise IndexError(f"samples {first} to {first + count} are not in the ring")
        at = first % self._capacity
        head = self._samples[row, :, at : at + count]
        missing = count - head.shape[1]
        if missing == 0:
            return head
        return np.concatenate([head, self._samples[row, :, :missing]], axis=1)


def samples_before_impact(rate_hz: float, before_s: float) -> int:
    """Samples of `rate_hz` that stand in a window before its impact."""
    return round(before_s * rate_hz)


def samples_after_impact(rate_hz: float) -> int:
    """Samples of `rate_hz` from the impact to the end of its window."""
    return round(WINDOW_AFTER_S * rate_hz)
