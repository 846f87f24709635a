"""Where to put the threshold, from scores of people whom the network had not seen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.training.labels import Placed
from evaluation.training.scoring import greatest_scores
from evaluation.training.table import TrialTable, UnfitDataError

NEIGHBOURS: Final = 2
"""The threshold is the median of so many scores on both sides of the last one allowed: the extreme
scores of a few hundred trials are chance, and one of them alone made thresholds of the folds
differ by 1.6 in log odds, the median by 0.7."""


def operating_point(
    table: TrialTable,
    impacts: Placed,
    score: NDArray[np.float64],
    among: NDArray[np.bool_],
    *,
    daily_share: float,
    long_alarms: int,
) -> float:
    """Least score that every set's daily life allows.

    Parameters
    ----------
    table
        The trials.
    impacts
        Those that passed the screen, with their scores out of fold.
    score
        Shape (impacts,).
    among
        Trials of the people that may be used, shape (trials,).
    daily_share
        Of each set's daily trials this share may alarm.
    long_alarms
        In each set's long recordings so many impacts may alarm.

    Raises
    ------
    UnfitDataError
        If there is no daily life to choose by.
    """
    greatest, _ = greatest_scores(table, impacts, score)
    limits: list[float] = []
    for dataset in table.datasets:
        daily = (table.dataset == dataset) & ~table.is_fall & among
        trials, long = daily & ~table.is_long, daily & table.is_long
        if trials.any():
            limits.append(_around(greatest[trials], int(daily_share * trials.sum())))
        if long.any():
            limits.append(_around(score[long[impacts.trial]], long_alarms))
    finite = [limit for limit in limits if np.isfinite(limit)]
    if not finite:
        raise UnfitDataError("no impact of daily life passes the screen: nothing to choose by")
    return max(finite)


def _around(scores: NDArray[np.float64], allowed: int) -> float:
    """Median of the scores around the one that comes after those allowed."""
    falling = np.sort(scores)[::-1]
    near = falling[max(allowed - NEIGHBOURS, 0) : allowed + NEIGHBOURS + 1]
    return float(np.median(near)) if len(near) else -np.inf
