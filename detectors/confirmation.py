"""What becomes of a suspected fall, told from one-second summaries.

A machine never confirms; it waits. If the wearer is not seen walking within half a minute, the fall
is *detected* and people are paged. If she is, she *may have got up*. Movement that is not walking
cancels nothing, because who struggles on the floor moves; silence cancels nothing either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.units import NS_PER_S
from detectors.detection import Detection
from detectors.own_time import OwnTime
from detectors.summary import DEVIATION_G, MEAN, SummaryBlock
from detectors.walking import WALKING_LEAST_S, WALKING_WINDOW_S, count_walking, unit

CONFIRM_AFTER_S: Final = 30
"""From the impact to ``fall_detected``: as long as FIELD's fastest systems take to be sure (Apple
30 s countdown, Nobi 12 of 60 s), and time enough to get up for whoever can."""

GOT_UP_POSTURE_DEG: Final = 30.0
"""Walking is no getting up while the arm is held as it lay after the fall: an arm that beats evenly
on the floor looks like walking in all else. Of all directions 7 % lie this close to one."""

LYING_SEEN_S: Final = (2, 4)
"""Whole seconds after the impact's in which the posture on the floor is read."""

MAX_OPEN_PER_ROW: Final = 4
"""Detected falls of one row that still wait for walking; beyond, the oldest is forgotten: four
pages have gone out by then."""

_KEPT_S: Final = 60
"""Seconds of posture held, so that a window fetched late still finds the posture on the floor."""

_GOT_UP_COSINE: Final = math.cos(math.radians(GOT_UP_POSTURE_DEG))


@dataclass(slots=True)
class _OpenFall:
    row: int
    impact_ns: int
    impact_s: float
    """On this object's own axis of seconds, which no clock can set."""
    lying: NDArray[np.float32] | None = None
    """Direction of gravity on the floor, (3,); NaN where it was not heard."""
    heard_s: int = 0
    detected: bool = False


class FallConfirmation:
    """Follows suspected falls of all rows.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self._time = OwnTime()
        self._posture = np.full((_KEPT_S, 3, rows), np.nan, np.float32)
        self._deviation = np.full((_KEPT_S, rows), np.nan, np.float32)
        self._walking_s = np.zeros(rows, np.int64)
        self._walked_until_s = np.full(rows, -np.inf)
        self._walked_posture = np.full((3, rows), np.nan, np.float32)
        self._open: list[_OpenFall] = []

    def suspect(self, row: int, impact_ns: int) -> None:
        """A fall was suspected, from a stream or from a window; said twice is said once.

        Parameters
        ----------
        row
            The wearable.
        impact_ns
            Wall time of the impact; may lie back as far as `own_time.MAX_AGE_S`, when a window
            came late.
        """
        mine = [fall for fall in self._open if fall.row == row]
        if any(fall.impact_ns == impact_ns for fall in mine):
            return
        detected = [fall for fall in mine if fall.detected]
        if len(detected) >= MAX_OPEN_PER_ROW:
            self._open.remove(detected[0])
        if not self._open:
            self._look_back()
        self._open.append(_OpenFall(row, impact_ns, self._time.of(impact_ns)))

    def step(self, block: SummaryBlock) -> list[Detection]:
        """Take in the next second.

        Returns
        -------
        list
            ``fall_detected`` and ``may_have_got_up``, each once for each suspected fall, in the
            order in which they were suspected.
        """
        self._advance(block)
        if not self._open:
            return []
        emitted_ns = (block.second + 1) * NS_PER_S
        decided = []
        for fall in list(self._open):
            fall.heard_s += bool(np.isfinite(block.values[DEVIATION_G, fall.row]))
            kind = self._decide(fall)
            if kind is None:
                continue
            features = {
                "waited_s": self._time.now_s - fall.impact_s,
                "walking_s": float(self._walking_s[fall.row]),
                "heard_s": float(fall.heard_s),
            }
            decided.append(
                Detection(fall.row, kind, fall.impact_ns, emitted_ns, None, features, None)
            )
        return decided

    def reset(self, row: int) -> None:
        """Another wearable, or the same after a reboot, stands in this row.

        What it did before does not count as walking. Open falls stay open: a fall may be what made
        the wearable reboot.
        """
        self._posture[:, :, row] = np.nan
        self._deviation[:, row] = np.nan
        self._walked_until_s[row] = -np.inf

    def _decide(self, fall: _OpenFall) -> EventKind | None:
        if fall.lying is None and self._time.now_s - fall.impact_s > LYING_SEEN_S[1] + 1:
            fall.lying = self._posture_on_floor(fall)
        if self._got_up(fall):
            self._open.remove(fall)
            return EventKind.MAY_HAVE_GOT_UP
        if not fall.detected and self._time.now_s - fall.impact_s >= CONFIRM_AFTER_S:
            fall.detected = True
            return EventKind.FALL_DETECTED
        return None

    def _got_up(self, fall: _OpenFall) -> bool:
        if self._walked_until_s[fall.row] - WALKING_WINDOW_S < fall.impact_s:
            return False
        if fall.lying is None or np.isnan(fall.lying[0]):
            return True
        return float(fall.lying @ self._walked_posture[:, fall.row]) < _GOT_UP_COSINE

    def _posture_on_floor(self, fall: _OpenFall) -> NDArray[np.float32]:
        """Mean direction in the seconds of `LYING_SEEN_S`; NaN if none was heard or is kept."""
        seen = np.arange(LYING_SEEN_S[0], LYING_SEEN_S[1] + 1) + math.floor(fall.impact_s)
        ago = self._time.now_s - 1 - seen
        postures = self._posture[-1 - ago[ago < _KEPT_S], :, fall.row]
        heard = postures[np.isfinite(postures[:, 0])]
        if len(heard) == 0:
            return np.full(3, np.nan, np.float32)
        return unit(heard.sum(axis=0))

    def _advance(self, block: SummaryBlock) -> None:
        """Move time on, and note who has been walking."""
        begins = self._time.second is None
        passed_s = self._time.advance(block.second)
        _shift(self._posture, passed_s)
        _shift(self._deviation, passed_s)
        self._posture[-1] = unit(block.values[MEAN])
        self._deviation[-1] = block.values[DEVIATION_G]
        if begins:
            for fall in self._open:
                fall.impact_s = self._time.of(fall.impact_ns)
        if self._open:
            self._note_walking()

    def _look_back(self) -> None:
        """Note who has walked while nobody had fallen, when it did not matter."""
        for ago_s in range(_KEPT_S - WALKING_WINDOW_S, -1, -1):
            self._note_walking(ago_s)

    def _note_walking(self, ago_s: int = 0) -> None:
        """Count each row's walking seconds in the window that ended `ago_s` seconds ago."""
        end = _KEPT_S - ago_s
        window = slice(end - WALKING_WINDOW_S, end)
        self._walking_s, common = count_walking(self._posture[window], self._deviation[window])
        sustained = self._walking_s >= WALKING_LEAST_S
        self._walked_until_s[sustained] = self._time.now_s - ago_s
        self._walked_posture[:, sustained] = common[:, sustained]


def _shift(ring: NDArray[np.float32], seconds: int) -> None:
    """Make room at the end for `seconds` along the first axis; what was not heard is NaN."""
    kept = max(len(ring) - seconds, 0)
    ring[:kept] = ring[len(ring) - kept :].copy()
    ring[kept:] = np.nan
