"""Whether a wearable is worn, told from the smallest motion: a body is never quite still.

A sleeper turns, and between turns the chest moves the arm with each breath. A watch on the bedside
table shows its sensor's noise alone. The two look alike to the eye and to a threshold on movement,
and a fall of someone whose watch lies on the table is seen by nobody.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.minute import MINUTE_S, Minute, padded
from detectors.summary import DEVIATION_G

NOT_WORN_MIN: Final = 20
"""Minutes without any micro-movement after which a wearable counts as taken off, by day and by
night (SAFETY; FIELD: non-wear is a fault within about 20 min)."""

UNKNOWN_MIN: Final = 30
"""The same for one that says of itself that it is worn: a sensor of skin contact and a motionless
sensor contradict each other, and half an hour without evidence of wear is no longer believed
(SAFETY)."""

MOVED_DEVIATION_G: Final = 0.02
"""Standard deviation of |a| in a second in which somebody moves the wearable. At rest sensors
show less: the quietest twentieth of the seconds of SPHERE, WEDA, SmartFallMM and SisFall stays
below 0.003 to 0.008 g; the median second of home life has 0.06 to 0.15 g."""

TURNED_G: Final = 0.035
"""Distance of mean accelerations: 2 degrees, which no thermal drift of a sensor makes within a
minute (data sheets: 1 mg per kelvin)."""

MOVED_LEAST_S: Final = 3
"""Moved seconds that make a minute one of movement; less is a knock at the table."""

HANDLED_LEAST_S: Final = 10
"""Moved seconds in one minute that end `NOT_WORN` at once; with less a second minute must follow,
so that a knock does not end the fault and begin it anew 20 min later."""

BREATHING_G: Final = 0.0008
"""Least sway (root mean square over a minute of the seconds' mean acceleration) that can be
breath. Breathing turns a resting forearm by tenths of a degree, 2 to 6 mg; less than 0.8 mg is what
quantisation and drift make."""

BREATHING_RATIO: Final = 0.65
"""Least ratio of sway to the median deviation within seconds. White noise of a sensor gives
sqrt(3) / sqrt(2 · 10 Hz · 1.11 · 1 s) = 0.37, whatever its strength, as both come from the same
noise; simulated over 20 min at 20 to 200 Hz and as adverts carry it, it stays at 0.29 to 0.60.
Breath, of 0.2 to 0.5 Hz, moves the means of seconds and hardly what is within them: of simulated
sleepers 96 % pass, those with the strongest tremor do not."""

_FORGET_MIN: Final = UNKNOWN_MIN
"""So long unheard, nothing that was counted before is about now."""

_NEVER_SAID: Final = np.float32(np.nan)


class Wear(IntEnum):
    """What is known of a wearable."""

    UNJUDGED = 0
    """Neither evidence of wear nor want of it has been seen yet."""
    WORN = 1
    NOT_WORN = 2
    UNKNOWN = 3


class WearWatch:
    """Watches the wear of all rows, minute by minute.

    Parameters
    ----------
    rows
        Number of wearables.

    Attributes
    ----------
    state
        A `Wear` for each row, shape (rows,).
    still_min
        Minutes heard without any evidence of wear since there last was some, shape (rows,).
    """

    def __init__(self, rows: int) -> None:
        self.state: NDArray[np.int8] = np.zeros(rows, np.int8)
        self.still_min: NDArray[np.int64] = np.zeros(rows, np.int64)
        self._unheard_min = np.zeros(rows, np.int64)
        self._evidence_min = np.zeros(rows, np.int64)
        self._centre_g = np.full((3, rows), np.nan, np.float32)
        self._said = np.full(rows, _NEVER_SAID)
        self._pulse = np.zeros(rows, np.bool_)
        self._number: int | None = None

    def note_pulse(self, row: int) -> None:
        """A pulse was measured: somebody wears it, unless it says itself that nobody does."""
        self._pulse[row] = True

    def step(self, minute: Minute) -> None:
        """Take in the next minute."""
        self._skip(minute.number)
        judged = minute.judged
        put_on = self._listen(minute)
        moved_s = self._moved_s(minute)
        moved = moved_s >= MOVED_LEAST_S
        evidence = (judged & (moved | _breathes(minute))) | (self._pulse & (self._said != 0))
        evidence |= put_on
        self._pulse[:] = False
        self._evidence_min = np.where(evidence, self._evidence_min + 1, 0)
        self.still_min[evidence] = 0
        self.still_min[judged & ~evidence] += 1
        self._unheard_min = np.where(judged | evidence, 0, self._unheard_min + 1)
        self._forget(self._unheard_min >= _FORGET_MIN)
        self._decide(put_on | (moved_s >= HANDLED_LEAST_S) | (self._evidence_min >= 2))

    def reset(self, row: int) -> None:
        """Another wearable, or the same after a reboot, stands in this row."""
        self.state[row] = Wear.UNJUDGED
        self._said[row] = _NEVER_SAID
        self._forget(np.arange(len(self.state)) == row)

    def grow(self, rows: int) -> None:
        """Make room for more wearables; who has lain still goes on doing so."""
        self.state = padded(self.state, rows)
        self.still_min = padded(self.still_min, rows)
        self._unheard_min = padded(self._unheard_min, rows)
        self._evidence_min = padded(self._evidence_min, rows)
        self._centre_g = padded(self._centre_g, rows, np.nan)
        self._said = padded(self._said, rows, np.nan)
        self._pulse = padded(self._pulse, rows)

    def _decide(self, ends: NDArray[np.bool_]) -> None:
        claims = self._said == 1
        unknown = claims & (self.still_min >= UNKNOWN_MIN)
        not_worn = ~claims & (self.still_min >= NOT_WORN_MIN)
        self.state[ends] = Wear.WORN
        self.state[unknown] = Wear.UNKNOWN
        self.state[not_worn] = Wear.NOT_WORN

    def _skip(self, number: int) -> None:
        """Minutes of which no second came were not heard."""
        skipped = 0 if self._number is None else max(number - self._number - 1, 0)
        self._number = number
        if skipped:
            self._unheard_min += skipped
            self._forget(self._unheard_min >= _FORGET_MIN)

    def _forget(self, rows: NDArray[np.bool_]) -> None:
        """Begin to count anew; what stands goes on standing until evidence ends it."""
        if rows.any():
            self.still_min[rows] = 0
            self._evidence_min[rows] = 0
            self._unheard_min[rows] = 0
            self._centre_g[:, rows] = np.nan

    def _listen(self, minute: Minute) -> NDArray[np.bool_]:
        """Note what each wearable last said of itself; returns who says anew that it is worn."""
        knows = np.isfinite(minute.worn)
        last = MINUTE_S - 1 - knows[:, ::-1].argmax(axis=1)
        latest = minute.worn[np.arange(len(last)), last]
        put_on: NDArray[np.bool_] = (self._said == 0) & (latest == 1)
        # Where nothing was heard it is still as it was.
        self._said = np.where(minute.heard_s > 0, latest, self._said)
        return put_on

    def _moved_s(self, minute: Minute) -> NDArray[np.int64]:
        """Seconds in which it was moved; one that lies otherwise than a minute ago was."""
        moves = (minute.seconds[DEVIATION_G] >= MOVED_DEVIATION_G) | (minute.shift_g >= TURNED_G)
        moved_s: NDArray[np.int64] = moves.sum(axis=1)
        between = np.sqrt(np.square(minute.centre_g - self._centre_g).sum(axis=0))
        self._centre_g = np.where(minute.judged, minute.centre_g, self._centre_g)
        return np.where(between >= TURNED_G, np.maximum(moved_s, MOVED_LEAST_S), moved_s)


def _breathes(minute: Minute) -> NDArray[np.bool_]:
    """Whether the mean acceleration sways slowly, as an arm does with each breath."""
    heard_s = np.maximum(minute.heard_s, 1)
    sway = np.sqrt(np.square(minute.away_g).sum(axis=1) / heard_s)
    breathes: NDArray[np.bool_] = (sway >= BREATHING_G) & (
        sway >= BREATHING_RATIO * minute.deviation_g
    )
    return breathes
