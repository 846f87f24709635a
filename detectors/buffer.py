"""Samples on their way to the grid: kept by the half second they belong to, cleaned when it closes.

Pushing only notes the arrays; all judging is done for many packets at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.units import NS_PER_S
from detectors.resample import MAX_GAP_NS, FlatSamples

EDGE_NS: Final = 2 * MAX_GAP_NS
"""How far beyond both ends of a second samples are looked at: the gap that may be bridged,
and as much again for the burst at its far end. Fixed, so that a block depends on samples
alone, and less than the lateness budget (`detectors.grid.LATENESS_S`), so that those beyond the
right end are there when the block closes. It is half a second, and samples are kept by half
seconds, so that a second and its edges are four of them."""

_HALVES: Final = NS_PER_S // EDGE_NS

MAX_ABS_G: Final = 40.0
"""A sample beyond this on an axis is garbage: no accelerometer for wearables measures more
than 32 g (`contract.packets.MAX_RANGE_G`)."""

MAX_AHEAD_S: Final = 3_600
"""Samples this far beyond the close are not kept: a stamp from a broken clock must not fill
the memory. A replay may push up to an hour ahead."""


class Chunk(NamedTuple):
    """Samples as they were pushed, in any order."""

    row: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    xyz_g: NDArray[np.float32]
    """Shape (3, n)."""


class SampleBuffer:
    """Samples of all rows that are not yet in a closed block.

    Parameters
    ----------
    rows
        Number of wearables.

    Attributes
    ----------
    late, rejected
        Counts for each row, shape (rows,): samples after their block had closed; samples that
        were not finite, absurd, too far ahead, or at a time that the row already has.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.late: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.rejected: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._pending: list[Chunk] = []
        self._by_half: dict[int, list[Chunk]] = {}

    def push(
        self, row: NDArray[np.int64], t_ns: NDArray[np.int64], xyz_g: NDArray[np.float32]
    ) -> None:
        """Note samples; see `Grid.push_many`."""
        if len(t_ns):
            self._pending.append(Chunk(row, t_ns, xyz_g))

    def take_in(self, closed_before: int | None, until: int) -> None:
        """Judge what was pushed since the last call and sort it by half second.

        Parameters
        ----------
        closed_before
            Blocks of seconds before this have closed; None if none has.
        until
            The close's second, from which `MAX_AHEAD_S` counts.
        """
        if not self._pending:
            return
        row, t_ns, xyz = (
            np.concatenate(parts, axis=-1) for parts in zip(*self._pending, strict=True)
        )
        self._pending.clear()
        kept = (np.abs(xyz) <= MAX_ABS_G).all(axis=0)
        kept &= t_ns < (until + MAX_AHEAD_S) * NS_PER_S
        if not kept.all():
            self._count(self.rejected, row[~kept])
            row, t_ns, xyz = row[kept], t_ns[kept], xyz[:, kept]
        if closed_before is not None:
            late = t_ns < closed_before * NS_PER_S
            if late.any():
                self._count(self.late, row[late])
                row, t_ns, xyz = row[~late], t_ns[~late], xyz[:, ~late]
        self._sort_by_half(Chunk(row, t_ns, xyz))

    def _sort_by_half(self, chunk: Chunk) -> None:
        half = chunk.t_ns // EDGE_NS
        if len(half) == 0:
            return
        first, last = int(half.min()), int(half.max())
        if last - first < 2 * _HALVES:
            for each in range(first, last + 1):
                self._file(each, chunk, np.flatnonzero(half == each))
            return
        order = np.argsort(half, kind="stable")
        bounds = np.flatnonzero(np.diff(half[order]))
        for at in np.split(order, bounds + 1):
            self._file(int(half[at[0]]), chunk, at)

    def _file(self, half: int, chunk: Chunk, at: NDArray[np.intp]) -> None:
        if len(at) == len(chunk.t_ns):
            self._by_half.setdefault(half, []).append(chunk)
        elif len(at):
            part = Chunk(chunk.row[at], chunk.t_ns[at], chunk.xyz_g.take(at, axis=1))
            self._by_half.setdefault(half, []).append(part)

    def _count(self, counts: NDArray[np.int64], row: NDArray[np.int64]) -> None:
        counts += np.bincount(row, minlength=self.rows)

    def earliest_second(self) -> int | None:
        """The first second that has a sample; None if there is none."""
        earliest = min(self._by_half, default=None)
        return None if earliest is None else earliest // _HALVES

    def around(self, second: int, more: Sequence[Chunk] = ()) -> FlatSamples | None:
        """Samples of the second and `EDGE_NS` on both sides, sorted, without duplicates.

        Of samples of one row at one time the first that was pushed is kept; the others are
        counted when their own second is asked for. None if the second and its edges are empty.

        Parameters
        ----------
        second
            Which.
        more
            Samples to be counted in for this call alone.
        """
        chunks = [
            *more,
            *(
                chunk
                for half in range(_HALVES * second - 1, _HALVES * (second + 1) + 1)
                for chunk in self._by_half.get(half, ())
            ),
        ]
        if not chunks:
            return None
        row, t_ns, xyz = (np.concatenate(parts, axis=-1) for parts in zip(*chunks, strict=True))
        start = second * NS_PER_S
        key = row * (4 * NS_PER_S) + (t_ns - start)
        if (key[1:] <= key[:-1]).any():
            order = np.argsort(key, kind="stable")
            key, row, t_ns, xyz = key[order], row[order], t_ns[order], xyz.take(order, axis=1)
            again = np.concatenate(([False], key[1:] == key[:-1]))
            if again.any():
                own = again & (t_ns >= start) & (t_ns < start + NS_PER_S)
                self._count(self.rejected, row[own])
                row, t_ns, xyz = row[~again], t_ns[~again], xyz[:, ~again]
        return FlatSamples(row, t_ns, xyz)

    def is_empty_at(self, second: int) -> bool:
        """Whether nothing was taken in for a second."""
        return all(half not in self._by_half for half in _halves_of(second))

    def forget(self, second: int) -> None:
        """Let go of a second that no later block looks at."""
        for half in _halves_of(second):
            self._by_half.pop(half, None)

    def forget_all(self) -> None:
        """Let go of everything that has been taken in."""
        self._by_half.clear()

    def forget_row(self, row: int) -> None:
        """Let go of all samples of a row."""
        for chunks in (self._pending, *self._by_half.values()):
            chunks[:] = [
                Chunk(chunk.row[others], chunk.t_ns[others], chunk.xyz_g[:, others])
                for chunk in chunks
                for others in [chunk.row != row]
            ]

    def forget_ahead(self, second: int) -> None:
        """Reject samples of `second` and later: the clock they were stamped with was wrong."""
        for wrong in [half for half in self._by_half if half >= _HALVES * second]:
            for chunk in self._by_half.pop(wrong):
                self._count(self.rejected, chunk.row)


def _halves_of(second: int) -> range:
    return range(_HALVES * second, _HALVES * (second + 1))
