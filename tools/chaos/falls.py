"""Falls that the detector surely finds: how good it is, is not what chaos is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.units import NS_PER_S
from detectors import FallDetector, Grid
from firmware_sim import residents
from firmware_sim.falling import Fall, make_fall
from firmware_sim.motion import MOTION_HZ

CLEAR_SCORE: Final = 0.9
"""From which the detector finds a fall however its samples lie. It misses three of a thousand
simulated falls when nobody is killed."""

_BEFORE_S: Final = 8
_AFTER_S: Final = 6
"""Of stillness around the fall, as the detector wants to see it."""


def clear_fall(random: np.random.Generator, posture: NDArray[np.float32], *, upright: bool) -> Fall:
    """A fall as `firmware_sim.falling.make_fall` makes them; one that the detector doubts is
    drawn anew.
    """
    while True:
        fall = make_fall(random, posture, upright=upright)
        motion = np.concatenate(
            [
                np.repeat(posture.reshape(3, 1), _BEFORE_S * MOTION_HZ, axis=1),
                fall.samples_g,
                np.repeat(fall.samples_g[:, -1:], _AFTER_S * MOTION_HZ, axis=1),
            ],
            axis=1,
        )
        grid, detector = Grid(1), FallDetector(1)
        times_ns = np.arange(motion.shape[1]) * (NS_PER_S // MOTION_HZ)
        grid.push(0, times_ns, motion.astype(np.float32))
        blocks = grid.close(motion.shape[1] // MOTION_HZ)
        found = [said.score for block in blocks for said in detector.step(block)]
        if found and (found[0] or 0.0) >= CLEAR_SCORE:
            return fall


@contextmanager
def only_clear_falls() -> Iterator[None]:
    """Within it, whoever falls in a simulation falls clearly."""
    usual, residents.make_fall = residents.make_fall, clear_fall  # type: ignore[attr-defined]
    try:
        yield
    finally:
        residents.make_fall = usual  # type: ignore[attr-defined]
