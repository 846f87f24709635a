"""A simulated home as its gateways hear it: behaviour, radio and sensors, hour by hour.

What a gateway makes of the adverts of a second (means of strengths, changes of sensors, deviation
of |a|) is made here at once, so that a day of sixty takes seconds. Rows are wearables, residents'
first and then carers' tags. Visitors wear none, and motion sensors see them all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.devices import Quantity
from detectors.room_model import RoomModel, Walk, learn
from detectors.room_plan import for_home
from detectors.wear import NOT_WORN_MIN
from firmware_sim.behaviour import DAY_S, Activity, Day, movement_g
from firmware_sim.floor import Floor
from firmware_sim.ghosts import Trouble, say_beds, say_contacts, see_motion, spoil
from firmware_sim.propagation import Building, Points, Propagation, Walkers

HOUR_S: Final = 3600

WALK_EACH_S: Final = 30
"""The calibration walk is so long in each zone, as docs/rooms.md asks: 18 minutes for the example
home. Five minutes would be eight seconds each."""
STEP_M: Final = 0.8
"""Somebody with a telephone in her hand, a second of her way."""

TOLD_AGAIN_S: Final = 60
"""A motion that lasts counts again so often, as in `edge.shared_sensors`."""


class Hour(NamedTuple):
    """What the gateways know of some seconds; time first, as it comes."""

    begin: int
    """Second of the day of the first."""
    rssi_dbm: NDArray[np.float32]
    """(seconds, receivers, wearables)"""
    movement_g: NDArray[np.float32]
    """(seconds, wearables)"""
    active: NDArray[np.bool_]
    """(seconds, sensors)"""
    works: NDArray[np.bool_]
    """(seconds, receivers)"""
    in_bed: NDArray[np.int8]
    """(seconds, residents) 1, 0, -1: no mat."""
    door_open: NDArray[np.bool_]
    """(seconds, exit doors)"""
    present: NDArray[np.bool_]
    """(seconds, residents)"""
    carer_worn: NDArray[np.bool_]
    """(seconds, carers)"""


def building_of(floor: Floor) -> Building:
    """The same home, as radio sees it."""

    def walls(one: Points, other: Points) -> NDArray[np.int64]:
        found = floor.walls_between(
            one[:, :2], one[:, 2].astype(np.int64), other[:, :2], other[:, 2].astype(np.int64)
        )
        return found.astype(np.int64)

    storeys, rows, columns = floor.cell_zone.shape
    at = [(each.x_m, each.y_m, each.storey) for each in floor.receivers]
    size_m = (columns * floor.cell_m[0], rows * floor.cell_m[1])
    return Building(np.array(at, np.float32), size_m, storeys, walls)


class HomeInAir:
    """Everything of a home that does not depend on the day, and the state of its air and sensors.

    Parameters
    ----------
    floor
        The plan.
    beds
        Of each resident the number of her bed in `floor.beds`.
    carers
        How many tags staff wear.
    seed
        Of furniture, fading, and what sensors miss.
    troubles
        What is wrong with receivers and wearables, and when.
    """

    def __init__(
        self,
        floor: Floor,
        beds: Sequence[int],
        carers: int,
        seed: int,
        troubles: Sequence[Trouble] = (),
    ) -> None:
        self.floor = floor
        self.troubles = list(troubles)
        self.residents = len(beds)
        self.wearables = len(beds) + carers
        self._seed = seed
        self._building = building_of(floor)
        self._air = Propagation(self._building, self.wearables, seed)
        self._rng = np.random.default_rng([seed, 9])
        self._motion = np.array(
            [s.zone for s in floor.sensors if s.quantity is Quantity.MOTION], np.int64
        )
        self._mats = [(row, floor.beds[bed]) for row, bed in enumerate(beds)]
        self._mats = [(row, bed) for row, bed in self._mats if bed.sensor]
        self.doors = floor.exit_doors
        self._door_said = np.zeros(len(self.doors), np.bool_)
        self._bed_said = np.ones(len(self._mats), np.bool_)
        self.sensors = (
            *(s.device for s in floor.sensors if s.quantity is Quantity.MOTION),
            *(floor.doors[door].name for door in self.doors),
            *(bed.sensor for _, bed in self._mats),
        )
        self.sees = dict(
            zip(
                self.sensors,
                [
                    *(floor.zones[zone] for zone in self._motion),
                    *(floor.zones[floor.doors[door].zones[0]] for door in self.doors),
                    *(floor.zones[bed.zone] for _, bed in self._mats),
                ],
                strict=True,
            )
        )

    def hours(self, day: Day, number: int, hours: range = range(DAY_S // HOUR_S)) -> Iterator[Hour]:
        """One day, in order; days one after the other, as sensors and rests go on."""
        tags = slice(0, self.wearables)
        motion = _begins(see_motion(day.zone, day.activity, self._motion, self._rng))
        is_open = np.array([door_is_open(day, each) for each in self.doors]).reshape(-1, DAY_S)
        doors = say_contacts(is_open, self._door_said, self._rng)
        rows = [row for row, _ in self._mats]
        beds = say_beds(day.in_bed[rows], self._bed_said, self._rng)
        active = np.concatenate(
            (motion, _changes(doors, self._door_said), _changes(beds, self._bed_said))
        )
        if len(self.doors):
            self._door_said = doors[:, -1]
        self._bed_said = beds[:, -1]
        in_bed = np.full((self.residents, DAY_S), -1, np.int8)
        in_bed[rows] = beds
        moved = movement_g(day, self._seed + number)[tags]
        present = ~day.absent[: self.residents] & ~_known_unworn(day.worn[: self.residents])
        walkers = _walkers(day, tags)
        for begin in (HOUR_S * each for each in hours):
            span = slice(begin, begin + HOUR_S)
            rssi = self._air.hear(walkers.during(span))
            works = spoil(rssi, number * DAY_S + begin, self.troubles)
            yield Hour(
                begin=begin,
                rssi_dbm=np.ascontiguousarray(rssi.transpose(2, 0, 1)),
                movement_g=np.ascontiguousarray(moved[:, span].T),
                active=np.ascontiguousarray(active[:, span].T),
                works=np.ascontiguousarray(works.T),
                in_bed=np.ascontiguousarray(in_bed[:, span].T),
                door_open=np.ascontiguousarray(doors[:, span].T),
                present=np.ascontiguousarray(present[:, span].T),
                carer_worn=np.ascontiguousarray(day.worn[self.residents : self.wearables, span].T),
            )

    def model(self, walk_s: int) -> RoomModel:
        """The home as learnt from a walk of so many seconds, by its plan alone if none."""
        floor = self.floor
        receivers = [each.name for each in floor.receivers]
        stands_in = {each.name: floor.zones[each.zone] for each in floor.receivers}
        learnt = None
        if walk_s:
            learnt = learn(
                [self.walk(walk_s)],
                zones=floor.zones,
                receivers=receivers,
                sensors=self.sensors,
                near=floor.near,
                stands_in=stands_in,
            )
        return for_home(
            learnt,
            zones=floor.zones,
            near=floor.near,
            receivers=receivers,
            stands_in=stands_in,
            sensors=self.sensors,
            sees=self.sees,
        )

    def walk(self, walk_s: int) -> Walk:
        """A labelled walk: as long in each zone, to and fro in it, and around at each end."""
        floor, rng = self.floor, np.random.default_rng([self._seed, 10])
        each_s = max(walk_s // len(floor.zones), 1)
        x_m, y_m, storey, zone, moving = [], [], [], [], []
        for number in range(len(floor.zones)):
            at, cells = int(floor.storey[number]), floor.cell_zone[floor.storey[number]]
            way, walks = _to_and_fro(floor, np.argwhere(cells == number), each_s, rng)
            x_m += [each[0] for each in way]
            y_m += [each[1] for each in way]
            moving += walks
            storey += [at] * each_s
            zone += [number] * each_s
        seconds = len(zone)
        shape = (1, seconds)
        walkers = Walkers(
            x_m=np.array(x_m, np.float32).reshape(shape),
            y_m=np.array(y_m, np.float32).reshape(shape),
            floor=np.array(storey, np.int8).reshape(shape),
            moving=np.array(moving, np.bool_).reshape(shape),
            asleep=np.zeros(shape, np.bool_),
            on_air=np.ones(shape, np.bool_),
        )
        heard = Propagation(self._building, 1, self._seed, fading=1).hear(walkers)[:, 0]
        there = np.array(zone, np.int16).reshape(shape)
        seen = see_motion(there, np.full(shape, Activity.WALKING, np.int8), self._motion, rng)
        active = np.zeros((len(self.sensors), seconds), np.bool_)
        active[: len(self._motion)] = _begins(seen)
        return Walk(rssi_dbm=heard, active=active, zone=np.array(zone, np.int64))


def _walkers(day: Day, tags: slice) -> Walkers:
    x_m, y_m, storey = day.tags_m()
    activity = np.where(day.worn[tags], day.activity[tags], np.int8(Activity.STILL))
    return Walkers(
        x_m=np.nan_to_num(x_m[tags]),
        y_m=np.nan_to_num(y_m[tags]),
        floor=storey[tags],
        moving=activity == Activity.WALKING,
        asleep=(activity == Activity.ASLEEP) | (activity == Activity.STILL),
        on_air=np.isfinite(x_m[tags]),
    )


def door_is_open(day: Day, door: int) -> NDArray[np.bool_]:
    """(seconds,) in which a door stands open."""
    is_open = np.zeros(DAY_S, np.bool_)
    for each in sorted(day.openings, key=lambda one: one.second):
        if each.door == door:
            is_open[max(each.second, 0) :] = each.is_open
    return is_open


def _changes(said: NDArray[np.bool_], before: NDArray[np.bool_]) -> NDArray[np.bool_]:
    changed: NDArray[np.bool_] = np.diff(said, axis=1, prepend=before[:, None])
    return changed


def _begins(says: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(sensors, seconds) where motion begins, and again while it lasts."""
    begins = says.copy()
    begins[:, 1:] &= ~says[:, :-1]
    at = np.arange(says.shape[1])
    since = at - np.maximum.accumulate(np.where(begins, at, -1), axis=1)
    again: NDArray[np.bool_] = says & (since % TOLD_AGAIN_S == 0)
    return again


def _known_unworn(worn: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(residents, seconds) where it has been off for as long as it takes to be noticed."""
    at = np.arange(worn.shape[1])
    latest = np.maximum.accumulate(np.where(worn, at, -1), axis=1)
    unworn: NDArray[np.bool_] = at - latest > NOT_WORN_MIN * 60
    return unworn


def _to_and_fro(
    floor: Floor, cells: NDArray[np.int64], seconds: int, rng: np.random.Generator
) -> tuple[list[tuple[float, float]], list[bool]]:
    """Points of a zone that somebody walks to one after the other, and whether she walks."""
    way: list[tuple[float, float]] = []
    walks: list[bool] = []
    here = _centre(floor, cells[rng.integers(len(cells))])
    while len(way) < seconds:
        there = _centre(floor, cells[rng.integers(len(cells))])
        steps = max(1, round(float(np.hypot(there[0] - here[0], there[1] - here[1]) / STEP_M)))
        for step in range(1, steps + 1):
            share = step / steps
            way.append(
                (here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1]))
            )
            walks.append(True)
        here = there
    return way[:seconds], walks[:seconds]


def _centre(floor: Floor, cell: NDArray[np.int64]) -> tuple[float, float]:
    x_m, y_m = floor.centres_m(cell[0], cell[1])
    return float(x_m), float(y_m)
