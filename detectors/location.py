"""In which room each resident is, second by second: a hidden Markov model on the home's graph.

What receivers hear of her wearable and what sensors see is weighed against how the home looked on
its labelled walk (`detectors.room_model`); how much the wearable moves says how likely it is that
she walks on. A second is decided `DELAY_S` later, with what came until then: a door's two sides
sound alike while she stands in it, and differ three seconds after.

The filter is the forward algorithm, the look back over the last `LAG_S` seconds the backward one
(Rabiner 1989, *A tutorial on hidden Markov models*, III.A), for all residents in one go.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import AHEAD_S, BEHIND_S, UNKNOWN, RoomModel, audible, level, reachable
from detectors.rows import rearrange, rows_of

LAG_S: Final = 4
"""So many further seconds are looked at before one is decided. On SPHERE (one sequence left out,
RSSI and PIR) none gives a transition F1 of .55, three .79, four .85."""

DELAY_S: Final = LAG_S + AHEAD_S
"""A second is decided when this many more are over: five, as asked."""

TRUST: Final = np.float32(0.3)
"""Weight of one second's signal strengths. Neighbouring seconds repeat each other (a wrist that
rests shadows the same receiver for minutes), so ten seconds are no ten witnesses."""

LEAVES_STILL: Final = 1e-4
LEAVES_WALKING: Final = 0.08
"""Chance to leave a room within a second, with a wrist at rest and with one that swings: stays of
minutes, and the 20 s that a walk through a room takes."""

WALKING_DEVIATION_G: Final = 0.03
"""Standard deviation of |a| at which the two above are equally far: between the 0.03 g of sitting
and the 0.1 to 0.2 g of stairs and halls in SPHERE."""
_LEAVES_LOG_RATIO: Final = np.float32(np.log(LEAVES_WALKING / LEAVES_STILL))
_MOVEMENT_UNKNOWN_G: Final = np.float32(0.1)

UNPLANNED: Final = 1e-2
"""Chance that a change of room leads to one that the plan does not connect with hers in any way: a
plan with two halves lacks a door, a lift or stairs, and people walk from one into the other."""

THROUGH_WALLS: Final = 1e-6
"""Chance that a change of room is between two that are not next to each other: a plan that is
wrong, a minute without reception. Nobody walks faster than 3 m/s, so otherwise there is none."""

UNKNOWN_BELOW: Final = 0.5
"""A room that is not likelier than all others together is not told."""

UNHEARD_S: Final = 10
"""A wearable that no receiver has heard for so long is nowhere (FIELD: an older advert cannot win
a room)."""

AT_ONCE: Final = 16
"""Chances of so many sensors are multiplied before they are scaled: each is `FIRES_AT_LEAST` or
more, and float32 holds the product of thirty."""

SETTLED: Final = 0.99
"""Who was so likely where she is told to be, in the second to be decided and in each one since, is
there: nothing that is not yet known can say otherwise, so nobody looks back."""

SWITCH_RATIO: Final = 1.5
"""Another room must be so much likelier than the present one to be told in its place."""


_BY_RESIDENT: Final = (
    "_rssi",
    "_heard",
    "_movement",
    "_belief",
    "_likelihood",
    "_leaves",
    "_past",
    "_unheard_s",
    "_zone",
    "_settled_s",
)


class Places(NamedTuple):
    """Where everybody was in one second."""

    age_s: int
    """How many seconds before the latest one."""
    zone: NDArray[np.int64]
    """(residents,) number of the zone, `UNKNOWN` where nobody can tell."""
    probability: NDArray[np.float32]
    """(residents,) of the likeliest zone, told or not."""


class RoomFilter:
    """Follows all residents of a home.

    Parameters
    ----------
    model
        The home.
    residents
        How many are followed.
    """

    def __init__(self, model: RoomModel, residents: int) -> None:
        self.model = model
        self.residents = residents
        # Residents last in all arrays: what is done over zones then goes along memory, five times
        # as fast as with the few zones of each resident side by side.
        zones, kept = len(model.zones), BEHIND_S + 1 + AHEAD_S
        receivers, levels = len(model.receivers), model.heard.shape[1]
        steps = _steps(model.near)
        self._comes, self._goes = np.ascontiguousarray(steps.T), steps
        # For each receiver a row for each level, and one for not having been heard.
        words = np.concatenate((model.heard, model.silent[:, None, :]), axis=1)
        self._words = np.ascontiguousarray(TRUST * words, np.float32)
        self._not_heard = levels
        self._rssi = np.zeros((kept, receivers, residents), np.float32)
        self._heard = np.zeros((kept, receivers, residents), np.float32)
        self._movement = np.full((kept, residents), np.nan, np.float32)
        self._active = np.zeros((2, len(model.sensors)), np.bool_)
        self._belief = np.full((zones, residents), 1.0 / zones, np.float32)
        self._likelihood = np.ones((LAG_S + 1, zones, residents), np.float32)
        self._leaves = np.full((LAG_S + 1, residents), LEAVES_STILL, np.float32)
        self._past = np.full((LAG_S + 1, zones, residents), 1.0 / zones, np.float32)
        self._ring = 0
        """Where the next second goes in the three above: nothing is moved."""
        self._unheard_s = np.full(residents, UNHEARD_S)
        self._zone = np.full(residents, UNKNOWN)
        self._settled_s = np.zeros(residents, np.int64)
        """For how long each is believed, beyond doubt, to be in the zone that is told."""
        self._seconds = 0

    @property
    def belief(self) -> NDArray[np.float32]:
        """(residents, zones) where each is held to be in the latest second, undecided."""
        return self._belief.T

    def arrange(self, rows: NDArray[np.int64]) -> None:
        """Follow others from now on: (new residents,) the row of each so far, -1 for a new one."""
        rearrange(self, RoomFilter(self.model, len(rows)), rows, last=_BY_RESIDENT)
        self.residents = len(rows)

    def resize(self, residents: int) -> None:
        """Follow so many: new ones come after those so far, or the last ones go."""
        self.arrange(rows_of(residents, self.residents))

    def step(
        self,
        rssi_dbm: NDArray[np.float32],
        movement_g: NDArray[np.float32],
        active: NDArray[np.bool_],
        alive: NDArray[np.bool_],
    ) -> Places:
        """Take in one more second; returns where everybody was `DELAY_S` seconds before it.

        Parameters
        ----------
        rssi_dbm
            (receivers, residents) mean of the second, NaN where nothing was heard.
        movement_g
            (residents,) standard deviation of |a|, NaN where unknown.
        active
            (sensors,) whether it fired.
        alive
            (receivers,) whether it works: only then is its silence about somebody a word, and what
            it says believed.
        """
        if not alive.all():
            rssi_dbm = np.where(alive[:, None], rssi_dbm, np.float32(np.nan))
        self._take(rssi_dbm, movement_g, active)
        likelihood = self._weigh(alive)
        leaves = self._restless()
        belief = self._walk(self._belief, leaves)
        belief *= likelihood
        belief /= belief.sum(axis=0)
        self._belief = belief
        for ring, latest in (
            (self._likelihood, likelihood),
            (self._leaves, leaves),
            (self._past, belief),
        ):
            ring[self._ring] = latest
        self._ring = (self._ring + 1) % (LAG_S + 1)
        return self._decide(alive)

    def _take(
        self,
        rssi_dbm: NDArray[np.float32],
        movement_g: NDArray[np.float32],
        active: NDArray[np.bool_],
    ) -> None:
        self._seconds += 1
        is_heard = audible(rssi_dbm)
        for ring, latest in (
            (self._rssi, np.where(is_heard, rssi_dbm, 0)),
            (self._heard, is_heard),
            (self._movement, movement_g),
            (self._active, active),
        ):
            ring[self._seconds % len(ring)] = latest
        self._unheard_s = np.where(is_heard.any(axis=0), 0, self._unheard_s + 1)

    def _weigh(self, alive: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(zones, residents) likelihood of what was heard and seen around one second ago."""
        count = self._heard.sum(axis=0)
        is_heard = count > 0
        mean = self._rssi.sum(axis=0) / np.maximum(count, 1)
        row = np.where(is_heard, level(mean), self._not_heard)
        words = np.zeros((self.residents, len(self.model.zones)), np.float32)
        word = np.empty_like(words)
        for receiver in np.flatnonzero(alive):
            # Without a mode the rows would be copied once more.
            np.take(self._words[receiver], row[receiver], axis=0, out=word, mode="clip")
            words += word
        words[~is_heard[alive].any(axis=0)] = 0.0
        likelihood = np.ascontiguousarray(words.T)
        likelihood -= likelihood.max(axis=0)
        np.exp(likelihood, out=likelihood)
        self._see(likelihood)
        return likelihood

    def _see(self, likelihood: NDArray[np.float32]) -> None:
        """Weigh the sensors that fired, too.

        Who fires a sensor is shared out: the likelier it is that others did, the less it says
        of her (a noisy-or over all residents, each where she is believed to be).
        """
        fired = np.flatnonzero(self._active.any(axis=0))
        if not len(fired):
            return
        fires = self.model.fires[fired]
        idle = fires.min(axis=1, keepdims=True)
        alone = (fires - idle) / (1 - idle)
        others = np.log1p(-np.minimum(alone @ self._belief, np.float32(0.999)))
        others = others.sum(axis=1, keepdims=True, dtype=np.float64) - others
        background = 1 - (1 - idle) * np.exp(others)
        quiet = (1 - background).astype(np.float32)
        chance = 1 - quiet[:, None, :] * (1 - alone)[:, :, None]
        for begin in range(0, len(fired), AT_ONCE):
            likelihood *= chance[begin : begin + AT_ONCE].prod(axis=0)
            likelihood /= likelihood.max(axis=0)

    def _restless(self) -> NDArray[np.float32]:
        """(residents,) chance that she leaves the room she is in, by how she moves."""
        known = np.isfinite(self._movement)
        count = known.sum(axis=0)
        total = np.where(known, self._movement, np.float32(0)).sum(axis=0)
        mean = total / np.maximum(count, 1).astype(np.float32)
        mean[count == 0] = _MOVEMENT_UNKNOWN_G
        # Powers as squares and exponentials, which are several times as fast.
        squared = np.square(np.float32(WALKING_DEVIATION_G) / (mean + np.float32(1e-3)))
        share = 1 / (1 + np.square(squared))
        leaves = LEAVES_STILL * np.exp(_LEAVES_LOG_RATIO * share)
        return np.asarray(leaves, np.float32)

    def _walk(
        self, belief: NDArray[np.float32], leaves: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        going = belief * leaves
        come = self._comes @ going
        come += belief
        come -= going
        return come

    def _decide(self, alive: NDArray[np.bool_]) -> Places:
        """Look back at the second that is due with all that came since."""
        row = np.arange(self.residents)
        believed = self._belief[self._zone, row]
        self._settled_s = np.where(believed >= SETTLED, self._settled_s + 1, 0)
        best = self._zone.copy()
        probability = self._past[self._ring, self._zone, row]
        due = np.flatnonzero((self._settled_s <= LAG_S) | (best == UNKNOWN))
        if len(due):
            best[due], probability[due] = self._look_back(due)
        told = (probability >= UNKNOWN_BELOW) & (self._unheard_s < UNHEARD_S)
        told &= self._seconds > DELAY_S
        told &= ~self._is_deaf(alive)[best]
        zone = np.where(told, best, UNKNOWN)
        self._settled_s[zone != self._zone] = 0
        self._zone = zone
        return Places(DELAY_S, self._zone, probability)

    def _look_back(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows,) zone to be told if it is likely enough, and probability of the likeliest."""
        since = np.ones((len(self._goes), len(rows)), np.float32)
        for ago in range(1, LAG_S + 1):
            at = (self._ring - ago) % (LAG_S + 1)
            since *= self._likelihood[at].take(rows, axis=1)
            gone = self._goes @ since
            gone -= since
            gone *= self._leaves[at, rows]
            since += gone
            since /= since.max(axis=0)
        share = self._past[self._ring].take(rows, axis=1) * since
        best, greatest = _likeliest(share)
        zone = self._zone[rows]
        present = np.where(zone == UNKNOWN, 0.0, share[zone, np.arange(len(rows))])
        best = np.where(greatest >= SWITCH_RATIO * present, best, zone)
        return best, greatest / share.sum(axis=0)

    def _is_deaf(self, alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(zones + 1,) zones whose own receivers are all down: nobody else may claim to know."""
        stands_in = self.model.stands_in
        owned = np.zeros(len(self.model.zones) + 1, np.bool_)
        heard = owned.copy()
        owned[stands_in[stands_in != UNKNOWN]] = True
        heard[stands_in[(stands_in != UNKNOWN) & alive]] = True
        return owned & ~heard


def _likeliest(share: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(residents,) number and value of the greatest of (zones, residents), the first of equals."""
    greatest = share.max(axis=0)
    return (share == greatest).argmax(axis=0), greatest


def _steps(near: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(zones, zones) where one goes who leaves a room: each neighbour alike."""
    zones = len(near)
    steps = near / np.maximum(near.sum(axis=1, keepdims=True), 1)
    steps = steps * (1 - THROUGH_WALLS * zones) + THROUGH_WALLS
    apart = ~reachable(near)
    steps += UNPLANNED * apart / np.maximum(apart.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(steps, 0.0)
    steps /= np.maximum(steps.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(steps, np.float32)
