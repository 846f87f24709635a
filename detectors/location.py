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

from detectors.dwell import Stays
from detectors.room_evidence import RoomEvidence
from detectors.room_model import AHEAD_S, BEHIND_S, UNKNOWN, RoomModel, reachable
from detectors.rows import rearrange

LAG_S: Final = 4
"""So many further seconds are looked at before one is decided. On SPHERE (one sequence left out,
RSSI and PIR) none gives a transition F1 of .55, three .79, four .85."""

DELAY_S: Final = LAG_S + AHEAD_S
"""A second is decided when this many more are over: five, as asked."""

TRUST_WALKING: Final = np.float32(0.3)
TRUST_STILL: Final = np.float32(0.03)
"""Weight of one second's signal strengths, of a wrist that moves and of one at rest. Neighbouring
seconds repeat each other: ten are no ten witnesses, and the hours of a sleeper, whose body shadows
the same receiver all the time, hardly one. On SPHERE .03 to .3 do equally well at rest; in the
simulated home the lower one halves the rooms that sleepers are wrongly told to change."""

RESTS_EACH_S: Final = np.float32(0.98)
"""What is left of a movement after each further second: a wrist is at rest some minutes after its
last stir, when its strengths have been heard from where it lies now."""

LEAVES_STILL: Final = 1e-6
LEAVES_WALKING: Final = 0.08
"""Chance to leave a room within a second, with a wrist that lies dead still and with one that
swings: nobody walks without moving, and a walk through a room takes some 20 s."""

WALKING_DEVIATION_G: Final = 0.03
"""Standard deviation of |a| at which the two above are equally far: between the 0.03 g of sitting
and the 0.1 to 0.2 g of stairs and halls in SPHERE."""
_LEAVES_LOG_RATIO: Final = np.float32(np.log(LEAVES_WALKING / LEAVES_STILL))
_MOVEMENT_UNKNOWN_G: Final = np.float32(0.1)
_LEAST_G: Final = np.float32(1e-3)
_MOVED_S: Final = BEHIND_S + 1 + AHEAD_S

UNPLANNED: Final = 1e-2
"""Chance that a change of room leads to one that the plan does not connect with hers in any way: a
plan with two halves lacks a door, a lift or stairs, and people walk from one into the other."""

THROUGH_WALLS: Final = 1e-6
"""Chance that a change of room is between two that are not next to each other: a plan that is
wrong, a minute without reception. Nobody walks faster than 3 m/s, so otherwise there is none."""

NOT_BEHIND_SHUT_DOORS: Final = 0.6
"""How much less likely a zone is in each second in which its doors have been shut for a while: who
has gone in has gone out, or is heard in it so well that it is told all the same. At rest by as much
less as her strengths weigh less, as with beds."""

THROUGH_SHUT_DOORS: Final = 1e-5
"""By so much less likely a change of room leads into one whose door is shut by its own contact: one
message in a hundred of a contact is lost, and a dead one may say so for ever."""

UNKNOWN_BELOW: Final = 0.5
"""A room that is not likelier than all others together is not told."""

UNHEARD_S: Final = 10
"""A wearable that no receiver has heard for so long is nowhere (FIELD: an older advert cannot win
a room)."""

SETTLED: Final = 0.99
"""Who was so likely where she is told to be, in the second to be decided and in each one since, is
there: nothing that is not yet known can say otherwise, so nobody looks back."""

SWITCH_RATIO: Final = 1.5
"""Another room must be so much likelier than the present one to be told in its place."""


_BY_RESIDENT: Final = (
    "_moved",
    "_measured",
    "_stirred",
    "_likelihood",
    "_leaves",
    "_past",
    "_unheard_s",
    "_zone",
    "_settled_s",
    "_lies_in",
)


NOT_IN_OWN_BED: Final = 0.6
"""How much less likely any other zone is in a second in which her own bed says that somebody lies
there: half a nat while her wrist moves, and at rest by as much less as her strengths weigh less.
Strengths alone take a sleeper for next door all night when her arm lies wrong. No less than this: a
room-mate or a bag may lie on it while she is at the exit, where a receiver that hears her as in its
own room says so by more in each second."""


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
        zones = len(model.zones)
        self._steps = _steps(model.near)
        self._shut = np.zeros(zones, np.bool_)
        self._walk()
        self._evidence = RoomEvidence(model, residents)
        self._moved = np.zeros((_MOVED_S, residents), np.float32)
        self._measured = np.zeros((_MOVED_S, residents), np.float32)
        self._likelihood = np.ones((LAG_S + 1, zones, residents), np.float32)
        self._leaves = np.full((LAG_S + 1, residents), LEAVES_STILL, np.float32)
        self._past = np.full((LAG_S + 1, zones, residents), 1.0 / zones, np.float32)
        """Beliefs of the latest seconds, a ring like the two above: nothing is moved."""
        self._ring = 0
        """Where the latest second is in them."""
        self._stirred = np.full(residents, _MOVEMENT_UNKNOWN_G)
        """How much each has moved in the last minutes, in g: a peak that fades."""
        self._unheard_s = np.full(residents, UNHEARD_S)
        self._lies_in = np.full(residents, UNKNOWN)
        self._stays: Stays | None = None
        self._zone = np.full(residents, UNKNOWN)
        self._settled_s = np.zeros(residents, np.int64)
        """For how long each is believed, beyond doubt, to be in the zone that is told."""
        self._seconds = 0

    @property
    def belief(self) -> NDArray[np.float32]:
        """(residents, zones) where each is held to be in the latest second, undecided."""
        belief: NDArray[np.float32] = self._past[self._ring].T
        return belief

    def arrange(self, rows: NDArray[np.int64]) -> None:
        """Follow others from now on: (new residents,) the row of each so far, -1 for a new one."""
        if self._stays is not None:
            known = np.flatnonzero(rows >= 0)
            shape = len(self._stays.least), len(rows)
            fresh = Stays(np.zeros(shape, np.float32), np.ones(shape, np.float32))
            for new, old in zip(fresh, self._stays, strict=True):
                new[:, known] = old[:, rows[known]]
            self._stays = fresh
        rearrange(self, RoomFilter(self.model, len(rows)), rows, last=_BY_RESIDENT)
        self._evidence.arrange(rows)
        self.residents = len(rows)

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
        self._seconds += 1
        is_heard = self._evidence.take(rssi_dbm, active)
        self._unheard_s += 1
        self._unheard_s *= ~is_heard
        before = self._past[self._ring]
        self._ring = (self._ring + 1) % (LAG_S + 1)
        leaves = self._leaves[self._ring]
        trust = self._stir(movement_g, leaves)
        likelihood, belief = self._likelihood[self._ring], self._past[self._ring]
        self._evidence.weigh(alive, before, trust, likelihood)
        self._believe_beds(trust, likelihood)
        if self._shut.any():
            share = trust / TRUST_WALKING * is_heard
            likelihood[self._shut] *= np.float32(NOT_BEHIND_SHUT_DOORS) ** share
        going = leaves if self._stays is None else _leaving(leaves, self._stays)
        np.matmul(self._comes, before * going, out=belief)
        belief += before
        belief *= likelihood
        belief /= belief.sum(axis=0)
        return self._decide(alive)

    def note_stays(self, stays: Stays | None) -> None:
        """How long each resident stays in each zone, from now on; none: by movement alone."""
        self._stays = stays

    def note_beds(self, lies_in: NDArray[np.int64]) -> None:
        """Before `step`: (residents,) zone of the bed in which each lies by her own bed's sensor,
        `UNKNOWN` where it is empty or there is none. It holds until it is said again.
        """
        self._lies_in = lies_in

    def note_shut(self, shut: NDArray[np.bool_]) -> None:
        """Before `step`: (zones,) which nobody can enter, their doors being shut. It holds until it
        is said again.
        """
        if not np.array_equal(shut, self._shut):
            self._shut = shut.copy()
            self._walk()

    def _walk(self) -> None:
        """Where one goes who leaves a room, and what changes by it."""
        steps = self._steps
        if self._shut.any():
            # Who is held to be in there comes out: it was not so.
            steps = np.where(self._shut, np.float32(THROUGH_SHUT_DOORS), np.float32(1)) * steps
            steps /= np.maximum(steps.sum(axis=1, keepdims=True), np.float32(1e-12))
        # What changes by the people who leave, not what there is after it.
        self._goes = steps - np.eye(len(steps), dtype=np.float32)
        self._comes = np.ascontiguousarray(self._goes.T)

    def _believe_beds(self, trust: NDArray[np.float32], likelihood: NDArray[np.float32]) -> None:
        rows = np.flatnonzero(self._lies_in != UNKNOWN)
        if len(rows):
            zone = self._lies_in[rows]
            there = likelihood[zone, rows]
            # A bed repeats itself like a wrist at rest: else a room-mate on it would outweigh both.
            share = trust[rows] / TRUST_WALKING
            likelihood[:, rows] *= np.float32(NOT_IN_OWN_BED) ** share
            likelihood[zone, rows] = there

    def _stir(
        self, movement_g: NDArray[np.float32], leaves: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Write (residents,) the chance that she leaves the room she is in, by how she moves.

        Returns (residents,) the weight of what is heard of each.
        """
        at = self._seconds % _MOVED_S
        known = np.isfinite(movement_g)
        self._measured[at] = known
        self._moved[at] = np.where(known, movement_g, np.float32(0))
        count = self._measured.sum(axis=0)
        mean = self._moved.sum(axis=0)
        mean /= np.maximum(count, np.float32(1))
        mean[count == 0] = _MOVEMENT_UNKNOWN_G
        self._stirred = np.maximum(mean, self._stirred * RESTS_EACH_S)
        # Powers as squares and exponentials, which are several times as fast.
        mean += _LEAST_G
        share = np.square(np.square(np.float32(WALKING_DEVIATION_G) / mean))
        share += 1
        np.divide(_LEAVES_LOG_RATIO, share, out=share)
        np.exp(share, out=leaves)
        leaves *= np.float32(LEAVES_STILL)
        trust = np.square(np.float32(WALKING_DEVIATION_G) / (self._stirred + _LEAST_G))
        trust += 1
        np.divide(TRUST_WALKING - TRUST_STILL, trust, out=trust)
        trust += TRUST_STILL
        return np.asarray(trust, np.float32)

    def _decide(self, alive: NDArray[np.bool_]) -> Places:
        """Look back at the second that is due with all that came since."""
        oldest = self._past[(self._ring + 1) % (LAG_S + 1)]
        is_known = self._zone != UNKNOWN
        at = self._zone * self.residents
        at += np.arange(self.residents)
        at *= is_known
        believed = self._past[self._ring].reshape(-1).take(at)
        self._settled_s += 1
        self._settled_s *= (believed >= SETTLED) & is_known
        probability = oldest.reshape(-1).take(at)
        best = self._zone.copy()
        due = np.flatnonzero(self._settled_s <= LAG_S)
        if len(due):
            best[due], probability[due] = self._look_back(due, oldest)
        told = (probability >= UNKNOWN_BELOW) & (self._unheard_s < UNHEARD_S)
        told &= self._seconds > DELAY_S
        if not alive.all():
            told &= ~self._is_deaf(alive)[best]
        zone = np.where(told, best, UNKNOWN)
        self._settled_s[zone != self._zone] = 0
        self._zone = zone
        return Places(DELAY_S, self._zone, probability)

    def _look_back(
        self, rows: NDArray[np.int64], oldest: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """(rows,) zone to be told if it is likely enough, and probability of the likeliest."""
        likelihood = self._likelihood.take(rows, axis=2)
        leaves = self._leaves.take(rows, axis=1)
        stays = None if self._stays is None else Stays(*(a[:, rows] for a in self._stays))
        since = np.ones_like(likelihood[0])
        for ago in range(LAG_S):
            at = self._ring - ago
            since *= likelihood[at]
            if ago:  # What was impossible in a whole second would stay so.
                since /= since.max(axis=0)
            gone = self._goes @ since
            gone *= leaves[at] if stays is None else _leaving(leaves[at], stays)
            since += gone
        share = oldest.take(rows, axis=1)
        share *= since
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


def _leaving(leaves: NDArray[np.float32], stays: Stays) -> NDArray[np.float32]:
    """(zones, residents) chance to leave each zone within a second, by movement and by dwelling."""
    leaving: NDArray[np.float32] = np.maximum(leaves * stays.share, stays.least)
    return leaving


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
