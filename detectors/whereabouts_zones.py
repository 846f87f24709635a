"""Who may not be alone where she is: outside of her safe zones, and nobody goes with her."""

from __future__ import annotations

from typing import Final

import numpy as np

from contract.events import EventKind
from detectors.resident_rows import LONG_AGO, NEVER, Each, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.whereabouts_exits import BACK_S
from detectors.whereabouts_scene import ASK_AGAIN_S, Found
from detectors.whereabouts_view import View

_LOOK_EACH_S: Final = 5


class SafeZones(ResidentRows):
    """Watches those who are at risk and have safe zones.

    A visit outside is one of `View.stays`: told for that long, radio noise at a wall is none.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self._is_outside = self._flags("is_outside")
        self._begun_s = self._seconds("begun_s", LONG_AGO)
        self._back_s = self._seconds("back_s", NEVER)
        """Since when she is in a safe zone again."""
        self._ask_s = self._seconds("ask_s", NEVER)
        self._look = Each(_LOOK_EACH_S)

    def step(self, view: View) -> list[Found]:
        """Take in one more second; returns who has left, and who is not back."""
        found = self._settled(view) if len(view.settled) else []
        if self._look.is_due(view.second):
            found += self._look_after(view)
        return found

    def _settled(self, view: View) -> list[Found]:
        policies, rows = view.policies, view.settled
        zone = view.stays.zone[rows]
        is_safe = policies.safe[rows, zone]
        inside = rows[is_safe & self._is_outside[rows]]
        self._back_s[inside] = np.minimum(self._back_s[inside], view.second)
        left = rows[~is_safe & policies.at_risk[rows]]
        self._back_s[left] = NEVER
        left = left[~self._is_outside[left]]
        self._is_outside[left] = True
        self._begun_s[left] = view.stays.begun_s[left]
        excused = view.is_excused(left)
        self._ask_s[left] = np.where(excused, view.second + ASK_AGAIN_S, NEVER)
        return view.find(
            EventKind.LEFT_SAFE_ZONE,
            left,
            self._begun_s[left],
            excused=excused,
            zone=view.stays.zone[left],
            features={"outside_s": view.second - self._begun_s[left]},
        )

    def _look_after(self, view: View) -> list[Found]:
        rows = np.flatnonzero(self._is_outside)
        if not len(rows):
            return []
        back = rows[view.second - self._back_s[rows] >= BACK_S]
        self.clear(back)
        due = rows[(self._ask_s[rows] <= view.second) & (self._back_s[rows] == NEVER)]
        due = due[view.policies.at_risk[due] & view.scene.present[due]]
        self._ask_s[due] = NEVER
        zone = view.stays.zone[due]
        return view.find(
            EventKind.LEFT_SAFE_ZONE,
            due,
            self._begun_s[due],
            excused=np.zeros(len(due), np.bool_),
            zone=np.where(zone == UNKNOWN, view.visits.zone[due], zone),
            features={"asked_again": 1.0, "outside_s": view.second - self._begun_s[due]},
        )
