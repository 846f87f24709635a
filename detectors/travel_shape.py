"""The ways of a home's graph, and the shape of a walk on it: pacing, lapping or at random.

Martino-Saltzman (1991) names them: *pacing* goes back and forth between two places, *lapping*
circles, *random* travel turns here and there. Published rules look at which room repeats how many
visits later (SCIENCE 3.2) and lose step with the first room that is missed or was never entered.
Here it is asked of each step whether the same one, or its opposite, was taken before, and where the
walk turned round: a wrong room spoils the two steps next to it and no other.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import UNKNOWN

Kind = Literal["direct", "random", "pacing", "lapping"]

KINDS: Final[tuple[Kind, ...]] = ("direct", "random", "pacing", "lapping")
DIRECT, RANDOM, PACING, LAPPING = range(len(KINDS))

PATH: Final = 64
"""So many of the latest visits of a walk are kept: an hour of pacing along a corridor of four
rooms has some 200, and what it is shows after twenty."""

LAPS_AGAIN: Final = 0.3
"""Least share of steps taken before, in the same direction, of who circles: after one and a half
rounds it is a third."""

LAPS_TURN: Final = 0.15
"""Greatest share of visits at which who circles turns round. Nobody who laps does; a room that is
heard wrongly for long (B, X, B) looks like it, and one in ten may be."""

PACES_AGAIN: Final = 0.5
"""Least share of steps of who paces that were taken before in one of the two directions."""

PACES_ENDS: Final = 0.65
"""Least share of all turns that the two commonest turning places have: pacing has two ends, and
the rest is rooms that were heard wrongly. Three ends that are alike have two thirds, and at the
hub of a star that is how pacing and random walks overlap (SCIENCE 3.2)."""

AT_ONE_ROOM: Final = 0.6
"""Share of a walk's seconds in one room from which on she was there and hardly walked: who sits or
washes between two receivers is told to be now here, now there, mostly here. Who goes to and fro
through a corridor is in it for half of the time."""

MEAN_STAY_S: Final = 25.0
"""So long in a room on average, and it was no walk either: a room that is walked through takes 5 to
25 s. The two are chosen on days of the simulated home (`wardlight evaluate simulated-home`), where
nine of ten walks that wander stay below both, and one in four of those that radio makes."""


def count_hops(near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(zones, zones) steps of the shortest way; 1 where no way is known.

    Somebody who is seen on both sides has found one, and the plan lacks it.
    """
    zones = len(near)
    hops = np.full((zones, zones), UNKNOWN, np.int64)
    for start in range(zones):
        hops[start, start] = 0
        waiting = deque([start])
        while waiting:
            here = waiting.popleft()
            fresh = np.flatnonzero(near[here] & (hops[start] == UNKNOWN))
            hops[start, fresh] = hops[start, here] + 1
            waiting.extend(fresh.tolist())
    hops[hops == UNKNOWN] = 1
    return hops


def rooms_between(near: NDArray[np.bool_], hops: NDArray[np.int64]) -> NDArray[np.int64]:
    """(zones, zones) the room that one must have passed, `UNKNOWN` where there is none or a choice.

    Only for rooms two steps apart: a longer hole is no missed room, it is no reception.
    """
    both = near.astype(np.int64)
    single = (hops == 2) & (both @ both == 1)
    first = (near[:, None, :] & near.T[None, :, :]).argmax(axis=2)
    return np.where(single, first, UNKNOWN)


def classify(paths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(walks,) number in `KINDS` of each wandering: never `DIRECT`.

    Parameters
    ----------
    paths
        (walks, visits) numbers of the zones, `UNKNOWN` after the last.
    """
    step_is = (paths[:, :-1] != UNKNOWN) & (paths[:, 1:] != UNKNOWN)
    steps = np.maximum(step_is.sum(axis=1), 1)
    zones = int(paths.max(initial=0)) + 1
    forth = paths[:, :-1] * zones + paths[:, 1:]
    back = paths[:, 1:] * zones + paths[:, :-1]
    earlier = np.tri(forth.shape[1], k=-1, dtype=np.bool_)
    same = ((forth[:, :, None] == forth[:, None, :]) & earlier).any(axis=2) & step_is
    opposite = ((forth[:, :, None] == back[:, None, :]) & earlier).any(axis=2) & step_is
    turns, ends = _turns(paths, zones)
    laps = (same.sum(axis=1) >= LAPS_AGAIN * steps) & (turns <= LAPS_TURN * steps)
    paces = ((same | opposite).sum(axis=1) >= PACES_AGAIN * steps) & (ends >= PACES_ENDS * turns)
    paces &= turns > 1
    return np.where(laps, LAPPING, np.where(paces, PACING, RANDOM))


def keeps_walking(paths: NDArray[np.int64], stayed_s: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(walks,) which of these go from room to room, and do not stay in one.

    Parameters
    ----------
    paths
        As in `classify`.
    stayed_s
        (walks, visits) how long each visit was; 0 of one that is not over, or was put in.
    """
    stayed_s = np.where(paths == UNKNOWN, 0, stayed_s)
    is_same = paths[:, :, None] == paths[:, None, :]
    in_one_s = (stayed_s[:, None] * is_same).sum(axis=2).max(axis=1)
    all_s, stays = stayed_s.sum(axis=1), (stayed_s > 0).sum(axis=1)
    return np.asarray((in_one_s < AT_ONE_ROOM * all_s) & (all_s < MEAN_STAY_S * stays))


def _turns(paths: NDArray[np.int64], zones: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(walks,) how often each turned round, and how often of these at its two commonest places."""
    is_turn = (paths[:, 2:] == paths[:, :-2]) & (paths[:, 2:] != UNKNOWN)
    walk, visit = np.nonzero(is_turn)
    where = np.zeros((len(paths), max(zones, 2)), np.int64)
    np.add.at(where, (walk, paths[walk, visit + 1]), 1)
    return is_turn.sum(axis=1), np.sort(where, axis=1)[:, -2:].sum(axis=1)
