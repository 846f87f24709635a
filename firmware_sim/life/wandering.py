"""Walks without a purpose: there and back, in circles, hither and thither, and to the exits."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Final

import numpy as np

from contract.whereabouts import ZoneUse
from firmware_sim.floor import Floor
from firmware_sim.life.exits import Exit, exits_of
from firmware_sim.life.people import CYCLE_S, Person, Profile
from firmware_sim.life.track import Activity, Track
from firmware_sim.life.ways import ways_of

KINDS: Final = ("pacing", "lapping", "random")

SHARES: Final[dict[Profile, tuple[float, float, float]]] = {
    Profile.PACER: (0.75, 0.15, 0.10),
    Profile.LAPPER: (0.05, 0.85, 0.10),
    Profile.EXIT_SEEKER: (0.35, 0.45, 0.20),
}
"""Of pacing, lapping and random walks. Of all walks that wander 88 % lapped, 7 % were random and
5 % paced (Martino-Saltzman, SCIENCE 3.1); pacing is commoner here, so that there is enough of it to
count."""

LOOKS_AT_EXIT: Final = 0.15
"""Share of an exit seeker's pacing and random walks that touch an exit: some three a day."""

PAUSE_S: Final = (0.0, 7.0)
"""At a turning point."""

OTHERS_ROOM: Final = 0.1
"""Share of random walks' stops that are in somebody else's bedroom."""

STOPS: Final = 12
"""Of a random walk, until it begins again; few are so long."""

LEAST_LEGS: Final = {"pacing": 4, "lapping": 6, "random": 6}
"""Four legs are there, back, there and back: fewer are an errand. Six are two rounds of three
rooms."""


def wander(
    track: Track, kind: str, person: Person, floor: Floor, rng: np.random.Generator
) -> tuple[float, float]:
    """Wander for about `CYCLE_S` from where she is; returns when it began and ended.

    Parameters
    ----------
    track
        Hers; it stands where the last leg has led.
    kind
        Of `KINDS`.
    """
    stops = _stops(kind, person, floor, rng)
    until_s = track.now_s + float(rng.uniform(*CYCLE_S))
    begun_s, legs = track.now_s, 0
    while legs < LEAST_LEGS[kind] + (kind == "pacing") or track.now_s < until_s:
        before = track.now_s
        track.walk(stops[legs % len(stops)], person.habits.speed_m_s)
        if legs == 0 and track.now_s - before > 0 and kind != "random":
            begun_s = track.now_s  # the way to where the pacing or the round begins is direct
        legs += 1
        track.rest(track.now_s + float(rng.uniform(*PAUSE_S)), Activity.UP)
    return begun_s, track.now_s


def kind_of(person: Person, floor: Floor, rng: np.random.Generator) -> str:
    """How she wanders this time; on a storey without a round, or of two rooms, she paces."""
    kind = str(rng.choice(KINDS, p=SHARES[person.profile]))
    rooms = floor.zones_of(ZoneUse.CORRIDOR, ZoneUse.COMMON, storey=person.storey)
    can = {"lapping": bool(_rounds(floor, person.storey)), "random": len(rooms) > 2}
    return kind if can.get(kind, True) else "pacing"


def _stops(kind: str, person: Person, floor: Floor, rng: np.random.Generator) -> list[int]:
    """Places between which the walk goes, round and round."""
    if kind == "lapping":
        rounds = _rounds(floor, person.storey)
        chosen = list(rounds[int(rng.integers(len(rounds)))])
        if rng.random() < 0.5:
            chosen.reverse()
        return [_somewhere(floor, zone, rng) for zone in chosen]
    exits = [each for each in exits_of(floor) if floor.storey[each.hall] == person.storey]
    way_out = None
    if exits and person.profile is Profile.EXIT_SEEKER and rng.random() < LOOKS_AT_EXIT:
        way_out = exits[int(rng.integers(len(exits)))]
    if kind == "pacing":
        return _ends(person, floor, way_out, rng)
    return _hither_and_thither(person, floor, way_out, rng)


def _ends(
    person: Person, floor: Floor, way_out: Exit | None, rng: np.random.Generator
) -> list[int]:
    """Two places, one in front of an exit's door if there is a way out."""
    if way_out is None:
        pairs = _pairs(floor, person.storey, person.home_zone)
        return [_somewhere(floor, each, rng) for each in pairs[int(rng.integers(len(pairs)))]]
    behind = {each for number in way_out.doors for each in floor.doors[number].zones}
    beside = [z for z in np.flatnonzero(floor.near[way_out.hall]).tolist() if z not in behind]
    other = beside[0] if beside else way_out.hall
    return [ways_of(floor).places_in(other, 1)[0], way_out.hall_place]


def _hither_and_thither(
    person: Person, floor: Floor, way_out: Exit | None, rng: np.random.Generator
) -> list[int]:
    """Any rooms, no two the same one after the other; with a way out its hall is one of them."""
    rooms = floor.zones_of(ZoneUse.CORRIDOR, ZoneUse.COMMON, storey=person.storey)
    wards = floor.zones_of(ZoneUse.BEDROOM, storey=person.storey)
    stops: list[int] = []
    before = -1
    while len(stops) < STOPS:
        zone = int(rng.choice(wards if rng.random() < OTHERS_ROOM else rooms))
        if zone != before:
            stops.append(_somewhere(floor, zone, rng))
            before = zone
    if way_out is not None:
        stops[2] = way_out.hall_place
    return stops


PLACES_A_ZONE: Final = 5
"""Where people stop in a room or corridor, beside their seats."""


def _somewhere(floor: Floor, zone: int, rng: np.random.Generator) -> int:
    return int(rng.choice(ways_of(floor).places_in(zone, PLACES_A_ZONE)))


@cache
def _rounds(floor: Floor, storey: int) -> tuple[tuple[int, ...], ...]:
    """Three rooms of which each is next to the others; where there are none, three around a hub.

    The second is a round, too: always the same rooms in the same order, through the hub.
    """
    rooms = floor.zones_of(ZoneUse.CORRIDOR, ZoneUse.COMMON, storey=storey)
    rounds = [
        three
        for three in combinations(rooms, 3)
        if all(floor.near[one, other] for one, other in combinations(three, 2))
    ]
    if not rounds:
        for hub in rooms:
            spokes = [room for room in rooms if floor.near[hub, room]]
            rounds += combinations(spokes, 3)
    return tuple(rounds)


@cache
def _pairs(floor: Floor, storey: int, home_zone: int) -> tuple[tuple[int, int], ...]:
    """Pairs of rooms that are next to each other, or both next to a third."""
    rooms = [home_zone, *floor.zones_of(ZoneUse.CORRIDOR, ZoneUse.COMMON, storey=storey)]
    near = floor.near[np.ix_(rooms, rooms)].astype(np.int64)
    reached = np.triu(near + near @ near > 0, 1)
    pairs = [(rooms[one], rooms[other]) for one, other in np.argwhere(reached).tolist()]
    return tuple(pairs) or ((home_zone, rooms[1]),)
