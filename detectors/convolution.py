"""Convolution features after MiniRocket: how much of the time does a kernel's answer exceed a bias?

The 84 kernels of MiniRocket (Dempster et al. 2021, KDD: nine weights, three of them 2 and six −1,
so that they add up to zero) in a few dilations, each on a choice of channels; the share of time
above a bias (PPV), separately for what comes before, at and after the impact. All kernels of
a dilation are one matrix product over all windows.

Two things differ from MiniRocket. The count has a ramp and not a step, so that rounding moves
it by rounding: with a step some of the nearly 40,000 comparisons of a window fall the other way
when the wearable is turned by an axis. And long dilations need not look at every sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall_features import CHANNELS, span

TAPS: Final = 9
KERNELS: Final = 84
"""Ways to choose the three of nine weights that are 2."""

SEGMENTS_S: Final = ((-2.0, -0.5), (-0.5, 0.5), (0.5, 1.5), (1.5, 2.9))
"""Seconds from the impact: before, impact, bounce, rest. At an equal count of false alarms a linear
head on shares of the whole window found 81 % of WEDA's falls, on shares by segment 85 %."""

RAMP_G: Final = 0.1
"""Width of the ramp around a bias. The answer of a kernel to a worn sensor's noise of 0.01 g
has a standard deviation of 0.07 g."""

_TOGETHER: Final = 64
"""Windows whose answers are held at a time: 2.7 MB, about what stays in a core's own cache."""

_HALF_RAMP: Final = np.float32(RAMP_G / 2)

_PART: Final = span((SEGMENTS_S[0][0], SEGMENTS_S[-1][1]))
LENGTH: Final = _PART.stop - _PART.start
"""Samples that are looked at."""


def _weights() -> NDArray[np.float32]:
    """Shape (KERNELS, TAPS)."""
    places = np.array(list(combinations(range(TAPS), 3)))
    weights = np.full((KERNELS, TAPS), -1, np.float32)
    np.put_along_axis(weights, places, 2, axis=1)
    return weights


_WEIGHTS: Final = _weights()


class KernelBank(NamedTuple):
    """Which kernels a model uses, and the biases that its training found."""

    dilations: NDArray[np.int64]
    """Samples between a kernel's taps, shape (dilations,)."""
    strides: NDArray[np.int64]
    """At every how many samples its answer is taken, shape (dilations,)."""
    mixes: NDArray[np.float32]
    """1 for the channels whose sum a kernel looks at, else 0; shape (dilations, KERNELS,
    channels)."""
    biases: NDArray[np.float32]
    """In g, shape (dilations, KERNELS, biases)."""

    @property
    def features(self) -> int:
        """How many it makes of a window."""
        return self.biases.size * len(SEGMENTS_S)

    def faults(self) -> Iterator[str]:
        """Why these shapes or values cannot be, the first of it first."""
        dilations, channels = len(self.dilations), len(CHANNELS)
        if dilations == 0 or self.strides.shape != (dilations,):
            yield "dilations and strides do not go together"
        if min(self.dilations.min(), self.strides.min()) < 1:
            yield "dilations and strides are at least 1"
        if int(self.dilations.max()) * (TAPS - 1) >= LENGTH:
            yield f"a dilation of {self.dilations.max()} reaches beyond the window"
        if self.mixes.shape != (dilations, KERNELS, channels):
            yield f"mixes have shape {self.mixes.shape}, not {(dilations, KERNELS, channels)}"
        if self.biases.ndim != 3 or self.biases.shape[:2] != (dilations, KERNELS):
            yield f"biases have shape {self.biases.shape}, not {(dilations, KERNELS)} and how many"
        if not (np.isfinite(self.mixes).all() and np.isfinite(self.biases).all()):
            yield "mixes or biases are not finite"


class Convolution:
    """A bank of kernels, ready to be used.

    Parameters
    ----------
    bank
        Which.

    Raises
    ------
    ValueError
        If the bank cannot be, see `KernelBank.faults`.
    """

    def __init__(self, bank: KernelBank) -> None:
        _insist(bank)
        self.bank = bank
        self._kernels = _kernels(bank)
        self._pools = [_pool(int(stride)) for stride in bank.strides]

    def features(self, channel: NDArray[np.float32]) -> NDArray[np.float32]:
        """Share of time above each bias, in each segment.

        Parameters
        ----------
        channel
            Shape (channels, SPAN, n), from `detectors.fall_features.channels`.

        Returns
        -------
        NDArray
            Shape (features, n), each from 0 to 1; by dilation, bias, kernel, segment.
        """
        windows = channel.shape[2]
        dilations, kernels, biases = self.bank.biases.shape
        out = np.empty((dilations, biases, kernels, len(SEGMENTS_S), windows), np.float32)
        # Memory that is new each time costs as much as the work in it.
        most = kernels * LENGTH * min(windows, _TOGETHER)
        scratch = np.empty((2, most), np.float32)
        for first in range(0, windows, _TOGETHER):
            some = slice(first, min(first + _TOGETHER, windows))
            self._fill(channel[:, :, some], out[..., some], scratch)
        out += np.float32(0.5)
        return out.reshape(-1, windows)

    def _fill(
        self, channel: NDArray[np.float32], out: NDArray[np.float32], scratch: NDArray[np.float32]
    ) -> None:
        """Averages of the ramps from its middle, into `out` (dilations, biases, kernels, segments,
        n).
        """
        windows = channel.shape[2]
        for each, (kernels, pool) in enumerate(zip(self._kernels, self._pools, strict=True)):
            size = KERNELS * pool.shape[1] * windows
            answers, ramp = scratch[:, :size].reshape(2, KERNELS, -1)
            kernels.answers(channel, out=answers)
            for bias in range(out.shape[1]):
                # Taken off before and not after the average, where it would cost digits.
                np.subtract(answers, self.bank.biases[each, :, bias, None], out=ramp)
                np.clip(ramp, -_HALF_RAMP, _HALF_RAMP, out=ramp)
                np.matmul(pool, ramp.reshape(KERNELS, -1, windows), out=out[each, bias])


def make_bank(
    channel: NDArray[np.float32],
    random: np.random.Generator,
    *,
    dilations: tuple[int, ...],
    strides: tuple[int, ...],
    biases: int,
) -> KernelBank:
    """Draw a bank: its channels at random, its biases from windows of the training people.

    As in MiniRocket each bias is a quantile of a kernel's answer to one window, the quantiles
    spread evenly by the golden ratio.

    Parameters
    ----------
    channel
        Training windows, shape (channels, SPAN, n).
    random
        What the channels and the windows are drawn from.
    dilations, strides
        Of equal length, see `KernelBank`.
    biases
        How many for each kernel and dilation.
    """
    mixes = np.zeros((len(dilations), KERNELS, len(CHANNELS)), np.float32)
    for mix in mixes.reshape(-1, len(CHANNELS)):
        size = random.integers(1, len(CHANNELS) + 1)
        mix[random.choice(len(CHANNELS), size, replace=False)] = 1
    empty = np.zeros((len(dilations), KERNELS, biases), np.float32)
    bank = KernelBank(np.array(dilations), np.array(strides), mixes, empty)
    _insist(bank)
    ratio = (np.sqrt(5) - 1) / 2
    quantile = (np.arange(1, KERNELS * biases + 1) * ratio % 1).reshape(KERNELS, biases)
    chosen = random.choice(channel.shape[2], min(channel.shape[2], 400), replace=False)
    windows = np.ascontiguousarray(channel[:, :, chosen])
    for each, kernels in enumerate(_kernels(bank)):
        answers = kernels.answers(windows).reshape(KERNELS, -1, len(chosen))
        for kernel, bias in np.ndindex(KERNELS, biases):
            answer = answers[kernel, :, random.integers(len(chosen))]
            empty[each, kernel, bias] = np.quantile(answer, quantile[kernel, bias])
    return bank


def _insist(bank: KernelBank) -> None:
    for fault in bank.faults():
        raise ValueError(f"a bank of kernels that cannot be: {fault}")


class _Kernels(NamedTuple):
    """The kernels of one dilation, ready for the matrix product."""

    weights: NDArray[np.float32]
    """Shape (KERNELS, channels x TAPS)."""
    at: NDArray[np.int64]
    """Which sample stands below each tap at each time, shape (TAPS, times); beyond the ends the
    end values are held."""

    def answers(
        self, channel: NDArray[np.float32], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """In g, shape (KERNELS, times x windows)."""
        columns = channel.take(self.at, axis=1).reshape(self.weights.shape[1], -1)
        return np.matmul(self.weights, columns, out=out)


def _kernels(bank: KernelBank) -> list[_Kernels]:
    """One for each dilation."""
    ready = []
    for dilation, stride, mix in zip(bank.dilations, bank.strides, bank.mixes, strict=True):
        taps = (np.arange(TAPS) - TAPS // 2) * dilation
        at = np.clip(taps[:, None] + np.arange(0, LENGTH, stride), 0, LENGTH - 1) + _PART.start
        weights = (mix[:, :, None] * _WEIGHTS[:, None]).reshape(KERNELS, -1)
        ready.append(_Kernels(weights, at))
    return ready


def _pool(stride: int) -> NDArray[np.float32]:
    """Averages over the segments, in units of the ramp: shape (segments, times)."""
    times = np.arange(0, LENGTH, stride) + _PART.start
    rows = []
    for first, end in SEGMENTS_S:
        inside = (times >= span((first, first)).start) & (times < span((end, end)).start)
        rows.append(inside / (inside.sum() * RAMP_G))
    return np.array(rows, np.float32)
