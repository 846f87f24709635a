"""Plays a recorded home through the rules of `detectors.whereabouts`, as its lead gateway would.

The state can be kept at each hour, so that a copy of a day with something put into it goes on from
what was known of her then, without playing the days before again.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EVENT_CLASS, EventClass, EventKind
from contract.whereabouts import WhereaboutsPolicy, ZoneUse
from detectors.whereabouts import Found, Plan, Policies, Scene, Whereabouts
from detectors.whereabouts_words import sentence
from evaluation.whereabouts.places import Follower, Place, seconds_to_look_at
from evaluation.whereabouts.recorded import Happening, RecordedHome

HOUR_S: Final = 3600


class Told(NamedTuple):
    """One find."""

    kind: EventKind
    begun: int
    at: int
    """Seconds since 1970: at which it began, and at which it was decided."""
    is_excused: bool
    words: str

    @property
    def pages(self) -> bool:
        """Whether it calls a person."""
        return EVENT_CLASS[self.kind] is EventClass.ALARM


class Kept(NamedTuple):
    """All that is known before a second."""

    second: int
    follower: Follower
    habits: dict[str, NDArray[np.float64]]


def plan_of(home: RecordedHome) -> Plan:
    """The recorded home's plan; in further bedrooms nobody else lives."""
    use = np.array([ZoneUse(each) for each in home.uses], dtype=object)
    use[[each for each in home.of_use(ZoneUse.BEDROOM) if each != home.bedroom]] = ZoneUse.OTHER
    return Plan(near=home.near, use=use, exit_doors=np.array(home.doors, np.int64))


def policies_of(home: RecordedHome, *, at_risk: bool) -> Policies:
    """What is asked for the one resident: the defaults, and whether she may not leave alone."""
    return Policies.of(
        [WhereaboutsPolicy(at_risk=at_risk)],
        home_zone=np.array([home.bedroom]),
        safe=np.ones((1, len(home.zones)), np.bool_),
        has_bed_sensor=np.zeros(1, np.bool_),
    )


def play(
    home: RecordedHome,
    *,
    at_risk: bool,
    keep: Callable[[Kept], None] = lambda _kept: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Told]:
    """All of a recording, from its first second, of which nothing is known before it.

    Parameters
    ----------
    at_risk
        Whether she may not leave alone.
    keep
        Is given what is known at each full hour.
    progress
        Is told (hours done, hours in all).
    """
    first, hours = home.first_s, (home.end_s - home.first_s) // HOUR_S

    def an_hour(kept: Kept) -> None:
        keep(kept)
        progress((kept.second - first) // HOUR_S, hours)

    rules = Whereabouts(plan_of(home), policies_of(home, at_risk=at_risk), 0)
    player = _Player(home, Follower(home), rules)
    return player.play(home.happenings, first, home.end_s, an_hour)


def go_on(
    home: RecordedHome,
    kept: Kept,
    happenings: Sequence[Happening],
    end: int,
    *,
    at_risk: bool,
) -> list[Told]:
    """From what was known, with other things happening than there were.

    Parameters
    ----------
    happenings
        From the second of `kept` on, in their order.
    end
        The first second that is not played.
    """
    policies = policies_of(home, at_risk=at_risk)
    rules = Whereabouts.from_arrays(plan_of(home), policies, 0, kept.habits)
    player = _Player(home, copy.deepcopy(kept.follower), rules)
    return player.play(happenings, kept.second, end)


def between(happenings: Sequence[Happening], first: float, end: float) -> Sequence[Happening]:
    """Those of a time."""
    begin = bisect_left(happenings, first, key=lambda each: each.at_s)
    return happenings[begin : bisect_left(happenings, end, key=lambda each: each.at_s)]


class _Player(NamedTuple):
    """What is known while it plays."""

    home: RecordedHome
    follower: Follower
    rules: Whereabouts

    def play(
        self,
        happenings: Sequence[Happening],
        first: int,
        end: int,
        each_hour: Callable[[Kept], None] = lambda _kept: None,
    ) -> list[Told]:
        said = defaultdict[int, list[Happening]](list)
        for each in happenings:
            said[int(each.at_s)].append(each)
        told: list[Told] = []
        hour = first // HOUR_S
        for second in seconds_to_look_at(happenings, first, end):
            if second // HOUR_S != hour:
                hour = second // HOUR_S
                each_hour(Kept(second, copy.deepcopy(self.follower), self.rules.to_arrays()))
            place = self.follower.step(second, said.get(second, ()))
            found = self.rules.step(_scene(self.home, place))
            told += [_told(each, self.home) for each in found]
            self.rules.take_day()  # Its figures of walks are not reported here.
        return told


def _told(found: Found, home: RecordedHome) -> Told:
    words = sentence(found, home.zones)
    return Told(found.kind, found.begun, found.at, found.excused, words)


def _scene(home: RecordedHome, place: Place) -> Scene:
    wall = home.wall(place.second)
    zones = len(home.zones)
    return Scene(
        second=place.second,
        minute_of_day=wall.hour * 60 + wall.minute,
        day=wall.toordinal(),
        zone=np.array([place.zone]),
        belief=place.belief[None, :],
        heard_s=np.array([place.heard_s]),
        present=np.ones(1, np.bool_),
        movement_g=np.array([place.movement_g], np.float32),
        in_bed=np.full(1, -1, np.int8),
        door_open=place.is_open,
        door_opened=place.has_opened,
        covered=np.ones(zones, np.bool_),
        carer_zone=np.zeros(0, np.int64),
        carer_belief=np.zeros((0, zones), np.float32),
        carer_worn=np.zeros(0, np.bool_),
    )
