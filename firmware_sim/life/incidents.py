"""What seldom happens, in stated numbers: who gets out, who is lost at night, who is away.

Rare things are simulated more often than they are: 0.65 times a year somebody with dementia goes
missing in the community (Bowen 2011, SCIENCE 3.1), which would be twice in thirty days of a home of
sixty. They are put in in numbers that can be counted, and the numbers are stated here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from firmware_sim.life.people import Person, Profile


class Incident(StrEnum):
    """What seldom happens."""

    ELOPEMENT = "elopement"
    """Somebody at risk opens an exit's doors and goes out, alone."""
    ELOPEMENT_BEHIND_VISITOR = "elopement_behind_visitor"
    """She waits by the exit and goes out behind somebody who leaves."""
    OUTING = "outing"
    """A carer goes into the garden with her, and back."""
    EXIT_SEEKING = "exit_seeking"
    """She comes back to an exit again and again, or will not leave it."""
    NIGHT_WANDERING = "night_wandering"
    """Out of bed at night, through several rooms or into somebody else's."""
    NOT_RETURNED = "not_returned"
    """She went to the toilet and stays there."""
    INACTIVE = "inactive"
    """She sits in one place for hours and does not move."""
    NOT_WORN = "not_worn"
    """She puts the wearable down and goes on without it."""
    LEAVE = "leave"
    """Relatives take her home for a night or two; the staff have noted it."""
    HOSPITAL = "hospital"


PER_30_DAYS: Final[dict[Incident, int]] = {
    Incident.ELOPEMENT: 6,
    Incident.ELOPEMENT_BEHIND_VISITOR: 4,
    Incident.OUTING: 40,
    Incident.EXIT_SEEKING: 10,
    Incident.NIGHT_WANDERING: 12,
    Incident.NOT_RETURNED: 6,
    Incident.INACTIVE: 3,
    Incident.NOT_WORN: 20,
    Incident.LEAVE: 4,
    Incident.HOSPITAL: 2,
}
"""In the whole home. Everything else follows from habits."""

BLOCK_DAYS: Final = 30

_HOURS: Final[dict[Incident, tuple[float, float]]] = {
    Incident.ELOPEMENT: (9.2, 19.0),
    Incident.ELOPEMENT_BEHIND_VISITOR: (10.5, 18.5),
    Incident.OUTING: (9.5, 11.2),
    Incident.EXIT_SEEKING: (13.8, 19.2),
    Incident.NIGHT_WANDERING: (0.6, 4.6),
    Incident.NOT_RETURNED: (9.0, 19.0),
    Incident.INACTIVE: (9.0, 10.5),
    Incident.NOT_WORN: (9.0, 16.0),
    Incident.LEAVE: (10.0, 11.5),
    Incident.HOSPITAL: (9.0, 20.0),
}
"""Between which hours it begins. Seeking an exit is commonest late in the day (sundowning)."""

_NIGHTS_AWAY: Final = {Incident.LEAVE: (1, 3), Incident.HOSPITAL: (2, 6)}

RETURN_H: Final = 15.5
"""When somebody who was away comes back."""


class Planned(NamedTuple):
    """One incident of one day."""

    kind: Incident
    row: int
    """Of the resident."""
    at_s: float
    days_away: int = 0
    """For leave and hospital: nights until the day of the return."""


class DayPlan(NamedTuple):
    """What seldom happens on one day."""

    planned: dict[int, Planned]
    """By row; nobody has two."""
    away: frozenset[int]
    """Rows that are away all day."""
    returns: frozenset[int]
    """Rows that come back in the afternoon."""


def plan_of(people: tuple[Person, ...], day_number: int, seed: int) -> DayPlan:
    """What seldom happens on a day; every thirty days have `PER_30_DAYS` of it.

    Somebody who is away across the end of thirty days comes back before it.
    """
    block, day = divmod(day_number, BLOCK_DAYS)
    taken, incidents = _block(people, block, seed)
    planned = {each.row: each for number, each in incidents if number == day}
    away, returns = set(), set()
    for number, each in incidents:
        if each.days_away:
            if number < day < number + each.days_away:
                away.add(each.row)
            elif day == number + each.days_away:
                returns.add(each.row)
    assert not set(planned) & (away | returns), taken
    return DayPlan(planned, frozenset(away), frozenset(returns))


def _block(
    people: tuple[Person, ...], block: int, seed: int
) -> tuple[set[tuple[int, int]], list[tuple[int, Planned]]]:
    """Taken (day, row), and the incidents of thirty days with their days."""
    rng = np.random.default_rng([seed, 2, block])
    taken: set[tuple[int, int]] = set()
    incidents: list[tuple[int, Planned]] = []
    for kind in (*_NIGHTS_AWAY, *(each for each in PER_30_DAYS if each not in _NIGHTS_AWAY)):
        who = _who(kind, people)
        for _ in range(PER_30_DAYS[kind] if who else 0):
            found = _free(kind, who, taken, rng)
            if found is None:
                continue  # a small home: everybody has something every day already
            day, row, nights = found
            taken |= {(each, row) for each in range(day, day + nights + 1)}
            at_s = float(rng.uniform(*_HOURS[kind])) * 3600
            incidents.append((day, Planned(kind, row, at_s, nights)))
    return taken, incidents


def _who(kind: Incident, people: tuple[Person, ...]) -> list[int]:
    """Rows to whom it may happen."""
    return [row for row, person in enumerate(people) if _may(kind, person)]


def _may(kind: Incident, person: Person) -> bool:
    match kind:
        case Incident.ELOPEMENT | Incident.ELOPEMENT_BEHIND_VISITOR:
            return person.policy.at_risk
        case Incident.EXIT_SEEKING:
            return person.profile is Profile.EXIT_SEEKER
        case Incident.NIGHT_WANDERING:
            return person.profile.wanders
        case Incident.OUTING | Incident.NOT_RETURNED | Incident.INACTIVE | Incident.NOT_WORN:
            return person.profile is not Profile.INDEPENDENT
        case _:
            return True


def _free(
    kind: Incident, who: list[int], taken: set[tuple[int, int]], rng: np.random.Generator
) -> tuple[int, int, int] | None:
    """A day, a row of those it may happen to, and nights away, that nothing else has taken."""
    low, high = _NIGHTS_AWAY.get(kind, (0, 0))
    for _ in range(200):
        nights = int(rng.integers(low, high + 1))
        day = int(rng.integers(BLOCK_DAYS - nights))
        row = int(rng.choice(who))
        if not any((each, row) in taken for each in range(day, day + nights + 1)):
            return day, row, nights
    return None
