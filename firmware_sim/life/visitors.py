"""Who comes and goes without a tag: visitors, relatives who fetch somebody, deliveries, and the
shifts on their way in and out. They open the doors of the exits.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from contract.whereabouts import ZoneUse
from firmware_sim.floor import Floor
from firmware_sim.life.exits import Exit, any_exit, exits_of
from firmware_sim.life.incidents import RETURN_H, DayPlan, Incident
from firmware_sim.life.people import Person
from firmware_sim.life.track import DAY_S, FAR, HOUR_S, Activity, Track
from firmware_sim.life.ways import ways_of

VISITORS_A_DAY: Final = 12.0
"""For sixty residents; a fifth of them have somebody on a day."""
VISIT_S: Final = (1200.0, 4800.0)
VISITS_H: Final = (9.5, 18.5)
DELIVERIES_H: Final = (8.2, 13.4)
SPEED_M_S: Final = 1.1
MAIN_EXIT_SHARE: Final = 0.8
"""Of visitors; the others come through the garden."""

SHIFTS: Final = ((7.0, 8, 4), (15.0, 6, 8), (22.0, 4, 6))
"""Hour, how many come, how many go: eight carers by day, six in the evening, four at night."""
SHIFT_SPREAD_S: Final = (-1200.0, -120.0)
"""They come so long before the hour, and go as long after it."""

APART_S: Final = 60.0
"""Two people of one row are not there within this time."""

BEFORE_FETCHING_S: Final = 600.0
"""Who fetches somebody is so long with her before."""


class Visit(NamedTuple):
    """Somebody comes, stays in one place, and goes."""

    arrives_s: float
    leaves_s: float
    place: int
    way_out: Exit
    for_row: int = -1
    """The resident whom it concerns: she goes with the visitor, or slips out behind."""
    comes: bool = True
    goes: bool = True
    """Staff who come are on duty from then on, and have a tag: they are no visitors any more."""


class Visited(NamedTuple):
    """A visit as it was."""

    visit: Visit
    track: Track
    in_s: float
    """When the visitor was at the place."""
    gone_s: float
    """When the visitor had gone."""


def visits_of(
    floor: Floor, people: tuple[Person, ...], plan: DayPlan, rng: np.random.Generator
) -> tuple[list[Track], list[Visited]]:
    """Tracks of everybody who comes and goes on a day, one after the other on few tracks."""
    ways = ways_of(floor)
    visits = [
        *_ordinary(floor, people, plan, rng),
        *_shifts(floor, rng),
        *_for_incidents(floor, people, plan, rng),
    ]
    tracks: list[Track] = []
    visited = []
    for visit in sorted(visits, key=lambda each: each.arrives_s):
        arrives_s = visit.arrives_s - APART_S
        track = next((each for each in tracks if each.now_s < arrives_s), None)
        if track is None:
            track = Track(ways, FAR)
            tracks.append(track)
        visited.append(_visit(track, visit))
    for track in tracks:
        track.rest(DAY_S, Activity.RESTING)
    return tracks, visited


def _visit(track: Track, visit: Visit) -> Visited:
    track.rest(visit.arrives_s, Activity.RESTING)
    if visit.comes:
        track.walk(visit.way_out.outside_place, SPEED_M_S)
    in_s = track.walk(visit.place, SPEED_M_S)
    if visit.goes:
        track.rest(visit.leaves_s, Activity.RESTING)
        track.walk(visit.way_out.outside_place, SPEED_M_S)
    gone_s = track.now_s
    track.rest(gone_s + 1.0, Activity.UP)
    track.walk(FAR, SPEED_M_S)
    return Visited(visit, track, in_s, gone_s)


def _ordinary(
    floor: Floor, people: tuple[Person, ...], plan: DayPlan, rng: np.random.Generator
) -> list[Visit]:
    visits = []
    here = [row for row in range(len(people)) if row not in plan.away]
    visitors = rng.poisson(VISITORS_A_DAY * len(people) / 60)
    for _ in range(visitors if here else 0):
        person = people[int(rng.choice(here))]
        place = person.lounge_place if rng.random() < 0.4 else person.bedside_place
        visits.append(_at(floor, rng, VISITS_H, VISIT_S, place))
    for at_h in DELIVERIES_H:
        place = people[0].dining_place
        visits.append(_at(floor, rng, (at_h, at_h + 0.5), (240.0, 420.0), place))
    return visits


def _at(
    floor: Floor,
    rng: np.random.Generator,
    between_h: tuple[float, float],
    lasts_s: tuple[float, float],
    place: int,
) -> Visit:
    exits = exits_of(floor)
    way_out = exits[0] if rng.random() < MAIN_EXIT_SHARE else exits[-1]
    arrives_s = float(rng.uniform(*between_h)) * HOUR_S
    return Visit(arrives_s, arrives_s + float(rng.uniform(*lasts_s)), place, way_out)


def _shifts(floor: Floor, rng: np.random.Generator) -> list[Visit]:
    visits = []
    way_out = exits_of(floor)[0]
    rooms = staff_places(floor)
    for at_h, coming, going in SHIFTS:
        for number in range(coming + going):
            place = rooms[number % len(rooms)]
            apart_s = float(rng.uniform(*SHIFT_SPREAD_S))
            comes = number < coming
            at_s = at_h * HOUR_S + (apart_s if comes else -apart_s)
            visits.append(Visit(at_s, at_s, place, way_out, comes=comes, goes=not comes))
    return visits


def staff_places(floor: Floor) -> list[int]:
    """Where carers are when they are with nobody, one for each storey that has such a room."""
    rooms = [*floor.zones_of(ZoneUse.OTHER)] or floor.zones_of(ZoneUse.COMMON, ZoneUse.CORRIDOR)
    storeys = {int(floor.storey[room]): room for room in reversed(rooms)}
    return [ways_of(floor).places_in(storeys[each], 1)[0] for each in sorted(storeys)]


def _for_incidents(
    floor: Floor, people: tuple[Person, ...], plan: DayPlan, rng: np.random.Generator
) -> list[Visit]:
    """Those behind whom somebody slips out, and those who fetch somebody or bring her back."""
    visits = []
    exits = exits_of(floor)
    for planned in plan.planned.values():
        person, row, at_s = people[planned.row], planned.row, planned.at_s
        way_out = any_exit(floor, rng)
        if planned.kind is Incident.ELOPEMENT_BEHIND_VISITOR:
            visits.append(Visit(at_s - 2400, at_s, person.lounge_place, way_out, row))
        elif planned.kind in {Incident.LEAVE, Incident.HOSPITAL}:
            begin_s = at_s - BEFORE_FETCHING_S
            visits.append(Visit(begin_s, at_s, person.bedside_place, exits[0], row))
    for row in sorted(plan.returns):
        at_s = RETURN_H * HOUR_S + float(rng.uniform(0, HOUR_S))
        place = people[row].bedside_place
        visits.append(Visit(at_s, at_s + BEFORE_FETCHING_S, place, exits[0], row))
    return visits
