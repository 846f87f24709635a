"""Who is silent when she never is, and who went to the toilet and is not back."""

from __future__ import annotations

from typing import Final

import numpy as np

from contract.events import EventKind
from contract.whereabouts import ZoneUse
from detectors.habits import HOURS, KEPT_A_DAY
from detectors.resident_rows import LONG_AGO, NEVER, Each, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.wear import MOVED_DEVIATION_G
from detectors.whereabouts_habits import BOUT_S, GREATEST_STEP_S, LOOK_EACH_S, Habits
from detectors.whereabouts_night import Night
from detectors.whereabouts_scene import ASK_AGAIN_S, Flags, Found, Numbers, Plan, Values
from detectors.whereabouts_view import View

LEAST_LOG10_P: Final = -4.0
"""Chance of a silence, by her own hourly rates, below which it is told (SCIENCE 3.3: 1e-3 to 1e-4).
Each resident has some five silences a day that could be one: 1e-3 would be a page in three days
from a home of sixty, if rates were all there is to it."""
LEAST_S: Final = 2 * 3600
"""Shorter is a nap, whoever takes it."""
LEARNING_S: Final = 4 * 3600
"""While she is being learnt a silence must be so long: UK telecare's fixed window (SCIENCE 3.3)."""
BEYOND_LONGEST: Final = 1.25
"""So many times the longest silence of hers that ended well, begun within three hours of this one's
time of day (Cuddihy 2007: longest normal gap by time of day): who sleeps in her chair each
afternoon is silent there, however lively her hours are in the mean."""
MEASURED: Final = 0.5
"""Share of a silence in which her movement was measured, for it to be said that she has not moved:
a wearable that is barely heard tells it in some seconds, one of another maker's never."""
BLOCK_H: Final = 3
_BLOCKS: Final = HOURS // BLOCK_H
_JUDGE_EACH_S: Final = 30


class Inactivity(ResidentRows):
    """Times everybody's silences, outside of bed and night.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        super().__init__(residents)
        self._silent_s = self._seconds("silent_s", 0)
        self._this_hour_s = self._seconds("silent_this_hour_s", 0)
        self._measured_s = self._seconds("measured_s", 0)
        """Of the silence, in which it is known that she did not move."""
        self._log10_p = self._values("log10_p")
        """Of the silence in the hours that have ended."""
        self._begun_s = self._seconds("begun_s", NEVER)
        self._block = self._seconds("block", 0)
        self._is_told = self._flags("is_told")
        self._bout_s = self._seconds("bout_s", LONG_AGO)
        self._longest_s = self._values("longest_s", lead=(_BLOCKS,), is_habit=True, least=0.0)
        self._is_active = np.zeros(residents, np.bool_)
        self._looked_s: int | None = None
        self._look = Each(LOOK_EACH_S)
        self._judge = Each(_JUDGE_EACH_S)

    def step(self, view: View, night: Night) -> list[Found]:
        """Take in one more second; returns whose silence is improbable."""
        self._is_active |= view.scene.movement_g >= MOVED_DEVIATION_G
        for rows in (view.settled, view.got_up_or_lay_down):
            if len(rows):
                self._is_active[rows] = True
        if self._look.is_due(view.second):
            # Who lies down to rest is not judged: by a sensor of the bed, as a bedroom is no bed.
            in_bed = view.beds.zone == 1
            self._take_in(view, in_bed | night.is_night(view.scene.minute_of_day))
        return self._improbable(view) if self._judge.is_due(view.second) else []

    def end_hour(self, hour: int, habits: Habits) -> None:
        """An hour has ended: what was silent of it counts with its own rate."""
        if self._this_hour_s.any():
            self._log10_p += habits.activity.quiet(hour, self._hours())
            self._this_hour_s[:] = 0

    def end_day(self) -> None:
        """Local midnight: forget a little."""
        self._longest_s *= KEPT_A_DAY

    def _take_in(self, view: View, rests: Flags) -> None:
        second, habits = view.second, view.habits
        passed = 0 if self._looked_s is None else second - self._looked_s
        self._looked_s = second
        watched = habits.is_watched
        active = np.flatnonzero(self._is_active & watched)
        self._is_active[:] = False
        if len(active):
            self._end(active, learns=True)
            bouts = active[second - self._bout_s[active] >= BOUT_S]
            self._bout_s[bouts] = second
            habits.count_bouts(bouts)
        resting = np.flatnonzero(rests & (self._silent_s > 0))
        if len(resting):
            self._end(resting, learns=False)
        passed = passed if 0 < passed <= GREATEST_STEP_S else 0
        silent = watched & ~rests
        silent[active] = False
        begins = np.flatnonzero(silent & (self._silent_s == 0))
        self._begun_s[begins] = second - passed
        self._block[begins] = view.scene.minute_of_day // 60 // BLOCK_H
        self._silent_s[silent] += passed
        self._measured_s[silent & np.isfinite(view.scene.movement_g)] += passed
        self._this_hour_s[silent] += passed

    def _end(self, rows: Numbers, *, learns: bool) -> None:
        if learns:
            good = rows[(self._silent_s[rows] > 0) & ~self._is_told[rows]]
            block = self._block[good]
            longest = np.maximum(self._longest_s[block, good], self._silent_s[good])
            self._longest_s[block, good] = longest
        self._silent_s[rows] = self._this_hour_s[rows] = self._measured_s[rows] = 0
        self._log10_p[rows] = 0.0
        self._begun_s[rows] = NEVER
        self._is_told[rows] = False

    def _improbable(self, view: View) -> list[Found]:
        habits = view.habits
        rows = np.flatnonzero((self._silent_s >= LEAST_S) & habits.is_watched & ~self._is_told)
        rows = rows[view.policies.inactive[rows]]
        if not len(rows):
            return []
        log10_p = self._log10_p + habits.activity.quiet(
            view.scene.minute_of_day // 60, self._hours()
        )
        learning = habits.is_learning[rows]
        near = (self._block[rows] + np.array([[-1], [0], [1]])) % _BLOCKS
        longest_s = self._longest_s[near, rows].max(axis=0)
        improbable = (log10_p[rows] <= LEAST_LOG10_P) | learning
        improbable &= self._silent_s[rows] >= np.where(learning, LEARNING_S, LEAST_S)
        improbable &= self._silent_s[rows] > BEYOND_LONGEST * longest_s
        found = rows[improbable]
        self._is_told[found] = True
        return view.find(
            EventKind.INACTIVE,
            found,
            self._begun_s[found],
            excused=np.zeros(len(found), np.bool_),
            features={
                "silent_min": self._silent_s[found] / 60,
                "log10_p": log10_p[found],
                "is_movement_known": self._measured_s[found] >= MEASURED * self._silent_s[found],
            },
        )

    def _hours(self) -> Values:
        hours: Values = self._this_hour_s / 3600
        return hours


class NotReturned(ResidentRows):
    """Times who has gone to a toilet and was told nowhere else since.

    Parameters
    ----------
    plan
        The home.
    residents
        How many.
    """

    def __init__(self, plan: Plan, residents: int) -> None:
        super().__init__(residents)
        self._is_toilet = plan.is_for(ZoneUse.TOILET)
        self._since_s = self._seconds("since_s", NEVER)
        self._toilet = self._zones("toilet", len(plan.use))
        self._ask_s = self._seconds("ask_s", NEVER)
        """When who was excused is told again, if she is alone there by then."""
        self._look = Each(LOOK_EACH_S)

    def step(self, view: View) -> list[Found]:
        """Take in one more second; returns who is not back."""
        if len(view.settled):
            rows = view.settled
            zone = view.stays.zone[rows]
            there = self._is_toilet[zone] & (zone != view.policies.home_zone[rows])
            came = view.stays.before[rows] != UNKNOWN
            begins = rows[there & came & (self._toilet[rows] == UNKNOWN)]
            self._since_s[begins], self._ask_s[begins] = view.stays.begun_s[begins], NEVER
            self._toilet[rows] = np.where(there, zone, UNKNOWN)
            self._since_s[rows[~there]] = NEVER
        return self._overdue(view) if self._look.is_due(view.second) else []

    def _overdue(self, view: View) -> list[Found]:
        limit_s = view.policies.not_returned_s
        rows = np.flatnonzero(view.second - self._since_s >= limit_s)
        rows = rows[(limit_s[rows] > 0) & view.scene.present[rows]]
        rows = rows[(self._ask_s[rows] == NEVER) | (self._ask_s[rows] <= view.second)]
        excused = view.is_excused(rows)
        is_news = ~excused | (self._ask_s[rows] == NEVER)
        rows, excused = rows[is_news], excused[is_news]
        if not len(rows):
            return []
        begun = self._since_s[rows]
        self._since_s[rows[~excused]] = NEVER  # Once a visit: only another one begins anew.
        self._ask_s[rows] = np.where(excused, view.second + ASK_AGAIN_S, NEVER)
        return view.find(
            EventKind.NOT_RETURNED,
            rows,
            begun,
            excused=excused,
            zone=self._toilet[rows],
            features={
                "away_min": (view.second - begun) / 60,
                "limit_min": limit_s[rows] / 60,
            },
        )
