"""The screen: which impacts of all wearables are worth a closer look, and the motion around them.

Each second every row is screened by one comparison. What passes is looked at again when three
more seconds are there: is it the greatest impact within a second on both sides? What comes out
depends on these samples alone, so nothing is carried from block to block but the blocks.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import MOTION_HZ
from contract.units import NS_PER_S
from detectors.block import Block
from detectors.fall_features import IMPACT_INDEX, SPAN

HELD_BEFORE_S: Final = 5
"""What a person is shown of the time before; the classifier looks at four of it."""
HELD_AFTER_S: Final = 3
"""Whole seconds that cover what the classifier sees after an impact. The decision then comes three
to four seconds after it by the blocks' time, and with the grid's lateness within five."""

PEAK_ALONE_S: Final = 1
"""An impact is the greatest |a| within this time on both sides (SCIENCE 2); lesser peaks near
it are the same event."""

STEP_NS: Final = NS_PER_S // MOTION_HZ
_RING_S: Final = HELD_BEFORE_S + 1 + HELD_AFTER_S
_REACH: Final = PEAK_ALONE_S * MOTION_HZ
_HELD_INDEX: Final = HELD_BEFORE_S * MOTION_HZ
"""Where the second with the impact begins in what is held."""
_HELD: Final = _RING_S * MOTION_HZ
"""Samples that are held."""
_SPAN: Final = np.arange(SPAN)
_NEAR: Final = slice(_HELD_INDEX - _REACH, _HELD_INDEX + MOTION_HZ + _REACH)
"""Where all lies that may be greater than an impact of that second."""
_AROUND: Final = np.float32(
    abs(np.arange(-_REACH, MOTION_HZ + _REACH) - np.arange(MOTION_HZ)[:, None]) <= _REACH
)
"""1 for those samples of `_NEAR` that are within reach of an impact, shape (offsets, samples)."""


class Candidates(NamedTuple):
    """Impacts of one second, in the order of their rows."""

    second: int
    """Unix second at which theirs begins."""
    decided_second: int
    """That at which the block ends that decided."""
    row: NDArray[np.intp]
    """Shape (n,)."""
    offset: NDArray[np.intp]
    """Samples from the second to the impact, shape (n,)."""
    peak_g: NDArray[np.float32]
    """Greatest low-passed |a| at 50 Hz in that second, shape (n,)."""
    held_motion: NDArray[np.float32]
    """Shape (n, 3, samples), in g, low-passed: from `HELD_BEFORE_S` before the second of the impact
    to the last sample."""
    held_valid: NDArray[np.bool_]
    """Shape (n, samples). Seconds before the first block, and those on the other side of a reset
    from the impact, are not valid."""

    @property
    def impact_ns(self) -> NDArray[np.int64]:
        """Wall times of the impacts, shape (n,)."""
        return self.second * NS_PER_S + self.offset * STEP_NS

    def windows(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """What the classifier sees: motion (n, 3, SPAN) and valid (n, SPAN)."""
        begin = _HELD_INDEX - IMPACT_INDEX + self.offset
        begin += np.arange(len(begin)) * _HELD
        valid = self.held_valid.reshape(-1).take(begin[:, None] + _SPAN)
        begin += np.arange(len(begin)) * (2 * _HELD)
        axes = np.arange(3)[:, None] * _HELD
        motion = self.held_motion.reshape(-1).take(begin[:, None, None] + (axes + _SPAN))
        return motion, valid

    def waveform(self, which: int) -> tuple[int, NDArray[np.float32]]:
        """Wall time (ns) of the first sample, and samples (3, n): from `HELD_BEFORE_S` before the
        impact to the last, as far as heard; NaN where nothing was.
        """
        offset = int(self.offset[which])
        heard = offset + np.flatnonzero(self.held_valid[which, offset:])
        first, last = int(heard[0]), int(heard[-1])
        start_ns = self.second * NS_PER_S + (first - _HELD_INDEX) * STEP_NS
        held = slice(first, last + 1)
        return start_ns, np.where(
            self.held_valid[which, held], self.held_motion[which, :, held], np.float32(np.nan)
        )


class CandidateFinder:
    """Finds candidates in the motion of all rows.

    Parameters
    ----------
    screen_g
        Peak |a| that makes a candidate, of each row, shape (rows,); may be changed at any time.
    """

    def __init__(self, screen_g: NDArray[np.float32]) -> None:
        self.screen_g = screen_g
        self._ring: deque[Block] = deque(maxlen=_RING_S)
        self._steps = 0
        self._cut_at = np.zeros(len(screen_g), np.int64)

    def step(self, block: Block, but: NDArray[np.bool_] | None = None) -> Candidates | None:
        """Take in the next block of the grid.

        Parameters
        ----------
        block
            Which.
        but
            Rows that are not to be looked at, shape (rows,); default none.

        Returns
        -------
        Candidates or None
            Those of the second that stands `HELD_AFTER_S` back; None if there are none.
        """
        self._ring.append(block)
        self._steps += 1
        if len(self._ring) <= HELD_AFTER_S:
            return None
        centre = self._ring[-1 - HELD_AFTER_S]
        rows = (centre.peak_g > self.screen_g).nonzero()[0]
        if but is not None and len(rows):
            rows = rows[~but[rows]]
        return self._around(centre, rows) if len(rows) else None

    def reset(self, row: int) -> None:
        """Another wearable stands in this row from the next block on.

        An impact of the last seconds is still found, by what was heard until now.
        """
        self._cut_at[row] = self._steps

    def _around(self, centre: Block, rows: NDArray[np.intp]) -> Candidates | None:
        motion, valid = self._held(rows)
        square = np.square(motion[:, :, _NEAR]).sum(axis=1)
        square *= valid[:, _NEAR]
        offset = square[:, _REACH : _REACH + MOTION_HZ].argmax(axis=1)
        square *= _AROUND.take(offset, axis=0)
        alone = square.argmax(axis=1) == offset + _REACH
        if not alone.all():
            if not alone.any():
                return None
            rows, offset, motion, valid = rows[alone], offset[alone], motion[alone], valid[alone]
        return Candidates(
            second=centre.second,
            decided_second=self._ring[-1].second + 1,
            row=rows,
            offset=offset,
            peak_g=centre.peak_g[rows],
            held_motion=motion,
            held_valid=valid,
        )

    def _held(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The held seconds of some rows: motion (k, 3, samples), valid (k, samples)."""
        # By second first, where each is taken in one piece; a second that is missing stays zero.
        motion = np.zeros((_RING_S, 3, len(rows), MOTION_HZ), np.float32)
        valid = np.zeros((_RING_S, len(rows), MOTION_HZ), np.bool_)
        for slot, block in enumerate(self._ring, start=_RING_S - len(self._ring)):
            block.motion.take(rows, axis=1, out=motion[slot], mode="clip")
            block.valid.take(rows, axis=0, out=valid[slot], mode="clip")
        oldest, cut = self._steps - _RING_S, self._cut_at[rows]
        if cut.max() > oldest:
            made_at = oldest + np.arange(_RING_S)[:, None]
            same_wearable = (made_at < cut) == (self._steps - 1 - HELD_AFTER_S < cut)
            valid &= same_wearable[:, :, None]
        held = motion.transpose(2, 1, 0, 3).reshape(len(rows), 3, -1)
        return held, valid.transpose(1, 0, 2).reshape(len(rows), -1)
