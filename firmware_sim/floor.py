"""Reads a home's plan, from a drawing (`firmware_sim.floor_drawing`) to metres; has one of sixty.

People who live in it: `firmware_sim.behaviour`; the ways that they walk: `firmware_sim.life.ways`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from contract.devices import Quantity
from firmware_sim.floor_drawing import (
    CELLS_AT_MOST,
    LIFT,
    OUTSIDE,
    WALL,
    Drawing,
    FloorError,
    HomeText,
    draw,
    read_text,
)
from firmware_sim.floor_geometry import Bed, Door, Floor, Receiver, Sensor

__all__ = [
    "OUTSIDE",
    "WALL",
    "Bed",
    "Door",
    "Floor",
    "FloorError",
    "Receiver",
    "Sensor",
    "example_home",
    "read_floor",
    "read_plan",
]

EXAMPLE: Final = Path(__file__).parent / "floors" / "sixty.txt"


def read_floor(path: Path) -> Floor:
    """Read a plan from a file.

    Raises
    ------
    FloorError
        If the file cannot be read, or is no plan of a home: each problem with line and column.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise FloorError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise FloorError([f"{path}: is not UTF-8: {error.reason}"]) from error
    try:
        return read_plan(text)
    except FloorError as error:
        raise FloorError(f"{path}:{problem}" for problem in error.problems) from error


@cache
def example_home() -> Floor:
    """Sixty beds in ten wards on two floors, two ways out with two doors each."""
    return read_floor(EXAMPLE)


def read_plan(text: str) -> Floor:
    """Read a plan from text.

    Raises
    ------
    FloorError
        If it is no plan of a home: each problem with line and column.
    """
    home = read_text(text)
    rows = max(len(storey.lines) for storey in home.storeys)
    columns = max((len(line) for storey in home.storeys for line in storey.lines), default=0)
    if rows * columns > CELLS_AT_MOST:
        raise FloorError([f"1:1: {rows} x {columns} cells are more than {CELLS_AT_MOST}"])
    return _Builder(home, [draw(storey, rows, columns) for storey in home.storeys]).build()


class _Builder:
    """Puts the storeys of a home together, and numbers what is in them."""

    def __init__(self, home: HomeText, drawings: list[Drawing]) -> None:
        self._home = home
        self._drawings = drawings
        self._number: dict[tuple[int, str], int] = {}
        self._names: dict[str, str] = {}
        for storey, drawing in enumerate(drawings):
            for letter, named in drawing.text.rooms.items():
                self._number[storey, letter] = len(self._number)
                self._once(named.name, f"{named.line}:1")
            for named in drawing.text.doors.values():
                self._once(named.name, f"{named.line}:1")

    def build(self) -> Floor:
        rooms = [
            (storey, named)
            for storey, drawing in enumerate(self._drawings)
            for named in drawing.text.rooms.values()
        ]
        doors, near = self._doors()
        lifts = self._lifts(near)
        self._check_ways(doors, near)
        beds = self._beds()
        return Floor(
            home=self._home.home,
            zones=tuple(named.name for _, named in rooms),
            uses=tuple(named.use for _, named in rooms),
            storey=np.array([storey for storey, _ in rooms]),
            near=near,
            beds=tuple(beds),
            receivers=tuple(self._receivers()),
            sensors=tuple(self._sensors(beds, doors)),
            doors=tuple(doors),
            lifts=lifts,
            cell_zone=self._cells(),
            cell_door=self._door_cells(),
            cell_m=self._home.cell_m,
        )

    def _once(self, name: str, at: str) -> None:
        before = self._names.setdefault(name, at)
        if before != at:
            raise FloorError([f"{at}: {name} is taken already, in line {before.split(':')[0]}"])

    def _cells(self) -> NDArray[np.int16]:
        zones = []
        for storey, drawing in enumerate(self._drawings):
            cells = np.full(drawing.cells.shape, WALL, np.int16)
            cells[drawing.is_outside] = OUTSIDE
            for letter in drawing.text.rooms:
                cells[drawing.room == letter] = self._number[storey, letter]
            for door in drawing.doors:
                cells[tuple(door.cells.T)] = self._number[storey, door.rooms[0]]
            zones.append(cells)
        return np.stack(zones)

    def _door_cells(self) -> NDArray[np.int16]:
        cells = np.full((len(self._drawings), *self._drawings[0].cells.shape), -1, np.int16)
        number = 0
        for storey, drawing in enumerate(self._drawings):
            for door in drawing.doors:
                cells[(storey, *door.cells.T)] = number
                number += 1
        return cells

    def _doors(self) -> tuple[list[Door], NDArray[np.bool_]]:
        near = np.zeros((len(self._number), len(self._number)), np.bool_)
        doors = []
        for storey, drawing in enumerate(self._drawings):
            for drawn in drawing.doors:
                here, there = (
                    self._number[storey, letter] if letter else OUTSIDE for letter in drawn.rooms
                )
                if there == OUTSIDE and storey > 0:
                    at = drawing.text.at(*drawn.cells[0].tolist())
                    raise FloorError([f"{at}: a door of an upper storey leads out into the air"])
                if there != OUTSIDE:
                    near[here, there] = near[there, here] = True
                named = drawing.text.doors.get(drawn.mark)
                x_m, y_m = self._metres(*drawn.cells.mean(axis=0).tolist())
                name = named.name if named else ""
                doors.append(Door(name, (here, there), x_m, y_m, storey))
        return doors, near

    def _lifts(self, near: NDArray[np.bool_]) -> NDArray[np.int64]:
        at = np.stack([drawing.cells == LIFT for drawing in self._drawings])
        problems = []
        for storey, row, column in np.argwhere(at).tolist():
            joined = [other for other in np.flatnonzero(at[:, row, column]) if other != storey]
            here = self._zone_of(storey, row, column)
            for other in joined:
                there = self._zone_of(int(other), row, column)
                near[here, there] = near[there, here] = True
            if not joined:
                where = self._drawings[storey].text.at(row, column)
                problems.append(f"{where}: this lift has no other end in the same cell")
        if problems:
            raise FloorError(problems)
        return np.argwhere(at)

    def _check_ways(self, doors: list[Door], near: NDArray[np.bool_]) -> None:
        """Everybody can come in and go everywhere."""
        out = [door.zones[0] for door in doors if door.leads_out]
        if not out:
            raise FloorError([f"{self._drawings[0].text.first_line}:1: no door leads out"])
        _, part = connected_components(near, directed=False)
        problems = []
        for (storey, letter), number in self._number.items():
            if part[number] not in {int(part[each]) for each in out}:
                drawing = self._drawings[storey]
                where = drawing.text.at(*drawing.letter_at[letter])
                problems.append(f"{where}: no door leads from outside to room {letter}")
        if problems:
            raise FloorError(problems)

    def _things(self, marks: str) -> list[tuple[str, int, int, float, float]]:
        """Mark, storey, zone, x and y of each, from the north-west corner."""
        found = []
        for storey, drawing in enumerate(self._drawings):
            for row, column in np.argwhere(np.isin(drawing.cells, list(marks))).tolist():
                zone = self._zone_of(storey, row, column)
                mark = str(drawing.cells[row, column])
                found.append((mark, storey, zone, *self._metres(row, column)))
        return found

    def _zone_of(self, storey: int, row: int, column: int) -> int:
        return self._number[storey, str(self._drawings[storey].room[row, column])]

    def _name_of(self, zone: int) -> str:
        storey, letter = list(self._number)[zone]
        return self._drawings[storey].text.rooms[letter].name

    def _metres(self, row: float, column: float) -> tuple[float, float]:
        width_m, depth_m = self._home.cell_m
        rows = len(self._drawings[0].cells)
        return (column + 0.5) * width_m, (rows - row - 0.5) * depth_m

    def _beds(self) -> list[Bed]:
        beds = []
        count: dict[int, int] = {}
        for mark, storey, zone, x_m, y_m in self._things("bo"):
            count[zone] = count.get(zone, 0) + 1
            label = f"{self._name_of(zone)}-{count[zone]}"
            sensor = f"bed-{label}" if mark == "o" else ""
            beds.append(Bed(label, zone, x_m, y_m, storey, sensor))
        return beds

    def _receivers(self) -> list[Receiver]:
        receivers = []
        count = dict.fromkeys("gp", 0)
        for mark, storey, zone, x_m, y_m in self._things("gp"):
            count[mark] += 1
            name = f"{'gateway' if mark == 'g' else 'proxy'}-{count[mark]}"
            receivers.append(Receiver(name, mark == "g", zone, x_m, y_m, storey))
        return receivers

    def _sensors(self, beds: list[Bed], doors: list[Door]) -> list[Sensor]:
        sensors = []
        count: dict[int, int] = {}
        for _, storey, zone, x_m, y_m in self._things("m"):
            count[zone] = count.get(zone, 0) + 1
            more = f"-{count[zone]}" if count[zone] > 1 else ""
            name = f"motion-{self._name_of(zone)}{more}"
            sensors.append(Sensor(name, Quantity.MOTION, zone, x_m, y_m, storey, -1))
        for number, door in enumerate(doors):
            if door.has_contact:
                name, place = f"door-{door.name}", (door.x_m, door.y_m, door.storey)
                sensors.append(Sensor(name, Quantity.OPENING, door.zones[0], *place, number))
        for number, bed in enumerate(beds):
            if bed.sensor:
                place = (bed.x_m, bed.y_m, bed.storey)
                sensors.append(Sensor(bed.sensor, Quantity.OCCUPIED, bed.zone, *place, number))
        return sensors
