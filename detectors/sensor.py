"""Whether a wearable's data can be trusted, told from what no body and no good sensor does.

`SensorTrust` judges the minutes of everyone's summaries, with or without a link; `StreamTrust`
what only a held link shows: samples that never came, came too late, or could not be. Both say
since when something is wrong and what, and both take it back: a fault that stands needs a minute
or more that proves it, and one that ends needs as much proof of the contrary. A sensor at fault is
watched on: a fall that it shows all the same is a fall.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ, MOTION_HZ
from detectors.block import Block
from detectors.grid import Grid
from detectors.minute import MINUTE_S, Minute, padded
from detectors.summary import DEVIATION_G, MEAN
from detectors.wear import MOVED_DEVIATION_G, TURNED_G


class SensorCause(IntEnum):
    """What is wrong with a sensor; of several, the greatest is told."""

    UNJUDGED = -1
    """Nothing, as far as has been seen; it has not been for long enough."""
    NONE = 0
    GRAVITY = 1
    """|a| at rest is far from 1 g: gain or offset."""
    SPIKES = 2
    """Single samples jump while all others rest."""
    FROZEN = 3
    """All axes say the same for minutes, without even noise."""
    STUCK_AXIS = 4
    """One axis says the same while the others move."""
    LOSS = 5
    """A great part of a stream's samples never comes."""
    MISTIMED = 6
    """Samples come after their second is closed."""
    UNUSABLE = 7
    """Samples are no numbers, beyond any sensor's range, or of times that were there already."""


SAME_G: Final = 1e-5
"""Values this close are the same: a tenth of a count of the finest wearable sensors (16 bit over
±2 g: 61 µg), beyond what float32 rounds, and far below the noise of any mean of 50 samples."""

FROZEN_MIN: Final = 10
"""Minutes without a change on any axis. One with steps of 1 mg or less never rests, its noise is
greater; one with coarse steps rests on a step while nobody touches it (`_laid_down`)."""

COARSE_STEPS_G: Final = (1 / 128, 0.1 / 9.80665)
"""Steps that are coarse beside a sensor's noise of some 3 mg: those of 8 to 10 bits over ±2 to
±8 g (all of them multiples of the first), and WEDA's 0.1 m/s²."""

ON_STEP_G: Final = 1.5e-4
"""A mean so near to a multiple of a step rests on it: half a count of an advert is 1.2e-4 g. Of
values that froze at random less than one in 10,000 lies so near on all three axes."""

RESTS_LEAST_S: Final = 3
"""Exactly constant seconds between movements of one minute that show a sensor of coarse steps:
the shortest pause that no filter and no repeated packet makes."""

RESTS_MIN: Final = 2
"""Such minutes: one may be the stutter of a sensor that is about to fail."""

STUCK_MOVES_G: Final = 0.2
"""How far another axis must go within a minute in which one does not change: at a wrist that moves
so (12 degrees) all three change. In nearly 7 h of daily recordings no axis stood for more than
2 s."""

STUCK_MIN: Final = 1

REST_SHIFT_G: Final = 0.01
"""Distance of one second's mean acceleration from the last one's, below which a second without
movement is rest: what is measured then is gravity alone."""

REST_LEAST_S: Final = 15
"""Resting seconds of a minute that make it one in which gravity is judged."""

GRAVITY_OFF_G: Final = 0.25
"""Distance of |a| at rest from 1 g. Data sheets allow 40 to 80 mg of offset per axis and 3 % of
gain, together 0.17 g at most; of the resting seconds of each of WEDA, SmartFallMM, SisFall and
SPHERE 98 % lie within 0.14 g, 99.8 % within 0.17 g. Beyond, the screen's 2 g stands for another
impact than it says."""

GRAVITY_MIN: Final = 5
"""Such minutes in a row, not counting those without rest."""

SPIKE_G: Final = 0.5
"""How far |a| jumps, low-passed: at 50 Hz a single sample of 1 g too much."""

SPIKE_RATIO: Final = 0.22
"""Greatest ratio of a second's deviation to its jump that a single sample can make: through the
low-pass one sample becomes a pulse whose deviation is 0.18 to 0.21 of its height (simulated at 20
to 200 Hz). Bodies that drop into chairs and hands that tap ring longer: 0.22 to 0.26 mostly
(SisFall D08 to D11, SPHERE)."""

SPIKES_LEAST: Final = 4
"""Seconds with such jumps in a minute of which half of the others rest; of daily recordings'
minutes none has so many, though SisFall's drop into chairs each 12 s."""

SPIKES_REST: Final = 0.5
"""Share of a minute's other seconds that must be without movement."""

SPIKES_MIN: Final = 2

PROVEN_MIN: Final = FROZEN_MIN
"""Judged minutes after which a sensor that shows no fault has none: the longest that one takes."""

CLEAR_MIN: Final = 3
"""Minutes in a row of which each could have shown the fault and does not, before it ends."""

_LEAST_MIN: Final = {
    SensorCause.GRAVITY: GRAVITY_MIN,
    SensorCause.SPIKES: SPIKES_MIN,
    SensorCause.FROZEN: FROZEN_MIN,
    SensorCause.STUCK_AXIS: STUCK_MIN,
}

LOSS_SHARE: Final = 0.75
"""Least share of samples within the seconds in which a stream speaks at all. Links lose nothing
while they stand; with a quarter lost in pieces every fourth impact has a hole in it."""

BAD_SHARE: Final = 0.25
"""Share of samples, of all that came in a minute, that are late or unusable: likewise."""

STREAM_LEAST_S: Final = 20
"""Seconds of a minute in which a stream must speak for its loss to be judged: connecting and
letting go leave two cut seconds."""

_STREAM_LEAST_MIN: Final = {
    SensorCause.LOSS: 2,
    SensorCause.MISTIMED: 2,
    SensorCause.UNUSABLE: 1,
    SensorCause.SPIKES: SPIKES_MIN,
}
"""Such minutes in a row. Loss and lateness come from a door that a resident walks through or a
machine that stalls, too, and pass with it; samples that are none come from nothing else."""


class _Verdict:
    """One possible fault of all rows: how long it has been shown, or its contrary."""

    def __init__(self, rows: int, least_min: int) -> None:
        self.stands = np.zeros(rows, np.bool_)
        self._least_min = least_min
        self._bad_min = np.zeros(rows, np.int64)
        self._good_min = np.zeros(rows, np.int64)

    def judge(self, bad: NDArray[np.bool_], good: NDArray[np.bool_]) -> None:
        """A minute shows the fault, or could have and does not, or says nothing."""
        self._bad_min = np.where(bad, self._bad_min + 1, np.where(good, 0, self._bad_min))
        self._good_min = np.where(good, self._good_min + 1, np.where(bad, 0, self._good_min))
        self.stands |= self._bad_min >= self._least_min
        self.stands &= self._good_min < CLEAR_MIN

    def reset(self, row: int) -> None:
        self.stands[row] = False
        self._bad_min[row] = self._good_min[row] = 0

    def grow(self, rows: int) -> None:
        self.stands = padded(self.stands, rows)
        self._bad_min = padded(self._bad_min, rows)
        self._good_min = padded(self._good_min, rows)


class _Verdicts:
    """Several of them, and the gravest for each row."""

    def __init__(self, rows: int, least_min: dict[SensorCause, int]) -> None:
        self._each = {cause: _Verdict(rows, least) for cause, least in least_min.items()}
        self._judged_min = np.zeros(rows, np.int64)
        self.cause: NDArray[np.int8] = np.full(rows, SensorCause.UNJUDGED, np.int8)
        """A `SensorCause` for each row, shape (rows,)."""

    def judge(self, cause: SensorCause, bad: NDArray[np.bool_], good: NDArray[np.bool_]) -> None:
        self._each[cause].judge(bad, good)

    def conclude(self, judged: NDArray[np.bool_]) -> None:
        """The gravest that stands; causes are in rising order."""
        self._judged_min += judged
        proven = self._judged_min >= PROVEN_MIN
        self.cause[:] = np.where(proven, SensorCause.NONE, SensorCause.UNJUDGED)
        for cause, verdict in self._each.items():
            self.cause[verdict.stands] = cause

    def reset(self, row: int) -> None:
        self.cause[row] = SensorCause.UNJUDGED
        self._judged_min[row] = 0
        for verdict in self._each.values():
            verdict.reset(row)

    def grow(self, rows: int) -> None:
        self.cause = padded(self.cause, rows, SensorCause.UNJUDGED)
        self._judged_min = padded(self._judged_min, rows)
        for verdict in self._each.values():
            verdict.grow(rows)


class SensorTrust:
    """Judges the sensors of all rows by the minutes of their summaries.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self._verdicts = _Verdicts(rows, _LEAST_MIN)
        self._rests_min = np.zeros(rows, np.int64)
        """Minutes in which it was exactly constant and moved again."""

    @property
    def cause(self) -> NDArray[np.int8]:
        """A `SensorCause` for each row, shape (rows,); not to be changed."""
        return self._verdicts.cause

    def step(self, minute: Minute) -> None:
        """Take in the next minute."""
        judged = minute.judged
        reach = _reach(minute)
        same, moves = reach <= SAME_G, reach.max(axis=0) >= STUCK_MOVES_G
        noisy = minute.heard & (minute.seconds[DEVIATION_G] > SAME_G)
        constant = judged & same.all(axis=0) & ~noisy.any(axis=1)
        laid_down = constant & self._may_rest(minute)
        self._rests_min += _rests_between(minute)
        judge = self._verdicts.judge
        judge(SensorCause.FROZEN, constant & ~laid_down, judged & ~constant)
        stuck = same.any(axis=0)
        judge(SensorCause.STUCK_AXIS, judged & moves & stuck, judged & moves & ~stuck)
        self._judge_gravity(minute)
        self._judge_spikes(minute)
        # A sensor that lies there proves nothing, neither that it works nor that it does not.
        self._verdicts.conclude(judged & ~laid_down)

    def reset(self, row: int) -> None:
        """Another wearable stands in this row."""
        self.begin_anew(row)
        self._rests_min[row] = 0

    def begin_anew(self, row: int) -> None:
        """Judge the same wearable from now on as if it had not been seen before; what steps its
        sensor has stays known.
        """
        self._verdicts.reset(row)

    def grow(self, rows: int) -> None:
        """Make room for more wearables; what was shown of the others stands."""
        self._verdicts.grow(rows)
        self._rests_min = padded(self._rests_min, rows)

    def _may_rest(self, minute: Minute) -> NDArray[np.bool_]:
        """Whether to be constant is no fault of these: a wearable that was laid down.

        Its sensor has coarse steps: it was seen to rest on one and to move again, or does so on a
        step of `COARSE_STEPS_G`. And nobody wears it: what says of itself that it is worn, and
        shows neither pulse beat nor breath nor tremor at any step, measures nothing. One axis
        at exactly ±1 g with two at exactly nothing is what a dead sensor returns, too: that
        counts as laid down only where the wearable says that nobody wears it, or has moved
        after such a rest before.
        """
        worn_s, unworn_s = (minute.worn == 1).sum(axis=1), (minute.worn == 0).sum(axis=1)
        says_unworn = unworn_s > worn_s
        on_step = _on_coarse_step(minute.centre_g)
        tilted = (np.abs(minute.centre_g) > ON_STEP_G).sum(axis=0) > 1
        coarse = (self._rests_min >= RESTS_MIN) | (on_step & (tilted | says_unworn))
        may_rest: NDArray[np.bool_] = coarse & (says_unworn | (worn_s == 0))
        return may_rest

    def _judge_gravity(self, minute: Minute) -> None:
        # What was not heard fails every comparison.
        rests = minute.seconds[DEVIATION_G] < MOVED_DEVIATION_G
        rests &= minute.shift_g < REST_SHIFT_G
        rest_s = rests.sum(axis=1)
        weight = np.sqrt(np.square(minute.seconds[MEAN]).sum(axis=0))
        total = np.where(rests, weight, 0).sum(axis=1)
        off = np.abs(total / np.maximum(rest_s, 1) - 1) > GRAVITY_OFF_G
        seen = rest_s >= REST_LEAST_S
        self._verdicts.judge(SensorCause.GRAVITY, seen & off, seen & ~off)

    def _judge_spikes(self, minute: Minute) -> None:
        deviation, excess = minute.seconds[DEVIATION_G], minute.excess_g
        spiky = (excess >= SPIKE_G) & (deviation <= SPIKE_RATIO * excess)
        spiky_s = spiky.sum(axis=1)
        others = minute.heard_s - spiky_s
        resting = (minute.heard & ~spiky & (deviation < MOVED_DEVIATION_G)).sum(axis=1)
        seen = minute.judged & (others > 0) & (resting >= SPIKES_REST * others)
        bad = seen & (spiky_s >= SPIKES_LEAST)
        self._verdicts.judge(SensorCause.SPIKES, bad, seen & (spiky_s == 0))


class StreamTrust:
    """Judges the held links of all rows by what came of their samples.

    Parameters
    ----------
    rows
        Number of streams.
    """

    def __init__(self, rows: int) -> None:
        self._verdicts = _Verdicts(rows, _STREAM_LEAST_MIN)
        self._number: int | None = None
        self._valid = np.zeros(rows, np.int64)
        self._spoke_s = np.zeros(rows, np.int64)
        self._late = np.zeros(rows, np.int64)
        self._rejected = np.zeros(rows, np.int64)
        self._spikes = np.zeros(rows, np.int64)

    @property
    def cause(self) -> NDArray[np.int8]:
        """A `SensorCause` for each row, shape (rows,); not to be changed."""
        return self._verdicts.cause

    def step(self, block: Block) -> None:
        """Take in the next block of the grid."""
        count = block.valid.sum(axis=1)
        self._valid += count
        self._spoke_s += count > 0

    def judge(self, until_second: int, grid: Grid) -> None:
        """Judge the minute that is over, if one is; to be called whenever the grid was closed,
        also when that made no block: a stream of which nothing is usable makes none.

        Parameters
        ----------
        until_second
            As the grid was closed.
        grid
            Whose counts (late, rejected, spikes) are read as they stand now.
        """
        number = until_second // MINUTE_S
        if self._number is not None and number != self._number:
            self._judge(grid)
        self._number = number

    def reset(self, row: int) -> None:
        """Another wearable stands in this row."""
        self._verdicts.reset(row)
        self._valid[row] = self._spoke_s[row] = 0

    def _judge(self, grid: Grid) -> None:
        # The grid counts at GRID_HZ at most as many as came; of what was valid it kept MOTION_HZ.
        came = self._valid * (GRID_HZ // MOTION_HZ)
        new_late, new_rejected = grid.late - self._late, grid.rejected - self._rejected
        spiky = grid.spikes - self._spikes >= SPIKES_LEAST
        self._late, self._rejected = grid.late.copy(), grid.rejected.copy()
        self._spikes = grid.spikes.copy()
        judge = self._verdicts.judge
        # A stream that is let go has no fault left.
        silent = came + new_late + new_rejected == 0
        enough = self._spoke_s >= STREAM_LEAST_S
        lost = self._valid < LOSS_SHARE * MOTION_HZ * self._spoke_s
        judge(SensorCause.LOSS, enough & lost, silent | (enough & ~lost))
        least = STREAM_LEAST_S * MOTION_HZ
        for cause, bad in ((SensorCause.MISTIMED, new_late), (SensorCause.UNUSABLE, new_rejected)):
            seen = came + bad >= least
            many = bad >= BAD_SHARE * (came + bad)
            judge(cause, seen & many, silent | (seen & ~many))
        judge(SensorCause.SPIKES, spiky, silent | (enough & ~spiky))
        self._verdicts.conclude(enough)
        self._valid[:] = self._spoke_s[:] = 0


def _on_coarse_step(mean_g: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether all axes of (3, rows) are multiples of one of `COARSE_STEPS_G`."""
    on_step = np.zeros(mean_g.shape[1], np.bool_)
    for step_g in COARSE_STEPS_G:
        away_g = np.abs(mean_g - np.rint(mean_g / step_g) * step_g)
        on_step |= (away_g <= ON_STEP_G).all(axis=0)
    return on_step


def _rests_between(minute: Minute) -> NDArray[np.bool_]:
    """Whether a minute holds movement, exact rest of `RESTS_LEAST_S`, and movement again; who
    stops for good, or has only just begun to speak, does not.
    """
    # What was not heard fails every comparison.
    moves = (minute.seconds[DEVIATION_G] >= MOVED_DEVIATION_G) | (minute.shift_g >= TURNED_G)
    rests = (minute.seconds[DEVIATION_G] <= SAME_G) & (minute.shift_g <= SAME_G)
    moved_before = np.logical_or.accumulate(moves, axis=1)
    moves_after = np.logical_or.accumulate(moves[:, ::-1], axis=1)[:, ::-1]
    between: NDArray[np.bool_] = (rests & moved_before & moves_after).sum(axis=1) >= RESTS_LEAST_S
    return between


def _reach(minute: Minute) -> NDArray[np.float32]:
    """Greatest less least mean acceleration of a minute, shape (3, rows); zero without any."""
    mean = minute.seconds[MEAN]
    greatest = np.where(minute.heard, mean, -np.inf).max(axis=2)
    least = np.where(minute.heard, mean, np.inf).min(axis=2)
    reach: NDArray[np.float32] = np.maximum(greatest - least, 0)
    return reach
