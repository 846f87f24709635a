"""A resident's day: the night, meals, naps, the toilet, errands, and walks without a purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from contract.whereabouts import NIGHT_FROM_MINUTE, NIGHT_TO_MINUTE, ZoneUse
from firmware_sim.floor import Floor
from firmware_sim.life.episodes import Episode, Escort, Happening, TagOff
from firmware_sim.life.exits import any_exit
from firmware_sim.life.people import Person, Profile
from firmware_sim.life.track import DAY_S, FAR, HOUR_S, Activity, Track, doors_of
from firmware_sim.life.wandering import kind_of, wander
from firmware_sim.life.ways import ways_of

QUIET_MIDNIGHT_S: Final = 900.0
"""Nobody is out of bed so long before and after midnight, so that days join on to each other."""

LATE_S: Final = 1500.0
"""What could not begin within this time is left out: lunch is over."""

MARGIN_S: Final = 180.0
"""Between the end of something and what must begin in time."""

TOILET_S: Final = (150.0, 480.0)
NIGHT_TOILET_S: Final = (150.0, 420.0)
BESIDE_BED_S: Final = (8.0, 40.0)
"""She sits on the bed's edge before she stands."""
DRESSING_S: Final = (600.0, 1500.0)
MEAL_S: Final = (1500.0, 2600.0)
NAP_S: Final = (2700.0, 5400.0)
ERRAND_S: Final = (45.0, 150.0)
OUT_S: Final = (1500.0, 4200.0)
GOES_OUT_SHARE: Final = 0.35
"""Of the days of who may go out alone."""

MEALS_H: Final = (7.7, 12.0, 17.5)
FREE_H: Final = (8.6, 10.2, 15.0, 16.3, 18.4)
"""When she goes to sit somewhere else, or not."""
NAP_H: Final = 13.0

WANDER_WEIGHT: Final = (1.0, 1.0, 1.2, 1.0, 0.6, 0.6, 1.2, 1.5, 1.5, 1.2, 0.9)
"""Of the hours from 8 to 18: more in the afternoon, little at lunch and nap."""


class Doing(NamedTuple):
    """Something that she does at a time."""

    at_s: float
    lasts_s: float
    """About, with the ways; what would run into something that must be is left out."""
    do: Callable[[], None]
    must_be: bool = False


class ResidentDay:
    """One resident's day, from bed to bed.

    Parameters
    ----------
    row, person
        Who.
    rng
        For her alone.
    is_home
        Whether she begins the day in her bed; else she is away from the home.

    Attributes
    ----------
    track, episodes, escorts, tags_off
        What comes of it.
    absent_s
        (begin, end) of times for which the staff have noted that she is away.
    """

    def __init__(
        self, row: int, person: Person, floor: Floor, rng: np.random.Generator, *, is_home: bool
    ) -> None:
        self.row = row
        self.person = person
        self.floor = floor
        self.ways = ways_of(floor)
        self.rng = rng
        self.track = Track(self.ways, person.bed_place if is_home else FAR)
        self.episodes: list[Episode] = []
        self.escorts: list[Escort] = []
        self.tags_off: list[TagOff] = []
        self.absent_s: list[tuple[float, float]] = []
        self._doings: list[Doing] = []
        self._sleeps_from_s = float(DAY_S)
        self._idles = Activity.ASLEEP if is_home else Activity.RESTING
        self._is_in_bed = is_home
        zones = floor.zones_of(ZoneUse.TOILET, storey=person.storey)
        zones = zones or floor.zones_of(ZoneUse.TOILET) or [person.home_zone]
        near_first = sorted(zones, key=self._way_m)
        self._toilets = near_first[:2]

    # -- for those who put something into her day --------------------------------------------

    def add(self, doing: Doing) -> None:
        """Something more, such as an incident."""
        self._doings.append(doing)

    def keep_between(self, begin_s: float, end_s: float) -> None:
        """Leave out what would begin at other times: she is not there."""
        self._doings = [each for each in self._doings if begin_s <= each.at_s < end_s]

    def draw(self, span: tuple[float, float]) -> float:
        """Evenly from a span."""
        return float(self.rng.uniform(*span))

    def walk(self, place: int) -> None:
        """At her own speed."""
        self.track.walk(place, self.person.habits.speed_m_s)

    def idle(self, activity: Activity, *, in_bed: bool = False) -> None:
        """What she does where she is until she does something else."""
        self._idles, self._is_in_bed = activity, in_bed

    def get_up(self) -> float:
        """Out of bed, if she is in it; returns when."""
        if self._is_in_bed:
            until_s = self.track.now_s + self.draw(BESIDE_BED_S)
            self.track.rest(until_s, Activity.UP, in_bed=True)
            self.idle(Activity.RESTING)
        return self.track.now_s

    def lie_down(self) -> None:
        """Into her bed, and to sleep."""
        self.walk(self.person.bed_place)
        self.idle(Activity.ASLEEP, in_bed=True)

    def settle(self) -> None:
        """Sit in the lounge, or go to bed if it is late."""
        if self.track.now_s > self._sleeps_from_s:
            self.lie_down()
        else:
            self.walk(self.person.lounge_place)
            self.idle(Activity.RESTING)

    def toilet(self) -> int:
        """A place in one of the two nearest toilets, mostly in the nearest."""
        zone = self._toilets[0] if self.rng.random() < 0.8 else self._toilets[-1]
        return int(self.rng.choice(self.ways.places_in(zone, 3)))

    def tell(self, kind: Happening, begun_s: float, zone: int, **more: object) -> None:
        """Note that something happened, from then to now."""
        begun, ended = int(begun_s), int(self.track.now_s)
        self.episodes.append(Episode(self.row, kind, begun, ended, zone)._replace(**more))  # type: ignore[arg-type]

    # -- the day -------------------------------------------------------------------------------

    def live(self) -> None:
        """Decide the whole day."""
        doings = sorted(self._doings, key=lambda doing: doing.at_s)
        musts = [doing.at_s for doing in doings if doing.must_be]
        for doing in doings:
            begins_s = max(doing.at_s, self.track.now_s)
            must_s = next((at_s for at_s in musts if at_s > doing.at_s), np.inf)
            in_time = begins_s + doing.lasts_s + MARGIN_S < must_s
            if begins_s >= DAY_S:
                break
            if doing.must_be or (begins_s < doing.at_s + LATE_S and in_time):
                self.track.rest(doing.at_s, self._idles, in_bed=self._is_in_bed)
                doing.do()
        self.track.rest(DAY_S, self._idles, in_bed=self._is_in_bed)

    def plan_usual(self) -> None:
        """Put the usual into a day that begins at home."""
        habits = self.person.habits
        rise_s, bed_s = self._rise_s(), self._bed_s()
        for at_h in MEALS_H:
            self.add(Doing(self._about(at_h, 0.1), 3000, self._eat))
        for at_h in FREE_H:
            self.add(Doing(self._about(at_h, 0.25), 300, self._sit))
        self.add(Doing(self._about(NAP_H, 0.2), NAP_S[1], self._nap))
        for at_s in self._times(habits.daytime_toilets, rise_s + HOUR_S, bed_s - 0.5 * HOUR_S):
            self.add(Doing(at_s, 700, self._go_to_toilet))
        for at_s in self._times(habits.errands, rise_s + HOUR_S, bed_s - HOUR_S):
            self.add(Doing(at_s, 300, self._run_errand))
        for at_s in self._wander_times():
            self.add(Doing(at_s, 400, self._wander))
        self.keep_between(rise_s, bed_s - MARGIN_S)
        self._plan_night(rise_s, bed_s)
        self.add(Doing(rise_s, 2400, self._rise, must_be=True))
        is_out = self.person.profile is Profile.INDEPENDENT and self.rng.random() < GOES_OUT_SHARE
        if is_out:
            self.add(Doing(self._about(14.2, 0.5), OUT_S[1] + 600, self._go_out, must_be=True))
        self.add(Doing(bed_s, 1200, self._go_to_bed, must_be=True))
        self._sleeps_from_s = bed_s

    def _plan_night(self, rise_s: float, bed_s: float) -> None:
        asleep_s = rise_s + DAY_S - bed_s
        for at_s in self._times(self.person.habits.night_toilets, 0, asleep_s):
            of_day_s = (bed_s + at_s) % DAY_S
            is_evening = of_day_s > bed_s + HOUR_S and of_day_s < DAY_S - QUIET_MIDNIGHT_S - 900
            if is_evening or QUIET_MIDNIGHT_S < of_day_s < rise_s - 1200:
                self.add(Doing(of_day_s, 900, self._go_at_night))

    def _rise_s(self) -> float:
        return self._about(self.person.habits.rises_h, 0.25)

    def _bed_s(self) -> float:
        latest_s = DAY_S - QUIET_MIDNIGHT_S - 2 * LATE_S
        return min(self._about(self.person.habits.to_bed_h, 0.3), latest_s)

    def _about(self, at_h: float, spread_h: float) -> float:
        return (at_h + float(np.clip(self.rng.normal(0, spread_h), -0.75, 0.75))) * HOUR_S

    def _times(self, mean: float, begin_s: float, end_s: float) -> list[float]:
        """So many times on average, anywhere between two times."""
        times: list[float] = self.rng.uniform(begin_s, end_s, self.rng.poisson(mean)).tolist()
        return times

    def _wander_times(self) -> list[float]:
        weights = np.array(WANDER_WEIGHT) / sum(WANDER_WEIGHT)
        count = self.rng.poisson(self.person.habits.wanders)
        hour = 8 + self.rng.choice(len(weights), count, p=weights)
        times: list[float] = ((hour + self.rng.random(count)) * HOUR_S).tolist()
        return times

    # -- what she does ---------------------------------------------------------------------------

    def _rise(self) -> None:
        self.get_up()
        self.walk(self.person.bedside_place)
        self.track.rest(self.track.now_s + self.draw(DRESSING_S) / 2, Activity.UP)
        self.walk(self.toilet())
        self.track.rest(self.track.now_s + self.draw(TOILET_S), Activity.UP)
        self.walk(self.person.bedside_place)
        self.track.rest(self.track.now_s + self.draw(DRESSING_S) / 2, Activity.UP)
        self.idle(Activity.RESTING)

    def _eat(self) -> None:
        self.get_up()
        self.walk(self.person.dining_place)
        self.track.rest(self.track.now_s + self.draw(MEAL_S), Activity.UP)
        self.idle(Activity.RESTING)

    def _sit(self) -> None:
        likes_lounge = self.rng.random() < self.person.habits.likes_lounge
        self.get_up()
        self.walk(self.person.lounge_place if likes_lounge else self.person.bedside_place)
        self.idle(Activity.RESTING)

    def _nap(self) -> None:
        if self.person.habits.naps_in_bed:
            self.lie_down()
            self.track.rest(self.track.now_s + self.draw(NAP_S), Activity.ASLEEP, in_bed=True)
            self._sit()
        else:
            self.walk(self.person.lounge_place)
            self.track.rest(self.track.now_s + self.draw(NAP_S), Activity.ASLEEP)
            self.idle(Activity.RESTING)

    def _go_to_toilet(self) -> None:
        back, idles, in_bed = self.track.place, self._idles, self._is_in_bed
        self.get_up()
        self.walk(self.toilet())
        self.track.rest(self.track.now_s + self.draw(TOILET_S), Activity.UP)
        self.walk(back)
        self.idle(idles, in_bed=in_bed)

    def _go_at_night(self) -> None:
        begun_s = self.get_up()
        self.walk(self.toilet())
        self.track.rest(self.track.now_s + self.draw(NIGHT_TOILET_S), Activity.UP)
        self.lie_down()
        minute = begun_s / 60
        is_night = minute >= NIGHT_FROM_MINUTE or minute < NIGHT_TO_MINUTE
        if self.person.policy.bed_exit and is_night:
            self.tell(Happening.BED_EXIT, begun_s, self.person.home_zone)

    def _run_errand(self) -> None:
        back = self.track.place
        self.get_up()
        is_at_bed = back in {self.person.bed_place, self.person.bedside_place}
        self.walk(self.person.lounge_place if is_at_bed else self.person.bedside_place)
        self.track.rest(self.track.now_s + self.draw(ERRAND_S), Activity.UP)
        self.walk(self.person.bedside_place if back == self.person.bed_place else back)
        self.idle(Activity.RESTING)

    def _wander(self) -> None:
        back = self.track.place
        self.get_up()
        kind = kind_of(self.person, self.floor, self.rng)
        begun_s, _ = wander(self.track, kind, self.person, self.floor, self.rng)
        self.tell(Happening(kind), begun_s, self.ways.zone_of(self.track.place))
        self.walk(self.person.bedside_place if back == self.person.bed_place else back)
        self.idle(Activity.RESTING)

    def _go_out(self) -> None:
        way_out = any_exit(self.floor, self.rng)
        self.get_up()
        before = len(self.track.crossings)
        self.walk(way_out.outside_place)
        crossed = self.track.crossings[before:]
        self.walk(FAR)
        self.track.rest(self.track.now_s + self.draw(OUT_S), Activity.WALKING)
        self.walk(way_out.outside_place)
        self.walk(self.person.bedside_place)
        self.idle(Activity.RESTING)
        begun_s = crossed[0].second if crossed else self.track.now_s
        self.tell(Happening.GOES_OUT, begun_s, way_out.hall, doors=doors_of(crossed))

    def _go_to_bed(self) -> None:
        self.get_up()
        self.walk(self.toilet())
        self.track.rest(self.track.now_s + self.draw(TOILET_S), Activity.UP)
        self.walk(self.person.bedside_place)
        self.track.rest(self.track.now_s + self.draw(DRESSING_S) / 2, Activity.UP)
        self.lie_down()

    def _way_m(self, zone: int) -> float:
        place = self.ways.places_in(zone, 1)[0]
        return float(self.ways.way(self.person.bed_place, place).along_m[-1])
