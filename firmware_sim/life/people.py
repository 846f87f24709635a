"""Who lives and works in a home: beds, seats, habits, and who of them wanders."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from contract.whereabouts import WhereaboutsPolicy, ZoneUse
from firmware_sim.floor import Floor
from firmware_sim.life.ways import Ways, ways_of

SPEED_M_S: Final = (0.72, 0.14)
"""Mean and deviation of residents' usual walking speed; 0.8 m/s is a common frailty limit."""
SPEED_RANGE_M_S: Final = (0.4, 1.0)

WANDERERS: Final = 1 / 6
"""Of residents: ten of sixty. Of people with dementia in homes one in ten to one in two is said to
wander; about two in three residents have dementia."""
CYCLES_A_DAY: Final = 20.1
"""Wandering walks of one who wanders, 44 min a day together (Algase 1997, SCIENCE 3.1)."""
CYCLE_S: Final = (45.0, 130.0)
"""After so long the leg that she is on is the last: 44 min over 20 walks are 131 s each."""

INDEPENDENT: Final = 1 / 10
"""Of residents: they go out alone, by right."""

CARER_TAGS: Final = 8
"""Handed over at each change of shift: all on duty by day, six in the evening, four at night."""


class Profile(StrEnum):
    """How somebody moves about."""

    SETTLED = "settled"
    """Walks for a purpose."""
    INDEPENDENT = "independent"
    """Goes out alone, and may."""
    PACER = "pacer"
    LAPPER = "lapper"
    EXIT_SEEKER = "exit_seeker"

    @property
    def wanders(self) -> bool:
        """Whether walks without a purpose are usual."""
        return self in {Profile.PACER, Profile.LAPPER, Profile.EXIT_SEEKER}


class Habits(NamedTuple):
    """What is usual for a resident; hours of the day, counts a day."""

    speed_m_s: float
    rises_h: float
    to_bed_h: float
    naps_in_bed: bool
    daytime_toilets: float
    night_toilets: float
    errands: float
    """Walks there and back for something: to the bed for a cardigan, to the lounge and back."""
    likes_lounge: float
    """Share of free time that is spent there, and not at the bed."""
    wanders: float
    """Walks without a purpose, a day."""


class Person(NamedTuple):
    """A resident."""

    name: str
    bed: int
    """Number in `Floor.beds`."""
    home_zone: int
    storey: int
    profile: Profile
    habits: Habits
    policy: WhereaboutsPolicy
    bed_place: int
    """Places of `Ways`: where she lies, stands up and sits beside it, eats, and sits in the
    lounge."""
    bedside_place: int
    dining_place: int
    lounge_place: int


BED_EXITS_TOLD: Final = 6
"""Residents whose plan asks to be told each time that they leave the bed at night."""

EASILY_LOST: Final = {Profile.EXIT_SEEKER, Profile.PACER}
"""Who may not leave alone, beside others that the home has named."""


def residents_of(floor: Floor, seed: int = 0) -> tuple[Person, ...]:
    """One resident for each bed.

    Parameters
    ----------
    floor
        With a room of the use `common` on each storey that has beds: its first one is the lounge,
        its last the dining room.
    seed
        Decides who they are.

    Raises
    ------
    ValueError
        If the home lacks a room that its residents' day needs.
    """
    rng = np.random.default_rng([seed, 1])
    ways = ways_of(floor)
    profiles = _profiles(len(floor.beds), rng)
    told = set(rng.choice(len(floor.beds), min(BED_EXITS_TOLD, len(floor.beds)), replace=False))
    seats = {storey: _Seats(floor, ways, storey) for storey in {bed.storey for bed in floor.beds}}
    people = []
    for number, bed in enumerate(floor.beds):
        profile = profiles[number]
        policy = WhereaboutsPolicy(at_risk=profile in EASILY_LOST, bed_exit=number in told)
        people.append(
            Person(
                name=f"resident-{number + 1:03d}",
                bed=number,
                home_zone=bed.zone,
                storey=bed.storey,
                profile=profile,
                habits=_habits(profile, rng),
                policy=policy,
                bed_place=ways.place_at(bed.x_m, bed.y_m, bed.storey),
                bedside_place=_bedside(floor, ways, number),
                dining_place=seats[bed.storey].dining(),
                lounge_place=seats[bed.storey].lounge(),
            )
        )
    return tuple(people)


def carers_names() -> tuple[str, ...]:
    """Names of the carers' tags; no person stands behind one."""
    return tuple(f"carer-tag-{number + 1}" for number in range(CARER_TAGS))


def _profiles(residents: int, rng: np.random.Generator) -> list[Profile]:
    """Shares of a home; laps are by far the commonest wandering (Martino-Saltzman, SCIENCE 3.1)."""
    wanderers = round(residents * WANDERERS)
    kinds = [Profile.LAPPER, Profile.EXIT_SEEKER, Profile.LAPPER, Profile.EXIT_SEEKER]
    kinds.append(Profile.PACER)
    profiles = [kinds[number % len(kinds)] for number in range(wanderers)]
    profiles += [Profile.INDEPENDENT] * round(residents * INDEPENDENT)
    profiles += [Profile.SETTLED] * (residents - len(profiles))
    return [profiles[number] for number in rng.permutation(residents)]


def _habits(profile: Profile, rng: np.random.Generator) -> Habits:
    low, high = SPEED_RANGE_M_S
    return Habits(
        speed_m_s=float(np.clip(rng.normal(*SPEED_M_S), low, high)),
        rises_h=float(np.clip(rng.normal(6.6, 0.45), 5.5, 7.4)),
        to_bed_h=float(np.clip(rng.normal(20.6, 0.7), 19.0, 22.2)),
        naps_in_bed=bool(rng.random() < 0.6),
        daytime_toilets=float(rng.uniform(4, 8)),
        night_toilets=float(np.clip(rng.gamma(2.0, 0.7), 0, 4)),
        errands=float(rng.uniform(1, 6)),
        likes_lounge=float(rng.uniform(0.3, 0.95)),
        wanders=float(rng.gamma(9.0, CYCLES_A_DAY / 9.0)) if profile.wanders else 0.0,
    )


class _Seats:
    """The chairs of a storey, given out one after the other."""

    def __init__(self, floor: Floor, ways: Ways, storey: int) -> None:
        rooms = floor.zones_of(ZoneUse.COMMON, storey=storey)
        if not rooms:
            raise ValueError(f"storey {storey} has beds and no room of the use 'common'")
        beds = sum(bed.storey == storey for bed in floor.beds)
        self._lounge = ways.places_in(rooms[0], beds)
        self._dining = ways.places_in(rooms[-1], beds)
        self._given = [0, 0]

    def lounge(self) -> int:
        self._given[0] += 1
        return self._lounge[self._given[0] % len(self._lounge)]

    def dining(self) -> int:
        self._given[1] += 1
        return self._dining[self._given[1] % len(self._dining)]


def _bedside(floor: Floor, ways: Ways, number: int) -> int:
    """The place nearest to a bed on which no bed stands."""
    bed = floor.beds[number]
    taken = {ways.place_at(each.x_m, each.y_m, each.storey) for each in floor.beds}
    free = [place for place in ways.places_in(bed.zone, floor.cell_zone.size) if place not in taken]
    if not free:
        raise ValueError(f"there is no room to stand beside bed {bed.label}")
    at = np.array([ways.position_m(place) for place in free])
    away = np.hypot(at[:, 0] - bed.x_m, at[:, 1] - bed.y_m)
    return free[int(np.argmin(away))]
