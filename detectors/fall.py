"""Falls from motion: an impact, the jerk and the change of posture around it, stillness after.

Each second every row is screened for an impact by one comparison. What passes is looked at
again when three more seconds are there: from five seconds before to three after, for the few
rows concerned at once. What is judged depends on these samples alone, so nothing is carried from
block to block but the blocks themselves and when a row last had a fall.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from contract.events import EventKind
from contract.screen import MOTION_HZ, SCREEN_IMPACT_G
from contract.units import NS_PER_S
from detectors.detection import Detection
from detectors.fall_features import (
    AFTER_IMPACT_S,
    BEFORE_IMPACT_S,
    FALL_SCORE,
    IMPACT_INDEX,
    SPAN,
    measure,
    score,
)
from detectors.grid import Block

DETECTOR: Final = "impact_stillness/1"
"""Name and version, for an event's evidence."""

PEAK_ALONE_S: Final = 1
"""An impact is the greatest |a| within this time on both sides (SCIENCE 2); lesser peaks near
it are the same event."""

ONE_FALL_S: Final = 10
"""Impacts of a row this soon after a suspected fall belong to it: a body that rolls, an arm
that hits the floor on the way up. Another fall within ten seconds is the same emergency."""

_RING_S: Final = BEFORE_IMPACT_S + 1 + AFTER_IMPACT_S
"""Seconds held: the one with the impact and those around it. The decision then comes three to four
seconds after the impact by the blocks' time, and with the grid's lateness within five."""

_STEP_NS: Final = NS_PER_S // MOTION_HZ
_REACH: Final = PEAK_ALONE_S * MOTION_HZ
_AROUND: Final = np.arange(2 * _REACH + 1)


class FallDetector:
    """Suspects falls in the motion of all rows.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self._ring: deque[Block] = deque(maxlen=_RING_S)
        self._steps = 0
        self._quiet_until = np.zeros(rows, np.int64)
        self._cut_at = np.zeros(rows, np.int64)

    def step(self, block: Block) -> list[Detection]:
        """Take in the next block of the grid.

        Returns
        -------
        list
            ``fall_suspected`` of rows whose impact stands `AFTER_IMPACT_S` blocks back, in the
            order of the rows.
        """
        self._ring.append(block)
        self._steps += 1
        if len(self._ring) <= AFTER_IMPACT_S:
            return []
        centre = self._ring[-1 - AFTER_IMPACT_S]
        rows = (centre.peak_g > SCREEN_IMPACT_G).nonzero()[0]
        if len(rows) == 0:
            return []
        rows = rows[self._quiet_until[rows] < self._steps]
        return self._judge(centre, rows) if len(rows) else []

    def reset(self, row: int) -> None:
        """Another wearable stands in this row from the next block on.

        An impact of the last seconds is still judged, by what was heard until now.
        """
        self._cut_at[row] = self._steps

    def _judge(self, centre: Block, rows: NDArray[np.intp]) -> list[Detection]:
        motion, valid = self._history(rows)
        near = slice(IMPACT_INDEX - _REACH, IMPACT_INDEX + MOTION_HZ + _REACH)
        square = np.square(motion[:, :, near]).sum(axis=1) * valid[:, near]
        offset = square[:, _REACH : _REACH + MOTION_HZ].argmax(axis=1)
        around = square[np.arange(len(rows))[:, None], offset[:, None] + _AROUND]
        impacts = np.flatnonzero(around.argmax(axis=1) == _REACH)
        if len(impacts) == 0:
            return []
        rows, offset = rows[impacts], offset[impacts]
        aligned = sliding_window_view(motion, SPAN, axis=2)[impacts, :, offset]
        heard = sliding_window_view(valid, SPAN, axis=1)[impacts, offset]
        features = measure(aligned, heard, centre.peak_g[rows])
        scores = score(features)
        suspected = np.flatnonzero(scores >= FALL_SCORE)
        self._quiet_until[rows[suspected]] = self._steps + ONE_FALL_S
        return [
            Detection(
                row=int(rows[each]),
                kind=EventKind.FALL_SUSPECTED,
                impact_ns=centre.second * NS_PER_S + int(offset[each]) * _STEP_NS,
                emitted_ns=(self._ring[-1].second + 1) * NS_PER_S,
                score=float(scores[each]),
                features={
                    name: float(values[each])
                    for name, values in features.items()
                    if np.isfinite(values[each])
                },
                waveform=self._waveform(
                    centre, int(offset[each]), motion[impacts[each]], valid[impacts[each]]
                ),
            )
            for each in suspected
        ]

    def _history(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The held seconds of some rows: motion (k, 3, n), valid (k, n), n = `_RING_S` seconds.

        Seconds before the first block, and those on the other side of a reset from the
        impact, are not valid.
        """
        motion = np.zeros((len(rows), 3, _RING_S * MOTION_HZ), np.float32)
        valid = np.zeros((len(rows), _RING_S * MOTION_HZ), np.bool_)
        for slot, block in enumerate(self._ring, start=_RING_S - len(self._ring)):
            part = slice(slot * MOTION_HZ, (slot + 1) * MOTION_HZ)
            motion[:, :, part] = block.motion[:, rows].transpose(1, 0, 2)
            valid[:, part] = block.valid[rows]
        made_at = self._steps - _RING_S + np.repeat(np.arange(_RING_S), MOTION_HZ)
        cut = self._cut_at[rows][:, None]
        valid &= (made_at < cut) == (self._steps - 1 - AFTER_IMPACT_S < cut)
        return motion, valid

    @staticmethod
    def _waveform(
        centre: Block, offset: int, motion: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> tuple[int, NDArray[np.float32]]:
        """From `BEFORE_IMPACT_S` before the impact to the last sample, as far as heard."""
        heard = np.flatnonzero(valid[offset:])
        first, last = offset + int(heard[0]), offset + int(heard[-1])
        start_ns = centre.second * NS_PER_S + (first - IMPACT_INDEX) * _STEP_NS
        return start_ns, motion[:, first : last + 1].copy()
