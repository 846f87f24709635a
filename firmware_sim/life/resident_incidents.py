"""What seldom happens, put into a resident's day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from contract.whereabouts import ZoneUse
from firmware_sim.life.episodes import Escort, Happening, TagOff
from firmware_sim.life.exits import Exit, any_exit, exits_of
from firmware_sim.life.incidents import Incident, Planned
from firmware_sim.life.resident_day import Doing, ResidentDay
from firmware_sim.life.track import DAY_S, FAR, Activity, doors_of
from firmware_sim.life.visitors import Visited

AT_DOOR_S: Final = (4.0, 60.0)
"""She stands before the door until she opens it."""
DOOR_S: Final = (2.0, 8.0)
"""To open a door that is meant to be hard to open."""
WAITS_S: Final = 50.0
"""About so long she waits in front of it for somebody who opens it."""
NEARBY_S: Final = (40.0, 150.0)
"""Out, she is in hearing of the lobby's receiver so long at first, and when she is found."""
LOST_S: Final = (300.0, 1500.0)
"""Then she is out of hearing."""
GARDEN_S: Final = (240.0, 1500.0)
"""An outing is shorter or longer than the ten minutes after which one is asked again."""
FETCHED_BEFORE_S: Final = 60.0
"""A carer is with her so long before they set off."""
VISITS: Final = (5, 9)
VISIT_S: Final = (12.0, 45.0)
AWAY_S: Final = (30.0, 100.0)
LINGERS_S: Final = (240.0, 540.0)
NIGHT_STOPS: Final = (3, 6)
NIGHT_STOP_S: Final = (20.0, 150.0)
STAYS_S: Final = (2700.0, 5400.0)
STILL_S: Final = (5.0 * 3600, 7.0 * 3600)
TAG_OFF_S: Final = (2400.0, 9000.0)
NOTED_BEFORE_S: Final = 240.0
"""Staff note that somebody goes on leave before she is through the door."""
BEHIND_S: Final = 2
BESIDE_S: Final = 1


def plan_incident(day: ResidentDay, planned: Planned, visited: Sequence[Visited]) -> None:
    """Put what seldom happens into a resident's day.

    Parameters
    ----------
    visited
        Who came for her that day.
    """
    if planned.kind in {Incident.LEAVE, Incident.HOSPITAL}:
        _plan_leaving(day, planned, visited[0])
    elif planned.kind is Incident.ELOPEMENT_BEHIND_VISITOR:
        _plan_behind(day, visited[0])
    elif planned.kind is Incident.NOT_WORN:
        _plan_not_worn(day, planned)
    else:
        lasts_s, does = _DOES[planned.kind]
        day.add(Doing(planned.at_s, lasts_s, lambda: does(day), must_be=True))


def plan_return(day: ResidentDay, visited: Visited) -> None:
    """She comes back from leave or hospital, with somebody."""

    def come_back() -> None:
        begin_s = visited.visit.arrives_s
        day.track.follow(visited.track, begin_s, visited.in_s, BESIDE_S)
        day.walk(day.person.bedside_place)
        day.absent_s.append((0.0, day.track.now_s))
        day.idle(Activity.RESTING)

    day.keep_between(visited.in_s + FETCHED_BEFORE_S, DAY_S)
    day.add(Doing(visited.visit.arrives_s, 900, come_back, must_be=True))


def _plan_leaving(day: ResidentDay, planned: Planned, visited: Visited) -> None:
    leaves_s = visited.visit.leaves_s
    kind = Happening(planned.kind)

    def leave() -> None:
        day.get_up()
        day.walk(day.person.bedside_place)
        day.track.rest(leaves_s, Activity.RESTING)
        day.track.follow(visited.track, leaves_s, visited.gone_s, BESIDE_S)
        begun_s = day.track.now_s
        day.walk(FAR)
        day.track.rest(DAY_S, Activity.RESTING)
        day.absent_s.append((leaves_s - NOTED_BEFORE_S / 2, DAY_S))
        day.tell(kind, begun_s, day.person.home_zone)

    day.keep_between(0.0, leaves_s - NOTED_BEFORE_S)
    day.add(Doing(leaves_s - NOTED_BEFORE_S, DAY_S, leave, must_be=True))


def _plan_behind(day: ResidentDay, visited: Visited) -> None:
    visit, track = visited.visit, visited.track
    crossed = [each for each in track.crossings if visit.leaves_s < each.second < visited.gone_s]
    passes_s = crossed[0].second - 1
    doors = doors_of(crossed)

    def slip_out() -> None:
        day.get_up()
        day.walk(visit.way_out.hall_place)
        if day.track.now_s > passes_s:  # kept by something else: the door is shut again
            day.settle()
            return
        day.track.rest(passes_s, Activity.UP)
        day.track.follow(track, passes_s, visited.gone_s, BEHIND_S)
        _be_lost_and_found(day, visit.way_out, doors, is_behind_somebody=True)

    way = day.ways.way(day.person.bed_place, visit.way_out.hall_place)
    sets_off_s = passes_s - WAITS_S - float(way.along_m[-1]) / day.person.habits.speed_m_s
    day.add(Doing(sets_off_s, LOST_S[1] + 1200, slip_out, must_be=True))


def _plan_not_worn(day: ResidentDay, planned: Planned) -> None:
    lies: list[tuple[float, int]] = []
    until_s = planned.at_s + day.draw(TAG_OFF_S)

    def put_down() -> None:
        lies.append((day.track.now_s, day.track.place))

    def put_on() -> None:
        since_s, place = lies[0]
        day.get_up()
        day.walk(place)
        day.idle(Activity.RESTING)
        x_m, y_m = day.ways.position_m(place)
        zone, storey = day.ways.zone_of(place), day.ways.storey_of(place)
        begun, ended = int(np.ceil(since_s)), int(np.ceil(day.track.now_s))
        day.tags_off.append(TagOff(day.row, begun, ended, zone, x_m, y_m, storey))
        day.tell(Happening.NOT_WORN, since_s, zone)

    day.add(Doing(planned.at_s, 10, put_down, must_be=True))
    day.add(Doing(until_s, 300, put_on, must_be=True))


def _elope(day: ResidentDay) -> None:
    way_out = any_exit(day.floor, day.rng)
    day.get_up()
    day.walk(way_out.hall_place)
    day.track.rest(day.track.now_s + day.draw(AT_DOOR_S), Activity.UP)
    before = len(day.track.crossings)
    speed_m_s = day.person.habits.speed_m_s
    day.track.walk(way_out.outside_place, speed_m_s, opening_s=day.draw(DOOR_S))
    doors = doors_of(day.track.crossings[before:])
    _be_lost_and_found(day, way_out, doors, is_behind_somebody=False)


def _be_lost_and_found(
    day: ResidentDay, way_out: Exit, doors: tuple[tuple[int, int], ...], *, is_behind_somebody: bool
) -> None:
    track = day.track
    track.rest(track.now_s + day.draw(NEARBY_S), Activity.UP)
    day.walk(FAR)
    track.rest(track.now_s + day.draw(LOST_S), Activity.WALKING)
    day.walk(way_out.outside_place)
    track.rest(track.now_s + day.draw(NEARBY_S), Activity.UP)
    found_s = track.now_s
    day.walk(day.person.lounge_place)
    day.escorts.append(Escort(day.row, found_s, track.now_s))
    day.tell(
        Happening.ELOPEMENT,
        doors[0][1],
        way_out.hall,
        doors=doors,
        is_behind_somebody=is_behind_somebody,
    )
    day.settle()


def _go_into_garden(day: ResidentDay) -> None:
    way_out = exits_of(day.floor)[-1]
    day.get_up()
    day.track.rest(day.track.now_s + 2 * FETCHED_BEFORE_S, Activity.UP)
    begin_s, before = day.track.now_s, len(day.track.crossings)
    day.walk(way_out.outside_place)
    crossed = day.track.crossings[before:]
    day.track.rest(day.track.now_s + day.draw(GARDEN_S), Activity.UP)
    day.walk(day.person.lounge_place)
    day.idle(Activity.RESTING)
    day.escorts.append(Escort(day.row, begin_s, day.track.now_s))
    day.tell(Happening.OUTING, crossed[0].second, way_out.hall, doors=doors_of(crossed))


def _seek_exit(day: ResidentDay) -> None:
    way_out = any_exit(day.floor, day.rng)
    day.get_up()
    day.walk(way_out.hall_place)
    begun_s = day.track.now_s
    if day.rng.random() < 0.5:
        day.track.rest(day.track.now_s + day.draw(LINGERS_S), Activity.UP)
    else:
        away = _beside(day, way_out)
        for _ in range(int(day.rng.integers(*VISITS))):
            day.walk(way_out.hall_place)
            day.track.rest(day.track.now_s + day.draw(VISIT_S), Activity.UP)
            day.walk(away[int(day.rng.integers(len(away)))])
            day.track.rest(day.track.now_s + day.draw(AWAY_S), Activity.UP)
    day.tell(Happening.EXIT_SEEKING, begun_s, way_out.hall)
    day.settle()


def _beside(day: ResidentDay, way_out: Exit) -> list[int]:
    """Places in the rooms next to the hall of an exit, on this side of its doors."""
    behind = {each for door in way_out.doors for each in day.floor.doors[door].zones}
    near = np.flatnonzero(day.floor.near[way_out.hall]).tolist()
    zones = [zone for zone in near if zone not in behind or zone == way_out.hall] or [way_out.hall]
    return [place for zone in zones for place in day.ways.places_in(zone, 4)]


def _wander_at_night(day: ResidentDay) -> None:
    begun_s = day.get_up()
    rng, floor, storey = day.rng, day.floor, day.person.storey
    rooms = floor.zones_of(ZoneUse.CORRIDOR, ZoneUse.COMMON, storey=storey)
    others = [
        z for z in floor.zones_of(ZoneUse.BEDROOM, storey=storey) if z != day.person.home_zone
    ]
    stops = rng.choice(rooms, int(rng.integers(*NIGHT_STOPS))).tolist()
    if others and rng.random() < 0.5:
        stops.append(int(rng.choice(others)))
    if len(set(stops)) < 2:  # otherwise it could be a way to the toilet and back
        stops += rooms[:3]
    for zone in stops:
        day.walk(int(rng.choice(day.ways.places_in(int(zone), 5))))
        day.track.rest(day.track.now_s + day.draw(NIGHT_STOP_S), Activity.UP)
    day.lie_down()
    day.tell(Happening.NIGHT_WANDERING, begun_s, day.person.home_zone)
    if day.person.policy.bed_exit:
        day.tell(Happening.BED_EXIT, begun_s, day.person.home_zone)


def _not_return(day: ResidentDay) -> None:
    day.get_up()
    begun_s, place = day.track.now_s, day.toilet()
    day.walk(place)
    day.track.rest(day.track.now_s + day.draw(STAYS_S), Activity.RESTING)
    day.tell(Happening.NOT_RETURNED, begun_s, day.ways.zone_of(place))
    day.settle()


def _be_still(day: ResidentDay) -> None:
    day.get_up()
    day.walk(day.person.lounge_place)
    begun_s = day.track.now_s
    day.track.rest(begun_s + day.draw(STILL_S), Activity.STILL)
    day.tell(Happening.INACTIVE, begun_s, day.ways.zone_of(day.person.lounge_place))
    day.idle(Activity.RESTING)


_DOES: Final[dict[Incident, tuple[float, Callable[[ResidentDay], None]]]] = {
    Incident.ELOPEMENT: (LOST_S[1] + 900, _elope),
    Incident.OUTING: (GARDEN_S[1] + 600, _go_into_garden),
    Incident.EXIT_SEEKING: (1500, _seek_exit),
    Incident.NIGHT_WANDERING: (1800, _wander_at_night),
    Incident.NOT_RETURNED: (STAYS_S[1], _not_return),
    Incident.INACTIVE: (STILL_S[1], _be_still),
}
