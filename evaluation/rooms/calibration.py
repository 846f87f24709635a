"""A home learnt from labelled walks, and one that nobody has walked through yet."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors import room_file
from detectors.room_model import UNKNOWN, RoomModel, Walk, learn, stepped_through
from detectors.room_plan import from_plan
from evaluation.rooms.reading import Sequence

T = TypeVar("T", bound=np.generic)


SPHERE_STANDS_IN: Final = {
    "Kitchen_AP": "kitchen",
    "Lounge_AP": "living",
    "Study_AP": "study",
    "Upstairs_AP": "stairs",
}
"""Where the receivers of the public house stand, by their names (the landing: stairs)."""


class CalibrationError(ValueError):
    """What a home cannot be learnt from, or a file that is no calibration; the reason is said."""


def calibrate(sequences: Several[Sequence]) -> RoomModel:
    """Learn a home from walks with written-down rooms.

    Raises
    ------
    CalibrationError
        If in none of them anybody has written down a room.
    """
    zones, receivers, sensors, walks = _walks(sequences)
    return learn(walks, zones=zones, receivers=receivers, sensors=sensors)


def planned(sequences: Several[Sequence], stands_in: Mapping[str, str]) -> RoomModel:
    """The same home before anybody walked through it: by its plan, here the steps of the walks, and
    by where receivers stand; a sensor sees the zone whose name it has.

    Raises
    ------
    CalibrationError
        As `calibrate`, or if no receiver is said to stand in a zone that was walked into.
    """
    zones, receivers, sensors, walks = _walks(sequences)
    if not any(stands_in.get(name) in zones for name in receivers):
        raise CalibrationError(
            f"of none of the receivers ({', '.join(receivers)}) it is known in which of the rooms "
            f"({', '.join(zones)}) it stands: give --stands-in RECEIVER=ROOM"
        )
    return from_plan(
        zones=zones,
        near=stepped_through(walks, len(zones)),
        receivers=receivers,
        stands_in=stands_in,
        sensors=sensors,
        sees={name: name for name in sensors},
    )


def _walks(
    sequences: Several[Sequence],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], list[Walk]]:
    """Zones, receivers and sensors of them all, and the walks by these."""
    labelled = [each for each in sequences if each.is_labelled]
    if not labelled:
        raise CalibrationError(
            "nobody has written down a room in any of these recordings (location_0.csv)"
        )
    # Where she never was, nothing is known, and nothing shall be told.
    zones = _all(each.visited for each in labelled)
    receivers = _all(each.receivers for each in labelled)
    sensors = _all(each.sensors for each in labelled)
    walks = [
        Walk(
            rssi_dbm=arranged(each.rssi_dbm, each.receivers, receivers, np.nan),
            active=arranged(each.active, each.sensors, sensors, 0),
            zone=renumbered(each.zone, each.zones, zones),
        )
        for each in labelled
    ]
    return zones, receivers, sensors, walks


def seconds_by_zone(sequences: Several[Sequence]) -> dict[str, int]:
    """How long the walks were in each zone, by its name."""
    spent: dict[str, int] = {}
    for sequence in sequences:
        for number, zone in enumerate(sequence.zones):
            seconds = int((sequence.zone == number).sum())
            if seconds:
                spent[zone] = spent.get(zone, 0) + seconds
    return dict(sorted(spent.items()))


def load_calibration(file: Path) -> RoomModel:
    """Read what ``wardlight calibrate rooms`` wrote.

    Raises
    ------
    CalibrationError
        If it cannot be read.
    """
    try:
        return room_file.decode(file.read_bytes())
    except OSError as error:
        raise CalibrationError(f"{file}: cannot be read: {error.strerror}") from error
    except room_file.RoomFileError as error:
        raise CalibrationError(f"{file}: {error}") from error


def arranged(
    values: NDArray[T], names: Several[str], wanted: Several[str], missing: float
) -> NDArray[T]:
    """Rows by name in another order; one that is not there is full of `missing`."""
    found = np.full((len(wanted), values.shape[1]), missing, values.dtype)
    for row, name in enumerate(wanted):
        if name in names:
            found[row] = values[list(names).index(name)]
    return found


def renumbered(
    zone: NDArray[np.int64], names: Several[str], wanted: Several[str]
) -> NDArray[np.int64]:
    """Zones by their number in another list; one that is not in it is -2, which no model tells."""
    number = {name: index for index, name in enumerate(wanted)}
    table = np.array([*(number.get(name, -2) for name in names), UNKNOWN], np.int64)
    return table[zone]


def _all(lists: object) -> tuple[str, ...]:
    return tuple(sorted({name for names in lists for name in names}))  # type: ignore[attr-defined]
