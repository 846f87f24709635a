"""What room sensors of a whole home say: with what they miss, and with ghosts.

Second by second and for all sensors at once, beside `firmware_sim.propagation`; where
`firmware_sim.room_sensors` sends single packets for the gateway's own code, this gives what is left
of them after a second. And what goes wrong for hours: `Trouble`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SEEN_A_SECOND: Final = np.array([0.0, 0.01, 0.15, 0.5, 0.0])
"""Chance that a motion sensor sees within a second somebody in its zone who is asleep, rests, is
up, walks, lies still (`firmware_sim.life.track.Activity`): passive infrared answers to warm shapes
that cross its fan."""
MOTION_HOLDS_S: Final = 30
"""So long after it has last seen somebody it says that it is over, as battery-driven ones do."""
MOTION_GHOSTS_AN_HOUR: Final = 0.5
"""Sun, curtains, heating; nobody is there."""

PACKET_LOST: Final = 0.01
"""Share of a sensor's changes whose six packets no receiver has heard; what it says unasked puts
it right later."""
DOOR_SAYS_EACH_S: Final = 300
DOOR_GHOSTS_A_DAY: Final = 0.02
"""A door that rattles in the wind past its magnet: one a day in a home of fifty."""
DOOR_GHOST_S: Final = 2

BED_LATE_S: Final = (3, 10)
"""A mat waits so long until it believes a change: who turns over has not got up."""
BED_SAYS_EACH_S: Final = 60
BED_GHOSTS_A_NIGHT: Final = 0.3
"""Somebody who lies at the edge of the mat, and is told to be out of bed."""
BED_GHOST_S: Final = (10, 60)
_NIGHT_S: Final = 8 * 3600.0


class Trouble(NamedTuple):
    """Something that is wrong for a while."""

    begun: int
    """Seconds since the first day's midnight."""
    ended: int
    kind: str
    """``dead``: a receiver; ``stuck``: a receiver tells one strength for all that it hears;
    ``swapped``: two residents wear each other's."""
    row: int
    """Receiver, or one resident."""
    other: int = -1
    """The other resident."""


STUCK_DBM: Final = -67.0


def spoil(
    rssi_dbm: NDArray[np.float32], begin: int, troubles: Sequence[Trouble]
) -> NDArray[np.bool_]:
    """Do to signal strengths (receivers, wearables, seconds) what is wrong, in place.

    Returns
    -------
    (receivers, seconds) whether each receiver works: one that is stuck does.
    """
    receivers, _, seconds = rssi_dbm.shape
    works = np.ones((receivers, seconds), np.bool_)
    for each in troubles:
        span = slice(max(each.begun - begin, 0), max(each.ended - begin, 0))
        if each.kind == "dead":
            rssi_dbm[each.row, :, span] = np.nan
            works[each.row, span] = False
        elif each.kind == "stuck":
            heard = rssi_dbm[each.row, :, span]
            heard[np.isfinite(heard)] = STUCK_DBM
        elif each.kind == "swapped":
            pair = [each.row, each.other]
            rssi_dbm[:, pair, span] = rssi_dbm[:, pair[::-1], span]
        else:
            raise ValueError(f"no such trouble: {each.kind!r}")
    return works


def see_motion(
    zone: NDArray[np.int16],
    activity: NDArray[np.int8],
    stands_in: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """(sensors, seconds) whether each says that something moves.

    Parameters
    ----------
    zone, activity
        (people, seconds) of everybody, with a wearable or without; activity a row of
        `SEEN_A_SECOND`, zone -1: not in the home.
    stands_in
        (sensors,) zone of each.
    """
    seconds = zone.shape[1]
    zones = int(max(stands_in.max(initial=0), zone.max(initial=0))) + 1
    unseen = np.log1p(-SEEN_A_SECOND).astype(np.float32)
    quiet = np.zeros((zones + 1, seconds), np.float32)
    column = np.arange(seconds)
    for person in range(len(zone)):
        # One person is in one zone: no index occurs twice.
        quiet[zone[person], column] += unseen[activity[person]]
    chance = 1 - np.exp(quiet[stands_in])
    chance += np.float32(MOTION_GHOSTS_AN_HOUR / 3600)
    seen = rng.random(chance.shape, np.float32) < chance
    latest = np.where(seen, np.arange(seconds, dtype=np.int32), -MOTION_HOLDS_S)
    np.maximum.accumulate(latest, axis=1, out=latest)
    says: NDArray[np.bool_] = np.arange(seconds, dtype=np.int32) - latest < MOTION_HOLDS_S
    return says


def say_contacts(
    is_open: NDArray[np.bool_], said_before: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(doors, seconds) what contacts say of doors, given the truth and what they said last."""
    truth = is_open.copy()
    doors, seconds = truth.shape
    ghosts = rng.random((doors, seconds)) < DOOR_GHOSTS_A_DAY / 86400.0
    for later in range(DOOR_GHOST_S):
        truth[:, later:] |= ghosts[:, : seconds - later]
    return _as_said(truth, said_before, DOOR_SAYS_EACH_S, rng)


def say_beds(
    in_bed: NDArray[np.bool_], said_before: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(beds, seconds) what mats say, given the truth and what they said last."""
    felt = in_bed.copy()
    beds, seconds = felt.shape
    ghost = rng.random((beds, seconds)) < BED_GHOSTS_A_NIGHT / _NIGHT_S
    for bed, begun in zip(*np.nonzero(ghost & in_bed), strict=True):
        felt[bed, begun : begun + int(rng.integers(*BED_GHOST_S))] = False
    late = felt.copy()
    for bed in range(beds):
        late[bed] = _late(felt[bed], bool(said_before[bed]), rng)
    return _as_said(late, said_before, BED_SAYS_EACH_S, rng)


def _late(truth: NDArray[np.bool_], before: bool, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Each change as much later as the mat waits; what is shorter it never says."""
    said = np.empty_like(truth)
    changes = np.flatnonzero(np.diff(truth, prepend=before))
    at, now = 0, before
    for number, change in enumerate(changes.tolist()):
        due = change + int(rng.integers(*BED_LATE_S))
        ends = changes[number + 1] if number + 1 < len(changes) else len(truth)
        if bool(truth[change]) == now or due >= ends:
            continue
        said[at:due], at, now = now, due, bool(truth[change])
    said[at:] = now
    return said


def _as_said(
    truth: NDArray[np.bool_],
    before: NDArray[np.bool_],
    each_s: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """What is known of states whose changes get lost now and then, until they are said again."""
    seconds = truth.shape[1]
    changed = np.diff(truth, axis=1, prepend=before[:, None])
    speaks = changed & (rng.random(truth.shape, np.float32) >= PACKET_LOST)
    phase = rng.integers(each_s, size=len(truth))
    speaks |= (np.arange(seconds) - phase[:, None]) % each_s == 0
    latest = np.maximum.accumulate(np.where(speaks, np.arange(seconds), -1), axis=1)
    said = np.take_along_axis(truth, np.maximum(latest, 0), axis=1)
    return np.where(latest >= 0, said, before[:, None])
