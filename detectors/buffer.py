"""Samples on their way to the grid: kept by the seconds that they matter to, cleaned as they come.

Pushing only notes the arrays; all judging is done for many packets at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.units import NS_PER_S
from detectors.resample import APART_NS, MAX_GAP_NS, NO_SAMPLES, FlatSamples
from detectors.spikes import find_spikes

EDGE_NS: Final = 2 * MAX_GAP_NS
"""How far beyond both ends of a second samples are looked at: the gap that may be bridged,
and as much again for the burst at its far end. Fixed, so that a block depends on samples
alone, and less than the lateness budget (`detectors.grid.LATENESS_S`), so that those beyond the
right end are there when the block closes."""

_SPLIT_NS: Final = 4 * NS_PER_S
"""What was pushed together and spans more than this is split by seconds, or each of them would
search all of it. What comes in live spans less, and is kept as it came."""

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


class _Span(NamedTuple):
    """Least and greatest time of a chunk; zero for an empty one, of which nothing is judged."""

    first_ns: int
    last_ns: int


class SampleBuffer:
    """Samples of all rows that are not yet in a closed block.

    Parameters
    ----------
    rows
        Number of wearables.

    Attributes
    ----------
    late, rejected, spikes
        Counts for each row, shape (rows,): samples after their block had closed; samples that
        were not finite, absurd, too far ahead, or at a time that the row already has; samples
        that stand alone (`detectors.spikes`).
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.late: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.rejected: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.spikes: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._pending: list[Chunk] = []
        self._by_second: dict[int, list[Chunk]] = {}
        """What each second needs, its edges counted in: a chunk is in several lists."""

    def push(
        self, row: NDArray[np.int64], t_ns: NDArray[np.int64], xyz_g: NDArray[np.float32]
    ) -> None:
        """Note samples; see `Grid.push_many`."""
        if len(t_ns):
            self._pending.append(Chunk(row, t_ns, xyz_g))

    def take_in(self, closed_before: int | None, until: int) -> None:
        """Judge what was pushed since the last call and sort it by second.

        Parameters
        ----------
        closed_before
            Blocks of seconds before this have closed; None if none has.
        until
            Samples from this second on are not kept.
        """
        if not self._pending:
            return
        chunk = _joined(self._pending)
        self._pending.clear()
        # NaN fails the comparison.
        if not (chunk.xyz_g.min() >= -MAX_ABS_G and chunk.xyz_g.max() <= MAX_ABS_G):
            sane = np.asarray((np.abs(chunk.xyz_g) <= MAX_ABS_G).all(axis=0))
            chunk = self._kept(chunk, sane, self.rejected)
        span = _span(chunk)
        if span.last_ns >= until * NS_PER_S:
            chunk = self._kept(chunk, chunk.t_ns < until * NS_PER_S, self.rejected)
            span = _span(chunk)
        if closed_before is not None and span.first_ns < closed_before * NS_PER_S:
            chunk = self._kept(chunk, chunk.t_ns >= closed_before * NS_PER_S, self.late)
            span = _span(chunk)
        self._sort_by_second(chunk, span)

    def _kept(self, chunk: Chunk, kept: NDArray[np.bool_], counts: NDArray[np.int64]) -> Chunk:
        """What of a chunk is kept; the rest is counted."""
        counts += np.bincount(chunk.row[~kept], minlength=self.rows)
        return _part(chunk, np.flatnonzero(kept))

    def _sort_by_second(self, chunk: Chunk, span: _Span) -> None:
        if len(chunk.t_ns) == 0:
            return
        if span.last_ns - span.first_ns <= _SPLIT_NS:
            first = (span.first_ns - EDGE_NS) // NS_PER_S
            last = (span.last_ns + EDGE_NS) // NS_PER_S
            for second in range(first, last + 1):
                self._by_second.setdefault(second, []).append(chunk)
            return
        second_of = chunk.t_ns // NS_PER_S
        order = np.argsort(second_of, kind="stable")
        for at in np.split(order, np.flatnonzero(np.diff(second_of[order])) + 1):
            part = _part(chunk, at)
            self._sort_by_second(part, _span(part))

    def earliest_second(self) -> int | None:
        """The first second that has a sample; None if there is none."""
        if not self._by_second:
            return None
        # A second's list holds the samples of its edges, too: those of the next one.
        chunks = self._by_second[min(self._by_second)]
        return int(min(chunk.t_ns.min() for chunk in chunks)) // NS_PER_S

    def around(self, second: int, more: Sequence[Chunk] = ()) -> FlatSamples:
        """Samples of the second and `EDGE_NS` on both sides, sorted, without duplicates and spikes.

        Of samples of one row at one time the first that was pushed is kept; the others are
        counted when their own second is asked for.

        Parameters
        ----------
        second
            Which.
        more
            Samples to be counted in for this call alone.
        """
        chunks = [*more, *self._by_second.get(second, ())]
        if not chunks:
            return NO_SAMPLES
        row, t_ns, xyz = _joined(chunks) if len(chunks) > 1 else chunks[0]
        since = t_ns - second * NS_PER_S
        # Within the reach of `EDGE_NS` on both sides; a negative time is a huge one without sign.
        near = (since + EDGE_NS).view(np.uint64) < NS_PER_S + 2 * EDGE_NS
        at = near.nonzero()[0]
        if len(at) == 0:
            return NO_SAMPLES
        key = row * APART_NS
        key += since
        key = key.take(at)
        if (key[1:] <= key[:-1]).any():
            order = key.argsort(kind="stable")
            at, key = at.take(order), key.take(order)
            again = key[1:] == key[:-1]
            if again.any():
                again = np.concatenate(([False], again))
                own = at[again & (since[at] >= 0) & (since[at] < NS_PER_S)]
                self.rejected += np.bincount(row[own], minlength=self.rows)
                at = at[~again]
        flat = FlatSamples(row.take(at), t_ns.take(at), xyz.take(at, axis=1))
        return self._without_spikes(flat, second)

    def _without_spikes(self, flat: FlatSamples, second: int) -> FlatSamples:
        """What is left without them is bridged; each is counted in its own second."""
        spikes = find_spikes(flat)
        if len(spikes) == 0:
            return flat
        own = spikes[flat.t_ns[spikes] // NS_PER_S == second]
        self.spikes += np.bincount(flat.row[own], minlength=self.rows)
        return FlatSamples(
            np.delete(flat.row, spikes),
            np.delete(flat.t_ns, spikes),
            np.delete(flat.xyz_g, spikes, axis=1),
        )

    def is_empty_at(self, second: int) -> bool:
        """Whether nothing was taken in for a second."""
        start = second * NS_PER_S
        return not any(
            ((chunk.t_ns >= start) & (chunk.t_ns < start + NS_PER_S)).any()
            for chunk in self._by_second.get(second, ())
        )

    def forget(self, second: int) -> None:
        """Let go of what only a closed second needed."""
        self._by_second.pop(second, None)

    def forget_all(self) -> None:
        """Let go of everything that has been taken in."""
        self._by_second.clear()

    def forget_row(self, row: int) -> None:
        """Let go of all samples of a row."""
        for chunks in (self._pending, *self._by_second.values()):
            others = [_part(chunk, np.flatnonzero(chunk.row != row)) for chunk in chunks]
            chunks[:] = [chunk for chunk in others if len(chunk.t_ns)]


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    return Chunk(*(np.concatenate(parts, axis=-1) for parts in zip(*chunks, strict=True)))


def _part(chunk: Chunk, at: NDArray[np.intp]) -> Chunk:
    return Chunk(chunk.row[at], chunk.t_ns[at], chunk.xyz_g.take(at, axis=1))


def _span(chunk: Chunk) -> _Span:
    if len(chunk.t_ns) == 0:
        return _Span(0, 0)
    return _Span(int(chunk.t_ns.min()), int(chunk.t_ns.max()))
