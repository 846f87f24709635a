"""The trials of one placement as a table: what training and scoring ask of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.trials import Trial

LONG_S: Final = 600.0
"""A daily recording longer than this is no trial but a stretch of life: its false alarms are
counted, where of a trial it only counts whether there was one."""


class UnfitDataError(ValueError):
    """Trials that nothing can be learnt from; the message says what they lack."""


@dataclass(frozen=True)
class TrialTable:
    """Trials, each with a person and a label, and columns of what is known of them."""

    trials: tuple[Trial, ...]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> TrialTable:
        """A table of trials that say who it was and whether they fell.

        Raises
        ------
        UnfitDataError
            If one says neither, or two have one name.
        """
        for trial in trials:
            lacking = "person (subject)" if trial.person is None else "label (is_fall)"
            if trial.person is None or trial.is_fall is None:
                raise UnfitDataError(f"trial {trial.trial} of {trial.dataset} has no {lacking}")
        names = [(trial.dataset, trial.trial) for trial in trials]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UnfitDataError(f"trial {twice[1]} of {twice[0]} is there twice")
        return cls(tuple(trials))

    def __len__(self) -> int:
        return len(self.trials)

    @cached_property
    def dataset(self) -> NDArray[np.str_]:
        """Name of the set of each, shape (trials,) as all columns."""
        return np.array([trial.dataset for trial in self.trials], np.str_)

    @cached_property
    def person(self) -> NDArray[np.str_]:
        """``dataset/subject``."""
        return np.array([trial.person for trial in self.trials], np.str_)

    @cached_property
    def is_fall(self) -> NDArray[np.bool_]:
        """Whether somebody falls in it."""
        return np.array([bool(trial.is_fall) for trial in self.trials], np.bool_)

    @cached_property
    def is_older(self) -> NDArray[np.bool_]:
        """Whether it is said to be an older person's."""
        return np.array([bool(trial.older) for trial in self.trials], np.bool_)

    @cached_property
    def is_long(self) -> NDArray[np.bool_]:
        """Whether it is a long stretch of daily life (`LONG_S`)."""
        return ~self.is_fall & (self.duration_s > LONG_S)

    @cached_property
    def duration_s(self) -> NDArray[np.float64]:
        """Length in seconds."""
        return np.array([trial.duration_s for trial in self.trials])

    @cached_property
    def rate_hz(self) -> NDArray[np.float64]:
        """Samples per second as recorded."""
        return np.array([trial.rate_hz for trial in self.trials])

    @cached_property
    def mark_s(self) -> NDArray[np.float64]:
        """Begin and end of the marked fall, shape (trials, 2); NaN where there is no mark."""
        unmarked = (np.nan, np.nan)
        marks = [trial.mark_s or unmarked for trial in self.trials]
        return np.array(marks, np.float64).reshape(-1, 2)

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Names of the sets, sorted."""
        return tuple(str(name) for name in np.unique(self.dataset))
