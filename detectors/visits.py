"""Which room somebody has really gone to: told places without the glimpses that radio makes.

A told place becomes a visit when it has been told for some seconds without a break; who is back in
the room before by then has never left it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.resident_rows import LONG_AGO, NEVER, Each, ResidentRows
from detectors.room_model import UNKNOWN

FORGET_S: Final = 120
"""Who has been nowhere for so long comes from nowhere: the time in which a whole errand fits
(`detectors.travel.STAY_S`)."""

WALK_BEFORE_S: Final = 30
WALK_AFTER_S: Final = 30
"""So shortly before or after she was told to be in another room her wearable must have moved as it
does in walking: the strengths of one who sleeps drift, too, and a wrist that lies still walks
nowhere. Who is wheeled with her hands in her lap has not gone by herself: somebody is with her."""

JUMP_WALKS_S: Final = 25
"""From her own bedroom into a room that no door of it leads to she must have gone on moving for so
long: who has lain down sounds like the toilet behind her wall, and lies still. Who was missed in
between has something to do where she is. `Walking` takes up to 23 s to forget a walk."""

_LOOK_EACH_S: Final = 10
_NOBODY: Final = np.zeros(0, np.int64)


class Visits(ResidentRows):
    """Everybody's latest visit; also of beds, with 1 in it and 0 out of it.

    Parameters
    ----------
    residents
        How many are followed.
    zones
        How many there are.
    least_s
        So long somebody must have been told to be in a room for it to count.
    unmoved_s
        So long if she has not moved; None: then it does not count.
    near
        (zones, zones) the home's graph; None: from anywhere one comes anywhere.
    """

    def __init__(
        self,
        residents: int,
        zones: int,
        least_s: int,
        *,
        unmoved_s: int | None = None,
        near: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__(residents)
        self._least_s = least_s
        self._unmoved_s = NEVER if unmoved_s is None else unmoved_s
        self._near = np.ones((zones, zones), np.bool_) if near is None else near | near.T
        self._wait_s = WALK_AFTER_S if unmoved_s is None else NEVER
        self._look = Each(_LOOK_EACH_S)
        self.zone = self._zones("zone", zones)
        """(residents,) the latest room that counts, `UNKNOWN` before the first and when lost."""
        self.begun_s = self._seconds("begun_s", LONG_AGO)
        self.before = self._zones("before", zones)
        """(residents,) the room before it."""
        self.before_begun_s = self._seconds("before_begun_s", LONG_AGO)
        self.told = self._zones("told", zones)
        """(residents,) the place told in the latest second."""
        self.told_s = self._seconds("told_s", LONG_AGO)
        """(residents,) when a place was told last."""
        self._latest = self._zones("latest", zones)
        self._next = self._zones("next", zones)
        self._next_s = self._seconds("next_s", NEVER)
        self._soonest_s = LONG_AGO
        """No visit comes to count before this second."""

    def step(
        self,
        zone: NDArray[np.signedinteger[Any]],
        second: int,
        walked_s: NDArray[np.int64] | None = None,
        home: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Take in one more second; returns the rows whose new visit counts from now on.

        Parameters
        ----------
        zone
            (residents,) where each is told to be, `UNKNOWN` where nobody can tell.
        walked_s
            (residents,) when each walked last; None: whoever is told elsewhere has.
        home
            (residents,) with it, bedrooms: to be there nobody must have walked. Who lies down while
            she is told to be in the next room would else be there all night.

        Raises
        ------
        ValueError
            If a zone is not on the plan.
        """
        changed = (zone != self.told).nonzero()[0]
        if len(changed):
            fresh = zone[changed]
            if fresh.min() < UNKNOWN or fresh.max() >= len(self._near):
                raise ValueError(f"zones go from 0 to {len(self._near) - 1}, and -1 is unknown")
            # What was told up to now was told until the second before.
            known = changed[self.told[changed] != UNKNOWN]
            self.told_s[known] = second - 1
            self._latest[known] = self.told[known]
            self.told[changed] = fresh
            is_none = (fresh == UNKNOWN) | (fresh == self.zone[changed])
            self._next[changed] = np.where(is_none, UNKNOWN, fresh)
            self._next_s[changed] = np.where(is_none, NEVER, second)
            self._soonest_s = min(self._soonest_s, second + self._least_s)
        if self._look.is_due(second):
            self.told_s[self.told != UNKNOWN] = second
            self._forget(second)
        if second < self._soonest_s:
            return _NOBODY
        entered = (self._next_s <= second - self._least_s).nonzero()[0]
        if walked_s is not None and home is not None and len(entered):
            entered = self._gone(entered, walked_s, home, second)
        if len(entered):
            self.before[entered] = self.zone[entered]
            self.before_begun_s[entered] = self.begun_s[entered]
            self.zone[entered] = self._next[entered]
            self.begun_s[entered] = self._next_s[entered]
            self._next[entered] = UNKNOWN
            self._next_s[entered] = NEVER
        self._soonest_s = int(self._next_s.min(initial=NEVER)) + self._least_s
        return entered

    def is_told(self, rows: NDArray[np.int64], second: int, within_s: int) -> NDArray[np.bool_]:
        """(rows,) whether a place of theirs was told in the last seconds."""
        now = self.told[rows] != UNKNOWN
        recent: NDArray[np.bool_] = now | (second - self.told_s[rows] <= within_s)
        return recent

    def told_last(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows,) the place told last, whether or not one is told now."""
        told = self.told[rows]
        return np.where(told != UNKNOWN, told, self._latest[rows])

    def _gone(
        self,
        rows: NDArray[np.int64],
        walked_s: NDArray[np.int64],
        home: NDArray[np.int64],
        second: int,
    ) -> NDArray[np.int64]:
        """Those of these who can have gone there by themselves; who has not in time, did not."""
        told_s = self._next_s[rows]
        by_door = self._near[self.zone[rows], self._next[rows]] | (self.zone[rows] != home[rows])
        walked = walked_s[rows] >= told_s + np.where(by_door, -WALK_BEFORE_S, JUMP_WALKS_S)
        there = walked | (self.zone[rows] == UNKNOWN) | (self._next[rows] == home[rows])
        there |= second - told_s >= self._unmoved_s
        wait_s = np.where(by_door, self._wait_s, max(self._wait_s, JUMP_WALKS_S))
        stayed = rows[~there & (second - told_s > wait_s)]
        self._next[stayed] = UNKNOWN
        self._next_s[stayed] = NEVER
        went: NDArray[np.int64] = rows[there]
        return went

    def _forget(self, second: int) -> None:
        lost = np.flatnonzero((self.zone != UNKNOWN) & (second - self.told_s > FORGET_S))
        if len(lost):
            self.clear(lost)
