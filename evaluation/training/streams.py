"""Trials as streams through the gateway's own grid, and the impacts that they hold.

The grid and the screen are the gateway's; what a classifier learns from is what it will be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.units import NS_PER_S
from detectors.fall_candidates import CandidateFinder
from detectors.fall_features import SPAN
from detectors.grid import Grid
from evaluation.training.augmentation import Augmentation, Augmented, augment
from evaluation.training.table import TrialTable
from evaluation.trials import Trial, play

FROM_S: Final = 1_700_000_000
"""Unix second at which the trials are played; any would do."""

ROWS_AT_ONCE: Final = 256
"""Trials that share a grid: enough to keep its matrix products busy, few enough that their motion
takes some tens of megabytes."""


@dataclass(frozen=True)
class Impacts:
    """Impacts of trials; columns of shape (impacts,) unless said otherwise."""

    trial: NDArray[np.intp]
    """Row of the table."""
    at_s: NDArray[np.float64]
    """Seconds after the first sample of the trial as it was recorded."""
    peak_g: NDArray[np.float32]
    """Greatest low-passed |a| at 50 Hz within its second, by which the screen goes."""
    motion: NDArray[np.float32]
    """Shape (impacts, 3, SPAN), in g."""
    valid: NDArray[np.bool_]
    """Shape (impacts, SPAN)."""

    def __len__(self) -> int:
        return len(self.trial)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Impacts:
        """Some of them."""
        return Impacts(
            self.trial[chosen],
            self.at_s[chosen],
            self.peak_g[chosen],
            self.motion[chosen],
            self.valid[chosen],
        )

    @staticmethod
    def joined(parts: Sequence[Impacts]) -> Impacts:
        """Those of several passes, one after the other."""
        return Impacts(
            np.concatenate([part.trial for part in parts]),
            np.concatenate([part.at_s for part in parts]),
            np.concatenate([part.peak_g for part in parts]),
            np.concatenate([part.motion for part in parts]),
            np.concatenate([part.valid for part in parts]),
        )


def impacts_of(
    table: TrialTable,
    *,
    seed: int,
    least_g: float,
    augmentation: Augmentation | None = None,
    which: NDArray[np.intp] | None = None,
) -> Impacts:
    """Play trials once and take their impacts, in the order of the trials and of time.

    Parameters
    ----------
    table
        The trials.
    seed
        Of the padding, of the phase against the grid's seconds, and of the augmentation.
    least_g
        The screen: weaker impacts are left out.
    augmentation
        How the trials are changed before; None: played as they were recorded.
    which
        Rows of the table; None: all.
    """
    rows = np.arange(len(table)) if which is None else which
    order = rows[np.argsort(table.duration_s[rows], kind="stable")]
    parts = [
        part
        for first in range(0, len(order), ROWS_AT_ONCE)
        for part in _play(table, order[first : first + ROWS_AT_ONCE], seed, augmentation, least_g)
    ]
    impacts = Impacts.joined(parts) if parts else _none()
    return impacts.only(np.lexsort((impacts.at_s, impacts.trial)))


def _none() -> Impacts:
    return Impacts(
        np.empty(0, np.intp),
        np.empty(0),
        np.empty(0, np.float32),
        np.empty((0, 3, SPAN), np.float32),
        np.empty((0, SPAN), np.bool_),
    )


def _play(
    table: TrialTable,
    rows: NDArray[np.intp],
    seed: int,
    augmentation: Augmentation | None,
    least_g: float,
) -> Iterator[Impacts]:
    """The impacts of some trials that are played side by side, second by second."""
    grid = Grid(len(rows))
    views: list[Augmented] = []
    start_ns: list[int] = []
    until = FROM_S
    for row, index in enumerate(rows):
        trial = table.trials[int(index)]
        rng = trial.rng(seed)
        view = _view(trial, augmentation, rng)
        played = play(view.samples_g, view.rate_hz, rng, from_ns=FROM_S * NS_PER_S)
        grid.push(row, played.t_ns, played.samples_g)
        views.append(view)
        start_ns.append(played.start_ns)
        until = max(until, int(played.t_ns[-1]) // NS_PER_S + 1)
    finder = CandidateFinder(np.full(len(rows), least_g, np.float32))
    for block in grid.close(until):
        found = finder.step(block)
        if found is not None:
            motion, valid = found.windows()
            after_s = (found.impact_ns - np.array(start_ns)[found.row]) / NS_PER_S
            at_s = [
                views[row].in_recording(each) for row, each in zip(found.row, after_s, strict=True)
            ]
            yield Impacts(rows[found.row], np.array(at_s), found.peak_g, motion, valid)


def _view(trial: Trial, augmentation: Augmentation | None, rng: np.random.Generator) -> Augmented:
    if augmentation is None:
        return Augmented(trial.samples_g.astype(np.float64), trial.rate_hz, 0.0, 1.0)
    return augment(trial.samples_g, trial.rate_hz, augmentation, rng)
