"""Reads a recorded walk in the layout of the SPHERE Challenge, a user's own or the public one.

============================ =====================================================================
file                         holds
============================ =====================================================================
``wrist.parquet`` or         a row per sample: ``t`` in seconds, ``x``, ``y``, ``z`` in g, and a
``acceleration.csv``         column per receiver with the signal strength in dBm, empty where it
                             heard nothing
``pir.csv``, optional        ``start,end,name,index``: when the sensor of a room fired
``location_0.csv``, ``_1``…  ``start,end,name,index``: in which room one annotator saw her
============================ =====================================================================
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import UNKNOWN

SECONDS_FILE: Final = "seconds.csv"
MOTION_FILES: Final = ("wrist.parquet", "acceleration.csv", SECONDS_FILE)
SENSOR_FILE: Final = "pir.csv"
LABEL_FILES: Final = "location_*.csv"
LABELS_WRITTEN: Final = "location_0.csv"
MOVEMENT: Final = "movement_g"
_MOTION: Final = ("t", "x", "y", "z")
_MOVED: Final = ("t", MOVEMENT)

FIRED_LEAST_S: Final = 0.3
"""A sensor fired in a second if it did for this long of it."""

SEEN_LEAST_S: Final = 0.5
"""A second has a room if an annotator saw her anywhere for half of it: the one of most of it."""

HOURS_AT_MOST: Final = 24 * 7
"""Time stamps that span more are broken; a row per second would fill the memory."""


class SequenceError(ValueError):
    """A recording that cannot be read; the reason and the file are the message."""


class Interval(NamedTuple):
    """One row of a file of intervals, seconds."""

    start_s: float
    end_s: float
    name: str


class Sequence(NamedTuple):
    """One walk, brought to seconds."""

    name: str
    receivers: tuple[str, ...]
    sensors: tuple[str, ...]
    zones: tuple[str, ...]
    """Those that were annotated."""
    rssi_dbm: NDArray[np.float32]
    """(receivers, seconds) mean of each second, NaN where nothing was heard."""
    movement_g: NDArray[np.float32]
    """(seconds,) standard deviation of |a|, NaN where nothing was measured."""
    active: NDArray[np.bool_]
    """(sensors, seconds)"""
    zone: NDArray[np.int64]
    """(seconds,) number in `zones`, `UNKNOWN` where nobody or not everybody said the same."""

    @property
    def seconds(self) -> int:
        """Its length."""
        return len(self.zone)

    @property
    def visited(self) -> tuple[str, ...]:
        """The zones in which all annotators saw her at some time."""
        return tuple(self.zones[each] for each in np.unique(self.zone[self.zone != UNKNOWN]))

    @property
    def is_labelled(self) -> bool:
        """Whether anybody wrote down a room."""
        return bool((self.zone != UNKNOWN).any())


def is_sequence(folder: Path) -> bool:
    """Whether a folder holds a walk."""
    return any((folder / name).is_file() for name in MOTION_FILES)


def read_sequence(folder: Path) -> Sequence:
    """Read one folder.

    Raises
    ------
    SequenceError
        If a file is missing, lacks a column, or holds what cannot be.
    """
    file = next((folder / name for name in MOTION_FILES if (folder / name).is_file()), None)
    if file is None:
        raise SequenceError(f"{folder} holds neither {' nor '.join(MOTION_FILES)}")
    columns = _parquet(file) if file.suffix == ".parquet" else number_columns(file)
    receivers = tuple(name for name in columns if name not in (*_MOTION, MOVEMENT))
    if not receivers:
        raise SequenceError(f"{file}: no column of a receiver's signal strengths")
    at_s = columns["t"]
    if not len(at_s) or not np.isfinite(at_s).all() or at_s.min() < 0:
        raise SequenceError(f"{file}: t must be seconds from 0 on, in every row")
    if at_s.max() > HOURS_AT_MOST * 3600:
        raise SequenceError(f"{file}: t reaches {at_s.max():.0f} s; is it in milliseconds?")
    seconds = math.floor(at_s.max()) + 1
    second = at_s.astype(np.int64)
    fired = intervals(folder / SENSOR_FILE) if (folder / SENSOR_FILE).is_file() else []
    seen = [intervals(each) for each in sorted(folder.glob(LABEL_FILES))]
    sensors = tuple(sorted({each.name for each in fired}))
    zones = tuple(sorted({each.name for annotator in seen for each in annotator}))
    return Sequence(
        name=folder.resolve().name,
        receivers=receivers,
        sensors=sensors,
        zones=zones,
        rssi_dbm=np.stack([_means(columns[name], second, seconds) for name in receivers]),
        movement_g=_movement(columns, second, seconds),
        active=_spent(fired, sensors, seconds) >= FIRED_LEAST_S,
        zone=_agreed([_zone_of(each, zones, seconds) for each in seen], seconds),
    )


def _parquet(file: Path) -> dict[str, NDArray[np.float64]]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(file)
    except (OSError, ArrowException) as error:
        raise SequenceError(f"{file} cannot be read as parquet: {error}") from error
    _check_columns(file, table.column_names)
    try:
        return {
            name: table.column(name).cast("float64").to_numpy(zero_copy_only=False)
            for name in table.column_names
        }
    except (ArrowException, ValueError, TypeError) as error:
        raise SequenceError(f"{file}: a column holds no numbers: {error}") from error


def number_columns(file: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a CSV file of numbers, by name; an empty field is NaN.

    Raises
    ------
    SequenceError
        If it cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            names = next(reader, [])
            _check_columns(file, names)
            rows = [[float(each) if each else math.nan for each in row] for row in reader if row]
            values = np.array(rows, np.float64).reshape(len(rows), len(names))
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        if isinstance(error, SequenceError):
            raise
        raise SequenceError(f"{file} cannot be read: {error}") from error
    return {name: values[:, index] for index, name in enumerate(names)}


def _check_columns(file: Path, names: Several[str]) -> None:
    wanted = _MOVED if MOVEMENT in names else _MOTION
    missing = [name for name in wanted if name not in names]
    if missing:
        raise SequenceError(
            f"{file}: no column {missing[0]!r}; it has {', '.join(names) or 'none'}"
        )


def intervals(file: Path) -> list[Interval]:
    """The rows of a file ``start,end,name,index``.

    Raises
    ------
    SequenceError
        If it cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            found = [
                Interval(float(row["start"]), float(row["end"]), row["name"].strip())
                for row in csv.DictReader(lines)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SequenceError(f"{file} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SequenceError(f"{file}: rows must be start,end,name,index: {error!r}") from error
    for each in found:
        if not (math.isfinite(each.start_s) and each.start_s <= each.end_s < math.inf):
            raise SequenceError(f"{file}: an interval from {each.start_s} to {each.end_s} s")
    return found


def _means(
    values: NDArray[np.float64], second: NDArray[np.int64], seconds: int
) -> NDArray[np.float32]:
    known = np.isfinite(values)
    total = np.bincount(second[known], values[known], seconds)
    count = np.bincount(second[known], minlength=seconds)
    with np.errstate(invalid="ignore"):
        return (total / count).astype(np.float32)


def _movement(
    columns: dict[str, NDArray[np.float64]], second: NDArray[np.int64], seconds: int
) -> NDArray[np.float32]:
    if MOVEMENT in columns:
        return _means(columns[MOVEMENT], second, seconds)
    magnitude = np.sqrt(sum(np.square(columns[axis]) for axis in ("x", "y", "z")))
    mean = _means(magnitude, second, seconds)
    away = np.square(magnitude - mean[second])
    return np.sqrt(_means(away, second, seconds))


def _spent(intervals: Several[Interval], names: Several[str], seconds: int) -> NDArray[np.float64]:
    """(names, seconds) how much of each second the intervals of a name cover."""
    number = {name: index for index, name in enumerate(names)}
    covered = np.zeros((len(names), seconds))
    for each in intervals:
        first, last = max(math.floor(each.start_s), 0), min(math.ceil(each.end_s), seconds)
        begin = np.arange(first, last)
        part = np.minimum(each.end_s, begin + 1) - np.maximum(each.start_s, begin)
        covered[number[each.name], first:last] += np.maximum(part, 0)
    return np.minimum(covered, 1.0)


def _zone_of(seen: Several[Interval], zones: Several[str], seconds: int) -> NDArray[np.int64]:
    if not zones:
        return np.full(seconds, UNKNOWN)
    covered = _spent(seen, zones, seconds)
    return np.where(covered.sum(axis=0) >= SEEN_LEAST_S, covered.argmax(axis=0), UNKNOWN)


def _agreed(labels: Several[NDArray[np.int64]], seconds: int) -> NDArray[np.int64]:
    if not labels:
        return np.full(seconds, UNKNOWN)
    same = np.all([each == labels[0] for each in labels], axis=0)
    return np.where(same, labels[0], UNKNOWN)
