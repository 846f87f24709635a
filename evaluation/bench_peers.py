"""What the detectors are measured against: a SciPy loop, river's statistics, aeon's MiniRocket."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from contract.screen import GRID_HZ, LOW_PASS_HZ, LOW_PASS_ORDER, SCREEN_IMPACT_G
from detectors.fall_candidates import HELD_AFTER_S, HELD_BEFORE_S
from detectors.filters import DECIMATION

HISTORY_S: Final = HELD_BEFORE_S + 1 + HELD_AFTER_S
CONFIRM_S: Final = 30

HOW_TO_GET: Final = "./run bench installs it (pip install '.[bench]')"

Samples = NDArray[np.float32]


class MissingPeerError(Exception):
    """A peer is not installed; the message says how to get it."""


class SciPyLoop:
    """What one writes first: for each resident filter, sum up, screen, wait.

    Parameters
    ----------
    residents
        How many.
    seconds
        Seconds of motion that are played round and round, each (3, residents, GRID_HZ).
    """

    def __init__(self, residents: int, seconds: list[Samples]) -> None:
        sections = signal.butter(LOW_PASS_ORDER, LOW_PASS_HZ, fs=GRID_HZ, output="sos")
        steady = signal.sosfilt_zi(sections).astype(np.float32)
        rest = np.array([0, 0, 1], np.float32)
        self._states = [rest[None, :, None] * steady[:, None, :] for _ in range(residents)]
        self._sections = sections.astype(np.float32)
        self._history: list[deque[Samples]] = [deque(maxlen=HISTORY_S) for _ in range(residents)]
        self._waits_s = [0] * residents
        self.summaries: list[tuple[Samples, float, float, float]] = []
        self.detected: list[int] = []
        self._seconds = seconds
        self._second = 0

    def run_second(self) -> None:
        """One second of everybody."""
        samples = self._seconds[self._second % len(self._seconds)]
        self._second += 1
        self.summaries.clear()
        self.detected.clear()
        for resident in range(samples.shape[1]):
            self._run_resident(resident, samples[:, resident])

    def _run_resident(self, resident: int, samples: Samples) -> None:
        low_passed, self._states[resident] = signal.sosfilt(
            self._sections, samples, zi=self._states[resident]
        )
        magnitude = np.sqrt((low_passed * low_passed).sum(axis=0))
        peak = float(magnitude.max())
        self.summaries.append(
            (low_passed.mean(axis=1), float(magnitude.min()), peak, float(magnitude.std()))
        )
        self._history[resident].append(low_passed[:, ::DECIMATION])
        if self._waits_s[resident]:
            self._waits_s[resident] -= 1
            if not self._waits_s[resident]:
                self.detected.append(resident)
        elif peak > SCREEN_IMPACT_G["wrist"]:
            self._waits_s[resident] = CONFIRM_S


class RiverLoop:
    """Variance, greatest and least of the last second of |a|, sample by sample.

    It is given |a| of the low-passed motion, which ours works out.

    Raises
    ------
    MissingPeerError
        If river is not installed.
    """

    def __init__(self, seconds: list[Samples]) -> None:
        stats, utils = _peer("river.stats"), _peer("river.utils")
        self._seconds = [np.sqrt(np.square(each).sum(axis=0)).tolist() for each in seconds]
        self._statistics: list[list[Any]] = [
            [
                utils.Rolling(stats.Var(), GRID_HZ),
                stats.RollingMax(GRID_HZ),
                stats.RollingMin(GRID_HZ),
            ]
            for _ in self._seconds[0]
        ]
        self._second = 0

    def run_second(self) -> None:
        """One second of everybody."""
        magnitudes = self._seconds[self._second % len(self._seconds)]
        self._second += 1
        for statistics, magnitude in zip(self._statistics, magnitudes, strict=True):
            for value in magnitude:
                for each in statistics:
                    each.update(value)


def minirocket(windows: Samples) -> Callable[[], object]:
    """MiniRocket of aeon at its defaults, fitted, transforming windows (n, 3, samples).

    Raises
    ------
    MissingPeerError
        If aeon is not installed.
    """
    convolution_based = _peer("aeon.transformations.collection.convolution_based")
    rocket = convolution_based.MiniRocket(random_state=0, n_jobs=1)
    exact = windows.astype(np.float64)
    rocket.fit(exact[:100])
    rocket.transform(exact[:100])  # Compiles it.
    return lambda: rocket.transform(exact)


def _peer(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise MissingPeerError(f"{name} is missing ({error}): {HOW_TO_GET}") from error
