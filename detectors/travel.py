"""Who wanders: walks that come back to rooms for no errand, second by second for all residents.

A walk begins when somebody leaves a room and ends with a stay of more than `STAY_S`. Signs of
wandering are a step that was taken before in the same direction, a room reached again on a new way,
and a turn back. Going back the way one came is none but for the turn, and from a halt on all steps
are new: so an errand (room, corridor, toilet, corridor, room) is direct, also twice.

Rooms that were never entered, and rooms that were missed, are mended on the home's graph: a room
of a moment is left out where none was needed between its neighbours; the only room between two
that are not next to each other is put in.

Of each second only those are looked at who changed room; the rest is a comparison of arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.resident_rows import Each
from detectors.room_model import UNKNOWN
from detectors.rows import kept_array, rearrange
from detectors.travel_day import TravelDay, TravelTally
from detectors.travel_shape import (
    DIRECT,
    KINDS,
    PATH,
    Kind,
    classify,
    count_hops,
    keeps_walking,
    rooms_between,
)

STAY_S: Final = 120
"""Longer in one room, and the walk is over: she had a purpose there (SCIENCE 3.2). Nothing heard
for as long ends it, too: nobody knows where it went."""

PAUSE_S: Final = 45
"""Who stands still so long has halted, and may walk back without having wandered. A room that is
walked through takes 5 to 25 s; the shortest visit to a toilet takes about a minute."""

LOOK_S: Final = 7
"""Shorter, and back in the room before, a visit interrupts no halt there; if that was two rooms
away nobody walked there, at 3 m/s at most."""

LOOK_SIGN: Final = 0.5
"""What such a look into another room says: half of a turn, as often it was none."""

GLIMPSE_S: Final = 4
"""Shorter, and between two rooms that are one or next to each other, a visit was none: radio
ghosts (SCIENCE 3.2), and the room behind the door that she walked past."""

SIGNS: Final = 3.0
"""So many make a walk wandering. There and back without a halt has one; two rounds, and the third
way along a corridor, have four or more. Judged, as the rest here, by
`evaluation.whereabouts.episodes` at 10 % missed and 10 % wrong rooms."""

KEPT_AT_HALT: Final = 0.8
"""Share of the signs that a halt leaves: a missed room makes a halt of a turn (A, [B], A), and who
paces with rests still paces."""

LEAST_WALK_S: Final = 60
"""Seconds of walking that make it wandering (RTLS definition, SCIENCE 3.1); of a halt the first
`PAUSE_S` count, as a room that is missed looks like one."""

LOOK_EACH_S: Final = 4
"""Between two looks at rooms that have come to count and stays that have ended a walk: what is told
is the same, later by so much. Of 1,024 residents some move in each second, and to gather them costs
more than to look at each."""

_NEVER: Final = 2**62
"""A second that does not come, and that a float64 can hold."""

_ZONES: Final = ("_here", "_zone", "_next", "_start", "_farthest")
_SECONDS: Final = (
    "_heard_s",
    "_arrived_s",
    "_halting_s",
    "_halting_before_s",
    "_stays_until_s",
    "_next_s",
    "_counts_from_s",
    "_begun_s",
)
_COUNTS: Final = (
    "_halted_at",
    "_visits",
    "_revisits",
    "_signs",
    "_signs_before",
    "_walked_s",
    "_steps",
    "_is_certain",
)
_BY_RESIDENT: Final = (*_ZONES, *_SECONDS, *_COUNTS)


class WanderingEpisode(NamedTuple):
    """A walk that wanders, told when first certain and again when it is over."""

    row: int
    kind: Kind
    path: tuple[int, ...]
    """Zones in the order of the visits, the latest `PATH` of them, mended."""
    begun_s: int
    """With `row` the key of the episode."""
    ended_s: int | None
    """None while she still walks."""
    visits: int
    revisits: int
    """Of them those to rooms passed before, since the last halt."""
    tortuosity: float
    """Steps walked for each step of the shortest way to the farthest room and to the end."""
    keeps_walking: bool
    """Whether she went from room to room and did not stay in one (`travel_shape.keeps_walking`); it
    is to be believed when the walk is over."""


class TravelPatterns:
    """Follows everybody's walks.

    Parameters
    ----------
    near
        (zones, zones) the home's graph (`RoomModel.near`).
    residents
        How many are followed.
    """

    def __init__(self, near: NDArray[np.bool_], residents: int) -> None:
        self._near = near = near | near.T
        self._hops = count_hops(near)
        self._between = rooms_between(near, self._hops)
        self._all_heard_s = -_NEVER
        """When everybody was heard last: for some time nobody is lost after that."""
        self._heard_s = np.zeros(residents, np.int64)
        self._here = np.full(residents, UNKNOWN)
        """Where each was last known to be; behind it the visit that counts and, for less than
        `GLIMPSE_S`, the one that may count."""
        self._zone = np.full(residents, UNKNOWN)
        self._arrived_s = np.zeros(residents, np.int64)
        self._halting_s = np.zeros(residents, np.int64)
        self._halting_before_s = np.zeros(residents, np.int64)
        """Since when each is in this room, and was in the one before, looks elsewhere aside."""
        self._stays_until_s = np.full(residents, _NEVER)
        self._next = np.full(residents, UNKNOWN)
        self._next_s = np.zeros(residents, np.int64)
        self._counts_from_s = np.full(residents, _NEVER)
        self._begun_s = np.zeros(residents, np.int64)
        self._start = np.full(residents, UNKNOWN)
        self._path = np.full((residents, PATH), UNKNOWN)
        self._stayed_s = np.zeros((residents, PATH), np.int64)
        """How long each was in each room of the path; of the last one nobody knows yet."""
        self._halted_at = np.zeros(residents, np.int64)
        """Number of the visit at which each halted last."""
        self._visits = np.zeros(residents, np.int64)
        self._revisits = np.zeros(residents, np.int64)
        self._signs = np.zeros(residents)
        self._signs_before = np.zeros(residents)
        """One room earlier."""
        self._walked_s = np.zeros(residents, np.int64)
        self._steps = np.zeros(residents, np.int64)
        self._farthest = np.full(residents, UNKNOWN)
        self._is_certain = np.zeros(residents, np.bool_)
        self._day = TravelTally(len(near), residents)
        self._look = Each(LOOK_EACH_S)

    def arrange(self, rows: NDArray[np.int64]) -> None:
        """Follow others from now on: (new residents,) the row of each so far, -1 for a new one."""
        fresh = TravelPatterns(self._near, len(rows))
        rearrange(self, fresh, rows, first=("_path", "_stayed_s"), last=_BY_RESIDENT)
        self._day.arrange(rows)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All that is known of the walks, residents last in each; `from_arrays` goes on with it."""
        kept = {name.removeprefix("_"): getattr(self, name) for name in _BY_RESIDENT}
        kept["path"], kept["stayed_s"] = self._path.T, self._stayed_s.T
        of_day = {f"day_{name}": array for name, array in self._day.to_arrays().items()}
        return {name: array.astype(np.float64) for name, array in (kept | of_day).items()}

    @classmethod
    def from_arrays(
        cls, near: NDArray[np.bool_], kept: Mapping[str, NDArray[np.float64]]
    ) -> TravelPatterns:
        """Go on after a restart, in a home of the same zones.

        Raises
        ------
        ValueError
            If something is missing, or cannot be: it was damaged, or kept of another home.
        """
        if "zone" not in kept:
            raise ValueError("zone is missing")
        residents, zones = np.asarray(kept["zone"]).size, len(near)
        patterns = cls(near, residents)
        for names, least, most in (
            (_ZONES, UNKNOWN, zones - 1),
            (_SECONDS, -_NEVER, _NEVER),
            (_COUNTS, 0, _NEVER),
        ):
            for name in names:
                like, key = getattr(patterns, name), name.removeprefix("_")
                setattr(patterns, name, kept_array(kept, key, like, least, most))
        path = kept_array(kept, "path", patterns._path.T, UNKNOWN, zones - 1)
        patterns._path = np.ascontiguousarray(path.T)
        stayed_s = kept_array(kept, "stayed_s", patterns._stayed_s.T, 0, _NEVER)
        patterns._stayed_s = np.ascontiguousarray(stayed_s.T)
        walks = patterns._visits > 1
        if (patterns._zone[walks] == UNKNOWN).any() or (patterns._start[walks] == UNKNOWN).any():
            raise ValueError("somebody walks who is nowhere")
        of_day = {name[4:]: array for name, array in kept.items() if name.startswith("day_")}
        patterns._day = TravelTally.from_arrays(zones, residents, of_day)
        return patterns

    @property
    def wandering(self) -> NDArray[np.bool_]:
        """(residents,) whose walk is certain to be wandering and not over."""
        return self._is_certain.copy()

    def step(self, zone: NDArray[np.int64], second: int) -> list[WanderingEpisode]:
        """Take in one more second; returns the episodes that became certain and those that ended.

        Parameters
        ----------
        zone
            (residents,) number of the zone of each, `UNKNOWN` where nobody can tell.
        second
            Any count of seconds that only grows; seconds may be left out.

        Raises
        ------
        ValueError
            If there is a zone that the graph does not have.
        """
        said: list[WanderingEpisode] = []
        known = zone != UNKNOWN
        if second - self._all_heard_s > STAY_S:
            said += self._lose(second)
        if known.all():
            self._heard_s[:] = self._all_heard_s = second
        else:
            self._heard_s[known] = second
        moved = np.flatnonzero((zone != self._here) & known)
        if len(moved):
            if zone[moved].max() >= len(self._hops) or zone[moved].min() < UNKNOWN:
                raise ValueError(f"zones go from 0 to {len(self._hops) - 1}, and -1 is unknown")
            said += self._move(moved, zone[moved], second)
        if not self._look.is_due(second):
            return said
        counts = np.flatnonzero(self._counts_from_s <= second)
        if len(counts):
            said += self._count(counts)
        stays = np.flatnonzero((self._stays_until_s < second) & (self._next == UNKNOWN))
        if len(stays):
            said += self._end(stays, self._arrived_s[stays])
            self._settle(stays)
        return said

    def _lose(self, second: int) -> list[WanderingEpisode]:
        """Of those who have not been heard for long nobody knows where they went."""
        lost = np.flatnonzero((self._here != UNKNOWN) & (second - self._heard_s > STAY_S))
        if not len(lost):
            return []
        said = self._end(lost, self._heard_s[lost])
        self._here[lost] = self._zone[lost] = self._next[lost] = UNKNOWN
        self._counts_from_s[lost] = _NEVER
        return said

    def close_day(self) -> TravelDay:
        """What has come together since the last call; a walk counts on the day that it ends."""
        return self._day.close()

    def _move(
        self, rows: NDArray[np.int64], zone: NDArray[np.int64], second: int
    ) -> list[WanderingEpisode]:
        """These are in another room than before."""
        fresh = self._zone[rows] == UNKNOWN
        if fresh.any():
            begins = rows[fresh]
            self._zone[begins] = zone[fresh]
            self._arrived_s[begins] = second
            self._settle(begins)
        # A glimpse of a room counts if none of the home's doors leads past it.
        needed = self._hops[self._zone[rows], zone] > 1
        needed |= self._counts_from_s[rows] < second
        needed &= self._next[rows] != UNKNOWN
        said = self._count(rows[needed]) if needed.any() else []
        stayed = rows[(self._stays_until_s[rows] < second) & (self._next[rows] == UNKNOWN)]
        if len(stayed):
            said += self._end(stayed, self._arrived_s[stayed])
            self._settle(stayed)
        self._here[rows] = zone
        is_back = zone == self._zone[rows]
        self._next[rows] = np.where(is_back, UNKNOWN, zone)
        self._next_s[rows] = second
        least_s = np.where(self._hops[self._zone[rows], zone] > 1, LOOK_S, GLIMPSE_S)
        self._counts_from_s[rows] = np.where(is_back, _NEVER, second + least_s)
        return said

    def _settle(self, rows: NDArray[np.int64]) -> None:
        """These rest where they are; their next walk begins there."""
        zone = self._zone[rows]
        self._start[rows] = self._farthest[rows] = zone
        self._path[rows] = UNKNOWN
        self._path[rows, 0] = zone
        self._visits[rows] = 1
        self._halting_s[rows] = self._arrived_s[rows]
        for count in (self._halted_at, self._revisits, self._walked_s, self._steps):
            count[rows] = 0
        self._signs[rows] = self._signs_before[rows] = 0.0
        self._stays_until_s[rows] = _NEVER
        self._is_certain[rows] = False

    def _count(self, rows: NDArray[np.int64]) -> list[WanderingEpisode]:
        """The rooms that these have entered are part of their walks."""
        left, zone, now_s = self._zone[rows], self._next[rows], self._next_s[rows]
        stayed_s = now_s - self._arrived_s[rows]
        begins = self._visits[rows] == 1
        self._begun_s[rows[begins]] = now_s[begins]
        self._walked_s[rows] += np.where(begins, 0, np.minimum(stayed_s, PAUSE_S))
        self._stayed_s[rows, (self._visits[rows] - 1) % PATH] = np.where(begins, 0, stayed_s)
        halts = rows[(now_s - self._halting_s[rows] >= PAUSE_S) & ~begins]
        back = (self._visits[rows] > 1) & (zone == self._last_but_one(rows))
        back &= stayed_s < LOOK_S
        since_s = np.where(back, self._halting_before_s[rows], now_s)
        self._halting_before_s[rows] = self._halting_s[rows]
        self._halting_s[rows] = since_s
        self._halted_at[halts] = self._visits[halts] - 1
        self._signs[halts] *= KEPT_AT_HALT
        between = self._between[left, zone]
        missed = between != UNKNOWN
        if missed.any():
            put_in = rows[missed]
            self._visit(put_in, between[missed])
            self._stayed_s[put_in, (self._visits[put_in] - 1) % PATH] = 0
        before = self._signs[rows]
        self._visit(rows, zone)
        looks = rows[back]
        self._signs[looks] = self._signs_before[looks] + LOOK_SIGN
        self._signs_before[rows] = before
        self._steps[rows] += self._hops[left, zone]
        start = self._start[rows]
        farther = self._hops[start, zone] > self._hops[start, self._farthest[rows]]
        self._farthest[rows[farther]] = zone[farther]
        self._day.change(rows, left, zone)
        self._zone[rows] = zone
        self._arrived_s[rows] = now_s
        self._stays_until_s[rows] = now_s + STAY_S
        self._next[rows] = UNKNOWN
        self._counts_from_s[rows] = _NEVER
        certain = (self._signs[rows] >= SIGNS) & (self._walked_s[rows] >= LEAST_WALK_S)
        fresh = rows[certain & ~self._is_certain[rows]]
        if not len(fresh):
            return []
        self._is_certain[fresh] = True
        return self._episodes(fresh, None)

    def _last_but_one(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        room: NDArray[np.int64] = self._path[rows, (self._visits[rows] - 2) % PATH]
        return room

    def _visit(self, rows: NDArray[np.int64], zone: NDArray[np.int64]) -> None:
        """One more room of these walks, and what it says of them."""
        visits = self._visits[rows]
        number = np.maximum(visits - PATH, 0)[:, None] + np.arange(PATH)
        path = np.where(number >= self._halted_at[rows, None], self._paths(rows), UNKNOWN)
        left, goal = self._path[rows, (visits - 1) % PATH][:, None], zone[:, None]
        before, after = path[:, :-1], path[:, 1:]
        again = ((before == left) & (after == goal)).any(axis=1)
        opposite = ((before == goal) & (after == left)).any(axis=1)
        passed = (path == goal).any(axis=1)
        last = np.minimum(visits, PATH) - 1
        turned = (last > 0) & (path[np.arange(len(rows)), last - 1] == zone)
        self._signs[rows] += again | (passed & ~opposite)
        self._signs[rows] += turned
        self._revisits[rows] += passed
        self._path[rows, visits % PATH] = zone
        self._visits[rows] += 1

    def _end(self, rows: NDArray[np.int64], ended_s: NDArray[np.int64]) -> list[WanderingEpisode]:
        """The walks of these are over, as far as they are on one."""
        walks = self._visits[rows] > 1
        rows, ended_s = rows[walks], ended_s[walks]
        if not len(rows):
            return []
        said = self._tally(rows, ended_s)
        self._visits[rows] = 1
        self._is_certain[rows] = False
        self._stays_until_s[rows] = _NEVER
        return said

    def _tally(self, rows: NDArray[np.int64], ended_s: NDArray[np.int64]) -> list[WanderingEpisode]:
        """Counts these walks; returns those that wandered."""
        certain = np.flatnonzero(self._is_certain[rows])
        kind, counts = np.full(len(rows), DIRECT), np.ones(len(rows), np.bool_)
        said = self._episodes(rows[certain], ended_s[certain])
        if said:
            counts[certain] = [each.keeps_walking for each in said]
            kind[certain] = [KINDS.index(each.kind) for each in said]
        rows, ended_s = rows[counts], ended_s[counts]
        walked_s = ended_s - self._begun_s[rows]
        self._day.add(rows, kind[counts], walked_s, self._steps[rows], self._needed(rows))
        return said

    def _episodes(
        self, rows: NDArray[np.int64], ended_s: NDArray[np.int64] | None
    ) -> list[WanderingEpisode]:
        """In words, for the few who wander."""
        if not len(rows):
            return []
        paths = self._paths(rows)
        stayed_s = self._in_order(self._stayed_s, rows)
        # Of the last room it is of an earlier visit.
        stayed_s[np.arange(len(rows)), np.minimum(self._visits[rows], PATH) - 1] = 0
        kinds, keeps = classify(paths), keeps_walking(paths, stayed_s)
        tortuosity = self._steps[rows] / self._needed(rows)
        return [
            WanderingEpisode(
                row=int(row),
                kind=KINDS[kinds[index]],
                path=tuple(paths[index][paths[index] != UNKNOWN].tolist()),
                begun_s=int(self._begun_s[row]),
                ended_s=None if ended_s is None else int(ended_s[index]),
                visits=int(self._visits[row]),
                revisits=int(self._revisits[row]),
                tortuosity=float(tortuosity[index]),
                keeps_walking=bool(keeps[index]),
            )
            for index, row in enumerate(rows)
        ]

    def _paths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows, PATH) the latest visits in their order, `UNKNOWN` after the last."""
        return self._in_order(self._path, rows)

    def _in_order(self, of_visits: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        oldest = np.maximum(self._visits[rows] - PATH, 0)
        ordered: NDArray[np.int64] = of_visits[
            rows[:, None], (oldest[:, None] + np.arange(PATH)) % PATH
        ]
        return ordered

    def _needed(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Steps of the shortest way to the farthest room of a walk and on to its end."""
        farthest = self._farthest[rows]
        way = self._hops[self._start[rows], farthest] + self._hops[farthest, self._zone[rows]]
        needed: NDArray[np.int64] = np.maximum(way, 1)
        return needed
