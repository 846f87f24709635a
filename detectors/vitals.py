"""Heart rates that are unusual for a resident, and stay so.

A rate is judged at rest alone: a heart that beats fast while its owner walks does what it should,
and a sensor at the wrist that is shaken counts steps for beats. So nothing is told of whoever moved
for a third of the last minute, nor for `RECOVERY_S` after that. Where no motion is measured (a
strap that tells its heart rate alone) everybody counts as resting.

What is told is an episode: once, when it has lasted; and again only after it has ended.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.units import NS_PER_S
from detectors.detection import Detection
from detectors.minute import padded
from detectors.walking import WALKING_DEVIATION_G

HIGH_BPM: Final = 131
LOW_BPM: Final = 40
"""At or above the one, at or below the other. Where NEWS2 gives a pulse three points, which alone
ask for an urgent look by a clinician (Royal College of Physicians 2017); its bands of one and two
points (41 to 50, 91 to 130) hold too many healthy and medicated people to be told of."""

PERSISTENCE_S: Final = 120
"""How long a rate must be unusual. Beats are counted for 30 to 60 s by hand; optical sensors are
wrong for some tens of seconds at a time."""

ABSENT_S: Final = 300
"""How long a wearable that is worn must find no pulse, after it had found one. A cold hand, a loose
band or a turned wrist hides it for a minute or two; nobody must rely on this for a heart that has
stopped, which a band cannot tell from a band that slipped."""

HYSTERESIS_BPM: Final = 5
"""A rate has come back only when it is so far within its limit: sensors tell whole beats and waver
by two or three."""

BROKEN_S: Final = 15
"""Seconds heard within the limits that break an episode which was not told yet. A single wrong
value is no recovery."""

ENDED_S: Final = 60
"""The same for one that was told: it is to be told anew only if it really was over."""

GAP_S: Final = 30
"""Where for longer nothing was heard that is unusual, nobody knows what the rate was meanwhile: an
episode that was not told yet begins anew. Adverts are lost for seconds; a link that broke is back
within half a minute."""

FORGOTTEN_S: Final = 1_800
"""So long unheard, an episode that was told is over: what comes next is news."""

HEARD_SHARE: Final = 0.5
"""Least share of an episode's seconds that must have been heard, and unusual."""

EXERTION_LOOK_S: Final = 60
EXERTION_S: Final = 20
"""Moving seconds of the last minute that make it one of exertion: walking to the toilet does, a
sleeper's turn or a nurse's visit does not. Somebody who is restless for a third of the time is not
told of: that is the price."""

RECOVERY_S: Final = 120
"""How long a heart may take to calm down after exertion. Of older people most are back within two
minutes of a slow walk."""

_MOVING_G: Final = WALKING_DEVIATION_G[0]
_NONE: Final = -1


class Vital(IntEnum):
    """What is looked for; the first axis of this detector's arrays."""

    HIGH = 0
    LOW = 1
    ABSENT = 2


_KINDS: Final = (
    EventKind.HEART_RATE_HIGH,
    EventKind.HEART_RATE_LOW,
    EventKind.HEART_RATE_ABSENT,
)


class VitalSigns(NamedTuple):
    """One second of all rows."""

    second: int
    """Unix second."""
    rate_bpm: NDArray[np.float32]
    """Shape (rows,): beats per minute; 0 where the wearable finds no pulse, NaN where it told
    nothing."""
    worn: NDArray[np.bool_]
    """Shape (rows,): false where it is known that nobody wears it, or it charges."""
    deviation_g: NDArray[np.float32]
    """Shape (rows,): standard deviation of |a|; NaN where it was not measured."""


class VitalWatch:
    """Watches the heart rates of all rows.

    Parameters
    ----------
    rows
        Number of wearables.

    Attributes
    ----------
    high_bpm, low_bpm, persistence_s
        Limits of each row, shape (rows,); see `limit`.
    """

    def __init__(self, rows: int) -> None:
        self.high_bpm: NDArray[np.float32] = np.full(rows, HIGH_BPM, np.float32)
        self.low_bpm: NDArray[np.float32] = np.full(rows, LOW_BPM, np.float32)
        self.persistence_s: NDArray[np.int64] = np.full(rows, PERSISTENCE_S, np.int64)
        self._since = np.full((len(Vital), rows), _NONE, np.int64)
        """Second in which an episode began."""
        self._latest = np.full((len(Vital), rows), _NONE, np.int64)
        """Last second that spoke for it."""
        self._for_s = np.zeros((len(Vital), rows), np.int64)
        self._against_s = np.zeros((len(Vital), rows), np.int64)
        """Seconds against it since one spoke for it."""
        self._told = np.zeros((len(Vital), rows), np.bool_)
        self._had_pulse = np.zeros(rows, np.bool_)
        self._heard = np.full(rows, _NONE, np.int64)
        self._moved = np.zeros((EXERTION_LOOK_S, rows), np.bool_)
        self._moved_s = np.zeros(rows, np.int64)
        self._calm_from = np.zeros(rows, np.int64)
        """Second from which on a rate is one at rest."""
        self._second: int | None = None
        self._open = False
        """Whether an episode has begun in any row."""

    def limit(
        self,
        row: int,
        high_bpm: int | None = None,
        low_bpm: int | None = None,
        persistence_s: int | None = None,
    ) -> None:
        """Set what is unusual for one resident; none stands for the default."""
        self.high_bpm[row] = HIGH_BPM if high_bpm is None else high_bpm
        self.low_bpm[row] = LOW_BPM if low_bpm is None else low_bpm
        self.persistence_s[row] = PERSISTENCE_S if persistence_s is None else persistence_s

    def step(self, signs: VitalSigns) -> list[Detection]:
        """Take in the next second; one that is not later than the last is ignored.

        Returns
        -------
        list
            Episodes that have lasted, each once. `Detection.impact_ns` is when it began.
        """
        if self._second is not None and signs.second <= self._second:
            return []
        rests = self._exert(signs)
        heard = np.isfinite(signs.rate_bpm)
        beats = heard & (signs.rate_bpm > 0)
        usual = not (signs.rate_bpm >= self.high_bpm).any()
        if usual and not self._open and not (signs.rate_bpm <= self.low_bpm).any():
            # Nearly every second of nearly everybody.
            self._note(signs, heard, beats)
            return []
        self._clear(self._outdated(signs.second) | ~signs.worn)
        self._clear_exerted(rests)
        speaks_for, speaks_against = self._judge(signs.rate_bpm, beats, heard, rests)
        speaks_for &= signs.worn
        begins = speaks_for & (self._since == _NONE)
        self._since[begins] = signs.second
        self._latest[speaks_for] = signs.second
        self._for_s += speaks_for
        self._against_s = np.where(speaks_for, 0, self._against_s + speaks_against)
        self._clear(self._against_s >= np.where(self._told, ENDED_S, BROKEN_S))
        self._note(signs, heard, beats)
        self._open = bool((self._since != _NONE).any())
        return self._due(signs, speaks_for) if self._open else []

    def reset(self, row: int) -> None:
        """Somebody else stands in this row, or another wearable."""
        self._clear(np.arange(self._told.shape[1]) == row)
        self._had_pulse[row] = False
        self._heard[row] = _NONE
        self._moved[:, row] = False
        self._moved_s[row] = 0
        self._calm_from[row] = 0

    def grow(self, rows: int) -> None:
        """Make room for more wearables; the others' episodes go on."""
        self.high_bpm = padded(self.high_bpm, rows, HIGH_BPM)
        self.low_bpm = padded(self.low_bpm, rows, LOW_BPM)
        self.persistence_s = padded(self.persistence_s, rows, PERSISTENCE_S)
        self._since = padded(self._since, rows, _NONE)
        self._latest = padded(self._latest, rows, _NONE)
        self._for_s = padded(self._for_s, rows)
        self._against_s = padded(self._against_s, rows)
        self._told = padded(self._told, rows)
        self._had_pulse = padded(self._had_pulse, rows)
        self._heard = padded(self._heard, rows, _NONE)
        self._moved = padded(self._moved, rows)
        self._moved_s = padded(self._moved_s, rows)
        self._calm_from = padded(self._calm_from, rows)

    def _note(self, signs: VitalSigns, heard: NDArray[np.bool_], beats: NDArray[np.bool_]) -> None:
        self._heard[heard] = signs.second
        self._had_pulse |= beats
        self._had_pulse &= signs.worn

    def _judge(
        self,
        rate_bpm: NDArray[np.float32],
        beats: NDArray[np.bool_],
        heard: NDArray[np.bool_],
        rests: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """What this second says for and against each `Vital`, shape (3, rows)."""
        # NaN fails every comparison.
        high = rests & (rate_bpm >= self.high_bpm)
        low = beats & rests & (rate_bpm <= self.low_bpm)
        absent = heard & ~beats & self._had_pulse
        not_high = beats & (rate_bpm < self.high_bpm - HYSTERESIS_BPM)
        not_low = beats & (rate_bpm > self.low_bpm + HYSTERESIS_BPM)
        return np.stack([high, low, absent]), np.stack([not_high, not_low, beats])

    def _exert(self, signs: VitalSigns) -> NDArray[np.bool_]:
        """Take in the motion; returns who rests, shape (rows,)."""
        begin = signs.second if self._second is None else self._second + 1
        self._second = signs.second
        for second in range(max(begin, signs.second - EXERTION_LOOK_S), signs.second + 1):
            moved = self._moved[second % EXERTION_LOOK_S]
            self._moved_s -= moved
            # Of a second that was left out nothing is known.
            moved[:] = False if second < signs.second else signs.deviation_g >= _MOVING_G
            self._moved_s += moved
            self._calm_from[self._moved_s >= EXERTION_S] = second + RECOVERY_S
        rests: NDArray[np.bool_] = self._calm_from <= signs.second
        return rests

    def _clear_exerted(self, rests: NDArray[np.bool_]) -> None:
        """What a heart did before exertion has been explained by nothing that comes after it, and
        the other way round; an episode that was told goes on.
        """
        exerted = np.zeros_like(self._told)
        exerted[Vital.HIGH] = ~rests & ~self._told[Vital.HIGH]
        self._clear(exerted)

    def _outdated(self, second: int) -> NDArray[np.bool_]:
        """Episodes of which too long nothing was heard, shape (3, rows)."""
        lost = (self._since != _NONE) & ~self._told & (second - self._latest - 1 > GAP_S)
        forgotten = self._told & (second - self._heard - 1 > FORGOTTEN_S)
        outdated: NDArray[np.bool_] = lost | forgotten
        return outdated

    def _clear(self, where: NDArray[np.bool_]) -> None:
        where = np.broadcast_to(where, self._told.shape)
        self._since[where] = self._latest[where] = _NONE
        self._for_s[where] = self._against_s[where] = 0
        self._told[where] = False

    def _due(self, signs: VitalSigns, speaks_for: NDArray[np.bool_]) -> list[Detection]:
        lasted_s = signs.second - self._since + 1
        enough_s = np.stack(
            [self.persistence_s, self.persistence_s, np.full_like(self.persistence_s, ABSENT_S)]
        )
        due = speaks_for & ~self._told & (self._since != _NONE) & (lasted_s >= enough_s)
        due &= self._for_s >= HEARD_SHARE * lasted_s
        self._told |= due
        found = []
        for vital, row in np.argwhere(due).tolist():
            features = {"lasted_s": float(lasted_s[vital, row])}
            if vital != Vital.ABSENT:
                limit = self.high_bpm if vital == Vital.HIGH else self.low_bpm
                features["rate_bpm"] = float(signs.rate_bpm[row])
                features["limit_bpm"] = float(limit[row])
            since_ns = int(self._since[vital, row]) * NS_PER_S
            found.append(
                Detection(
                    row,
                    _KINDS[vital],
                    since_ns,
                    (signs.second + 1) * NS_PER_S,
                    None,
                    features,
                    None,
                )
            )
        return found
