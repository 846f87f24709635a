"""A home in metres: its rooms, doors, beds, receivers and sensors, and walls between points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.devices import Quantity
from contract.whereabouts import ZoneUse
from firmware_sim.floor_drawing import OUTSIDE, WALL

RAY_STEP_M: Final = 0.25
"""Walls between two points are looked for at such steps: half the example's thinnest wall."""


class Bed(NamedTuple):
    """A bed and, if it has one, its occupancy sensor."""

    label: str
    zone: int
    x_m: float
    y_m: float
    storey: int
    sensor: str
    """Name of its sensor, empty where it has none."""


class Receiver(NamedTuple):
    """A gateway, or a proxy that lends its radio to one."""

    name: str
    is_gateway: bool
    zone: int
    x_m: float
    y_m: float
    storey: int


class Sensor(NamedTuple):
    """A room sensor."""

    device: str
    quantity: Quantity
    """`MOTION`, `OPENING` or `OCCUPIED`."""
    zone: int
    x_m: float
    y_m: float
    storey: int
    of: int
    """Number of the door or bed that it watches, -1 for motion."""


class Door(NamedTuple):
    """A door between two rooms, or out."""

    name: str
    """Empty for a door without a contact sensor."""
    zones: tuple[int, int]
    """The second is `OUTSIDE` where it leads out."""
    x_m: float
    y_m: float
    storey: int

    @property
    def has_contact(self) -> bool:
        """Whether a sensor tells when it opens; in an exit zone that makes it an exit door."""
        return bool(self.name)

    @property
    def leads_out(self) -> bool:
        """Whether one is out of the building behind it."""
        return self.zones[1] == OUTSIDE


@dataclass(frozen=True, eq=False, kw_only=True)
class Floor:
    """A home's plan. x goes east and y north from the drawing's lower left corner, in metres."""

    home: str
    zones: tuple[str, ...]
    uses: tuple[ZoneUse, ...]
    storey: NDArray[np.int64]
    """(zones,)"""
    near: NDArray[np.bool_]
    """(zones, zones) whether a door or lift leads from one to the other; no zone is near itself."""
    beds: tuple[Bed, ...]
    receivers: tuple[Receiver, ...]
    sensors: tuple[Sensor, ...]
    doors: tuple[Door, ...]
    lifts: NDArray[np.int64]
    """(lift cells, 3) storey, row, column; a lift joins equal rows and columns of two storeys."""
    cell_zone: NDArray[np.int16]
    """(storeys, rows, columns) zone number, `OUTSIDE` or `WALL`; row 0 is the northernmost."""
    cell_door: NDArray[np.int16]
    """(storeys, rows, columns) number of the door that is there, -1 elsewhere."""
    cell_m: tuple[float, float]
    """Width and depth of a cell."""

    @property
    def exit_doors(self) -> tuple[int, ...]:
        """Numbers of the doors with contact sensors."""
        return tuple(number for number, door in enumerate(self.doors) if door.has_contact)

    def zone_number(self, zone: str) -> int:
        """Number of a zone by its name.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        return self.zones.index(zone)

    def zones_of(self, *uses: ZoneUse, storey: int | None = None) -> list[int]:
        """Numbers of the zones of these uses, on one storey or all."""
        return [
            number
            for number, use in enumerate(self.uses)
            if use in uses and storey in {None, int(self.storey[number])}
        ]

    def cells_of(
        self, x_m: NDArray[np.floating], y_m: NDArray[np.floating]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of points; beyond the drawing, of its edge."""
        _, rows, columns = self.cell_zone.shape
        column = np.floor(np.asarray(x_m) / self.cell_m[0]).astype(np.int64)
        row = rows - 1 - np.floor(np.asarray(y_m) / self.cell_m[1]).astype(np.int64)
        return np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)

    def centres_m(
        self, row: NDArray[np.int64], column: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Metres east and north of cells' centres."""
        rows = self.cell_zone.shape[1]
        width_m, depth_m = self.cell_m
        return (
            np.asarray((column + 0.5) * width_m, np.float64),
            np.asarray((rows - row - 0.5) * depth_m, np.float64),
        )

    def zone_at(
        self, x_m: NDArray[np.floating], y_m: NDArray[np.floating], storey: NDArray[np.integer]
    ) -> NDArray[np.int16]:
        """Zone number of points, `OUTSIDE` or `WALL`."""
        row, column = self.cells_of(x_m, y_m)
        zone: NDArray[np.int16] = self.cell_zone[storey, row, column]
        return zone

    def walls_between(
        self,
        from_m: NDArray[np.floating],
        from_storey: NDArray[np.integer],
        to_m: NDArray[np.floating],
        to_storey: NDArray[np.integer],
    ) -> NDArray[np.int16]:
        """Walls that stand on the straight line between points.

        Between storeys the line is on the storey of each end for half of its way; the slabs of
        concrete that it goes through are the difference of the storeys, and not counted here.

        Parameters
        ----------
        from_m, to_m
            (n, 2) and (m, 2) x and y.
        from_storey, to_storey
            (n,) and (m,).

        Returns
        -------
        (n, m)
        """
        start, end = np.asarray(from_m)[:, None], np.asarray(to_m)[None]
        longest = float(np.sqrt(((end - start) ** 2).sum(axis=2)).max(initial=0.0))
        steps = max(2, int(np.ceil(longest / RAY_STEP_M)) + 1)
        is_wall = self.cell_zone == WALL
        before = np.zeros((len(from_m), len(to_m)), np.bool_)
        walls = np.zeros(before.shape, np.int16)
        for share in np.linspace(0, 1, steps):
            x_m, y_m = np.moveaxis(start + share * (end - start), -1, 0)
            row, column = self.cells_of(x_m, y_m)
            storey = np.asarray(from_storey)[:, None] if share < 0.5 else np.asarray(to_storey)
            now = is_wall[storey, row, column]
            walls += now & ~before
            before = now
        return walls
