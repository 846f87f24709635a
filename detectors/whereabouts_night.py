"""The night: who is out of bed for more than a short errand, and who leaves it at all.

In bed is what a bed sensor says; without one, her bedroom is. When her night begins and ends is her
own habit as soon as it is known, until then the home's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.whereabouts import NIGHT_FROM_MINUTE, NIGHT_TO_MINUTE, ZoneUse
from detectors.bedtimes import EARLIEST_FROM, NOON_MINUTE, Bedtimes
from detectors.resident_rows import NEVER, Each, Kept, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import ASK_AGAIN_S, Flags, Found, Numbers, Plan
from detectors.whereabouts_view import View

OUT_S: Final = 20 * 60
"""Out of bed for so long at night is no errand any more (SCIENCE 3.3: 15 to 20 min; toilet trips
below 15 min are silent)."""
ROOMS: Final = 3
"""Rooms on one excursion that make it wandering (SCIENCE 3.3). Corridors and her own room lead to
the others, and toilets count as one: two next to each other sound alike."""
STOPS_S: Final = 30
"""So long in one of them that is no toilet she has stopped there, as she must have in one: who
walks along a corridor at 0.4 m/s is told to be in each room behind its wall for 10 to 20 s."""
STOPS_BEHIND_WALL_S: Final = 90
"""So long, if she was not told to be next to it before."""
STOPS: Final = 2
"""Who has stopped in so many has wandered, too: that is no trip to a toilet, nor for a glass of
water. Of twelve nights of the simulated home it finds one more."""
OTHERS_ROOM_S: Final = 60
"""So long in somebody else's bedroom: walls are thin for radio."""
THROUGH_WALL_S: Final = 3 * 60
"""So long, if she was not told to be next to it before: radio goes through walls, nobody else."""
SETTLED_S: Final = 10 * 60
"""In bed for so long at night she has gone to bed; before, she cannot have got up."""
UP_LATE_MIN: Final = 120
"""Who has not gone to bed so long after the time by which she does in 19 of 20 nights is out of it,
too; while her hours are not known, nobody is up too late."""
LEFT_WITHIN_S: Final = 120
"""An excursion begins when the bed was left, if that was no longer ago: else it was by day."""
BACK_S: Final = 60
"""Back in bed for so long, an excursion is over; the next one may be told again."""
BED_LASTS_S: Final = 60
"""In bed for so long, and to leave it is an exit; without a bed sensor, in her bedroom. Somebody
who sits down and rises again has not been to bed."""
PLACE_WITHIN_S: Final = 60
"""A place must have been told so recently for somebody to be out by it."""
_LOOK_EACH_S: Final = 5


class Night(ResidentRows):
    """Follows everybody's excursions at night.

    Parameters
    ----------
    plan
        The home.
    residents
        How many.
    """

    def __init__(self, plan: Plan, residents: int) -> None:
        super().__init__(residents)
        self._near = plan.near | plan.near.T
        self._is_bedroom = plan.is_for(ZoneUse.BEDROOM)
        self._is_toilet = plan.is_for(ZoneUse.TOILET)
        self._is_way = plan.is_for(ZoneUse.CORRIDOR)
        self.bedtimes = Bedtimes(residents)
        self._rest_s = self._seconds("rest_s", NEVER)
        """Since when she is in bed."""
        self._has_settled = self._flags("has_settled")
        self._begun_s = self._seconds("begun_s", NEVER)
        """Of the present excursion."""
        self._is_told = self._flags("is_told")
        self._ask_s = self._seconds("ask_s", NEVER)
        """When an excursion that was excused is told again, if she is alone on it by then."""
        self._has_seen = self._flags("has_seen", lead=(len(plan.use),))
        """(zones, residents) rooms of the present excursion."""
        self._has_stopped = self._flags("has_stopped", lead=(len(plan.use),))
        """(zones, residents) those of them in which she did more than walk through."""
        self.trips = self._values("trips", is_habit=True, least=0.0)
        """(residents,) excursions since `end_day`."""
        self._look = Each(_LOOK_EACH_S)

    def step(self, view: View) -> list[Found]:
        """Take in one more second; returns who wanders, and who has left her bed."""
        found: list[Found] = []
        rows = view.settled
        if len(rows) or len(view.got_up_or_lay_down):
            found += self._bed_exits(view)
            self._has_seen[view.stays.zone[rows], rows] |= self._begun_s[rows] != NEVER
        if self._look.is_due(view.second):
            found += self._look_after(view)
        return found

    def end_day(self) -> None:
        """Local midnight."""
        self.trips[:] = 0

    def clear(self, rows: Numbers) -> None:
        """Nothing is open of these any more; what is usual for them stays."""
        super().clear(rows)
        self.bedtimes.clear(rows)

    def open_names(self) -> list[str]:
        """Names of the arrays of what is open."""
        return super().open_names() + self.bedtimes.open_names()

    def to_arrays(self) -> Kept:
        """All that must outlive the process."""
        return super().to_arrays() | self.bedtimes.to_arrays()

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        super().restore(kept, habits_only=habits_only)
        self.bedtimes.restore(kept, habits_only=habits_only)

    def is_night(self, minute: int, *, after_min: int = 0) -> Flags:
        """(residents,) whether it is the night of each, her own once that is known."""
        return self.bedtimes.is_night(minute, after_min=after_min)

    def is_in_bed(self, view: View) -> Flags:
        """(residents,) in bed by a sensor, or in her bedroom where none can say."""
        home = view.policies.home_zone
        in_room = (view.stays.zone == home) & (home != UNKNOWN)
        in_bed: Flags = np.where(view.beds.zone != UNKNOWN, view.beds.zone == 1, in_room)
        return in_bed

    def is_out(self, view: View) -> Flags:
        """(residents,) certainly not in bed."""
        home, stays = view.policies.home_zone, view.stays
        recent = (stays.told != UNKNOWN) | (view.second - stays.told_s <= PLACE_WITHIN_S)
        elsewhere = (stays.zone != home) & (home != UNKNOWN) & (stays.zone != UNKNOWN) & recent
        out: Flags = np.where(view.beds.zone != UNKNOWN, view.beds.zone == 0, elsewhere)
        return out

    def _look_after(self, view: View) -> list[Found]:
        second, minute = view.second, view.scene.minute_of_day
        in_bed, out = self.is_in_bed(view), self.is_out(view)
        self._rest_s[:] = np.where(in_bed, np.minimum(self._rest_s, second), NEVER)
        night = self.is_night(minute)
        self._has_settled |= night & (second - self._rest_s >= SETTLED_S)
        self.bedtimes.step(in_bed & view.scene.present, second, minute)
        if NOON_MINUTE <= minute < EARLIEST_FROM:
            self._has_settled[:] = False
        is_open = self._begun_s != NEVER
        ended = np.flatnonzero(is_open & ((second - self._rest_s >= BACK_S) | ~night))
        if len(ended):
            self._end(ended)
        begins = np.flatnonzero(out & night & view.scene.present & ~is_open)
        if len(begins):
            late = self.bedtimes.is_known & self.is_night(minute, after_min=UP_LATE_MIN)
            self._begin(begins[(self._has_settled | late)[begins]], view)
        self._stop(view)
        rows = np.flatnonzero(self._begun_s != NEVER)
        return self._judge(rows, view) if len(rows) else []

    def _stop(self, view: View) -> None:
        """Who has stopped in a room that is no way to another, no toilet and not her own."""
        stays, home = view.stays, view.policies.home_zone
        stands = (stays.zone != UNKNOWN) & (stays.told == stays.zone) & (stays.zone != home)
        stands &= ~(self._is_way | self._is_toilet)[stays.zone]
        visits = view.visits
        by_door = self._near[visits.before, stays.zone] & (visits.zone == stays.zone)
        least_s = np.where(by_door, STOPS_S, STOPS_BEHIND_WALL_S)
        stands &= view.second - stays.begun_s >= least_s
        rows = np.flatnonzero(stands & (self._begun_s != NEVER))
        self._has_stopped[stays.zone[rows], rows] = True

    def _begin(self, rows: Numbers, view: View) -> None:
        stays, beds = view.stays, view.beds
        left_s = np.where(beds.zone[rows] == 0, beds.begun_s[rows], stays.begun_s[rows])
        is_recent = view.second - left_s <= LEFT_WITHIN_S
        self._begun_s[rows] = np.where(is_recent, left_s, view.second)
        zone = stays.zone[rows]
        known = zone != UNKNOWN
        self._has_seen[:, rows] = False
        self._has_stopped[:, rows] = False
        self._has_seen[zone[known], rows[known]] = True
        self.trips[rows] += 1

    def _end(self, rows: Numbers) -> None:
        self._begun_s[rows] = self._ask_s[rows] = NEVER
        self._is_told[rows] = False
        self._has_seen[:, rows] = self._has_stopped[:, rows] = False

    def _judge(self, rows: Numbers, view: View) -> list[Found]:
        second, stays = view.second, view.stays
        rows = rows[view.policies.night_wandering[rows] & view.scene.present[rows]]
        rows = rows[~self._is_told[rows] | (self._ask_s[rows] <= second)]
        if not len(rows):
            return []
        home, zone = view.policies.home_zone[rows], stays.zone[rows]
        out_s = second - self._begun_s[rows]
        counts = ~self._is_way & ~self._is_toilet
        seen = self._has_seen[:, rows]
        own = np.arange(len(seen))[:, None] == home
        rooms = (seen & counts[:, None] & ~own).sum(axis=0)
        rooms += (seen & self._is_toilet[:, None]).any(axis=0)
        stops = self._has_stopped[:, rows].sum(axis=0)
        is_round = (stops >= STOPS) | ((rooms >= ROOMS) & (stops > 0))
        in_others = (zone != UNKNOWN) & self._is_bedroom[zone] & (zone != home) & (home != UNKNOWN)
        visits = view.visits
        by_door = self._near[visits.before[rows], zone] & (visits.zone[rows] == zone)
        least_s = np.where(by_door, OTHERS_ROOM_S, THROUGH_WALL_S)
        in_others &= second - stays.begun_s[rows] >= least_s
        in_others &= stays.told[rows] == zone
        is_out = self.is_out(view)[rows]
        # Who sits up in her own room, or has risen early, wanders nowhere.
        is_long = (out_s >= OUT_S) & ((zone != home) | (home == UNKNOWN))
        wanders = np.flatnonzero(is_out & (is_long | is_round | in_others))
        excused = view.is_excused(rows[wanders])
        is_news = ~excused | ~self._is_told[rows[wanders]]
        wanders, excused = wanders[is_news], excused[is_news]
        rows = rows[wanders]
        self._is_told[rows] = True
        self._ask_s[rows] = np.where(excused, second + ASK_AGAIN_S, NEVER)
        return view.find(
            EventKind.NIGHT_WANDERING,
            rows,
            self._begun_s[rows],
            excused=excused,
            zone=zone[wanders],
            features={
                "out_min": out_s[wanders] / 60,
                "rooms": rooms[wanders],
                "is_in_others_room": in_others[wanders],
                "has_been_in_bed": self._has_settled[rows],
            },
        )

    def _bed_exits(self, view: View) -> list[Found]:
        beds, stays, policies = view.beds, view.stays, view.policies
        up = view.got_up_or_lay_down
        by_sensor = up[(beds.zone[up] == 0) & (beds.before[up] == 1)]
        by_sensor = by_sensor[
            beds.begun_s[by_sensor] - beds.before_begun_s[by_sensor] >= BED_LASTS_S
        ]
        left = view.settled
        home = policies.home_zone[left]
        left = left[(stays.before[left] == home) & (home != UNKNOWN) & (beds.zone[left] == UNKNOWN)]
        left = left[stays.begun_s[left] - stays.before_begun_s[left] >= BED_LASTS_S]
        found: list[Found] = []
        for rows, visits in ((by_sensor, beds), (left, stays)):
            if not len(rows):
                continue
            asked = rows[policies.bed_exit[rows] & view.scene.present[rows]]
            asked = asked[self._is_bed_exit_time(view.scene.minute_of_day)[asked]]
            found += view.find(
                EventKind.BED_EXIT,
                asked,
                visits.begun_s[asked],
                excused=view.is_excused(asked),
                features={"by_bed_sensor": float(visits is beds)},
            )
        return found

    def _is_bed_exit_time(self, minute: int) -> Flags:
        """(residents,) the home's night or hers: who asks for each exit misses none by a habit."""
        is_home_night = minute >= NIGHT_FROM_MINUTE or minute < NIGHT_TO_MINUTE
        return self.is_night(minute) | is_home_night
