"""Makes ``simulated-trials.parquet``: a fall and a sitting-down, as a simulated wrist feels them.

Nobody's data: `firmware_sim.falling` draws them. A recording of your own has the same columns.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, MOTION_HZ, SITTING, unit

BEFORE_S = 6
AFTER_S = 6
NOISE_G = 0.01
SIT_DOWN_S = 1.2
SIT_DOWN_G = 0.6


def _standing(random: np.random.Generator, seconds: float) -> NDArray[np.float32]:
    still = np.repeat(unit(HANGING)[:, None], round(seconds * MOTION_HZ), axis=1)
    return (still + random.normal(0, NOISE_G, still.shape)).astype(np.float32)


def fall(seed: int) -> NDArray[np.float32]:
    """Six seconds on one's feet, a fall, six seconds on the floor; (3, n) in g."""
    random = np.random.default_rng(seed)
    falling = make_fall(random, HANGING, upright=True).samples_g
    lying = np.repeat(falling[:, -1:], AFTER_S * MOTION_HZ, axis=1)
    lying = lying + random.normal(0, NOISE_G, lying.shape)
    return np.concatenate([_standing(random, BEFORE_S), falling, lying], axis=1)


def sitting_down(seed: int) -> NDArray[np.float32]:
    """Six seconds on one's feet, a hard sitting-down, six seconds on a chair; (3, n) in g."""
    random = np.random.default_rng(seed)
    steps = round(SIT_DOWN_S * MOTION_HZ)
    share = np.linspace(0, 1, steps, dtype=np.float32)
    turning = unit(HANGING)[:, None] * (1 - share) + unit(SITTING)[:, None] * share
    turning[2] += SIT_DOWN_G * np.sin(np.pi * share) ** 2
    sitting = np.repeat(unit(SITTING)[:, None], AFTER_S * MOTION_HZ, axis=1)
    sitting = sitting + random.normal(0, NOISE_G, sitting.shape)
    return np.concatenate([_standing(random, BEFORE_S), turning, sitting], axis=1)


def main(path: Path) -> None:
    """Write the file."""
    trials = {"fall-1": fall(1), "fall-2": fall(2), "sits-down": sitting_down(3)}
    columns = {
        "trial": pa.array(list(trials)),
        "placement": pa.array(["wrist"] * len(trials)),
        "is_fall": pa.array([name.startswith("fall") for name in trials]),
        "rate_hz": pa.array([float(MOTION_HZ)] * len(trials)),
    }
    for number, axis in enumerate(("ax", "ay", "az")):
        rows = [np.round(samples[number], 4).astype(np.float32) for samples in trials.values()]
        columns[axis] = pa.array(rows, pa.list_(pa.float32()))
    parquet.write_table(pa.table(columns), path, compression="zstd")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
