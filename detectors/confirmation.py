"""What becomes of a suspected fall, told from one-second summaries.

A machine never confirms; it waits. If the wearer is not seen walking within half a minute, the fall
is *detected* and people are paged. If she is, she *may have got up*. Movement that is not walking
cancels nothing, because who struggles on the floor moves; silence cancels nothing either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from contract.events import EventKind
from contract.units import NS_PER_S
from detectors.detection import Detection
from detectors.minute import padded
from detectors.own_time import OwnTime
from detectors.recent import Recent
from detectors.summary import DEVIATION_G, FEATURES, MEAN, SummaryBlock
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

_MEASURES: Final = (*range(len(FEATURES))[MEAN], DEVIATION_G)
"""Features that are held."""
_MEAN: Final = slice(0, 3)
_DEVIATION: Final = 3

_GOT_UP_COSINE: Final = math.cos(math.radians(GOT_UP_POSTURE_DEG))


class KeptFall(NamedTuple):
    """A suspected fall that is still followed, as it outlives the process (`resume`)."""

    impact_ns: int
    detected: bool
    heard_s: int
    lying: tuple[float, float, float] | None
    """Direction of gravity on the floor; None where it was not read."""


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
        self._recent = Recent(_KEPT_S, len(_MEASURES), rows)
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
        if not mine:
            self._look_back(row)
        self._open.append(_OpenFall(row, impact_ns, self._time.of(impact_ns)))

    @property
    def waits(self) -> bool:
        """Whether a fall is still to be detected."""
        return any(not fall.detected for fall in self._open)

    def following(self, row: int) -> list[KeptFall]:
        """The falls of a row that are still followed."""
        return [
            KeptFall(fall.impact_ns, fall.detected, fall.heard_s, _as_tuple(fall.lying))
            for fall in self._open
            if fall.row == row
        ]

    def resume(self, row: int, falls: Sequence[KeptFall], second: int) -> None:
        """Follow these falls, and no others, of a row; what was not heard since they happened is
        no walking.

        Parameters
        ----------
        second
            Unix second from which on blocks come, if none has come yet.
        """
        self._begin(second)
        self._open = [fall for fall in self._open if fall.row != row]
        for kept in falls[-MAX_OPEN_PER_ROW:]:
            lying = None if kept.lying is None else np.array(kept.lying, np.float32)
            impact_s = self._time.exactly(kept.impact_ns)
            self._open.append(
                _OpenFall(row, kept.impact_ns, impact_s, lying, kept.heard_s, kept.detected)
            )

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
        self._recent.forget(row)
        self._walked_until_s[row] = -np.inf

    def forget(self, row: int) -> None:
        """Somebody else stands in this row: the falls in it are none of hers."""
        self.reset(row)
        self._open = [fall for fall in self._open if fall.row != row]

    def grow(self, rows: int) -> None:
        """Make room for more wearables; open falls stay open."""
        self._recent.grow(rows)
        self._walking_s = padded(self._walking_s, rows)
        self._walked_until_s = padded(self._walked_until_s, rows, -np.inf)
        self._walked_posture = padded(self._walked_posture, rows, np.nan)

    def _begin(self, second: int) -> None:
        """Let time begin, if it has not, and place in it what was suspected before."""
        if self._time.second is None:
            self._time.begin(second)
            for fall in self._open:
                fall.impact_s = self._time.of(fall.impact_ns)

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
        postures = unit(self._recent.seconds[-1 - ago[ago < _KEPT_S], _MEAN, fall.row].T).T
        heard = postures[np.isfinite(postures[:, 0])]
        if len(heard) == 0:
            return np.full(3, np.nan, np.float32)
        return unit(heard.sum(axis=0))

    def _advance(self, block: SummaryBlock) -> None:
        """Move time on, and note who has been walking."""
        self._begin(block.second)
        passed_s = self._time.advance(block.second)
        block.values.take(_MEASURES, axis=0, out=self._recent.advance(passed_s), mode="clip")
        if self._open:
            self._note_walking(sorted({fall.row for fall in self._open}))

    def _look_back(self, row: int) -> None:
        """Note when this row has walked before it fell, when it did not matter."""
        recent = self._recent.seconds[:, :, row]
        # Each window of the kept seconds takes the place of a row.
        windows = sliding_window_view(recent, WALKING_WINDOW_S, axis=0).transpose(2, 1, 0)
        walking_s, common = _count_walking(windows)
        self._walking_s[row] = walking_s[-1]
        sustained = np.flatnonzero(walking_s >= WALKING_LEAST_S)
        if len(sustained):
            last = sustained[-1]
            self._walked_until_s[row] = self._time.now_s - (len(walking_s) - 1 - last)
            self._walked_posture[:, row] = common[:, last]

    def _note_walking(self, rows: list[int]) -> None:
        """Count the walking seconds of these rows in the latest window."""
        window = self._recent.seconds[-WALKING_WINDOW_S:, :, rows]
        self._walking_s[rows], common = _count_walking(window)
        sustained = self._walking_s[rows] >= WALKING_LEAST_S
        walked = np.array(rows)[sustained]
        self._walked_until_s[walked] = self._time.now_s
        self._walked_posture[:, walked] = common[:, sustained]


def _as_tuple(direction: NDArray[np.float32] | None) -> tuple[float, float, float] | None:
    if direction is None or np.isnan(direction[0]):
        return None
    x, y, z = direction.tolist()
    return x, y, z


def _count_walking(
    window: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """`walking.count_walking` of measures (seconds, measures, rows)."""
    posture = unit(window[:, _MEAN].transpose(1, 0, 2)).transpose(1, 0, 2)
    return count_walking(posture, window[:, _DEVIATION])
