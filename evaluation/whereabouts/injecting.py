"""Episodes that are put into a recorded home's days: made up, with what is true of each known.

Each goes into a copy of its own of a real day or night, where she rested: what she really did from
then on is taken out until the copy ends. Her ways, halts and what the sensors see of them are drawn
at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from contract.events import EventKind
from contract.whereabouts import NOT_RETURNED_MINUTES, ZoneUse
from detectors.room_model import UNKNOWN
from detectors.travel import LEAST_WALK_S, STAY_S
from detectors.travel_shape import count_hops
from evaluation.whereabouts.recorded import Happening, RecordedHome, What

RESTED_S: Final = 300
"""So long nothing was seen before an episode begins."""
GETS_UP_S: Final = (20, 100)
"""Of who leaves for the night's exit or the toilet, in the room where she rested; in the
development data a minute or more."""
WALKS_S: Final = (5, 20)
"""In a room that is walked through (as in `evaluation.whereabouts.episodes`)."""
TURNS: Final = (5, 9)
"""Ways from end to end of who paces."""
ROUNDS: Final = (3, 6)
"""Of who laps."""
RING_ROOMS: Final = 6
WANDERS_S: Final = (LEAST_WALK_S + 15, 190)
"""From the first room left to the last one entered. No wandering is shorter than a minute of
walking (SCIENCE 3.1; `evaluation.whereabouts.episodes` adds as much), and a cycle takes 2.2 min on
the average (Algase 1997: 43.9 min in 20.1)."""
MISSED: Final = 0.1
"""Share of rooms walked through in which no sensor fires."""
SEEN_S: Final = (1, 3)
FIRES_EACH_S: Final = (2, 6)
"""How long a sensor sees her each time, and between two times; as in the development data."""
DOOR_S: Final = (5, 20)
"""From opening the door to closing it behind her; 9 to 26 in the development data."""
IN_TOILET_S: Final = (30, 240)
"""After she has come in, in which she is seen to move. Then nothing."""
WATCHED_S: Final = 600
EXIT_WATCHED_S: Final = 900
"""After the moment from which the delay counts a copy goes on for so long."""


class NothingFitsError(ValueError):
    """A home in which such an episode cannot be; the reason is said."""


class Episode(NamedTuple):
    """One, in its copy of the home."""

    begun_s: int
    due_s: int
    """The second from which the delay counts."""
    end_s: int
    """Where the copy ends."""
    happenings: tuple[Happening, ...]
    """What is put in from `begun_s` on, in its order, in place of all that there was."""


class Rest(NamedTuple):
    """A time in which nothing was seen, after and before somebody was in the same place."""

    first_s: int
    end_s: int
    zone: int


class Scenario(NamedTuple):
    """A kind of episode, and what should come of it."""

    make: Callable[[RecordedHome, int, int, np.random.Generator], Episode]
    """Of home, the second at which it begins, and the place in which she rests."""
    at_night: bool
    """Only then; else at any hour."""
    rests_in: frozenset[ZoneUse]
    """Where she may be before."""
    found_by: frozenset[EventKind]
    goes_with: frozenset[EventKind]
    """Also true of it, and no false alarm."""
    at_risk: bool
    """By whose policy it is judged."""
    measured_from: str


def put_in(
    home: RecordedHome, scenario: Scenario, count: int, from_s: int, rng: np.random.Generator
) -> list[Episode]:
    """So many, each at a time of its own, spread over the days alike.

    Parameters
    ----------
    from_s
        Not before this second.

    Raises
    ------
    NothingFitsError
        If she never rests at such a time and place, or the home has no such way.
    """
    days: dict[int, list[Rest]] = {}
    for rest in _rests(home.happenings, from_s):
        if home.uses[rest.zone] in scenario.rests_in:
            begins = range(rest.first_s, rest.end_s, RESTED_S)
            if not scenario.at_night or any(map(home.is_night, begins)):
                days.setdefault(home.wall(rest.first_s).toordinal(), []).append(rest)
    if not days:
        raise NothingFitsError("she never rests where and when such an episode begins")
    order = [days[day] for day in sorted(days)]
    return [_one(home, scenario, order[number % len(order)], rng) for number in range(count)]


def _one(
    home: RecordedHome, scenario: Scenario, rests: Sequence[Rest], rng: np.random.Generator
) -> Episode:
    while True:  # At least one of the seconds of these rests is at night, where that is asked.
        rest = rests[int(rng.integers(len(rests)))]
        begun_s = int(rng.integers(rest.first_s, rest.end_s))
        if not scenario.at_night or home.is_night(begun_s):
            return scenario.make(home, begun_s, rest.zone, rng)


def _rests(happenings: Sequence[Happening], from_s: int) -> Iterator[Rest]:
    last = Happening(0.0, UNKNOWN, What.QUIET)
    for each in happenings:
        begins_s = int(last.at_s) + RESTED_S
        if last.zone == each.zone and last.at_s >= from_s and begins_s < int(each.at_s):
            yield Rest(begins_s, int(each.at_s), each.zone)
        last = each


class _Walk:
    """Writes what sensors say of somebody who walks."""

    def __init__(self, home: RecordedHome, begun_s: int, rng: np.random.Generator) -> None:
        self._home = home
        self._rng = rng
        self.at_s = float(begun_s)
        self.came_s = self.at_s
        """When she entered the place in which she is."""
        self.said: list[Happening] = []

    def stay(self, zone: int, between: tuple[int, int], missed: float = 0.0) -> None:
        """Move about in a place for a time between the two."""
        self.came_s = self.at_s
        until = self.at_s + self._rng.uniform(*between)
        is_missed = self._rng.random() < missed
        seen = self.at_s + self._rng.uniform(0, 2)
        while seen < until and not is_missed:
            gone = seen + self._rng.uniform(*SEEN_S)
            self.said.append(Happening(seen, zone, What.SEEN))
            self.said.append(Happening(gone, zone, What.QUIET))
            seen = gone + self._rng.uniform(*FIRES_EACH_S)
        self.at_s = until

    def go(self, rooms: Sequence[int]) -> None:
        """Walk through these."""
        for zone in rooms:
            self.stay(zone, WALKS_S, MISSED)

    def open_and_close(self, zone: int) -> float:
        """Go out by a door; the second in which it opens."""
        opened = self.at_s
        self.said.append(Happening(opened, zone, What.OPENED))
        self.stay(zone, DOOR_S)
        self.said.append(Happening(self.at_s, zone, What.CLOSED))
        return opened

    def happenings(self) -> tuple[Happening, ...]:
        return tuple(sorted(self.said, key=lambda each: each.at_s))


def way(home: RecordedHome, start: int, end: int) -> list[int]:
    """One shortest way, without its start."""
    hops = count_hops(home.near)
    rooms = [start]
    while rooms[-1] != end:
        closer = home.near[rooms[-1]] & (hops[:, end] < hops[rooms[-1], end])
        if not closer.any():
            raise NothingFitsError(
                f"no way leads from {home.zones[start]} to {home.zones[end]}: is one of them a "
                "sensor that nobody passes?"
            )
        rooms.append(int(np.flatnonzero(closer)[0]))
    return rooms[1:]


def _pacing(home: RecordedHome, begun_s: int, zone: int, rng: np.random.Generator) -> Episode:
    goals = [each for each in _open_to_all(home) if each != zone]
    if not goals:
        raise NothingFitsError("there is one room only: nobody can pace")
    there = way(home, zone, goals[int(rng.integers(len(goals)))])
    back = [*reversed(there[:-1]), zone]
    walk = _Walk(home, begun_s, rng)
    walk.stay(zone, WALKS_S)
    until_s = walk.at_s + rng.uniform(*WANDERS_S)
    ways = int(rng.integers(*TURNS, endpoint=True))
    number = 0
    while number < ways or walk.came_s < until_s:
        walk.go(back if number % 2 else there)
        number += 1
    return _walked(walk, begun_s)


def _lapping(home: RecordedHome, begun_s: int, zone: int, rng: np.random.Generator) -> Episode:
    rings = _rings(home)
    if not rings:
        raise NothingFitsError("no way leads round in this home: nobody can lap")
    ring = rings[int(rng.integers(len(rings)))]
    walk = _Walk(home, begun_s, rng)
    walk.stay(zone, WALKS_S)
    if zone in ring:
        ring = ring[ring.index(zone) :] + ring[: ring.index(zone)]
    else:
        walk.go(way(home, zone, ring[0]))
    until_s = walk.at_s + rng.uniform(*WANDERS_S)
    rounds = int(rng.integers(*ROUNDS, endpoint=True))
    while rounds > 0 or walk.came_s < until_s:
        walk.go([*ring[1:], ring[0]])
        rounds -= 1
    return _walked(walk, begun_s)


def _walked(walk: _Walk, begun_s: int) -> Episode:
    due_s = int(walk.came_s) + STAY_S
    return Episode(begun_s, due_s, due_s + WATCHED_S, walk.happenings())


def _night_exit(home: RecordedHome, begun_s: int, zone: int, rng: np.random.Generator) -> Episode:
    if not home.doors:
        raise NothingFitsError("no door that leads out has a contact (OPEN and CLOSE)")
    door = home.doors[int(rng.integers(len(home.doors)))]
    walk = _Walk(home, begun_s, rng)
    walk.stay(zone, GETS_UP_S)
    walk.go(way(home, zone, door))
    opened_s = int(walk.open_and_close(door))
    return Episode(begun_s, opened_s, opened_s + EXIT_WATCHED_S, walk.happenings())


def _no_return(home: RecordedHome, begun_s: int, zone: int, rng: np.random.Generator) -> Episode:
    toilets = home.of_use(ZoneUse.TOILET)
    if not toilets:
        raise NothingFitsError("no place is a toilet: say which by --use PLACE=toilet")
    toilet = toilets[int(rng.integers(len(toilets)))]
    walk = _Walk(home, begun_s, rng)
    walk.stay(zone, GETS_UP_S)
    walk.go(way(home, zone, toilet)[:-1])
    walk.stay(toilet, IN_TOILET_S)
    due_s = int(walk.came_s) + NOT_RETURNED_MINUTES * 60
    return Episode(begun_s, due_s, due_s + WATCHED_S, walk.happenings())


def _open_to_all(home: RecordedHome) -> list[int]:
    return [each for each, use in enumerate(home.uses) if use in ANYWHERE]


def _rings(home: RecordedHome) -> list[list[int]]:
    """Ways that lead round through rooms where anybody may walk, each begun at its least room."""
    rooms = set(_open_to_all(home))
    rings: list[list[int]] = []
    waiting = [[each] for each in sorted(rooms)]
    while waiting:
        ring = waiting.pop()
        for after in np.flatnonzero(home.near[ring[-1]]).tolist():
            if after == ring[0] and len(ring) > 2:
                rings.append(ring)
            elif after in rooms - set(ring) and after > ring[0] and len(ring) < RING_ROOMS:
                waiting.append([*ring, after])
    return rings


ANYWHERE: Final = frozenset(ZoneUse) - {ZoneUse.TOILET, ZoneUse.EXIT}

_WANDERING: Final = Scenario(
    make=_pacing,
    at_night=False,
    rests_in=ANYWHERE,
    found_by=frozenset({EventKind.WANDERING_EPISODE}),
    goes_with=frozenset({EventKind.NIGHT_WANDERING}),
    at_risk=False,
    measured_from="two minutes after she has entered the last room, which end a walk",
)

SCENARIOS: Final[dict[str, Scenario]] = {
    "pacing": _WANDERING,
    "lapping": _WANDERING._replace(make=_lapping),
    "night_exit": Scenario(
        make=_night_exit,
        at_night=True,
        rests_in=frozenset({ZoneUse.BEDROOM}),
        found_by=frozenset({EventKind.ELOPEMENT, EventKind.LEFT_SAFE_ZONE}),
        goes_with=frozenset({EventKind.NIGHT_WANDERING, EventKind.EXIT_SEEKING}),
        at_risk=True,
        measured_from="the opening of the outside door",
    ),
    "no_return": Scenario(
        make=_no_return,
        at_night=False,
        rests_in=ANYWHERE,
        found_by=frozenset({EventKind.NOT_RETURNED}),
        goes_with=frozenset({EventKind.INACTIVE, EventKind.NIGHT_WANDERING}),
        at_risk=False,
        measured_from=f"{NOT_RETURNED_MINUTES} min after she has entered the toilet",
    ),
}
