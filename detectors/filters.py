"""The low-pass: a Butterworth filter over one second of all wearables as one matrix product.

A second of input and the filter's state on the left, the filter's matrix on the right, the
second of output and the next state come out (SCIENCE 6.3). The same product also decimates
(even columns first, so that they lie together) and takes the mean, because both are linear.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ, LOW_PASS_HZ, LOW_PASS_ORDER, MOTION_HZ

AXES: Final = 3
DECIMATION: Final = GRID_HZ // MOTION_HZ
STATES: Final = LOW_PASS_ORDER
assert LOW_PASS_ORDER == 2, "the formulae here are those of the second order"

MEAN_COLUMN: Final = GRID_HZ
STATE_COLUMNS: Final = slice(GRID_HZ + 1, GRID_HZ + 1 + STATES)
_COLUMNS: Final = -(-(GRID_HZ + 1 + STATES) // 8) * 8
"""Filled up with zeros to whole vectors of eight floats: a tenth faster, measured."""


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


@functools.cache
def filter_matrix() -> NDArray[np.float64]:
    """The filter as a matrix, found by pushing unit vectors through its difference equation.

    Returns
    -------
    NDArray
        Shape (GRID_HZ + STATES, columns). A row for each input sample, then for each state;
        columns: the samples of the 25 Hz output, those in between, the mean of the second,
        the next state, padding.
    """
    forward, back = butterworth()
    unit = np.eye(GRID_HZ + STATES)
    first, second = unit[:, GRID_HZ], unit[:, GRID_HZ + 1]
    output = np.empty((GRID_HZ + STATES, GRID_HZ))
    for step in range(GRID_HZ):
        now = unit[:, step]
        output[:, step] = forward[0] * now + first
        first = forward[1] * now - back[1] * output[:, step] + second
        second = forward[2] * now - back[2] * output[:, step]
    columns = np.zeros((GRID_HZ + STATES, _COLUMNS))
    columns[:, :GRID_HZ] = np.concatenate(
        [output[:, start::DECIMATION] for start in range(DECIMATION)], axis=1
    )
    columns[:, MEAN_COLUMN] = output.mean(axis=1)
    columns[:, STATE_COLUMNS] = np.stack([first, second], axis=1)
    return columns


class LowPass:
    """The filter's state for all rows, and the product.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self._matrix = filter_matrix().astype(np.float32)
        self._steady = steady_state().astype(np.float32)
        self._input = np.zeros((AXES, rows, GRID_HZ + STATES), np.float32)
        self._output = np.empty((AXES, rows, _COLUMNS), np.float32)

    @property
    def samples(self) -> NDArray[np.float32]:
        """Where the next second of input belongs, shape (3, rows, GRID_HZ), in g."""
        return self._input[:, :, :GRID_HZ]

    def restart(self, rows: NDArray[np.intp], gravity_g: NDArray[np.float32]) -> None:
        """Put rows into the state of a wearable that has always measured `gravity_g`.

        Parameters
        ----------
        rows
            Which, shape (k,).
        gravity_g
            Shape (3, k).
        """
        self._input[:, rows, GRID_HZ:] = gravity_g[:, :, None] * self._steady

    def step(self) -> NDArray[np.float32]:
        """Filter the second that stands in `samples`.

        Returns
        -------
        NDArray
            Shape (3, rows, columns), as in `filter_matrix`; overwritten by the next call.
        """
        axes, rows, columns = self._input.shape
        flat_output = self._output.reshape(axes * rows, self._output.shape[2])
        np.matmul(self._input.reshape(axes * rows, columns), self._matrix, out=flat_output)
        self._input[:, :, GRID_HZ:] = self._output[:, :, STATE_COLUMNS]
        return self._output
