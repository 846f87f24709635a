"""Which impacts are taught as falls, which as daily life, and how much each counts."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.training.table import TrialTable

MATCH_S: Final = 0.45
"""An impact this near the time taken for a fall's is that fall's: less than half of what sets two
impacts apart (`detectors.fall.PEAK_ALONE_S`), more than rate and filter shift one by."""

MARK_MARGIN_S: Final = 0.5
"""A mark made by hand is that exact; the issue counts a fall as found within the same."""

FALL: Final = 1
DAILY: Final = 0
UNUSED: Final = -1
"""Of a fall's trial, neither its impact nor known to be before it: perhaps a second blow of the
same fall, perhaps the person getting up. Nothing is taught of these."""


class Placed(Protocol):
    """Impacts, as far as labels need them."""

    @property
    def trial(self) -> NDArray[np.intp]:
        """Row of the table, shape (impacts,)."""
        ...

    @property
    def at_s(self) -> NDArray[np.float64]:
        """Seconds into the trial."""
        ...


def in_mark(table: TrialTable, impacts: Placed) -> NDArray[np.bool_]:
    """Whether each impact may be that of its trial's fall: inside the mark, where there is one."""
    start_s, end_s = table.mark_s[impacts.trial].T
    inside = (impacts.at_s >= start_s - MARK_MARGIN_S) & (impacts.at_s <= end_s + MARK_MARGIN_S)
    possible: NDArray[np.bool_] = np.isnan(start_s) | inside
    return possible


def best_of_each_fall(
    table: TrialTable, impacts: Placed, value: NDArray[np.floating]
) -> NDArray[np.float64]:
    """When each fall's impact was, by the greatest value among those that may be it.

    Returns
    -------
    NDArray
        Seconds into the trial, shape (trials,); NaN for daily trials, and for a fall of which no
        impact came through.
    """
    at_s = np.full(len(table), np.nan)
    possible = np.flatnonzero(table.is_fall[impacts.trial] & in_mark(table, impacts))
    # The last to be written is the greatest.
    order = possible[np.argsort(value[possible], kind="stable")]
    at_s[impacts.trial[order]] = impacts.at_s[order]
    return at_s


def labels(
    table: TrialTable, impacts: Placed, impact_at_s: NDArray[np.float64]
) -> NDArray[np.int8]:
    """`FALL`, `DAILY` or `UNUSED` for each impact.

    Parameters
    ----------
    table
        The trials.
    impacts
        Those to label.
    impact_at_s
        When each trial's fall was, from `best_of_each_fall`.
    """
    trial = impacts.trial
    label = np.where(table.is_fall[trial], UNUSED, DAILY).astype(np.int8)
    label[table.is_fall[trial] & (impacts.at_s < table.mark_s[trial, 0] - MARK_MARGIN_S)] = DAILY
    label[np.abs(impacts.at_s - impact_at_s[trial]) <= MATCH_S] = FALL
    return label


def weights(
    table: TrialTable,
    trial: NDArray[np.intp],
    label: NDArray[np.int8],
    *,
    fall_share: float,
    fall_set_power: float,
    everyday_factor: float,
) -> NDArray[np.float64]:
    """How much each labelled impact counts in training; they add up to 1.

    Parameters
    ----------
    table
        The trials.
    trial, label
        Of each impact, `FALL` or `DAILY`, shape (impacts,).
    fall_share
        Weight of all falls for each unit of daily life's. Small: the operating point lies where
        nearly all daily impacts must stay below, so that is where the fit has to be good.
    fall_set_power
        Falls of a set of n count n to this power together: below 1, a small set's falls count
        more each.
    everyday_factor
        Weight of impacts in sets without any fall: ordinary life, where sets with falls hold what
        was acted to provoke.
    """
    weight = np.ones(len(trial))
    for dataset in table.datasets:
        of_set = table.dataset[trial] == dataset
        falls = of_set & (label == FALL)
        if falls.any():
            weight[falls] = float(falls.sum()) ** (fall_set_power - 1)
        if not table.is_fall[table.dataset == dataset].any():
            weight[of_set] *= everyday_factor
    for which, share in ((label == FALL, fall_share), (label == DAILY, 1.0)):
        if which.any():
            weight[which] *= share / weight[which].sum()
    weight /= weight.sum()
    return weight
