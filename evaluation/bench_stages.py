"""Where a second of everybody goes: each stage of the pipeline by itself, one after the other."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from contract.screen import SCREEN_IMPACT_G
from contract.units import NS_PER_S
from detectors import FallConfirmation, Grid, summary_of
from detectors.fall_candidates import CandidateFinder
from evaluation.bench_motion import Samples

RUNS: Final = 400
WARM_UP: Final = 30
"""After so many seconds the screen's history is full, and the first suspected fall is detected."""
START_S: Final = 1_700_000_000

STAGES: Final = (
    "are the samples sane",
    "grid: copy, filter, measure",
    "screen",
    "state machine",
)


def stages_us(seconds: list[Samples], suspect_each_s: int) -> dict[str, float]:
    """CPU time of each stage for one second of everybody, in µs: what the quickest tenth of `RUNS`
    stays below, because the others measure the neighbours.

    Parameters
    ----------
    seconds
        Motion that is played round and round, each (3, residents, GRID_HZ).
    suspect_each_s
        Somebody is suspected to have fallen every so many seconds; 0 is never.
    """
    rows = seconds[0].shape[1]
    grid, confirmation = Grid(rows), FallConfirmation(rows)
    finder = CandidateFinder(np.full(rows, SCREEN_IMPACT_G["wrist"], np.float32))
    taken = np.empty((WARM_UP + RUNS, len(STAGES)))
    for run in range(len(taken)):
        second = START_S + run
        if suspect_each_s and run % suspect_each_s == 0:
            confirmation.suspect(0, second * NS_PER_S)
        stamps = [time.process_time()]
        grid.push_block(second, seconds[run % len(seconds)])
        stamps.append(time.process_time())
        (block,) = grid.close(second + 1)
        stamps.append(time.process_time())
        finder.step(block)
        stamps.append(time.process_time())
        confirmation.step(summary_of(block))
        stamps.append(time.process_time())
        taken[run] = np.diff(stamps)
    quick = np.percentile(taken[WARM_UP:], 10, axis=0) * 1e6
    return dict(zip(STAGES, quick.tolist(), strict=True))
