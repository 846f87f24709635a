"""What a home's rooms look like to its receivers and sensors: learnt from a short labelled walk.

For each receiver and zone the model holds how likely a signal strength is there, and how likely
it is that nothing is heard; for each sensor how likely it is to fire in a second that somebody
spends there. The receivers are taken as independent of each other, so that one that is down, or
was not there on the day of the walk, is simply left out: a model that looks at all of them
together (a random forest, a network) would take its silence for a place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = -1
"""In the place of a zone's number: nobody can tell, or nobody has said."""

LEAST_DBM: Final = -127.0
MOST_DBM: Final = 20.0
"""What Bluetooth can say of a signal's strength (127 says that nobody knows); what else comes was
not heard."""

WEAKEST_DBM: Final = -110
STRONGEST_DBM: Final = -30
"""Signal strengths that radios report lie between; beyond, they count as these."""
LEVELS: Final = STRONGEST_DBM - WEAKEST_DBM + 1
"""One for each dB."""

SPREAD_DB: Final = 2.0
"""Each heard second speaks for strengths around its own, too: a normal curve of this deviation,
the fading of a body that turns on the spot. On SPHERE 2 to 4 dB do equally well."""

PRIOR_SECONDS: Final = 1.0
"""What is believed before the first second in a zone weighs as much as this many seconds."""

ELSEWHERE: Final = 0.01
"""Share of what a zone may sound like that says nothing of it (a hand over the wearable, a door):
without it a zone in which little time was spent on the walk, and of which therefore little is
known, would claim every second that is unusual for the others."""

FIRES_AT_LEAST: Final = 0.08
"""No sensor is believed to be quieter than this where nobody is: somebody else may always walk by
(in SPHERE the one in the study fires in 15 % of one sequence's seconds, with nobody else told)."""

ZONES_AT_MOST: Final = 256
"""A home of sixty has some forty; a file that says more is broken."""

STEP_S: Final = 3
"""A room that was entered within so many seconds is next to the one before; longer without a word,
and another may lie between them."""

BEHIND_S: Final = 2
AHEAD_S: Final = 1
"""A second's signal strength is the mean of those so many before it and after it, too: a wrist's
swings by 10 dB from one second to the next."""


class Walk(NamedTuple):
    """Seconds of one wearable whose place was written down."""

    rssi_dbm: NDArray[np.float32]
    """(receivers, seconds) mean of each second, NaN where nothing was heard."""
    active: NDArray[np.bool_]
    """(sensors, seconds) whether it said so in this second."""
    zone: NDArray[np.int64]
    """(seconds,) number of the zone, `UNKNOWN` where nobody has said."""


class RoomModel(NamedTuple):
    """A home, as its receivers and sensors see it."""

    zones: tuple[str, ...]
    receivers: tuple[str, ...]
    sensors: tuple[str, ...]
    heard: NDArray[np.float32]
    """(receivers, levels, zones) log probability of being heard with that strength."""
    silent: NDArray[np.float32]
    """(receivers, zones) log probability of not being heard in a second."""
    fires: NDArray[np.float32]
    """(sensors, zones) probability of firing in a second that somebody spends there alone."""
    near: NDArray[np.bool_]
    """(zones, zones) whether one can walk from one into the other without a third."""
    stands_in: NDArray[np.int64]
    """(receivers,) zone of each receiver, `UNKNOWN` where nobody has said."""
    is_calibrated: bool
    spent_s: NDArray[np.float32] | None = None
    """(zones,) how long the walks were in each, as a few seconds are no portrait of a room; None:
    nobody has counted, and it was long enough."""


def audible(rssi_dbm: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each is a signal's strength; what is no number lies in no range."""
    heard: NDArray[np.bool_] = (rssi_dbm >= LEAST_DBM) & (rssi_dbm <= MOST_DBM)
    return heard


def level(rssi_dbm: NDArray[np.float32]) -> NDArray[np.int64]:
    """Row of `RoomModel.heard` for signal strengths in dBm; NaN gives the weakest."""
    clipped = np.fmin(np.fmax(rssi_dbm, np.float32(WEAKEST_DBM)), np.float32(STRONGEST_DBM))
    row: NDArray[np.int64] = (clipped - np.float32(WEAKEST_DBM - 0.5)).astype(np.int64)
    return row


def learn(
    walks: Sequence[Walk],
    *,
    zones: Sequence[str],
    receivers: Sequence[str],
    sensors: Sequence[str],
    near: NDArray[np.bool_] | None = None,
    stands_in: Mapping[str, str] | None = None,
) -> RoomModel:
    """Learn a home from labelled walks.

    Parameters
    ----------
    walks
        All with the same receivers, sensors and zones.
    near
        (zones, zones) the home's plan; default what the walks have stepped through.
    stands_in
        Receiver to zone, as far as known.

    Raises
    ------
    ValueError
        If no second of any walk has a zone.
    """
    if not any((walk.zone != UNKNOWN).any() for walk in walks):
        raise ValueError("the walks say of no second where it was spent")
    heard, silent = _strengths(walks, len(zones), len(receivers))
    if near is None:
        near = stepped_through(walks, len(zones))
    return RoomModel(
        zones=tuple(zones),
        receivers=tuple(receivers),
        sensors=tuple(sensors),
        heard=heard,
        silent=silent,
        fires=_firing(walks, len(zones), len(sensors)),
        near=connected(near),
        stands_in=places(receivers, zones, stands_in or {}),
        is_calibrated=True,
        spent_s=_spent_s(walks, len(zones)),
    )


def places(
    receivers: Sequence[str], zones: Sequence[str], stands_in: Mapping[str, str]
) -> NDArray[np.int64]:
    """(receivers,) number of the zone in which each stands."""
    number = {zone: index for index, zone in enumerate(zones)}
    return np.array([number.get(stands_in.get(each, ""), UNKNOWN) for each in receivers], np.int64)


def connected(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The graph made symmetric; a zone that nothing leads to is next to every other one, as
    somebody must get there.
    """
    both: NDArray[np.bool_] = (near | near.T) & ~np.eye(len(near), dtype=np.bool_)
    alone = ~both.any(axis=0)
    both[alone] = True
    both[:, alone] = True
    np.fill_diagonal(both, False)
    return both


def reachable(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(zones, zones) whether any way leads from one to the other."""
    reached = near | np.eye(len(near), dtype=np.bool_)
    for _ in range(len(near)):
        wider = reached @ reached
        if (wider == reached).all():
            break
        reached = wider
    return reached


def _strengths(
    walks: Sequence[Walk], zones: int, receivers: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log probabilities of each level and of silence, for each receiver and zone."""
    grid = np.arange(WEAKEST_DBM, STRONGEST_DBM + 1)
    curves = np.exp(-0.5 * np.square((grid[:, None] - grid[None, :]) / SPREAD_DB))
    curves /= curves.sum(axis=0)
    found = np.zeros((receivers, LEVELS, zones))
    missed = np.zeros((receivers, zones))
    for walk in walks:
        there = _one_hot(walk.zone, zones)
        smoothed = centred_mean(walk.rssi_dbm)
        for receiver, strengths in enumerate(smoothed):
            is_heard = np.isfinite(strengths)
            if not is_heard.any():
                continue  # It did not stand there that day.
            counts = np.zeros((LEVELS, zones))
            np.add.at(counts, level(strengths[is_heard]), there[is_heard])
            found[receiver] += curves @ counts
            missed[receiver] += there[~is_heard].sum(axis=0)
    total = found.sum(axis=1)
    share = (total + 0.5) / (total + missed + 1.0)
    flat = np.full((receivers, LEVELS, 1), 1.0 / LEVELS)
    pooled = found.sum(axis=2, keepdims=True)
    pooled = (pooled + flat) / (pooled.sum(axis=1, keepdims=True) + 1.0)
    before = 0.5 * pooled + 0.5 * flat
    density = (found + PRIOR_SECONDS * before) / (total + PRIOR_SECONDS)[:, None, :]
    density = (1 - ELSEWHERE) * density + ELSEWHERE * before
    share = (1 - ELSEWHERE) * share + ELSEWHERE * 0.5
    heard = np.log(share[:, None, :] * density)
    return heard.astype(np.float32), np.log1p(-share).astype(np.float32)


def _spent_s(walks: Sequence[Walk], zones: int) -> NDArray[np.float32]:
    spent = [np.bincount(walk.zone[walk.zone != UNKNOWN], minlength=zones) for walk in walks]
    return np.asarray(np.sum(spent, axis=0), np.float32)


def _firing(walks: Sequence[Walk], zones: int, sensors: int) -> NDArray[np.float32]:
    fired, spent = np.zeros((sensors, zones)), np.zeros(zones)
    for walk in walks:
        there = _one_hot(walk.zone, zones)
        fired += fired_around(walk.active) @ there
        spent += there.sum(axis=0)
    share = (fired + 0.3) / (spent + 6.0)
    return np.maximum(share, FIRES_AT_LEAST).astype(np.float32)


def fired_around(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(sensors, seconds) whether it fired in a second or the next one: sensors report late."""
    later = np.zeros_like(active)
    later[:, :-1] = active[:, 1:]
    return active | later


def _one_hot(zone: NDArray[np.int64], zones: int) -> NDArray[np.float64]:
    """(seconds, zones)"""
    there = np.zeros((len(zone), zones))
    known = np.flatnonzero(zone != UNKNOWN)
    there[known, zone[known]] = 1.0
    return there


def stepped_through(walks: Sequence[Walk], zones: int) -> NDArray[np.bool_]:
    """(zones, zones) where somebody walked out of the one into the other."""
    near = np.zeros((zones, zones), np.bool_)
    for walk in walks:
        seen = np.flatnonzero(walk.zone != UNKNOWN)
        at_once = np.diff(seen) <= STEP_S
        left, entered = walk.zone[seen[:-1][at_once]], walk.zone[seen[1:][at_once]]
        near[left, entered] = True
    return near


def centred_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(rows, seconds) mean over `BEHIND_S` seconds before each and `AHEAD_S` after it; NaN where
    nothing is in any of them.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    total, count = np.zeros(values.shape), np.zeros(values.shape)
    seconds = values.shape[1]
    for shift in range(-BEHIND_S, AHEAD_S + 1):
        to = slice(max(0, -shift), min(seconds, seconds - shift))
        come = slice(max(0, shift), min(seconds, seconds + shift))
        total[:, to] += filled[:, come]
        count[:, to] += known[:, come]
    with np.errstate(invalid="ignore"):
        mean = total / count
    return mean.astype(np.float32)
