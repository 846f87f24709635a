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
from detectors.summary import DEVIATION_G, MEAN, SummaryBlock

CONFIRM_AFTER_S: Final = 30
"""From the impact to ``fall_detected``: as long as FIELD's fastest systems take to be sure (Apple
30 s countdown, Nobi 12 of 60 s), and time enough to get up for whoever can."""

WALKING_DEVIATION_G: Final = (0.06, 0.6)
"""Standard deviation of |a| at a walking wrist, one second at a time. WEDA D01, 5 to 95 %: 0.05
to 0.26 g when young; the middle half of people of 77 to 95 years 0.07 to 0.14 g. Above is running
or flailing. Someone who holds a walking frame stays below: then the fall is paged, which is the
safe side."""

WALKING_EVEN: Final = 1.7
"""A walking second deviates at most by this factor from the window's average: steps are alike, and
bursts of struggling are not."""

WALKING_POSTURE_DEG: Final = 12.0
"""Greatest angle of a walking second's mean acceleration from the window's. A swinging arm comes
back to where it was (WEDA D01: from second to second a median of 3, three quarters below 5
degrees); one that pushes, reaches or rolls does not (dressing, sitting down: 15 to 27)."""

WALKING_WINDOW_S: Final = 15
WALKING_LEAST_S: Final = 12
"""Sustained walking is at least 12 walking seconds of 15, all after the impact. With the limits
above it holds in 88 % of such windows of WEDA's walking when young, 72 % when 77 to 95 years old;
of 200 simulated people who struggle for half a minute none, and of 200 who hardly pause some ten,
pass. With 8 of 10 seconds and no look at the window's posture nearly all of those did."""

GOT_UP_POSTURE_DEG: Final = 30.0
"""Walking is no getting up while the arm is held as it lay after the fall: an arm that beats evenly
on the floor looks like walking in all else. Of all directions 7 % lie this close to one."""

LYING_SEEN_S: Final = (2, 4)
"""Whole seconds after the impact's in which the posture on the floor is read."""

MAX_OPEN_PER_ROW: Final = 4
"""Detected falls of one row that still wait for walking; beyond, the oldest is forgotten: four
pages have gone out by then."""

MAX_STEP_S: Final = 60
"""Summaries come every second; a step further than this, or backwards, is a clock that was set
and counts as one second, so that a fall in the making waits neither an hour nor not at all."""

MAX_AGE_S: Final = 3_600
"""An impact that lies further back than this, or in the future, is told by a clock that has been
set since: its age is unknown and it is treated as now (DESIGN 4)."""

_KEPT_S: Final = 60
"""Seconds of posture held, so that a window fetched late still finds the posture on the floor."""

_WALKING_COSINE: Final = math.cos(math.radians(WALKING_POSTURE_DEG))
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
        self._now_s = 0
        self._second: int | None = None
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
            Wall time of the impact; may lie back as far as `MAX_AGE_S`, when a window came late.
        """
        mine = [fall for fall in self._open if fall.row == row]
        if any(fall.impact_ns == impact_ns for fall in mine):
            return
        detected = [fall for fall in mine if fall.detected]
        if len(detected) >= MAX_OPEN_PER_ROW:
            self._open.remove(detected[0])
        if not self._open:
            self._look_back()
        impact_s = math.nan if self._second is None else self._own_time(impact_ns, self._second)
        self._open.append(_OpenFall(row, impact_ns, impact_s))

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
                "waited_s": self._now_s - fall.impact_s,
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
        if fall.lying is None and self._now_s - fall.impact_s > LYING_SEEN_S[1] + 1:
            fall.lying = self._posture_on_floor(fall)
        if self._got_up(fall):
            self._open.remove(fall)
            return EventKind.MAY_HAVE_GOT_UP
        if not fall.detected and self._now_s - fall.impact_s >= CONFIRM_AFTER_S:
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
        ago = self._now_s - 1 - seen
        postures = self._posture[-1 - ago[ago < _KEPT_S], :, fall.row]
        heard = postures[np.isfinite(postures[:, 0])]
        if len(heard) == 0:
            return np.full(3, np.nan, np.float32)
        return _unit(heard.sum(axis=0))

    def _own_time(self, impact_ns: int, second: int) -> float:
        """A wall time on the axis of `_now_s`, which ends with the block of `second`."""
        age_s = ((second + 1) * NS_PER_S - impact_ns) / NS_PER_S
        return self._now_s - (age_s if -MAX_STEP_S <= age_s <= MAX_AGE_S else 0.0)

    def _advance(self, block: SummaryBlock) -> None:
        """Move time on, and note who has been walking."""
        passed_s = 1 if self._second is None else block.second - self._second
        if not 1 <= passed_s <= MAX_STEP_S:
            passed_s = 1
        _shift(self._posture, passed_s)
        _shift(self._deviation, passed_s)
        self._posture[-1] = _unit(block.values[MEAN])
        self._deviation[-1] = block.values[DEVIATION_G]
        self._now_s += passed_s
        if self._second is None:
            for fall in self._open:
                fall.impact_s = self._own_time(fall.impact_ns, block.second)
        self._second = block.second
        if self._open:
            self._note_walking()

    def _look_back(self) -> None:
        """Note who has walked while nobody had fallen, when it did not matter."""
        for ago_s in range(_KEPT_S - WALKING_WINDOW_S, -1, -1):
            self._note_walking(ago_s)

    def _note_walking(self, ago_s: int = 0) -> None:
        """Count each row's walking seconds in the window that ended `ago_s` seconds ago.

        What was not heard (NaN) fails every comparison.
        """
        least, greatest = WALKING_DEVIATION_G
        end = _KEPT_S - ago_s
        posture = self._posture[end - WALKING_WINDOW_S : end]
        deviation = self._deviation[end - WALKING_WINDOW_S : end]
        moving = (deviation >= least) & (deviation <= greatest)
        count = moving.sum(axis=0)
        common = _unit(np.where(moving[:, None], posture, 0).sum(axis=0))
        average = np.where(moving, deviation, 0).sum(axis=0) / np.maximum(count, 1)
        steady = (posture * common).sum(axis=1) >= _WALKING_COSINE
        even = (deviation <= average * WALKING_EVEN) & (deviation * WALKING_EVEN >= average)
        self._walking_s = (moving & steady & even).sum(axis=0)
        sustained = self._walking_s >= WALKING_LEAST_S
        self._walked_until_s[sustained] = self._now_s - ago_s
        self._walked_posture[:, sustained] = common[:, sustained]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (3, …) at a length of one."""
    lengths = np.sqrt((vectors * vectors).sum(axis=0))
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-9))
    return unit


def _shift(ring: NDArray[np.float32], seconds: int) -> None:
    """Make room at the end for `seconds` along the first axis; what was not heard is NaN."""
    kept = max(len(ring) - seconds, 0)
    ring[:kept] = ring[len(ring) - kept :].copy()
    ring[kept:] = np.nan
