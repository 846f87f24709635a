"""Two residents of one room who wear each other's wearable, by their bed sensors.

Who gets into bed or out of it moves. If that is never the wearable of the bed's resident, and
always the one of the resident across the room, and the other way round, they are exchanged. Where
nobody has a bed sensor, or only one of the two, this sees nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.walking import WALKING_DEVIATION_G

MOVED_G: Final = WALKING_DEVIATION_G[0]
"""Deviation of |a| in a second of who gets up: as of who walks. A turn in sleep may show as much,
and then counts for its own bed, which is the careful side."""

BEFORE_S: Final = 15
"""A bed sensor tells that a bed is empty so much later, at most: many wait to be sure."""
AFTER_S: Final = 5
"""And that it is filled so much earlier than its sleeper lies still."""

TIMES: Final = 3
"""Of each of the two beds, with not once the wearable of its own: a carer who makes the bed of
somebody else while a neighbour walks by does that once or twice, and not with both beds."""


class Mates(NamedTuple):
    """Two wearables, the first by name."""

    one: str
    other: str

    def words(self, zone: str) -> str:
        """One sentence for who looks at both wrists."""
        return (
            f"{self.one} and {self.other} seem to be exchanged: in {zone} each of them moved "
            f"whenever the other's bed was left or taken, at least {TIMES} times, and its own "
            "wearable lay still; compare the names on both wrists"
        )


class BedMates:
    """Counts whose wearable moves when a bed is left or taken."""

    def __init__(self) -> None:
        self._wearers: tuple[tuple[str, str], ...] = ()
        self._shares = np.zeros((0, 0), np.bool_)
        self._moved = np.zeros((0, BEFORE_S + AFTER_S), np.float32)
        """(residents, seconds) the latest last; NaN where nothing was heard."""
        self._in_bed = np.zeros(0, np.int8)
        self._due_s = np.zeros(0, np.int64)
        """Seconds until a change of this bed is looked at; 0: there was none."""
        self._others = np.zeros((0, 0), np.int64)
        """(beds, wearables) how often it was that one and not the bed's own."""
        self._confirmed = np.zeros(0, np.bool_)
        """Whose own wearable has moved with the bed."""

    def follow(self, wearers: Sequence[tuple[str, str]], rooms: Sequence[str | None]) -> None:
        """Follow a configuration: what was counted stays with who wears the same as before.

        Parameters
        ----------
        wearers
            Resident and device of each row.
        rooms
            Where the bed of each is.
        """
        old_of = {each: row for row, each in enumerate(self._wearers)}
        old = np.array([old_of.get(each, -1) for each in wearers], np.int64)
        is_old = old >= 0
        rows, before = np.flatnonzero(is_old), old[is_old]
        others = np.zeros((len(wearers), len(wearers)), np.int64)
        others[np.ix_(rows, rows)] = self._others[np.ix_(before, before)]
        confirmed = np.zeros(len(wearers), np.bool_)
        confirmed[rows] = self._confirmed[before]
        self._wearers, self._others, self._confirmed = tuple(wearers), others, confirmed
        named = np.array([room or "" for room in rooms], dtype=object)
        self._shares = (named[:, None] == named) & (named != "") & ~np.eye(len(named), dtype=bool)
        self._moved = np.full((len(wearers), BEFORE_S + AFTER_S), np.nan, np.float32)
        self._in_bed = np.full(len(wearers), -1, np.int8)
        self._due_s = np.zeros(len(wearers), np.int64)

    def step(
        self,
        in_bed: NDArray[np.int8],
        movement_g: NDArray[np.float32],
        present: NDArray[np.bool_],
    ) -> None:
        """One more second; parameters as in a `detectors.whereabouts.Scene`."""
        self._moved[:, :-1] = self._moved[:, 1:]
        self._moved[:, -1] = np.where(present, movement_g, np.nan)
        changed = (in_bed != self._in_bed) & (in_bed >= 0) & (self._in_bed >= 0)
        self._in_bed = np.where(in_bed >= 0, in_bed, self._in_bed).astype(np.int8)
        is_due = self._due_s == 1
        self._due_s = np.where(self._due_s > 0, self._due_s - 1, 0)
        self._due_s[changed & (self._due_s == 0)] = AFTER_S
        if is_due.any():
            self._look(np.flatnonzero(is_due))

    def _look(self, beds: NDArray[np.int64]) -> None:
        heard = np.isfinite(self._moved).sum(axis=1) > self._moved.shape[1] // 2
        moved = heard & (np.where(np.isfinite(self._moved), self._moved, 0) >= MOVED_G).any(axis=1)
        for bed in beds:
            mates = np.flatnonzero(self._shares[bed] & moved)
            if moved[bed]:
                self._others[bed] = 0
                self._confirmed[bed] = True
            elif heard[bed] and len(mates) == 1:
                self._others[bed, mates[0]] += 1
                self._confirmed[bed] = False

    def swapped(self) -> list[Mates]:
        """Pairs that are exchanged."""
        pairs = np.argwhere(np.triu((self._others >= TIMES) & (self._others.T >= TIMES)))
        return [Mates(*sorted(self._wearers[row][1] for row in pair)) for pair in pairs.tolist()]

    def may_clear(self, device: str) -> bool:
        """Whether nothing speaks against its being with its wearer: its own bed has confirmed it,
        or nothing was ever seen of its bed.
        """
        for row, (_, each) in enumerate(self._wearers):
            if each == device:
                return bool(self._confirmed[row] or self._in_bed[row] < 0)
        return True
