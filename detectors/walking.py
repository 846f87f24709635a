"""Sustained walking, told from the one-second summaries of a quarter of a minute."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

WALKING_DEVIATION_G: Final = (0.06, 0.6)
"""Standard deviation of |a| at a walking wrist, one second at a time. WEDA D01, 5 to 95 %: 0.05
to 0.26 g when young; the middle half of people of 77 to 95 years 0.07 to 0.14 g. Above is running
or flailing. Someone who holds a walking frame stays below: then the fall is paged, which is the
safe side."""

WALKING_EVEN: Final = 1.7
"""A walking second deviates at most by this factor from the window's average: steps are alike, and
bursts of struggling are not."""

WALKING_POSTURE_DEG: Final = 12.0
"""Greatest angle of a walking second's mean acceleration from the window's. A swinging arm comes
back to where it was (WEDA D01: from second to second a median of 3, three quarters below 5
degrees); one that pushes, reaches or rolls does not (dressing, sitting down: 15 to 27)."""

WALKING_WINDOW_S: Final = 15
WALKING_LEAST_S: Final = 12
"""Sustained walking is at least 12 walking seconds of 15, all after the impact. With the limits
above it holds in 88 % of such windows of WEDA's walking when young, 72 % when 77 to 95 years old;
of 200 simulated people who struggle for half a minute none, and of 200 who hardly pause some ten,
pass. With 8 of 10 seconds and no look at the window's posture nearly all of those did."""

_WALKING_COSINE: Final = math.cos(math.radians(WALKING_POSTURE_DEG))


def count_walking(
    posture: NDArray[np.float32], deviation: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Walking seconds of a window.

    Parameters
    ----------
    posture
        Directions of the mean acceleration, shape (seconds, 3, rows); NaN where not heard, which
        is no walking.
    deviation
        Standard deviation of |a|, shape (seconds, rows), in g.

    Returns
    -------
    seconds
        How many of the window's seconds are walking, shape (rows,); from `WALKING_LEAST_S` of
        `WALKING_WINDOW_S` on it is sustained.
    common
        Their common direction, shape (3, rows).
    """
    least, greatest = WALKING_DEVIATION_G
    moving = (deviation >= least) & (deviation <= greatest)
    if not moving.any():
        # Whoever lies on the floor, about whom this is asked every second.
        return np.zeros(deviation.shape[1], np.int64), np.zeros(posture.shape[1:], np.float32)
    count = moving.sum(axis=0)
    common = unit(np.where(moving[:, None], posture, 0).sum(axis=0))
    average = np.where(moving, deviation, 0).sum(axis=0) / np.maximum(count, 1)
    steady = (posture * common).sum(axis=1) >= _WALKING_COSINE
    even = (deviation <= average * WALKING_EVEN) & (deviation * WALKING_EVEN >= average)
    return (moving & steady & even).sum(axis=0), common


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (3, …) at a length of one."""
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-9))
    return scaled
