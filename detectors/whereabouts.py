"""What of residents' whereabouts is worth a person's attention, second by second for all of them.

`Whereabouts` takes a `Scene` and says what was `Found`: what pages (an exit, the night, silence,
nobody back from the toilet) and what is only counted (walks that wander). It knows no radio and no
clock: each second says itself when it was, so the same seconds always give the same finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from detectors.company import Company
from detectors.moving import Walking
from detectors.resident_rows import Each, Kept, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.travel import TravelPatterns, WanderingEpisode
from detectors.visits import Visits
from detectors.walking_level import WalkingLevel
from detectors.whereabouts_days import Days
from detectors.whereabouts_exits import Elopement
from detectors.whereabouts_habits import Habits
from detectors.whereabouts_kept import (
    TRAVEL,
    USES,
    arranged,
    has_same_uses,
    part_of,
    uses_of,
    when,
)
from detectors.whereabouts_night import Night
from detectors.whereabouts_presence import Presence
from detectors.whereabouts_scene import (
    DETECTOR,
    Flags,
    Found,
    Numbers,
    Plan,
    Policies,
    ResidentDay,
    Scene,
)
from detectors.whereabouts_seeking import ExitSeeking
from detectors.whereabouts_silence import Inactivity, NotReturned
from detectors.whereabouts_view import View
from detectors.whereabouts_zones import SafeZones

__all__ = [
    "DETECTOR",
    "Found",
    "Plan",
    "Policies",
    "ResidentDay",
    "Scene",
    "Whereabouts",
]

VISIT_S: Final = 4
"""So long in a room is a visit where haste matters: shorter ones are radio ghosts (SCIENCE 3.2)."""
STAY_S: Final = 8
"""So much longer where it does not: the two are longer than the filter takes a wrong room back, and
as long as one takes to walk through a room."""
BED_S: Final = 5
"""A bed sensor must say so for so long: who turns over lifts off it for a moment."""


BED_UNMOVED_S: Final = 60
"""So long if her wearable did not move: mats lose who lies at their edge, for 10 to 60 s. Longer,
and the bed is empty, and the wearable lies beside it."""

HOLE_S: Final = 10 * 60
"""After so many seconds that nobody saw, what was open is over: nobody is told of an old matter. A
gateway that restarts is back sooner."""
SET_BACK_S: Final = 60
"""A count of seconds that goes back by more begins anew; by less, those seconds are known already
and passed over."""

WALKED_SHARE: Final = 0.5
"""Least movement of a walk, as a share of her own in walking (`WalkingLevel.share`): who sits
between two receivers and lifts a cup is told to be here and there, and walks nowhere."""
SURELY_WALKED_SHARE: Final = 0.85
"""From here on she walked, though most of it in one room: to and fro between two of which one was
missed is told so, too."""
_NIGHT_EACH_S: Final = 30


class Whereabouts:
    """Follows all residents of a home.

    Parameters
    ----------
    plan
        The home.
    policies
        What is asked for each resident; may be replaced at any time by one of the same residents.
    carers
        How many carers' tags the scenes hold.

    Raises
    ------
    ValueError
        If plan and policies do not fit each other.
    """

    def __init__(self, plan: Plan, policies: Policies, carers: int) -> None:
        plan.check()
        residents, zones = len(policies.at_risk), len(plan.use)
        self._plan, self.residents = plan, residents
        self._in_bed = np.ones(residents, np.int64)
        self._presence = Presence(residents)
        self.policies = policies
        self._travel = TravelPatterns(plan.near, residents)
        self._company = Company(plan, residents, carers)
        self._visits = Visits(residents, zones, VISIT_S, near=plan.near)
        self._stays = Visits(residents, zones, STAY_S)
        self._beds = Visits(residents, 2, BED_S, unmoved_s=BED_UNMOVED_S)
        self._walking = Walking(residents)
        self._level = WalkingLevel(residents)
        self._habits = Habits(residents)
        self._elopement = Elopement(plan, residents)
        self._safe_zones = SafeZones(residents)
        self._seeking = ExitSeeking(plan, residents)
        self._night = Night(plan, residents)
        self._inactivity = Inactivity(residents)
        self._not_returned = NotReturned(plan, residents)
        self._days = Days(residents)
        self._parts: dict[str, ResidentRows] = {
            "presence": self._presence,
            "visits": self._visits,
            "stays": self._stays,
            "beds": self._beds,
            "walking": self._walking,
            "level": self._level,
            "habits": self._habits,
            "elopement": self._elopement,
            "safe_zones": self._safe_zones,
            "seeking": self._seeking,
            "night": self._night,
            "inactivity": self._inactivity,
            "not_returned": self._not_returned,
            "days": self._days,
        }
        self._is_night = np.zeros(residents, np.bool_)
        self._is_any_night = False
        self._look_at_night = Each(_NIGHT_EACH_S)
        self._second: int | None = None
        self._day: int | None = None
        self._hour = 0
        self._ended: list[ResidentDay] = []

    @property
    def policies(self) -> Policies:
        """What is asked for each resident."""
        return self._policies

    @policies.setter
    def policies(self, policies: Policies) -> None:
        policies.check(self.residents, len(self._plan.use))
        self._policies = policies
        self._choose_rows()

    @property
    def learning(self) -> Flags:
        """(residents,) of whom too few days are known; the home speaks for them."""
        return self._habits.is_learning

    @property
    def doors_stuck(self) -> Flags:
        """(doors,) open for so long that nothing is judged by them, until they close."""
        return self._elopement.doors_stuck

    def step(self, scene: Scene) -> list[Found]:
        """Take in one more second; returns what was found in it.

        A second that is not later than the latest is passed over. Seconds may be left out while
        nothing changes; after a hole of `HOLE_S`, or if the count was set back, all that was open
        is dropped, and what is usual stays.

        Raises
        ------
        ValueError
            If a zone is not on the plan.
        """
        second = scene.second
        if self._second is not None:
            if self._second - SET_BACK_S <= second <= self._second:
                return []
            if not 0 < second - self._second <= HOLE_S:
                self._drop_all(is_set_back=second < self._second)
        self._second = second
        self._come_and_go(scene)
        zone = np.where(scene.present, scene.zone, UNKNOWN)
        self._walking.step(scene.movement_g, second)
        self._level.step(scene.movement_g, second)
        walked_s, moved_s = self._walking.walked_s, self._walking.moved_s
        # Rooms that count, not all that are told: radio that drifts walks nowhere.
        walks = self._travel.step(np.where(zone != UNKNOWN, self._visits.zone, UNKNOWN), second)
        hour = self._hour
        if self._habits.step(zone, scene):
            self._inactivity.end_hour(hour, self._habits)
        self._hour = scene.minute_of_day // 60
        self._turn_day(scene.day)
        self._company.step(zone, scene)
        home = self._policies.home_zone
        said_of_beds = np.where(self._has_bed, scene.in_bed, np.int8(UNKNOWN))
        entered = self._visits.step(zone, second, walked_s, home)
        counted = np.where(zone != UNKNOWN, self._visits.zone, UNKNOWN)
        view = View(
            scene=scene,
            policies=self._policies,
            at_risk=self._at_risk,
            habits=self._habits,
            visits=self._visits,
            entered=entered,
            stays=self._stays,
            settled=self._stays.step(self._held_in_bed(counted, scene), second),
            beds=self._beds,
            got_up_or_lay_down=self._beds.step(said_of_beds, second, moved_s, self._in_bed),
            company=self._company,
        )
        over = [each for each in walks if each.ended_s is not None]
        return self._judge(view) + [_episode(each, view) for each in over if self._walked(each)]

    def take_day(self) -> list[ResidentDay]:
        """Figures of the days that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def to_arrays(self) -> Kept:
        """All that must outlive the process, of residents only."""
        kept = {
            f"{part}.{name}": array
            for part, rows in self._parts.items()
            for name, array in rows.to_arrays().items()
        }
        kept |= {f"{TRAVEL}.{name}": array for name, array in self._travel.to_arrays().items()}
        kept[USES] = uses_of(self._plan)
        second = np.nan if self._second is None else self._second
        day = np.nan if self._day is None else self._day
        return kept | {"now": np.array([second, day, self._hour], np.float64)}

    def _open_names(self) -> list[str]:
        """Of the arrays of what is open."""
        return [
            f"{part}.{name}" for part, rows in self._parts.items() for name in rows.open_names()
        ]

    def _judge(self, view: View) -> list[Found]:
        found = self._elopement.step(view)
        found += self._safe_zones.step(view)
        found += self._seeking.step(view)
        found += self._night.step(view)
        found += self._inactivity.step(view, self._night)
        return found + self._not_returned.step(view)

    def _walked(self, walk: WanderingEpisode) -> bool:
        """Whether she moved through it; then it is one of her day's."""
        ended_s = walk.begun_s if walk.ended_s is None else walk.ended_s
        least = WALKED_SHARE if walk.keeps_walking else SURELY_WALKED_SHARE
        if self._level.share(walk.row, walk.begun_s, ended_s) < least:
            return False
        self._days.count(walk.row, (ended_s - walk.begun_s) / 60)
        return True

    def _held_in_bed(self, zone: Numbers, scene: Scene) -> Numbers:
        """(residents,) places, but at night the bedroom of who is in bed by its sensor."""
        if self._look_at_night.is_due(scene.second):
            self._is_night = self._night.is_night(scene.minute_of_day)
            self._is_any_night = bool(self._is_night.any())
        if not self._is_any_night:
            return zone
        home = self._policies.home_zone
        held = self._is_night & (self._beds.zone == 1) & self._presence.is_here & (home != UNKNOWN)
        return np.where(held, home, zone) if held.any() else zone

    def _come_and_go(self, scene: Scene) -> None:
        """Nothing of who was away is open when she is back."""
        is_other, back = self._presence.step(scene.present, scene.second)
        if len(back):
            for part in self._parts.values():
                part.clear(back)
        if is_other:
            self._choose_rows()

    def _choose_rows(self) -> None:
        """Who is judged by what, until a policy changes or somebody comes or goes."""
        self._at_risk = np.flatnonzero(self._policies.at_risk & self._presence.is_here)
        self._has_bed = self._policies.has_bed_sensor & self._presence.is_here

    def _drop_all(self, *, is_set_back: bool) -> None:
        if is_set_back:  # Walks of a second that is still to come would never end.
            self._travel = TravelPatterns(self._plan.near, self.residents)
        self._company.forget()
        self._elopement.forget_doors()
        for part in self._parts.values():
            part.clear(np.arange(self.residents))

    def _turn_day(self, day: int) -> None:
        if self._day is None:
            self._day = day
        if day == self._day:
            return
        if day == self._day - 1:
            return  # A clock put back over midnight: that day has been closed.
        if day > self._day:
            self._end_day(self._day)
        self._day = day

    def _end_day(self, day: int) -> None:
        self._ended += self._days.close(
            day,
            self._travel.close_day(),
            watched_s=self._habits.watched_today_s,
            night_trips=self._night.trips,
            exit_visits=self._seeking.visits_today,
            learning=self._habits.is_learning,
        )
        self._habits.end_day()
        self._inactivity.end_day()
        self._seeking.end_day()
        self._night.end_day()

    @classmethod
    def from_arrays(
        cls,
        plan: Plan,
        policies: Policies,
        carers: int,
        kept: Mapping[str, NDArray[np.float64]],
        *,
        rows: NDArray[np.int64] | None = None,
        is_same_plan: bool = True,
    ) -> Whereabouts:
        """Go on from what `to_arrays` gave.

        Parameters
        ----------
        plan, policies, carers
            As they are now.
        rows
            (residents,) the kept row of each, -1 for who is new; None: the residents are the same.
        is_same_plan
            False: zones have changed since; so they have where one is for something else than it
            was. What is usual is kept, what was open is not.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        fresh = cls(plan, policies, carers)
        walks = part_of(TRAVEL, kept)
        is_same_plan = has_same_uses(kept, plan) and is_same_plan
        if rows is not None:
            left_out = () if is_same_plan else fresh._open_names()
            kept = arranged(kept, rows, fresh.to_arrays(), left_out=left_out)
        for name, part in fresh._parts.items():
            part.restore(part_of(name, kept), habits_only=not is_same_plan)
        if is_same_plan:
            fresh._travel = TravelPatterns.from_arrays(plan.near, walks)
            if rows is not None:
                fresh._travel.arrange(rows)
            fresh._choose_rows()
        fresh._second, fresh._day, fresh._hour = when(kept)
        return fresh


def _episode(walk: WanderingEpisode, view: View) -> Found:
    """A walk that wandered and is over: counted, paged to nobody."""
    ended_s = view.second if walk.ended_s is None else walk.ended_s
    return Found(
        row=walk.row,
        kind=EventKind.WANDERING_EPISODE,
        begun=walk.begun_s,
        at=view.second,
        zone=walk.path[-1],
        excused=False,
        features={
            "visits": float(walk.visits),
            "revisits": float(walk.revisits),
            "tortuosity": walk.tortuosity,
            "minutes": (ended_s - walk.begun_s) / 60,
            "is_pacing": float(walk.kind == "pacing"),
            "is_lapping": float(walk.kind == "lapping"),
            "is_random": float(walk.kind == "random"),
            "is_learning": float(view.habits.is_learning[walk.row]),
        },
        path=walk.path,
    )
