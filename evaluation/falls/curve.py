"""The detection-error trade-off: what would have been found, and what alarmed, at every threshold.

The candidates of all trials are scored once; a threshold then decides as the detector does,
including that impacts soon after an alarm belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall import ONE_FALL_S
from evaluation.falls.scoring import fall_place_s
from evaluation.trials import Trial

MOST_POINTS: Final = 200
"""Thresholds that are tried: a curve of so many is smooth to the eye."""


class Impact(NamedTuple):
    """A candidate of a trial that the screen let through."""

    at_s: float
    """Seconds after the trial's first sample."""
    score: float


class Point(NamedTuple):
    """Figures of a set at one threshold."""

    threshold: float
    sensitivity: float | None
    alarmed: float | None
    """Share of daily trials with an alarm."""
    false_alarms: int
    """In daily trials."""


def trade_off(trials: Sequence[Trial], impacts: Sequence[Sequence[Impact]]) -> list[Point]:
    """Figures of one set from the strictest threshold to none at all.

    Parameters
    ----------
    trials
        Labelled ones.
    impacts
        Of each trial, in the order of time.
    """
    scores = np.unique([impact.score for each in impacts for impact in each])
    points = []
    for threshold in _thinned(scores[::-1]):
        found = alarmed = false_alarms = falls = daily = 0
        for trial, each in zip(trials, impacts, strict=True):
            alarms = alarms_at(each, float(threshold))
            place = fall_place_s(trial)
            if place is None:
                daily += 1
                alarmed += bool(alarms)
                false_alarms += len(alarms)
            else:
                falls += 1
                found += any(place[0] <= alarm.at_s <= place[1] for alarm in alarms)
        points.append(
            Point(
                float(threshold),
                found / falls if falls else None,
                alarmed / daily if daily else None,
                false_alarms,
            )
        )
    return points


def alarms_at(impacts: Sequence[Impact], threshold: float) -> list[Impact]:
    """Which of a trial's impacts raise an alarm: those that score enough, but for
    `detectors.fall.ONE_FALL_S` after each no other.
    """
    alarms: list[Impact] = []
    for impact in impacts:
        quiet = alarms and impact.at_s - alarms[-1].at_s < ONE_FALL_S
        if impact.score >= threshold and not quiet:
            alarms.append(impact)
    return alarms


def _thinned(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """All of them, or so many evenly by rank, the ends included."""
    if len(scores) <= MOST_POINTS:
        return scores
    ranks = np.unique(np.linspace(0, len(scores) - 1, MOST_POINTS).round().astype(np.int64))
    thinned: NDArray[np.float64] = scores[ranks]
    return thinned
