"""Motion to measure the detectors with: the same in every run."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ
from detectors.fall_features import IMPACT_INDEX, SPAN
from detectors.filters import AXES

IMPACT_SHARE: Final = 0.02
"""Residents with an impact in any one second, as in SCIENCE 6: far more than in life."""
IMPACT_G: Final = 2.5
"""Enough to be looked at, hardly ever enough for a fall, as in life."""
RECORDED_S: Final = 4
"""Different seconds of motion that are played round and round."""

Samples = NDArray[np.float32]


def motion(residents: int, share: float, rate_hz: int = GRID_HZ) -> list[Samples]:
    """Seconds of walking-like motion, (3, residents, rate) each, some of them with an impact."""
    random = np.random.default_rng(0)
    hit = [np.flatnonzero(random.random(residents) < share) for _ in range(RECORDED_S)]
    return [_second(random, residents, rows, rate_hz) for rows in hit]


def impacts_by_turns(residents: int, impacts: int, rate_hz: int) -> list[Samples]:
    """The same with so many impacts in every second, of one resident after the other."""
    random = np.random.default_rng(0)
    hit = np.split(np.arange(residents), residents // impacts)
    return [_second(random, residents, rows, rate_hz) for rows in hit]


def _second(
    random: np.random.Generator, residents: int, hit: NDArray[np.intp], rate_hz: int
) -> Samples:
    samples = random.normal(0, 0.15, (AXES, residents, rate_hz)).astype(np.float32)
    samples[2] += 1
    at, length = rate_hz // 2, rate_hz // 16
    samples[2, hit, at : at + length] += np.float32(IMPACT_G)
    return samples


def windows(count: int) -> Samples:
    """Windows of such motion around an impact, (n, 3, SPAN)."""
    random = np.random.default_rng(0)
    shown = random.normal(0, 0.15, (count, AXES, SPAN)).astype(np.float32)
    shown[:, 2] += 1
    shown[:, 2, IMPACT_INDEX] += IMPACT_G
    return shown
