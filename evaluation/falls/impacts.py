"""All candidates of trials with their scores, as far below the threshold as the screen goes.

A gateway says only what is over its threshold. For the trade-off, trials go through the same
grid, screen and model, many side by side, and every score is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from contract.units import NS_PER_S, ns_to_seconds
from detectors import Grid
from detectors.fall_candidates import CandidateFinder
from detectors.fall_model import load_model
from evaluation.falls.curve import Impact
from evaluation.falls.hearing import AFTER_S, BEFORE_S
from evaluation.falls.models import Load
from evaluation.falls.stress import Stress
from evaluation.trials import PlayedTrial, Trial, play

ROWS_AT_ONCE: Final = 256
"""Trials that share a grid: enough to keep its matrix products busy, few enough to stay in a
processor's cache (SCIENCE 6.6)."""

FROM_S: Final = 1_700_000_000
"""Unix second at which trials are played; any would do."""

SETTLE_S: Final = 6
"""Blocks after the last sample: a decision comes three to four seconds after its impact."""


def impacts_of(
    trials: Sequence[Trial],
    *,
    stress: Stress | None = None,
    seed: int = 0,
    models: Load = load_model,
) -> list[list[Impact]]:
    """Every candidate of each trial, in the order of time, padding included.

    Parameters
    ----------
    trials
        Nothing of their labels is looked at.
    stress
        What is to be worse than recorded; a loss of packets is not played here.
    seed
        Of the padding: the same as in `evaluation.falls.hearing.hear`.
    models
        Gives the model of a placement.
    """
    stress = stress or Stress()
    order = sorted(range(len(trials)), key=lambda number: trials[number].duration_s)
    impacts: list[list[Impact]] = [[] for _ in trials]
    for first in range(0, len(order), ROWS_AT_ONCE):
        numbers = order[first : first + ROWS_AT_ONCE]
        found = _side_by_side([stress.apply(trials[number]) for number in numbers], seed, models)
        for number, each in zip(numbers, found, strict=True):
            impacts[number] = each
    return impacts


def _side_by_side(trials: Sequence[Trial], seed: int, models: Load) -> list[list[Impact]]:
    played = [_play(trial, seed) for trial in trials]
    placements = np.array([trial.placement for trial in trials])
    grid = Grid(len(trials))
    for row, each in enumerate(played):
        grid.push(row, each.t_ns, each.samples_g)
    screen_g = [models(placement).screen_g for placement in placements]
    finder = CandidateFinder(np.array(screen_g, np.float32))
    until = max(int(each.t_ns[-1]) for each in played) // NS_PER_S + SETTLE_S
    impacts: list[list[Impact]] = [[] for _ in trials]
    for block in grid.close(until):
        candidates = finder.step(block)
        if candidates is None:
            continue
        motion, valid = candidates.windows()
        worn = placements[candidates.row]
        scores = np.empty(len(worn))
        for placement in np.unique(worn):
            at = np.flatnonzero(worn == placement)
            scores[at] = models(str(placement)).score(motion[at], valid[at])
        for row, impact_ns, score in zip(
            candidates.row.tolist(), candidates.impact_ns.tolist(), scores.tolist(), strict=True
        ):
            at_s = ns_to_seconds(impact_ns - played[row].start_ns)
            impacts[row].append(Impact(at_s, score))
    return impacts


def _play(trial: Trial, seed: int) -> PlayedTrial:
    return play(
        trial.samples_g,
        trial.rate_hz,
        trial.rng(seed),
        from_ns=FROM_S * NS_PER_S,
        before_s=BEFORE_S,
        after_s=AFTER_S,
    )
