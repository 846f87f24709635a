"""The summary stream: one second of each wearable in six numbers, with or without a link.

A wearable's advert carries it; for a held stream the grid works it out. Both come as
`SummaryBlock`, one closed second for all rows, NaN where nothing was heard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FEATURES: Final = ("mean_x", "mean_y", "mean_z", "min_g", "max_g", "deviation_g")
"""Order of the first axis: mean acceleration on the wearable's axes; least, greatest and standard
deviation of |a|. All in g, all after the 10 Hz low-pass."""

MEAN: Final = slice(0, 3)
MIN_G: Final = FEATURES.index("min_g")
MAX_G: Final = FEATURES.index("max_g")
DEVIATION_G: Final = FEATURES.index("deviation_g")

MAX_AHEAD_S: Final = 60
"""A summary further beyond the close is from a broken clock; adverts are at most seconds old."""

EMPTY_RUN_S: Final = 3_600
"""After so many seconds of silence from everyone, close no more until somebody is heard: a clock
set from 1970 to today must not make 1.8 billion blocks. Longer than anything that is waited for."""

BACK_JUMP_S: Final = 5
"""A close this far before the last one means that the clock was set back; less is a correction
of the clock, during which late summaries are counted as late."""


class SummaryBlock(NamedTuple):
    """One closed second for all rows."""

    second: int
    """Unix second at which it begins."""
    values: NDArray[np.float32]
    """Shape (features, rows), in the order of `FEATURES`; NaN where nothing was heard."""
    worn: NDArray[np.float32]
    """Shape (rows,): 1 worn, 0 not worn, NaN where nobody can tell."""


class _Summary(NamedTuple):
    """What was heard of one row in one second."""

    values: Sequence[float]
    worn: float


class SummaryGrid:
    """Collects summaries of all rows and closes them second by second.

    Parameters
    ----------
    rows
        Number of wearables.

    Attributes
    ----------
    late, rejected
        Counts for each row, shape (rows,): summaries after their second had closed; summaries
        that were not finite or from the far future. A second summary of the same second is
        ignored and not counted: adverts repeat.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.late: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.rejected: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._open: dict[int, dict[int, _Summary]] = {}
        """By second, then row; arrays are made of it when the second closes."""
        self._next: int | None = None
        self._silent_s = 0

    def put(self, row: int, second: int, values: Sequence[float], worn: bool | None = None) -> None:
        """Note the summary of one second; the first one counts, repeats are ignored.

        Parameters
        ----------
        row
            The wearable.
        second
            Unix second at which the summary begins.
        values
            In the order of `FEATURES`.
        worn
            None where the wearable cannot tell.
        """
        if self._next is not None and second < self._next:
            self.late[row] += 1
            return
        opened = self._open.get(second)
        if opened is not None and row in opened:
            return
        if not all(map(math.isfinite, values)):
            self.rejected[row] += 1
            return
        if opened is None:
            opened = self._open[second] = {}
        opened[row] = _Summary(values, math.nan if worn is None else worn)

    def begin(self, second: int) -> None:
        """Close from this second on, though nobody has been heard yet: somebody is waited for."""
        if self._next is None:
            self._next = min(second, *self._open) if self._open else second
            self._silent_s = 0

    def close(self, until_second: int) -> Iterator[SummaryBlock]:
        """All seconds before `until_second` that have not been closed, in order.

        Begins at the first second heard; then a block for every second, also without a summary,
        until nobody has been heard for `EMPTY_RUN_S`. The blocks are made as they are asked for:
        exhaust the iterator.
        """
        if self._next is not None and until_second < self._next - BACK_JUMP_S:
            self._drop_from(self._next)
            self._next = None
        self._drop_from(until_second + MAX_AHEAD_S)
        return self._blocks(until_second)

    def reset(self, row: int) -> None:
        """Forget the summaries of a row that are not yet closed."""
        for opened in self._open.values():
            opened.pop(row, None)

    def _blocks(self, until: int) -> Iterator[SummaryBlock]:
        if self._next is None:
            earliest = min(self._open, default=until)
            if earliest >= until:
                return
            self._next = earliest
            self._silent_s = 0
        while self._next < until:
            if self._silent_s >= EMPTY_RUN_S:
                heard = min(min(self._open, default=until), until)
                if heard > self._next:
                    self._next = heard
                    continue
            second = self._next
            self._next += 1
            opened = self._open.pop(second, None)
            self._silent_s = self._silent_s + 1 if opened is None else 0
            yield self._closed(second, opened or {})

    def _closed(self, second: int, heard: dict[int, _Summary]) -> SummaryBlock:
        table = np.full((len(FEATURES) + 1, self.rows), np.nan, np.float32)
        if heard:
            given = [(*each.values, each.worn) for each in heard.values()]
            table[:, list(heard)] = np.array(given, np.float32).T
        return SummaryBlock(second, table[:-1], table[-1])

    def _drop_from(self, second: int) -> None:
        for wrong in [each for each in self._open if each >= second]:
            for row in self._open.pop(wrong):
                self.rejected[row] += 1
