"""The low-pass: a Butterworth filter over half a second of all wearables as one matrix product.

The filter's state and half a second of input on the left, the filter's matrix on the right, the
output and the next state come out (SCIENCE 6.3). Two halves one after the other take half of
the multiplications that a whole second would, because a matrix for twice the time has four times
the entries. The same products also decimate (the 25 Hz samples of both halves lie together) and
take the mean, because both are linear.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ, LOW_PASS_HZ, LOW_PASS_ORDER, MOTION_HZ

AXES: Final = 3
DECIMATION: Final = GRID_HZ // MOTION_HZ
STATES: Final = LOW_PASS_ORDER
assert LOW_PASS_ORDER == 2, "the formulae here are those of the second order"
assert DECIMATION == 2, "the columns of both halves are laid out for every other sample"

MEAN_COLUMN: Final = -STATES - 1
STATE_COLUMNS: Final = slice(-STATES, None)
"""Of `filter_matrix`."""

HALF: Final = GRID_HZ // 2
_FIRST_ODD: Final = HALF // 2
"""Of the first half's samples so many are at odd steps; of the second half's at even ones."""

# The output's columns: 12 odd and 13 even steps of the first half, 12 even and 13 odd ones of the
# second, then what fills up. The second product writes over what follows the first's samples.
MOTION_COLUMNS: Final = slice(_FIRST_ODD, _FIRST_ODD + MOTION_HZ)
"""The 25 Hz samples in the output."""
STEP_COLUMNS: Final = np.concatenate(
    [
        np.arange(MOTION_COLUMNS.start, MOTION_COLUMNS.stop),
        np.arange(_FIRST_ODD),
        np.arange(MOTION_COLUMNS.stop, GRID_HZ),
    ]
)
"""Where the output has the 25 Hz samples and then those in between, each in order of time."""
SAMPLE_COLUMNS: Final = -(-GRID_HZ // 4) * 4
"""Columns that hold samples. The last ones are held twice, to make it whole vectors of four
floats, which `detectors.block` moves as one; greatest and least are the same with them."""
_PRODUCT_COLUMNS: Final = 32
"""Of each product: 25 samples, two of them twice, mean and state, filled up with zeros to whole
vectors of sixteen floats. With the least of them, 30, it takes a quarter longer, measured."""
_FIRST_MEAN: Final = HALF
_FIRST_STATE: Final = slice(HALF + 1, HALF + 1 + STATES)
_STATE: Final = slice(SAMPLE_COLUMNS, SAMPLE_COLUMNS + STATES)
_MEAN: Final = _STATE.stop
COLUMNS: Final = -(-(HALF + _PRODUCT_COLUMNS) // 2) * 2

PART_ROWS: Final = 1024
"""Rows that are filtered and measured at a time, so that what one pass leaves in the processor's
second-level cache is still there for the next one: 1.8 kB a row, and 2 MB on the machine where
1,024 took 4 % less than 512 and 15 % less than 256, whose calls cost more than they save."""


def butterworth() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients b (3,) and a (3,) of the low-pass: second order, by the bilinear transform.

    The same as ``scipy.signal.butter(LOW_PASS_ORDER, LOW_PASS_HZ, fs=GRID_HZ)``, which would
    take a gateway longer to import than everything else together.
    """
    warped = math.tan(math.pi * LOW_PASS_HZ / GRID_HZ)
    scale = 1 + math.sqrt(2) * warped + warped**2
    forward = np.array([1.0, 2.0, 1.0]) * warped**2 / scale
    back = np.array([scale, 2 * (warped**2 - 1), 1 - math.sqrt(2) * warped + warped**2]) / scale
    return forward, back


def steady_state() -> NDArray[np.float64]:
    """State (STATES,) of a filter whose input has always been 1."""
    forward, back = butterworth()
    second = forward[2] - back[2]
    return np.array([forward[1] - back[1] + second, second])


def filter_matrix(length: int = GRID_HZ) -> NDArray[np.float64]:
    """The filter as a matrix, found by pushing unit vectors through its difference equation.

    Parameters
    ----------
    length
        Number of samples that it takes at once.

    Returns
    -------
    NDArray
        Shape (length + STATES, columns). A row for each input sample, then for each state;
        columns: every other output sample from the first on, those in between, their mean, the
        next state.
    """
    forward, back = butterworth()
    unit = np.eye(length + STATES)
    first, second = unit[:, length], unit[:, length + 1]
    output = np.empty((length + STATES, length))
    for step in range(length):
        now = unit[:, step]
        output[:, step] = forward[0] * now + first
        first = forward[1] * now - back[1] * output[:, step] + second
        second = forward[2] * now - back[2] * output[:, step]
    phases = [output[:, start::DECIMATION] for start in range(DECIMATION)]
    mean = output.mean(axis=1)
    return np.column_stack([*phases, mean, first, second])


def _half_matrices() -> NDArray[np.float32]:
    """For both halves, shape (2, STATES + HALF, _PRODUCT_COLUMNS): the state comes first, then the
    samples; columns as above.
    """
    matrix = np.roll(filter_matrix(HALF), STATES, axis=0)
    starting, between, rest = np.split(matrix, [HALF - _FIRST_ODD, HALF], axis=1)
    # What stands first in its half is at an even step in the first, at an odd one in the second.
    mean, state = rest[:, :1] / 2, rest[:, 1:]
    again = starting[:, -(SAMPLE_COLUMNS - GRID_HZ) :]
    halves = ([between, starting, mean, state], [between, starting, again, state, mean])
    filled = np.zeros((2, STATES + HALF, _PRODUCT_COLUMNS), np.float32)
    for place, parts in zip(filled, halves, strict=True):
        columns = np.concatenate(parts, axis=1)
        place[:, : columns.shape[1]] = columns
    return filled


class Part:
    """Some neighbouring rows of a filter, few enough for the cache.

    Parameters
    ----------
    rows
        Which rows of the filter.
    signal
        State and samples of these rows, shape (3, n, STATES + GRID_HZ).
    output
        Where the output goes, shape (3, n, COLUMNS); several parts may share it.
    """

    def __init__(
        self, rows: slice, signal: NDArray[np.float32], output: NDArray[np.float32]
    ) -> None:
        self.rows = rows
        self._samples = signal[:, :, STATES:]
        self._matrices = _half_matrices()
        end = STATES + HALF
        self._inputs = signal[:, :, :end], signal[:, :, HALF:]
        first, second = slice(_PRODUCT_COLUMNS), slice(HALF, HALF + _PRODUCT_COLUMNS)
        self._outputs = output[:, :, first], output[:, :, second]
        self._output = output
        # The state is moved as one number of its size: twice as fast as two floats.
        self._begun = signal[:, :, :STATES].view(np.complex64)
        self._midway = signal[:, :, HALF:end].view(np.complex64)
        self._midway_out = output[:, :, _FIRST_STATE].view(np.complex64)
        self._ended_out = output[:, :, _STATE].view(np.complex64)
        self._first_mean, self._second_mean = output[:, :, _FIRST_MEAN], output[:, :, _MEAN]

    def filter(
        self, samples_g: NDArray[np.float32] | None, mean_g: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Filter the next second.

        Parameters
        ----------
        samples_g
            The second of all the filter's rows, shape (3, rows, GRID_HZ); None where it stands in
            the filter already.
        mean_g
            Shape (3, n): where the mean of the output goes.

        Returns
        -------
        NDArray
            Shape (3, n, COLUMNS): samples in `SAMPLE_COLUMNS` columns in the order of
            `STEP_COLUMNS`, others of no meaning; overwritten by the next call.
        """
        if samples_g is not None:
            self._samples[...] = samples_g[:, self.rows]
        first, second = self._matrices
        np.matmul(self._inputs[0], first, out=self._outputs[0])
        # Midway, the state takes the place of samples that have been filtered.
        self._midway[...] = self._midway_out
        mean_g[...] = self._first_mean
        np.matmul(self._inputs[1], second, out=self._outputs[1])
        self._begun[...] = self._ended_out
        mean_g += self._second_mean
        return self._output


class LowPass:
    """The filter's state for all rows.

    Parameters
    ----------
    rows
        Number of wearables.

    Attributes
    ----------
    parts
        All rows, some at a time: a second is filtered when each of them has filtered it.
    """

    def __init__(self, rows: int) -> None:
        self._steady = steady_state().astype(np.float32)
        self._signal = np.zeros((AXES, rows, STATES + GRID_HZ), np.float32)
        outputs: dict[int, NDArray[np.float32]] = {}
        self.parts: list[Part] = []
        for start in range(0, rows, PART_ROWS):
            part = slice(start, min(start + PART_ROWS, rows))
            count = part.stop - start
            if count not in outputs:
                outputs[count] = np.zeros((AXES, count, COLUMNS), np.float32)
            self.parts.append(Part(part, self._signal[:, part], outputs[count]))

    @property
    def samples(self) -> NDArray[np.float32]:
        """The last second of input, shape (3, rows, GRID_HZ), in g, and where the next belongs. Of
        a filtered second only the last sample is still what it was.
        """
        return self._signal[:, :, STATES:]

    def restart(self, rows: NDArray[np.intp], gravity_g: NDArray[np.float32]) -> None:
        """Put rows into the state of a wearable that has always measured `gravity_g`.

        Parameters
        ----------
        rows
            Which, shape (k,).
        gravity_g
            Shape (3, k).
        """
        self._signal[:, rows, :STATES] = gravity_g[:, :, None] * self._steady

    def step(self) -> NDArray[np.float32]:
        """Filter the second that stands in `samples`.

        Returns
        -------
        NDArray
            Shape (3, rows, GRID_HZ): the 25 Hz samples, then those in between.
        """
        filtered = np.empty(self.samples.shape, np.float32)
        for part in self.parts:
            mean_g = np.empty(filtered[:, part.rows, 0].shape, np.float32)
            filtered[:, part.rows] = part.filter(None, mean_g)[:, :, STEP_COLUMNS]
        return filtered
