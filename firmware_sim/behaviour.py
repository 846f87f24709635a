"""A care home's day: where everybody is in each second, what they do, and what truly happened.

`firmware_sim.home` simulates a few wearables advert by advert, with acceleration, links and falls,
on a clock, for the demo and for the tests of the gateway. This one has no adverts: it decides a day
of sixty residents, their carers and visitors all at once, as arrays with a truth for each second,
so that rooms, wandering, exits and nights can be judged over weeks. What receivers and sensors make
of it is not its business.

People walk along the shortest ways of a plan (`firmware_sim.floor`), at their own speed, through
doors that have to be opened; in between they stay where they are. All of it is drawn from a seed:
the same home, people, day and seed give the same arrays.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.floor import Floor
from firmware_sim.life.carers import Appointment, CarerDay, assign
from firmware_sim.life.episodes import Episode, Escort, Happening, TagOff
from firmware_sim.life.incidents import DayPlan, plan_of
from firmware_sim.life.people import (
    CARER_TAGS,
    Habits,
    Person,
    Profile,
    carers_names,
    residents_of,
)
from firmware_sim.life.resident_day import ResidentDay
from firmware_sim.life.resident_incidents import plan_incident, plan_return
from firmware_sim.life.track import DAY_S, Activity, Crossing, Track
from firmware_sim.life.visitors import Visited, visits_of
from firmware_sim.residents import ASLEEP_G, RESTING_G

__all__ = [
    "DAY_S",
    "Activity",
    "Day",
    "Episode",
    "Habits",
    "Happening",
    "Opening",
    "Person",
    "Profile",
    "TagOff",
    "carers_names",
    "live_day",
    "movement_g",
    "residents_of",
]

OPENS_BEFORE_S: Final = 1
"""A door is open from so long before somebody sets foot on its threshold."""
CLOSES_AFTER_S: Final = 5
"""And until so long after: a door closer takes three to seven seconds."""


class Opening(NamedTuple):
    """An exit's door opens or closes."""

    second: int
    door: int
    """Number in `Floor.doors`."""
    is_open: bool
    by: int
    """Row of who opened it."""


class Day(NamedTuple):
    """A day of a home. Rows: residents, then carers' tags, then visitors, who have no tag."""

    names: tuple[str, ...]
    residents: int
    carers: int
    zone: NDArray[np.int16]
    """(rows, seconds) zone number; `OUTSIDE` out of the building."""
    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    """(rows, seconds) where they are; NaN: away from the home, where no radio hears."""
    storey: NDArray[np.int8]
    """(rows, seconds)"""
    activity: NDArray[np.int8]
    """(rows, seconds) `Activity`"""
    in_bed: NDArray[np.bool_]
    """(residents, seconds) whether she lies, or sits on the edge of, her own bed."""
    absent: NDArray[np.bool_]
    """(residents, seconds) on leave or in hospital, and the staff have noted it."""
    worn: NDArray[np.bool_]
    """(residents + carers, seconds) whether the tag is worn; the carers' lie in the staff room."""
    tags_off: tuple[TagOff, ...]
    """Where residents' tags lie that are not worn."""
    openings: tuple[Opening, ...]
    """In the order of time."""
    episodes: tuple[Episode, ...]
    """In the order of time."""

    def of_kind(self, *kinds: Happening) -> list[Episode]:
        """Episodes of these kinds."""
        return [episode for episode in self.episodes if episode.kind in kinds]

    def tags_m(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int8]]:
        """Metres east and north, and storey, of the tags of residents and carers: where they are
        worn or lie. (residents + carers, seconds) each, NaN away from the home.
        """
        tags = self.residents + self.carers
        x_m, y_m, storey = self.x_m[:tags].copy(), self.y_m[:tags].copy(), self.storey[:tags].copy()
        for off in self.tags_off:
            span = slice(off.begun_s, off.ended_s)
            x_m[off.row, span], y_m[off.row, span] = off.x_m, off.y_m
            storey[off.row, span] = off.storey
        return x_m, y_m, storey


def live_day(floor: Floor, people: tuple[Person, ...], day_number: int, seed: int = 0) -> Day:
    """A day from midnight to midnight, local time, 86,400 s.

    Parameters
    ----------
    floor, people
        The home, and who lives there (`residents_of`).
    day_number
        From 0. What seldom happens is drawn for thirty days at a time
        (`firmware_sim.life.incidents.PER_30_DAYS`).
    seed
        Decides everything that is drawn.

    Raises
    ------
    ValueError
        If the home has too little of something that its people need, such as seats or carers.
    """
    plan = plan_of(people, day_number, seed)
    visitors, visited = visits_of(floor, people, plan, np.random.default_rng([seed, 3, day_number]))
    residents = []
    for row, person in enumerate(people):
        rng = np.random.default_rng([seed, 4, day_number, row])
        is_home = row not in plan.away | plan.returns
        day = ResidentDay(row, person, floor, rng, is_home=is_home)
        _plan(day, plan, [each for each in visited if each.visit.for_row == row])
        day.live()
        residents.append(day)
    escorts = assign([escort for day in residents for escort in day.escorts])
    carers = []
    for tag in range(CARER_TAGS):
        rng = np.random.default_rng([seed, 5, day_number, tag])
        appointments = [
            Appointment(escort, residents[escort.row].track)
            for escort, taken in escorts.items()
            if taken == tag
        ]
        carer = CarerDay(tag, floor, people, appointments, rng)
        carer.live()
        carers.append(carer)
    return _put_together(people, residents, carers, visitors, escorts)


def _plan(day: ResidentDay, plan: DayPlan, visited: list[Visited]) -> None:
    """What a resident's day will hold."""
    if day.row in plan.away:
        day.absent_s.append((0.0, DAY_S))
        return
    day.plan_usual()
    if day.row in plan.returns:
        plan_return(day, visited[0])
    elif day.row in plan.planned:
        plan_incident(day, plan.planned[day.row], visited)


def _put_together(
    people: tuple[Person, ...],
    residents: list[ResidentDay],
    carers: list[CarerDay],
    visitors: list[Track],
    escorts: dict[Escort, int],
) -> Day:
    tracks = [day.track for day in residents] + [day.track for day in carers] + visitors
    absent = np.zeros((len(residents), DAY_S), np.bool_)
    worn = np.ones((len(residents) + len(carers), DAY_S), np.bool_)
    tags_off = [off for day in residents for off in day.tags_off]
    for day in residents:
        for begin_s, end_s in day.absent_s:
            absent[day.row, int(begin_s) : int(end_s)] = True
    for off in tags_off:
        worn[off.row, off.begun_s : off.ended_s] = False
    for tag, carer in enumerate(carers, start=len(residents)):
        worn[tag] = carer.worn
    episodes = [
        _with_escort(episode, escorts, len(residents))
        for day in residents
        for episode in day.episodes
    ]
    visitors_names = [f"visitor-{number + 1}" for number in range(len(visitors))]
    return Day(
        names=(*(person.name for person in people), *carers_names(), *visitors_names),
        residents=len(residents),
        carers=len(carers),
        zone=np.stack([track.zone for track in tracks]),
        x_m=np.stack([track.x_m for track in tracks]),
        y_m=np.stack([track.y_m for track in tracks]),
        storey=np.stack([track.storey for track in tracks]),
        activity=np.stack([track.activity for track in tracks]),
        in_bed=np.stack([day.track.in_bed for day in residents]),
        absent=absent,
        worn=worn,
        tags_off=tuple(tags_off),
        openings=tuple(_openings([track.crossings for track in tracks])),
        episodes=tuple(sorted(episodes, key=lambda episode: (episode.begun_s, episode.row))),
    )


def _with_escort(episode: Episode, escorts: dict[Escort, int], residents: int) -> Episode:
    """An outing knows who goes with her."""
    if episode.kind is not Happening.OUTING:
        return episode
    with_her = next(
        tag
        for escort, tag in escorts.items()
        if escort.row == episode.row and escort.begin_s <= episode.begun_s <= escort.end_s
    )
    return episode._replace(escort=residents + with_her)


def _openings(crossings: list[list[Crossing]]) -> list[Opening]:
    """Doors that are open as long as somebody goes through and a little longer."""
    passing = sorted(
        (each.door, int(each.second), row) for row, one in enumerate(crossings) for each in one
    )
    openings: list[Opening] = []
    last: tuple[int, int, int] | None = None  # door, second in which it will close, opened by
    for door, second, row in passing:
        if last is not None and (last[0] != door or second - OPENS_BEFORE_S > last[1]):
            openings.append(Opening(last[1], last[0], False, last[2]))
            last = None
        if last is None:
            openings.append(Opening(second - OPENS_BEFORE_S, door, True, row))
        last = (door, second + CLOSES_AFTER_S, last[2] if last else row)
    if last is not None:
        openings.append(Opening(last[1], last[0], False, last[2]))
    return sorted(openings)


_MOVEMENT_G: Final = {
    Activity.ASLEEP: (ASLEEP_G, 0.10, 15, 0.012),
    Activity.RESTING: (RESTING_G, 0.06, 30, 0.25),
    Activity.UP: (0.08, 0.12, 10, 0.3),
    Activity.WALKING: (0.18, 0.22, 10, 0.3),
    Activity.STILL: (0.0012, 0.0012, 30, 0.0),
}
"""Quiet, busy (g), seconds of a spell, and the share of spells that are busy; sleepers change
posture some three times an hour."""
_SPREAD: Final = 0.35
"""Deviation of the logarithm from second to second."""


def movement_g(day: Day, seed: int = 0) -> NDArray[np.float32]:
    """How much each tag moves: the deviation of |a| in g in each second, as its summary tells it.

    (residents + carers, seconds). A tag that is not worn lies still.
    """
    rng = np.random.default_rng([seed, 6])
    rows = day.residents + day.carers
    activity = np.where(day.worn, day.activity[:rows], np.int8(Activity.STILL))
    level = np.zeros((rows, DAY_S), np.float32)
    for kind, (quiet_g, busy_g, spell_s, share) in _MOVEMENT_G.items():
        spells = rng.random((rows, DAY_S // spell_s + 1)) < share
        is_busy = np.repeat(spells, spell_s, axis=1)[:, :DAY_S]
        one = np.where(is_busy, np.float32(busy_g), np.float32(quiet_g))
        np.copyto(level, one, where=activity == kind)
    level *= np.exp(_SPREAD * rng.standard_normal((rows, DAY_S), np.float32))
    return level
