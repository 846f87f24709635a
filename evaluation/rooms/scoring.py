"""How far the rooms that were told are those that people saw."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import UNKNOWN

WITHIN_S: Final = 5
"""A change of room counts as found if it is told so near to when it was seen."""


class Change(NamedTuple):
    """From one room to another."""

    second: int
    zone: int


class Score(NamedTuple):
    """Of one sequence, or of several by summing up."""

    seconds: int
    """With a room that all annotators agree on."""
    right: int
    unknown: int
    """Of these seconds, those for which no room was told."""
    changes: int
    told: int
    """Changes that were told while somebody watched."""
    found: int

    def __add__(self, other: object) -> Score:
        assert isinstance(other, Score)
        return Score(*(one + two for one, two in zip(self, other, strict=True)))

    @property
    def accuracy(self) -> float:
        """Share of the annotated seconds with the right room; unknown is not right."""
        return self.right / max(self.seconds, 1)

    @property
    def precision(self) -> float:
        """Share of the told changes that there were."""
        return self.found / max(self.told, 1)

    @property
    def recall(self) -> float:
        """Share of the changes that were told."""
        return self.found / max(self.changes, 1)

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def score(told: NDArray[np.int64], seen: NDArray[np.int64]) -> Score:
    """Compare second by second, and change by change."""
    watched = seen != UNKNOWN
    near = np.convolve(watched, np.ones(2 * WITHIN_S + 1), "same") > 0
    wanted = changes(seen)
    claimed = [each for each in changes(told) if near[each.second]]
    return Score(
        seconds=int(watched.sum()),
        right=int((told[watched] == seen[watched]).sum()),
        unknown=int((told[watched] == UNKNOWN).sum()),
        changes=len(wanted),
        told=len(claimed),
        found=_found(wanted, claimed),
    )


def changes(zone: NDArray[np.int64]) -> list[Change]:
    """Each time another room is told than the last one that was; what is unknown is passed over."""
    known = np.flatnonzero(zone != UNKNOWN)
    values = zone[known]
    turns = np.flatnonzero(values[1:] != values[:-1]) + 1
    return [Change(int(known[turn]), int(values[turn])) for turn in turns]


def _found(wanted: list[Change], claimed: list[Change]) -> int:
    """How many of `wanted` have one of `claimed` for themselves: the nearest into that room."""
    free = set(range(len(claimed)))
    found = 0
    for change in wanted:
        fitting = [
            index
            for index in free
            if claimed[index].zone == change.zone
            and abs(claimed[index].second - change.second) <= WITHIN_S
        ]
        if fitting:
            free.remove(min(fitting, key=lambda index: abs(claimed[index].second - change.second)))
            found += 1
    return found
