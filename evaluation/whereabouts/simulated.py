"""Days of a simulated home of sixty, played through rooms and whereabouts as a gateway runs them.

Behaviour, radio and sensors are made up (`firmware_sim.behaviour`, `.propagation`, `.ghosts`), by
the same project that made the detectors: the figures show what noise, missed rooms and company cost
a whole home over weeks, and are no promise about people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.whereabouts import WhereaboutsPolicy, ZoneUse
from detectors.dwell import stays
from detectors.exit_doors import ShutDoors
from detectors.location import DELAY_S, RoomFilter
from detectors.receivers import ReceiverWatch
from detectors.room_model import UNKNOWN, RoomModel
from detectors.whereabouts import Found, Plan, Policies, Scene, Whereabouts
from detectors.whereabouts_words import sentence
from edge.following import WALKS_G
from edge.rooms import covered
from edge.shared_air import LATENESS_S as SHARED_S
from evaluation.whereabouts.simulated_home import (
    HOUR_S,
    WALK_EACH_S,
    HomeInAir,
    Hour,
    door_is_open,
)
from evaluation.whereabouts.simulated_scoring import PAGES, Told, Truth
from firmware_sim.behaviour import DAY_S, Activity, Day, Person, live_day, residents_of
from firmware_sim.floor import Floor, example_home
from firmware_sim.ghosts import Trouble

FIRST_DAY: Final = date(2026, 3, 2).toordinal()
"""A Monday, without a change of clocks for weeks."""
LATENESS_S: Final = SHARED_S + 1
"""A gateway judges a second when so many more have begun, late in the last of them
(`edge.gateway.TICK_PHASE_NS`): what it finds is told in the one after it at the latest."""

BY_DOOR_S: Final = 20
"""She stood there so shortly before it was told: five seconds to open, eight for the detector."""
BACK_WITHIN_S: Final = 20 * 60
COMES_BACK: Final = 3
LINGERS_S: Final = 60
"""As `exit_seeking` is meant: thrice within 20 minutes, or a minute on end (SCIENCE 3.3)."""


Progress = Callable[[int, int], None]


class Played(NamedTuple):
    """What came of some days."""

    told: list[Told]
    truths: list[Truth]
    left_beds: list[tuple[int, int]]
    asked: NDArray[np.bool_]
    """(residents, kinds of `PAGES`)"""
    rooms: RoomSeconds
    days: int
    names: tuple[str, ...]
    """Of residents, by row."""


class RoomSeconds(NamedTuple):
    """Resident-seconds, summed up."""

    seen: int = 0
    right: int = 0
    unknown: int = 0
    seen_walking: int = 0
    right_walking: int = 0
    near: int = 0
    """Wrong by one door."""


class SimulatedDays:
    """A home, its people and everything that watches over them.

    Parameters
    ----------
    days, seed
        How many are played, and of which life.
    walk_s
        Length of the calibration walk, shared out evenly among the zones; None: `WALK_EACH_S` in
        each; 0: the home is known by its plan alone.
    troubles
        What is wrong with receivers and wearables, and when.

    Attributes
    ----------
    lived
        What came of the days that are over; whole after an interrupt, too.
    """

    def __init__(
        self,
        days: int,
        seed: int,
        *,
        walk_s: int | None = None,
        floor: Floor | None = None,
        troubles: tuple[Trouble, ...] = (),
    ) -> None:
        self.days = days
        self._seed = seed
        self.floor = floor or example_home()
        self.people = residents_of(self.floor, seed)
        self._first = live_day(self.floor, self.people, 0, seed)
        carers = self._first.carers
        beds = [each.bed for each in self.people]
        self.home = HomeInAir(self.floor, beds, carers, seed, troubles)
        self.walk_s = WALK_EACH_S * len(self.floor.zones) if walk_s is None else walk_s
        self.model = self.home.model(self.walk_s)
        self.policies = policies_of(self.floor, self.people)
        plan = plan_of(self.floor)
        self._whereabouts = Whereabouts(plan, self.policies, carers)
        self._watch = Watch(
            self.model,
            plan,
            self.home.residents,
            self.home.wearables,
            bedroom=self.policies.home_zone,
            uses=self.floor.uses,
        )
        names = tuple(each.name for each in self.people)
        self.lived = Played([], [], [], asked(self.policies), RoomSeconds(), 0, names)

    def play(self, progress: Progress = lambda _done, _all: None) -> Played:
        """All days, each second as it comes.

        Parameters
        ----------
        progress
            Is told (hours done, hours in all).
        """
        while self.lived.days < self.days:
            self.lived = self._live(self.lived, progress)
        return self.lived

    def rooms(self, hours: range) -> RoomSeconds:
        """How rooms are told in some hours of the first day, and nothing else of them."""
        seconds = RoomSeconds()
        for hour in self.home.hours(self._first, 0, hours):
            told = np.stack([scene.zone for scene in self._watch.scenes(hour, 0)])
            seconds = _add(seconds, compare(told, self._first, hour, self.floor.near))
        return seconds

    def _live(self, before: Played, progress: Progress) -> Played:
        """One day more."""
        number, rooms = before.days, before.rooms
        day = live_day(self.floor, self.people, number, self._seed) if number else self._first
        told: list[Told] = []
        for hour in self.home.hours(day, number):
            progress((number * DAY_S + hour.begin) // HOUR_S, self.days * DAY_S // HOUR_S)
            zone = np.full((len(hour.rssi_dbm), self.home.residents), UNKNOWN)
            for second, scene in enumerate(self._watch.scenes(hour, number)):
                zone[second] = scene.zone
                told += [self._told(each, day, number) for each in self._whereabouts.step(scene)]
            self._whereabouts.take_day()
            rooms = _add(rooms, compare(zone, day, hour, self.floor.near))
        return before._replace(
            told=[*before.told, *told],
            truths=[*before.truths, *truths_of(day, number, len(self.people))],
            left_beds=[*before.left_beds, *left_beds_of(day, number)],
            rooms=rooms,
            days=number + 1,
        )

    def _told(self, found: Found, day: Day, number: int) -> Told:
        zones = self.floor.zones
        of_day = found.at - number * DAY_S
        return Told(
            row=found.row,
            kind=found.kind,
            begun=found.begun,
            at=found.at + LATENESS_S,
            excused=found.excused,
            zone=zones[found.zone] if found.zone != UNKNOWN else "",
            sentence=sentence(found, zones),
            is_as_said=is_as_said(found, of_day, day, self.floor),
        )


class Watch:
    """The rooms of everybody, and what else a gateway knows of a second.

    Parameters
    ----------
    model
        The home, as far as it is known.
    plan
        Its exits.
    residents, wearables
        How many; residents' wearables come first.
    bedroom
        (residents,) zone of each one's bed.
    uses
        What each zone is for.
    """

    def __init__(
        self,
        model: RoomModel,
        plan: Plan,
        residents: int,
        wearables: int,
        *,
        bedroom: NDArray[np.int64],
        uses: Sequence[ZoneUse],
    ) -> None:
        self._model = model
        self._residents = residents
        self._rooms = RoomFilter(model, wearables)
        carers = np.full(wearables - residents, UNKNOWN)
        self._rooms.note_stays(stays(uses, np.concatenate((bedroom, carers))))
        self._liars = ReceiverWatch(model, wearables)
        self._bedroom = bedroom
        self._unheard_s = np.zeros(residents, np.int64)
        self._shut = ShutDoors(plan)
        self._door_open = np.zeros(len(plan.exit_doors), np.bool_)

    def scenes(self, hour: Hour, number: int) -> Iterator[Scene]:
        """Each second of an hour of a day, as the rules see it."""
        residents = self._residents
        heard = np.asarray(np.isfinite(hour.rssi_dbm[:, :, :residents]).any(axis=1))
        for second, rssi in enumerate(hour.rssi_dbm):
            works = hour.works[second]
            moved = hour.movement_g[second]
            lies = self._liars.step(rssi, moved)
            alive = works & ~lies.stuck
            is_open = hour.door_open[second]
            opened, self._door_open = is_open & ~self._door_open, is_open
            door_open, of_day = is_open.astype(np.int8), hour.begin + second
            at = number * DAY_S + of_day
            self._rooms.note_shut(self._shut.step(door_open, opened, at))
            self._rooms.note_beds(self._lies_in(hour.in_bed[second], moved))
            places = self._rooms.step(lies.rssi_dbm, moved, hour.active[second], alive)
            zone = np.where(lies.in_two_places, UNKNOWN, places.zone)
            self._unheard_s += 1
            self._unheard_s[heard[second]] = 0
            belief = self._rooms.belief
            yield Scene(
                second=at,
                minute_of_day=of_day // 60,
                day=FIRST_DAY + number,
                zone=zone[:residents],
                belief=belief[:residents],
                heard_s=self._unheard_s.copy(),
                present=hour.present[second],
                movement_g=moved[:residents],
                in_bed=hour.in_bed[second],
                door_open=door_open,
                door_opened=opened,
                covered=covered(self._model, alive),
                carer_zone=zone[residents:],
                carer_belief=belief[residents:],
                carer_worn=hour.carer_worn[second],
            )

    def _lies_in(self, in_bed: NDArray[np.int8], moved: NDArray[np.float32]) -> NDArray[np.int64]:
        """(wearables,) zone of the bed in which each lies by its mat, as in `edge.following`."""
        lies_in = np.full(len(moved), UNKNOWN)
        lies = (in_bed == 1) & (moved[: self._residents] < WALKS_G)
        lies_in[: self._residents] = np.where(lies, self._bedroom, UNKNOWN)
        return lies_in


def plan_of(floor: Floor) -> Plan:
    """The home, as the rules know it."""
    return Plan(
        near=floor.near,
        use=np.array(floor.uses, np.object_),
        exit_doors=np.array([floor.doors[door].zones[0] for door in floor.exit_doors]),
    )


def policies_of(floor: Floor, people: tuple[Person, ...]) -> Policies:
    """What is asked for each, as arrays."""
    asked: list[WhereaboutsPolicy] = [each.policy for each in people]
    safe = np.ones((len(people), len(floor.zones)), np.bool_)
    for row, policy in enumerate(asked):
        if policy.safe_zones:
            safe[row] = [zone in policy.safe_zones for zone in floor.zones]
    return Policies.of(
        asked,
        home_zone=np.array([each.home_zone for each in people]),
        safe=safe,
        has_bed_sensor=np.array([bool(floor.beds[each.bed].sensor) for each in people]),
    )


def asked(policies: Policies) -> NDArray[np.bool_]:
    """(residents, kinds of `PAGES`) whose plan asks for what."""
    by_kind = {
        EventKind.ELOPEMENT: policies.at_risk,
        EventKind.LEFT_SAFE_ZONE: policies.at_risk,
        EventKind.EXIT_SEEKING: policies.at_risk,
        EventKind.NIGHT_WANDERING: policies.night_wandering,
        EventKind.BED_EXIT: policies.bed_exit,
        EventKind.INACTIVE: policies.inactive,
        EventKind.NOT_RETURNED: policies.not_returned_s > 0,
    }
    return np.stack([by_kind[kind] for kind in PAGES], axis=1)


def truths_of(day: Day, number: int, residents: int) -> Iterator[Truth]:
    """What really happened to residents."""
    start = number * DAY_S
    for each in day.episodes:
        if each.row < residents:
            doors = sorted(second for _, second in each.doors)
            second_door = start + doors[1] if len(doors) > 1 else None
            begun, ended = start + each.begun_s, start + each.ended_s
            yield Truth(each.row, each.kind.value, begun, ended, second_door)


def is_as_said(found: Found, of_day: int, day: Day, floor: Floor) -> bool:
    """Whether she did stand alone at the exit's door while it was open, or did keep coming back to
    the exit: that which was told, or the lobby or hall beside it.

    Parameters
    ----------
    of_day
        When it was found, seconds after midnight.
    """
    exits = [
        number
        for number, use in enumerate(floor.uses)
        if use is ZoneUse.EXIT
        and found.zone != UNKNOWN
        and (number == found.zone or floor.near[number, found.zone])
    ]
    if found.kind is EventKind.ELOPEMENT:
        return _stood_by_open_door(found.row, of_day, day, floor, exits)
    if found.kind is EventKind.EXIT_SEEKING:
        at_exit = np.isin(day.zone[found.row, max(of_day - BACK_WITHIN_S, 0) : of_day], exits)
        came = int((at_exit[1:] & ~at_exit[:-1]).sum())
        lingers = len(at_exit) >= LINGERS_S and bool(at_exit[-LINGERS_S:].all())
        return came >= COMES_BACK or lingers
    return False


def _stood_by_open_door(
    row: int, of_day: int, day: Day, floor: Floor, exits: Sequence[int]
) -> bool:
    """In a second in which it was open, and no carer was there shortly before it was told."""
    begin = max(of_day - BY_DOOR_S, 0)
    at = slice(begin, of_day)
    carers = set(day.zone[day.residents : day.residents + day.carers, at].ravel().tolist())
    zone = day.zone[row, at]
    for door in floor.exit_doors:
        there = floor.doors[door].zones[0]
        is_open = door_is_open(day, door)[at]
        if there in exits and there not in carers and bool((is_open & (zone == there)).any()):
            return True
    return False


def left_beds_of(day: Day, number: int) -> Iterator[tuple[int, int]]:
    """Row and second of each time that somebody really left her bed."""
    row, second = np.nonzero(day.in_bed[:, :-1] & ~day.in_bed[:, 1:])
    for one, at in zip(row.tolist(), second.tolist(), strict=True):
        yield one, number * DAY_S + at + 1


def compare(told: NDArray[np.int64], day: Day, hour: Hour, near: NDArray[np.bool_]) -> RoomSeconds:
    """How rooms were told in an hour: of who is in the home and judged."""
    begin, residents = hour.begin, told.shape[1]
    seconds = slice(DELAY_S, len(told))
    at = slice(begin, begin + len(told) - DELAY_S)
    truth, activity = day.zone[:residents, at].T, day.activity[:residents, at].T
    told = told[seconds]
    seen = (truth != UNKNOWN) & hour.present[seconds] & day.worn[:residents, at].T
    right, walking = (told == truth) & seen, (activity == Activity.WALKING) & seen
    beside = seen & (told != UNKNOWN) & near[told, truth]
    return RoomSeconds(
        seen=int(seen.sum()),
        right=int(right.sum()),
        unknown=int((seen & (told == UNKNOWN)).sum()),
        seen_walking=int(walking.sum()),
        right_walking=int((right & walking).sum()),
        near=int(beside.sum()),
    )


def _add(one: RoomSeconds, other: RoomSeconds) -> RoomSeconds:
    return RoomSeconds(*(a + b for a, b in zip(one, other, strict=True)))
