"""Carers: shifts, rounds, care at the bed, meals, breaks, and going with a resident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.whereabouts import ZoneUse
from firmware_sim.floor import Floor
from firmware_sim.life.episodes import Escort
from firmware_sim.life.exits import exits_of
from firmware_sim.life.people import CARER_TAGS, Person
from firmware_sim.life.track import DAY_S, HOUR_S, Activity, Track
from firmware_sim.life.visitors import staff_places
from firmware_sim.life.ways import ways_of

SPEED_M_S: Final = 1.2

DUTY: Final = ((0.0, 7.0, 4), (7.0, 15.0, 8), (15.0, 22.0, 6), (22.0, 24.0, 4))
"""From and to which hour so many tags are worn; the others lie in the staff room."""

ROUNDS_H: Final = (0.5, 2.5, 4.5, 22.6)
"""When carers go from bed to bed at night: every two hours."""
AT_BED_AT_NIGHT_S: Final = (12.0, 40.0)
BREAK_S: Final = (600.0, 1500.0)

COMES_BEFORE_S: Final = 40.0
"""A carer is with a resident so long before they go."""
APART_S: Final = 900.0
"""Between two residents whom one carer goes with."""
BEHIND_S: Final = 1

MEALS_H: Final = ((7.6, 8.6), (11.9, 12.9), (17.4, 18.4))
TASKS: Final[tuple[tuple[str, float, tuple[float, float]], ...]] = (
    ("bed", 0.38, (60.0, 300.0)),
    ("lounge", 0.24, (120.0, 600.0)),
    ("toilet", 0.10, (120.0, 360.0)),
    ("corridor", 0.11, (20.0, 90.0)),
    ("staff", 0.15, (240.0, 900.0)),
    ("outside", 0.02, (30.0, 240.0)),
)
"""What they do by day, how often, and for how long; outside is to the bins, or for a smoke."""
MORNING_CARE_H: Final = (6.0, 7.6)
MORNING_CARE_S: Final = (180.0, 480.0)


class Appointment(NamedTuple):
    """To be with a resident, and go where she goes."""

    escort: Escort
    leader: Track


def on_duty(tag: int) -> NDArray[np.bool_]:
    """(seconds of the day,) whether a tag is worn."""
    worn = np.zeros(DAY_S, np.bool_)
    for from_h, to_h, tags in DUTY:
        worn[int(from_h * HOUR_S) : int(to_h * HOUR_S)] = tag < tags
    return worn


def assign(escorts: Sequence[Escort]) -> dict[Escort, int]:
    """Choose a carer's tag for each escort: on duty, and with nobody else around that time.

    Raises
    ------
    ValueError
        If more residents are out at once than there are carers.
    """
    worn = [on_duty(tag) for tag in range(CARER_TAGS)]
    chosen: dict[Escort, int] = {}
    for escort in sorted(escorts, key=lambda each: each.begin_s):
        span = slice(int(escort.begin_s), int(escort.end_s) + 1)
        free = [
            tag
            for tag in range(CARER_TAGS)
            if worn[tag][span].all()
            and not any(
                taken == tag
                and other.begin_s < escort.end_s + APART_S
                and escort.begin_s < other.end_s + APART_S
                for other, taken in chosen.items()
            )
        ]
        if not free:
            at_h = escort.begin_s / HOUR_S
            raise ValueError(f"at {at_h:.1f} h no carer is free to go with a resident")
        counts = [sum(taken == tag for taken in chosen.values()) for tag in free]
        chosen[escort] = free[int(np.argmin(counts))]
    return chosen


class CarerDay:
    """A day of one carer's tag.

    Parameters
    ----------
    tag
        From 0.
    appointments
        In their order of time.
    """

    def __init__(
        self,
        tag: int,
        floor: Floor,
        people: tuple[Person, ...],
        appointments: Sequence[Appointment],
        rng: np.random.Generator,
    ) -> None:
        self.worn = on_duty(tag)
        rooms = staff_places(floor)
        storeys = sorted({person.storey for person in people})
        self._storey = storeys[tag % len(storeys)]
        self._staff_place = rooms[tag % len(rooms)]
        self._beds = [each.bedside_place for each in people if each.storey == self._storey]
        self._round = self._beds[tag // len(storeys) % 2 :: 2]
        self._dining = sorted({each.dining_place for each in people})
        self._floor, self._ways, self._rng = floor, ways_of(floor), rng
        self._appointments = list(appointments)
        self.track = Track(self._ways, self._staff_place)

    def live(self) -> None:
        """Decide the whole day."""
        track = self.track
        while track.now_s < DAY_S:
            if not self.worn[int(track.now_s)]:
                track.walk(self._staff_place, SPEED_M_S)
                later = np.flatnonzero(self.worn[int(track.now_s) :])
                until_s = track.now_s + float(later[0]) if len(later) else DAY_S
                track.rest(max(until_s, track.now_s + 1), Activity.STILL)
            elif not self._keep_appointment():
                self._work()

    def _keep_appointment(self) -> bool:
        """Go with a resident, if it is time to."""
        if not self._appointments:
            return False
        escort, leader = self._appointments[0]
        meet = leader.place_at(escort.begin_s)
        way_s = self._way_s(meet)
        longest_s = max(lasts_s[1] for _, _, lasts_s in TASKS) + way_s
        if self.track.now_s < escort.begin_s - COMES_BEFORE_S - way_s - longest_s:
            return False
        self._appointments.pop(0)
        leave_s = escort.begin_s - COMES_BEFORE_S - way_s
        self.track.rest(leave_s, Activity.UP)
        self.track.walk(meet, SPEED_M_S)
        self.track.follow(leader, escort.begin_s, escort.end_s, BEHIND_S)
        return True

    def _work(self) -> None:
        hour = self.track.now_s / HOUR_S
        if hour >= DUTY[-1][0] or hour < MORNING_CARE_H[0]:
            self._watch_at_night(hour)
        elif hour < MORNING_CARE_H[1]:
            self._at(int(self._rng.choice(self._beds)), MORNING_CARE_S)
        elif any(begin <= hour < end for begin, end in MEALS_H) and self._rng.random() < 0.8:
            self._at(int(self._rng.choice(self._dining)), (120.0, 480.0))
        else:
            names = [name for name, _, _ in TASKS]
            chosen = int(self._rng.choice(len(names), p=[share for _, share, _ in TASKS]))
            self._at(self._place_for(names[chosen]), TASKS[chosen][2])

    def _watch_at_night(self, hour: float) -> None:
        """Rounds from bed to bed, and the staff room in between."""
        due = [at_h for at_h in ROUNDS_H if at_h <= hour < at_h + 0.4]
        if due:
            for place in self._round:
                self._at(place, AT_BED_AT_NIGHT_S)
        self.track.walk(self._staff_place, SPEED_M_S)
        following = [at_h for at_h in (*ROUNDS_H, MORNING_CARE_H[0], 24.0) if at_h > hour]
        wakes_s = min(following) * HOUR_S
        until_s = self.track.now_s + float(self._rng.uniform(*BREAK_S))
        self.track.rest(max(min(until_s, wakes_s), self.track.now_s + 60), Activity.RESTING)

    def _place_for(self, task: str) -> int:
        if task == "staff":
            return self._staff_place
        if task == "bed":
            return int(self._rng.choice(self._beds))
        if task == "outside":
            return exits_of(self._floor)[-1].outside_place
        use = {
            "lounge": ZoneUse.COMMON,
            "toilet": ZoneUse.TOILET,
            "corridor": ZoneUse.CORRIDOR,
        }[task]
        zones = self._floor.zones_of(use, storey=self._storey) or self._floor.zones_of(use)
        if not zones:
            return self._staff_place
        return int(self._rng.choice(self._ways.places_in(int(self._rng.choice(zones)), 5)))

    def _at(self, place: int, lasts_s: tuple[float, float]) -> None:
        self.track.walk(place, SPEED_M_S)
        self.track.rest(self.track.now_s + float(self._rng.uniform(*lasts_s)), Activity.UP)

    def _way_s(self, place: int) -> float:
        if place == self.track.place:
            return 0.0
        way = self._ways.way(self.track.place, place)
        return float(way.along_m[-1]) / SPEED_M_S + 4.0 * len(way.gates)
