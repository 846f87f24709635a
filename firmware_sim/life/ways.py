"""Ways through a home: from cell to cell, through doors and lifts, never through a wall."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from firmware_sim.floor import OUTSIDE, WALL, Floor

LIFT_M: Final = 18.0
"""What a lift costs, as metres on foot: waiting for it, the ride, the doors: 25 s at 0.7 m/s."""

ALONG_WALLS: Final = 1.4
"""A metre beside a wall counts as so many: people keep to the middle where there is room."""

_STEPS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight neighbours; ways go both ways."""


class Way(NamedTuple):
    """A way, cell by cell, its first and its last cell among them."""

    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    storey: NDArray[np.int64]
    along_m: NDArray[np.float64]
    """Walked so far; a lift counts `LIFT_M`."""
    gates: tuple[tuple[int, int], ...]
    """(cell's place in the way, door number) of each door with a contact sensor."""


class Ways:
    """The shortest ways of a home.

    A place is the number of a cell, counted over storeys, rows and columns.

    Parameters
    ----------
    floor
        The home.
    """

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._shape = floor.cell_zone.shape
        zone = floor.cell_zone
        self._is_free = zone != WALL
        self._is_free[1:] &= zone[1:] != OUTSIDE  # beside an upper storey is air
        self._graph = self._connect()
        self._towards: dict[int, NDArray[np.int32]] = {}
        self._found: dict[tuple[int, int], Way] = {}
        has_contact = np.array([door.has_contact for door in floor.doors] + [False])
        self._gate = np.where(has_contact[floor.cell_door], floor.cell_door, -1).ravel()

    def zone_of(self, place: int) -> int:
        """Zone number of a place."""
        zone: int = self.floor.cell_zone.flat[place].item()
        return zone

    def storey_of(self, place: int) -> int:
        """Storey of a place."""
        return int(place // (self._shape[1] * self._shape[2]))

    def place_at(self, x_m: float, y_m: float, storey: int) -> int:
        """The cell of a point."""
        row, column = self.floor.cells_of(np.array(x_m), np.array(y_m))
        return int(np.ravel_multi_index((storey, int(row), int(column)), self._shape))

    def position_m(self, place: int) -> tuple[float, float]:
        """Centre of a place, in metres east and north."""
        _, row, column = np.unravel_index(place, self._shape)
        x_m, y_m = self.floor.centres_m(np.array(row), np.array(column))
        return float(x_m), float(y_m)

    def places_in(self, zone: int, most: int) -> list[int]:
        """Places of a zone, evenly spread, at most so many, none in a door; one is its middle."""
        cells = np.flatnonzero(self.floor.cell_zone == zone)
        cells = cells[self.floor.cell_door.flat[cells] < 0]
        count = min(most, len(cells))
        share = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
        places: list[int] = cells[(share * (len(cells) - 1)).round().astype(np.int64)].tolist()
        return places

    def way(self, start: int, end: int) -> Way:
        """The shortest way.

        Raises
        ------
        ValueError
            If there is none.
        """
        found = self._found.get((start, end))
        if found is None:
            found = self._found[start, end] = self._trace(start, end)
        return found

    def _trace(self, start: int, end: int) -> Way:
        towards = self._towards.get(end)
        if towards is None:
            _, found = dijkstra(
                self._graph, directed=False, indices=np.array([end]), return_predecessors=True
            )
            towards = self._towards[end] = found[0]
        cells = [start]
        while cells[-1] != end:
            following = int(towards[cells[-1]])
            if following < 0:
                raise ValueError(f"no way leads from {self._say(start)} to {self._say(end)}")
            cells.append(following)
        storey, row, column = np.unravel_index(np.array(cells), self._shape)
        x_m, y_m = self.floor.centres_m(row, column)
        step = np.hypot(np.diff(x_m), np.diff(y_m)) + LIFT_M * np.abs(np.diff(storey))
        gate = self._gate[cells]
        enters = np.flatnonzero((gate[1:] >= 0) & (gate[1:] != gate[:-1])) + 1
        gates = tuple((int(at), int(gate[at])) for at in enters)
        return Way(x_m, y_m, storey, np.concatenate([[0.0], np.cumsum(step)]), gates)

    def _say(self, place: int) -> str:
        zone = self.zone_of(place)
        return {OUTSIDE: "outside", WALL: "a wall"}.get(zone) or self.floor.zones[zone]

    def _connect(self) -> csr_matrix:
        """Cells that one can step between, and what the step costs."""
        free = self._is_free
        number = np.arange(free.size).reshape(free.shape)
        walls = np.pad(~free, ((0, 0), (1, 1), (1, 1)), constant_values=True)
        beside = walls[:, :-2, 1:-1] | walls[:, 2:, 1:-1] | walls[:, 1:-1, :-2] | walls[:, 1:-1, 2:]
        dear = np.where(beside, ALONG_WALLS, 1.0)
        width_m, depth_m = self.floor.cell_m
        starts, ends, costs = [], [], []
        for down, right in _STEPS:
            here = (slice(None), slice(0, free.shape[1] - down), _columns(right, first=True))
            there = (slice(None), slice(down, None), _columns(right, first=False))
            passes = free[here] & free[there]
            if down and right:  # never across the corner of a wall
                passes &= free[here[0], there[1], here[2]] & free[here[0], here[1], there[2]]
            metres = np.hypot(down * depth_m, right * width_m)
            starts.append(number[here][passes])
            ends.append(number[there][passes])
            costs.append(metres * (dear[here] + dear[there])[passes] / 2)
        for storey, row, column in self.floor.lifts.tolist():
            for other in range(storey + 1, len(free)):
                if (self.floor.lifts == (other, row, column)).all(axis=1).any():
                    starts.append(number[storey, row, column, None])
                    ends.append(number[other, row, column, None])
                    costs.append(np.array([LIFT_M * (other - storey)]))
        ways = (np.concatenate(starts), np.concatenate(ends))
        return csr_matrix((np.concatenate(costs), ways), shape=(free.size, free.size))


def _columns(right: int, *, first: bool) -> slice:
    """Columns from which (first) and to which a step to the right, or left, leads."""
    if right == 0:
        return slice(None)
    return slice(0, -1) if (right > 0) == first else slice(1, None)


@cache
def ways_of(floor: Floor) -> Ways:
    """The ways of a home; they are found once, and kept as long as it runs."""
    return Ways(floor)
