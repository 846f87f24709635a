"""How strongly each receiver of a whole home hears each wearable, second by second, for days.

Where `firmware_sim.air` draws single adverts for the gateway's own code, this draws what is left of
them after a second: the mean strength, or silence. What does not change with time (distance, walls,
storeys, the wearer's body, furniture) is worked out once for each place, direction and receiver;
the rest is drawn. The constants were compared with recordings (docs/simulated-home.md).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from firmware_sim.air import COLLISION_LOSS, HALF_LOST_DBM, LOSS_STEEPNESS_DB, RSSI_AT_1_M_DBM

PATH_LOSS_EXPONENT: Final = 1.8
"""Within rooms and along corridors 1.6 to 1.8 (ITU-R P.1238); Kolakowski's flat gives 1.0 with its
walls counted apart, and 2.1 without."""
WALL_DB: Final = 6.0
"""Brick at 2.4 GHz, 6 to 10; Kolakowski's flat gives 6.0 a wall (3.0 for each of its faces)."""
STOREY_DB: Final = 15.0
"""A concrete floor, as in ITU-R P.1238 for one storey at 2.4 GHz in offices and flats."""
STOREY_HEIGHT_M: Final = 3.2
HUNG_M: Final = 1.2
"""A receiver hangs on the wall, so much higher than a wrist."""

BODY_DB: Final = 10.0
"""What a body takes that stands between wrist and receiver; 10 to 20 for a torso in the straight
way, less indoors as other ways lead round it."""

FURNITURE_DB: Final = 3.5
"""Deviation of what furniture and reflections add that stay where they are: of the 5.8 dB that
distance and walls leave in Kolakowski's flat, the part that is alike at neighbouring points."""
FURNITURE_M: Final = 0.6
"""Half as alike at this distance: .42 below 0.2 m, .28 at 0.35, .17 at 0.75 there, single readings'
noise in it."""

SPOT_DB: Final = 2.6
"""Deviation of what changes with a hand's breadth (multipath, averaged over the three advertising
channels). A walker's seconds in SPHERE differ by 3.0 dB (root of half the mean square difference
of neighbours): 2.6 of it is this, 1.5 the adverts'."""
ADVERT_DB: Final = 2.1
"""Deviation of single adverts of one spot: 2.1 to 2.7 within a second of SPHERE."""

ADVERTS_A_SECOND: Final = 2
"""Interval 500 ms (docs/wearable-profile.md)."""

STIRS_AWAKE_S: Final = 6.0
"""A wrist that rests changes its place so often, on average: neighbouring seconds of SPHERE differ
by 2.1 dB then, at five seconds by 4.1."""
STIRS_ASLEEP_S: Final = 240.0
"""Sleepers move their arms some 15 times an hour (actigraphy of older people)."""
TURNS_SHARE: Final = 0.5
"""Of these changes so many turn the body, too."""

CELL_M: Final = 0.5
DIRECTIONS: Final = 8
_NEAREST_M: Final = 0.5
INAUDIBLE_DBM: Final = -108.0
"""Who is nowhere in an hour expected stronger at a receiver is not heard by it: chance advert by
advert below 1 in 1,000."""

_LEVEL_STEP_DB: Final = 0.5
_LEVELS_DBM: Final = (-130.0, 0.0)

Points = NDArray[np.float32]
"""(points, 3): x and y in metres, and the storey."""


class Walkers(NamedTuple):
    """Where the wearables of a home are for some seconds; arrays are (wearables, seconds)."""

    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    floor: NDArray[np.int8]
    moving: NDArray[np.bool_]
    asleep: NDArray[np.bool_]
    on_air: NDArray[np.bool_]
    """Whether it is in the home at all and has a battery."""

    def during(self, span: slice) -> Walkers:
        """Some of the seconds."""
        return Walkers(
            self.x_m[:, span],
            self.y_m[:, span],
            self.floor[:, span],
            self.moving[:, span],
            self.asleep[:, span],
            self.on_air[:, span],
        )


class Building(NamedTuple):
    """What stands still."""

    receivers: Points
    size_m: tuple[float, float]
    """Of the drawing, from its corner."""
    floors: int
    walls_between: Callable[[Points, Points], NDArray[np.int64]]
    """(n, 3) and (m, 3) to (n, m) walls on the straight way."""


class Propagation:
    """Mean strength of each second, of every wearable at every receiver.

    Parameters
    ----------
    building
        What stands still.
    wearables
        How many there are.
    seed
        The same seed gives the same furniture and the same fading.
    fading
        Another number gives other fading among the same furniture: another day.
    """

    def __init__(self, building: Building, wearables: int, seed: int, *, fading: int = 0) -> None:
        self._building = building
        self._rng = np.random.default_rng([seed, 5])
        self._columns = int(np.ceil(building.size_m[0] / CELL_M))
        self._lines = int(np.ceil(building.size_m[1] / CELL_M))
        self._table = self._expect()
        self._rng = np.random.default_rng([seed, 6, fading])
        self._heard = _Heard.of(ADVERTS_A_SECOND)
        receivers = len(building.receivers)
        self._spot = self._rng.standard_normal((receivers, wearables), np.float32) * np.float32(
            SPOT_DB
        )
        self._facing = self._rng.integers(DIRECTIONS, size=wearables)
        self._last = np.full((2, wearables), np.nan, np.float32)

    def hear(self, walkers: Walkers) -> NDArray[np.float32]:
        """(receivers, wearables, seconds) mean dBm of each second's adverts in half dB, NaN where
        none arrived. What comes next goes on where this ends.
        """
        place, slot, drawn = self._follow(walkers)
        out = np.full((len(self._table), *place.shape), np.nan, np.float32)
        for receiver, table in enumerate(self._table):
            level = table.take(place)
            near = np.flatnonzero((level.max(axis=1) > INAUDIBLE_DBM) & walkers.on_air.any(axis=1))
            if not len(near):
                continue
            level = level[near]
            level += drawn[receiver].take(slot[near])
            out[receiver, near] = self._receive(level, walkers.on_air[near])
        return out

    def _receive(
        self, level: NDArray[np.float32], on_air: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        key = ((level - np.float32(_LEVELS_DBM[0])) * np.float32(1 / _LEVEL_STEP_DB)).astype(
            np.int32
        )
        np.clip(key, 0, len(self._heard.silent) - 1, out=key)
        strength = self._rng.standard_normal(level.shape, np.float32)
        strength *= self._heard.deviation_db.take(key)
        strength += self._heard.shift_db.take(key)
        strength += level
        steps = np.float32(ADVERTS_A_SECOND)
        strength = np.rint(strength * steps) / steps
        silent = self._rng.random(level.shape, np.float32) < self._heard.silent.take(key)
        strength[silent | ~on_air] = np.nan
        return np.asarray(strength, np.float32)

    def _follow(
        self, walkers: Walkers
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Row of the table for each wearable and second; its number among the spots; the spots.

        A spot is where nothing of the multipath changes: each second of a walk is one, and each
        rest of the wrist.
        """
        wearables, seconds = walkers.x_m.shape
        rate = np.where(walkers.asleep, np.float32(1 / STIRS_ASLEEP_S), 1 / STIRS_AWAKE_S)
        stirs = self._rng.random((wearables, seconds), np.float32) < rate
        changes = stirs | walkers.moving
        count = changes.sum(axis=1)
        first = np.concatenate(([0], np.cumsum(count[:-1] + 1)))
        slot = (np.cumsum(changes, axis=1) + first[:, None]).astype(np.int32)
        last = first + count
        drawn = self._rng.standard_normal((len(self._spot), int(last[-1]) + 1), np.float32)
        drawn *= np.float32(SPOT_DB)
        drawn[:, first] = self._spot
        self._spot = drawn[:, last]
        facing = self._face(walkers, changes, first, slot)
        self._facing = facing[last]
        cell = (walkers.y_m * np.float32(1 / CELL_M)).astype(np.int32)
        np.clip(cell, 0, self._lines - 1, out=cell)
        cell += walkers.floor.astype(np.int32) * np.int32(self._lines)
        cell *= np.int32(self._columns)
        column = (walkers.x_m * np.float32(1 / CELL_M)).astype(np.int32)
        cell += np.clip(column, 0, self._columns - 1)
        cell *= np.int32(DIRECTIONS)
        cell += facing.astype(np.int32).take(slot)
        return cell, slot, drawn

    def _face(
        self,
        walkers: Walkers,
        changes: NDArray[np.bool_],
        first: NDArray[np.int64],
        slot: NDArray[np.int32],
    ) -> NDArray[np.int64]:
        """(spots,) which way the wearer faces: whither she walks, or anywhere."""
        before = np.concatenate((self._last[:, :, None], [walkers.x_m, walkers.y_m]), axis=2)
        self._last = np.stack((walkers.x_m[:, -1], walkers.y_m[:, -1]))
        east, north = np.diff(before, axis=2)
        wearable, second = np.nonzero(changes)
        angle = np.arctan2(north[wearable, second], east[wearable, second])
        walked = np.rint(np.nan_to_num(angle) * DIRECTIONS / (2 * np.pi)).astype(np.int64)
        turned = self._rng.random(len(wearable)) < TURNS_SHARE
        anywhere = np.where(turned, self._rng.integers(DIRECTIONS, size=len(wearable)), -1)
        goes = walkers.moving[wearable, second] & ((east != 0) | (north != 0))[wearable, second]
        facing = np.full(int(slot.max()) + 1, -1)
        facing[slot[wearable, second]] = np.where(goes, walked % DIRECTIONS, anywhere)
        facing[first] = self._facing
        # Who did not turn faces where she did; the first spot of each is known.
        known = np.where(facing >= 0, np.arange(len(facing)), 0)
        kept: NDArray[np.int64] = facing[np.maximum.accumulate(known)]
        return kept

    def _expect(self) -> NDArray[np.float32]:
        """(receivers, floors x lines x columns x directions) expected dBm."""
        building, receivers = self._building, self._building.receivers
        floor, y, x = np.meshgrid(
            np.arange(building.floors),
            (np.arange(self._lines) + 0.5) * CELL_M,
            (np.arange(self._columns) + 0.5) * CELL_M,
            indexing="ij",
        )
        cells = np.stack((x.ravel(), y.ravel(), floor.ravel()), axis=1).astype(np.float32)
        east = receivers[:, 0, None] - cells[:, 0]
        north = receivers[:, 1, None] - cells[:, 1]
        storeys = np.abs(receivers[:, 2, None] - cells[:, 2])
        flat = np.hypot(east, north)
        metres = np.sqrt(flat**2 + (STOREY_HEIGHT_M * storeys) ** 2 + HUNG_M**2)
        mean = RSSI_AT_1_M_DBM - 10 * PATH_LOSS_EXPONENT * np.log10(np.maximum(metres, _NEAREST_M))
        mean -= STOREY_DB * storeys
        mean -= WALL_DB * building.walls_between(receivers, cells)
        mean += self._furniture(len(receivers))
        bearing = np.arctan2(north, east)
        faces = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
        # Seen from above a body's shadow is deep only in so far as the way is level.
        level = (flat / np.maximum(metres, _NEAREST_M))[:, :, None]
        behind = 0.5 * BODY_DB * level * (1 - np.cos(bearing[:, :, None] - faces))
        table = mean[:, :, None] - behind
        return np.ascontiguousarray(table.reshape(len(receivers), -1), np.float32)

    def _furniture(self, receivers: int) -> NDArray[np.float64]:
        """(receivers, cells) a field that changes within a step or two, its own for each."""
        shape = (receivers, self._building.floors, self._lines, self._columns)
        width = FURNITURE_M / CELL_M / np.sqrt(2 * np.log(2)) / np.sqrt(2)
        field = ndimage.gaussian_filter(
            self._rng.standard_normal(shape), (0, 0, width, width), mode="wrap"
        )
        return np.asarray(field * (FURNITURE_DB / field.std()), np.float64).reshape(receivers, -1)


class _Heard(NamedTuple):
    """What of a second's adverts arrives, by expected level in steps of `_LEVEL_STEP_DB`."""

    silent: NDArray[np.float32]
    """Chance that none does."""
    shift_db: NDArray[np.float32]
    """Mean of those that do, above the expected level: the weak ones are lost."""
    deviation_db: NDArray[np.float32]
    """Of the mean of those that do."""

    @classmethod
    def of(cls, adverts: int) -> _Heard:
        """By adding up over the fading of a single advert."""
        level = np.arange(*_LEVELS_DBM, _LEVEL_STEP_DB)[:, None] + _LEVEL_STEP_DB / 2
        fade = np.linspace(-5, 5, 201) * ADVERT_DB
        weight = np.exp(-0.5 * np.square(fade / ADVERT_DB))
        weight /= weight.sum()
        arrives = 1 / (1 + np.exp(-(level + fade - HALF_LOST_DBM) / LOSS_STEEPNESS_DB))
        share = weight * arrives
        chance = share.sum(axis=1)
        mean = (share * fade).sum(axis=1) / chance
        variance = (share * np.square(fade)).sum(axis=1) / chance - np.square(mean)
        chance = chance * (1 - COLLISION_LOSS)
        count = np.arange(1, adverts + 1)
        ways = np.array([comb(adverts, each) for each in count.tolist()])
        of_them = ways * chance[:, None] ** count * (1 - chance[:, None]) ** (adverts - count)
        silent = (1 - chance) ** adverts
        shrunk = (of_them / count).sum(axis=1) / np.maximum(1 - silent, 1e-12)
        return cls(
            silent.astype(np.float32),
            mean.astype(np.float32),
            np.sqrt(variance * shrunk).astype(np.float32),
        )
