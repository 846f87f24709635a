"""The ways out of a home: from the room in front of the inner door to the street or garden."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from scipy import ndimage

from firmware_sim.floor import OUTSIDE, Floor
from firmware_sim.life.ways import ways_of

BESIDE_M: Final = 5.0
"""So far outside of the door one stands when one is out: to be heard still, through the wall."""


class Exit(NamedTuple):
    """A way out."""

    doors: tuple[int, ...]
    """Numbers of its doors from inside to outside: one, or an inner and an outer."""
    hall: int
    """Zone in front of its first door."""
    hall_place: int
    """Place of `Ways` in front of that door."""
    outside_place: int


@cache
def exits_of(floor: Floor) -> tuple[Exit, ...]:
    """The ways out, in the order of their outer doors."""
    exits = []
    for number, outer in enumerate(floor.doors):
        if not outer.leads_out:
            continue
        lobby = outer.zones[0]
        inner = [
            other
            for other, door in enumerate(floor.doors)
            if door.has_contact and lobby in door.zones and not door.leads_out
        ]
        doors = (*inner[:1], number)
        first = floor.doors[doors[0]]
        hall = lobby if not inner else first.zones[first.zones[0] == lobby]
        outside = _outside(floor, number)
        exits.append(Exit(doors, hall, _before(floor, doors[0], hall, outside), outside))
    return tuple(exits)


def any_exit(floor: Floor, rng: np.random.Generator) -> Exit:
    """One of them."""
    exits = exits_of(floor)
    return exits[int(rng.integers(len(exits)))]


def _outside(floor: Floor, door: int) -> int:
    """The place outside that is farthest from all walls, of those within `BESIDE_M` of a door."""
    ways, at = ways_of(floor), floor.doors[door]
    is_outside = floor.cell_zone[0] == OUTSIDE
    width_m, depth_m = floor.cell_m
    from_wall_m = ndimage.distance_transform_edt(is_outside, sampling=(depth_m, width_m))
    row, column = np.nonzero(is_outside)
    x_m, y_m = floor.centres_m(row, column)
    is_beside = np.hypot(x_m - at.x_m, y_m - at.y_m) <= BESIDE_M
    best = int(np.argmax(np.where(is_beside, from_wall_m[row, column], -np.inf)))
    return ways.place_at(float(x_m[best]), float(y_m[best]), 0)


def _before(floor: Floor, door: int, hall: int, outside: int) -> int:
    """The place on the way out at which one stands to open a door."""
    ways = ways_of(floor)
    way = ways.way(ways.places_in(hall, 1)[0], outside)
    at = next((at for at, number in way.gates if number == door), 1)
    return ways.place_at(float(way.x_m[at - 1]), float(way.y_m[at - 1]), int(way.storey[at - 1]))
