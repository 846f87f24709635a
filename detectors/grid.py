"""The grid: motion of all wearables in fixed one-second blocks on absolute time.

Whatever the rate, the packets and the order in which they came, a block depends on the
samples alone. What a block holds is what every detector starts from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ, MOTION_HZ
from contract.units import NS_PER_S
from detectors.block import Block, Meter, summary_of_valid
from detectors.buffer import EDGE_NS, MAX_ABS_G, MAX_AHEAD_S, Chunk, SampleBuffer
from detectors.filters import AXES, DECIMATION, MOTION_COLUMNS, STEP_COLUMNS, LowPass
from detectors.resample import STEP_NS, FlatSamples, resample
from detectors.summary import BACK_JUMP_S, FEATURES, MAX_G, MEAN, MIN_G

__all__ = ["EMPTY_RUN_S", "LATENESS_S", "Block", "Grid"]

LATENESS_S: Final = 0.9
"""How long after its end a second stays open for samples. A gateway closes with
``close(floor(now - LATENESS_S))``. A packet holds up to 0.76 s of motion, so its first sample is
that old when it is sent, and a link that missed a connection interval resends within 100 ms;
beyond that each tenth of a second would delay every alarm: a suspicion comes up to four seconds
after its impact and this (`detectors.fall_candidates.HELD_AFTER_S`), within five."""

EMPTY_RUN_S: Final = 60
"""After so many seconds without a valid sample of anyone, no blocks are made until a sample
comes: a clock set from 1970 to today must not make 1.8 billion of them. Twice the time for
which a fall waits (`detectors.confirmation.CONFIRM_AFTER_S`)."""

_GRAVITY: Final = np.array([0.0, 0.0, 1.0], np.float32)
"""What stands in for a wearable that has not measured anything yet."""


class _Whole(NamedTuple):
    """A second that was given on the grid."""

    samples: NDArray[np.float32]
    rows: NDArray[np.bool_] | None
    """Which rows are complete in it; None if all are."""


class _Holes(NamedTuple):
    """Rows that are valid in part of a second."""

    rows: NDArray[np.intp]
    valid: NDArray[np.bool_]
    """Shape (k, GRID_HZ); at least one sample of each."""

    def within(self, rows: slice) -> _Holes:
        """Those among some rows."""
        first, last = np.searchsorted(self.rows, (rows.start, rows.stop))
        return _Holes(self.rows[first:last], self.valid[first:last])


_NO_HOLES: Final = _Holes(np.zeros(0, np.intp), np.zeros((0, GRID_HZ), np.bool_))


class Grid:
    """Brings samples of all wearables to 50 Hz on absolute time, low-passes and decimates.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._buffer = SampleBuffer(rows)
        self._whole: dict[int, _Whole] = {}
        self._filter = LowPass(rows)
        self._filter.samples[:, :, -1] = _GRAVITY[:, None]
        meters = {len(range(rows)[part.rows]) for part in self._filter.parts}
        self._meters = {size: Meter(size) for size in meters}
        self._ended_valid = np.zeros(rows, np.bool_)
        self._all_valid = np.ones((rows, MOTION_HZ), np.bool_)
        self._all_valid.flags.writeable = False
        self._next: int | None = None
        self._empty_s = 0

    @property
    def late(self) -> NDArray[np.int64]:
        """Samples of each row that came after their block had closed, shape (rows,)."""
        return self._buffer.late

    @property
    def rejected(self) -> NDArray[np.int64]:
        """Samples of each row that were not finite, beyond `MAX_ABS_G`, far in the future, or
        at a time that the row already had, shape (rows,).
        """
        return self._buffer.rejected

    @property
    def spikes(self) -> NDArray[np.int64]:
        """Samples of each row that stood alone and were taken out, shape (rows,)."""
        return self._buffer.spikes

    def push(self, row: int, t_ns: NDArray[np.int64], samples_g: NDArray[np.float32]) -> None:
        """Note samples of one wearable; they are judged when a block closes.

        Parameters
        ----------
        row
            The wearable.
        t_ns
            Wall times, shape (n,), in any order.
        samples_g
            Shape (3, n).
        """
        self._buffer.push(np.full(len(t_ns), row, np.int64), t_ns, samples_g)

    def push_many(
        self,
        rows: NDArray[np.int64],
        t_ns: NDArray[np.int64],
        samples_g: NDArray[np.float32],
    ) -> None:
        """Note samples of many wearables: rows and times of shape (n,), samples (3, n)."""
        self._buffer.push(rows, t_ns, samples_g)

    def push_block(
        self,
        second: int,
        samples_g: NDArray[np.float32],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Note a second of all wearables that is already on the grid; nothing is resampled.

        The result is that of pushing the valid samples one by one, but that a spike in a row that
        is complete is not looked for (`detectors.spikes`). Samples pushed otherwise for
        a row that is complete here are duplicates.

        Parameters
        ----------
        second
            Unix second at which it begins.
        samples_g
            Shape (3, rows, GRID_HZ); kept, not copied.
        valid
            Shape (rows, GRID_HZ); None if all are.
        """
        if self._next is not None and second < self._next:
            self.late[:] += GRID_HZ if valid is None else valid.sum(axis=1)
            return
        # NaN fails the comparison.
        sane = samples_g.min() >= -MAX_ABS_G and samples_g.max() <= MAX_ABS_G
        if valid is None and sane:
            self._whole[second] = _Whole(samples_g, None)
            return
        given = np.ones((self.rows, GRID_HZ), np.bool_) if valid is None else valid
        if not sane:
            absurd = ~(np.abs(samples_g) <= MAX_ABS_G).all(axis=0)
            self.rejected[:] += (given & absurd).sum(axis=1)
            given = np.logical_and(given, ~absurd)
        complete = np.asarray(given.all(axis=1))
        self._whole[second] = _Whole(samples_g, complete)
        row, step = np.nonzero(given & ~complete[:, None])
        self._buffer.push(row, second * NS_PER_S + step * STEP_NS, samples_g[:, row, step])

    def close(self, until_second: int) -> Iterator[Block]:
        """All blocks of seconds before `until_second` that have not been closed, in order.

        Begins at the first second with a sample; then a block for every second, also without
        a sample, until everyone has been silent for `EMPTY_RUN_S`. Where the clock was set back by
        more than `BACK_JUMP_S`, begins anew. The blocks are made as they are asked for: exhaust
        the iterator.
        """
        before, limit = self._next, until_second + MAX_AHEAD_S
        if before is not None and until_second < before - BACK_JUMP_S:
            self._buffer.forget_all()
            self._whole.clear()
            self._next = None
            self._ended_valid[:] = False
            # What was stamped by the clock that was wrong is of no use.
            self._buffer.take_in(None, min(before, limit))
        else:
            self._buffer.take_in(before, limit)
        return self._blocks(until_second)

    def reset(self, row: int) -> None:
        """Forget a row: another wearable, or the same one after a reboot."""
        self._buffer.forget_row(row)
        for second, whole in self._whole.items():
            rows = np.ones(self.rows, np.bool_) if whole.rows is None else whole.rows
            rows[row] = False
            self._whole[second] = _Whole(whole.samples, rows)
        self._ended_valid[row] = False
        self._filter.samples[:, row, -1] = _GRAVITY

    def _blocks(self, until: int) -> Iterator[Block]:
        if self._next is None:
            earliest = self._earliest(until)
            if earliest >= until:
                return
            self._next = earliest
            self._empty_s = 0
        while self._next < until:
            if self._empty_s >= EMPTY_RUN_S:
                sampled = min(self._earliest(until), until)
                if sampled > self._next:
                    self._next = sampled
                    continue
            second = self._next
            self._next += 1
            block = self._block(second)
            # An edge may have been kept for the second before the first one.
            self._buffer.forget(second - 1)
            self._buffer.forget(second)
            self._whole.pop(second - 1, None)
            self._empty_s = 0 if block.valid.any() else self._empty_s + 1
            yield block

    def _earliest(self, default: int) -> int:
        sampled = self._buffer.earliest_second()
        return min([*self._whole, default if sampled is None else sampled])

    def _block(self, second: int) -> Block:
        """Close one second: collect, fill holes, filter, measure.

        A row that is silent all the second gets the last sample that it ever held.
        """
        samples, valid = self._collect(second)
        if valid is not None and not valid.any():
            return self._empty_block(second)
        if valid is None:
            self._restart(samples, ~self._ended_valid)
            self._ended_valid = np.ones(self.rows, np.bool_)
            return self._measured(second, samples, self._all_valid, _NO_HOLES)
        heard = valid.sum(axis=1)
        speaks = heard > 0
        silent, holed = (heard == 0).nonzero()[0], (speaks & (heard < GRID_HZ)).nonzero()[0]
        samples[:, silent] = self._filter.samples[:, silent, -1:]
        holes = _NO_HOLES
        if len(holed):
            holes = _Holes(holed, valid[holed])
            _fill(samples, holes)
        self._restart(samples, speaks & ~(self._ended_valid & valid[:, 0]))
        self._ended_valid = valid[:, -1]
        block = self._measured(second, samples, valid[:, ::DECIMATION].copy(), holes)
        block.summary[:, silent] = np.nan
        return block

    def _restart(self, samples: NDArray[np.float32], rows: NDArray[np.bool_]) -> None:
        """Let the filter of these rows begin from what stands first in its input."""
        anew = rows.nonzero()[0]
        if len(anew):
            self._filter.restart(anew, samples[:, anew, 0])

    def _measured(
        self,
        second: int,
        samples: NDArray[np.float32],
        valid: NDArray[np.bool_],
        holes: _Holes,
    ) -> Block:
        """Filter a second and measure it, as many rows at a time as stay in the cache."""
        motion = np.empty((AXES, self.rows, MOTION_HZ), np.float32)
        summary = np.empty((len(FEATURES), self.rows), np.float32)
        for part in self._filter.parts:
            mine = summary[:, part.rows]
            output = part.filter(samples, mine[MEAN])
            motion[:, part.rows] = output[:, :, MOTION_COLUMNS]
            here = holes.within(part.rows)
            if len(here.rows) == 0:
                self._meters[mine.shape[1]].measure(output, mine)
                continue
            low_passed = output[:, here.rows - part.rows.start][:, :, STEP_COLUMNS]
            self._meters[mine.shape[1]].measure(output, mine)
            summary[:, here.rows] = summary_of_valid(low_passed, here.valid)
        return Block(second, motion, valid, summary[MAX_G], summary[MIN_G], summary)

    def _collect(self, second: int) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """A second's samples, shape (3, rows, GRID_HZ), and what of it is valid; None if all is."""
        whole = self._whole.get(second)
        if whole is None:
            flat = self._buffer.around(second, self._edges(second, None))
            samples, valid = resample(flat, self.rows, second * NS_PER_S)
        elif whole.rows is None and self._buffer.is_empty_at(second):
            return whole.samples, None
        else:
            samples, valid = self._completed(second, whole)
        return samples, None if valid.all() else valid

    def _completed(
        self, second: int, whole: _Whole
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """A second that was given on the grid, its other rows from single samples."""
        given = np.ones(self.rows, np.bool_) if whole.rows is None else whole.rows
        samples, valid = whole.samples.copy(), np.repeat(given[:, None], GRID_HZ, axis=1)
        others = np.flatnonzero(~given)
        flat = self._buffer.around(second, self._edges(second, ~given))
        twice = given[flat.row]
        own = twice & (flat.t_ns // NS_PER_S == second)
        self.rejected[:] += np.bincount(flat.row[own], minlength=self.rows)
        place = np.zeros(self.rows, np.int64)
        place[others] = np.arange(len(others))
        flat = FlatSamples(place[flat.row[~twice]], flat.t_ns[~twice], flat.xyz_g[:, ~twice])
        samples[:, others], valid[others] = resample(flat, len(others), second * NS_PER_S)
        return samples, valid

    def _edges(self, second: int, wanted: NDArray[np.bool_] | None) -> list[Chunk]:
        """Samples of neighbouring seconds that were given on the grid, as far as they can
        matter to rows that are not.
        """
        edges: list[Chunk] = []
        if not self._whole:
            return edges
        near = EDGE_NS // STEP_NS
        for other, steps in (
            (second - 1, np.arange(GRID_HZ - near, GRID_HZ)),
            (second + 1, np.arange(near)),
        ):
            whole = self._whole.get(other)
            if whole is not None:
                complete = np.ones(self.rows, np.bool_) if whole.rows is None else whole.rows
                row = np.flatnonzero(complete if wanted is None else complete & wanted)
                t_ns = np.tile(other * NS_PER_S + steps * STEP_NS, len(row))
                xyz = whole.samples[:, row[:, None], steps].reshape(AXES, -1)
                edges.append(Chunk(np.repeat(row, near), t_ns, xyz))
        return edges

    def _empty_block(self, second: int) -> Block:
        self._ended_valid[:] = False
        nothing = np.full((len(FEATURES), self.rows), np.nan, np.float32)
        held = self._filter.samples[:, :, -1:].copy()
        motion = np.broadcast_to(held, (AXES, self.rows, MOTION_HZ))
        valid = np.zeros((self.rows, MOTION_HZ), np.bool_)
        return Block(second, motion, valid, nothing[MAX_G], nothing[MIN_G], nothing)


def _fill(samples: NDArray[np.float32], holes: _Holes) -> None:
    """Fill holes of rows in a second: with the sample that ends the hole, so that the filter has
    settled on it when it counts; behind the last sample with that one.
    """
    step = np.arange(GRID_HZ)
    following = np.where(holes.valid, step, GRID_HZ)
    following = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    last = np.where(holes.valid, step, 0).max(axis=1)
    source = np.where(following < GRID_HZ, following, last[:, None])
    samples[:, holes.rows] = np.take_along_axis(samples[:, holes.rows], source[None], axis=2)
