"""SPHERE Challenge: one real house; a wrist sensor and the access points that hear it, PIR, rooms.

Cite Twomey et al. 2016. `sequences` gives all of it for the study of whereabouts; as a layout of
motion, each sequence is one long trial of home life without a fall.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from firmware_sim.layouts.numbers import (
    NOTE_CUT,
    as_motion,
    check_range,
    read_bytes,
    read_columns,
    rebuild_axis,
)
from firmware_sim.layouts.protocol import (
    Evidence,
    Listing,
    OpenSet,
    RecordedTrial,
    Unreadable,
    UnreadableFileError,
)

MOTION_FILE: Final = "acceleration.csv"
MOTION_COLUMNS: Final = ("t", "x", "y", "z")
INTERVAL_COLUMNS: Final = ("start", "end", "name", "index")

MIN_RSSI_DBM: Final = -128.0
MAX_RSSI_DBM: Final = 20.0
"""What one signed byte of a Bluetooth report can say (Core Specification 5.4, Vol 4 Part E)."""

_SEQUENCE = re.compile(r"^\d{5}$")
_LOCATION = re.compile(r"^location_(\d+)\.csv$")
_ANNOTATION = re.compile(r"^annotations_(\d+)\.csv$")


class Interval(NamedTuple):
    """Something that was so from `start_s` to `end_s`, in seconds of the sequence."""

    start_s: float
    end_s: float
    name: str
    """A room, or an activity."""
    number: int
    """The authors' index of the name."""


class Wrist(NamedTuple):
    """What the wrist sensor measured and who heard it."""

    t_s: NDArray[np.float64]
    """Shape (samples,): seconds of the sequence, as published."""
    acceleration_g: NDArray[np.float32]
    """Shape (3, samples)."""
    access_points: tuple[str, ...]
    rssi_dbm: NDArray[np.float32]
    """Shape (access points, samples); NaN where this access point did not hear the packet."""
    cut: bool
    """Whether a cut-off last line was left out."""


class SphereSequence(NamedTuple):
    """One recorded visit to the house."""

    name: str
    """Such as ``train-00001``."""
    wrist: Wrist
    pir: tuple[Interval, ...] | None
    """None where the file is not published for this sequence."""
    locations: Mapping[int, tuple[Interval, ...]]
    """By annotator: the rooms as seen by a person."""
    annotations: Mapping[int, tuple[Interval, ...]]
    """By annotator: activities."""


@dataclass(frozen=True)
class Sphere:
    """The reader of SPHERE's motion."""

    name: str = "sphere"
    title: str = "SPHERE Challenge"
    version: int = 1
    looked_for: str = "train/00001/acceleration.csv"
    placements: tuple[str, ...] = ("wrist",)
    automatic: bool = True

    def detect(self, listing: Listing) -> Evidence:
        found = motion_files(listing)
        near = sum(1 for path in listing.files if path.name == MOTION_FILE)
        example = listing.name(found[0]) if found else ""
        return Evidence(self.name, len(found), example, near)

    def open(self, listing: Listing, placement: str | None) -> OpenSet:
        def read(path: Path) -> Iterator[RecordedTrial]:
            yield read_motion(path, listing.name(path))

        return OpenSet(motion_files(listing), read)


def motion_files(listing: Listing) -> list[Path]:
    """The motion file of each sequence (a folder named by five digits)."""
    return [
        path
        for path in listing.files
        if path.name == MOTION_FILE and _SEQUENCE.match(path.parent.name)
    ]


def sequence_name(path: Path) -> str:
    """``train-00001`` for any file of that sequence."""
    return f"{path.parent.parent.name}-{path.parent.name}"


def sequences(listing: Listing) -> Iterator[SphereSequence | Unreadable]:
    """Each sequence in order; a file that cannot be read is named, and the rest goes on."""
    yield from listing.problems
    for motion in motion_files(listing):
        try:
            wrist = read_wrist(motion)
        except (UnreadableFileError, OSError) as error:
            yield Unreadable(listing.name(motion), str(error))
            continue
        pir: tuple[Interval, ...] | None = None
        locations: dict[int, tuple[Interval, ...]] = {}
        annotations: dict[int, tuple[Interval, ...]] = {}
        for path in sorted(listing_of(listing, motion.parent)):
            location, annotation = _LOCATION.match(path.name), _ANNOTATION.match(path.name)
            if not (location or annotation or path.name == "pir.csv"):
                continue
            try:
                intervals = tuple(read_intervals(read_bytes(path)))
            except (UnreadableFileError, OSError) as error:
                yield Unreadable(listing.name(path), str(error))
                continue
            if location:
                locations[int(location.group(1))] = intervals
            elif annotation:
                annotations[int(annotation.group(1))] = intervals
            else:
                pir = intervals
        yield SphereSequence(sequence_name(motion), wrist, pir, locations, annotations)


def listing_of(listing: Listing, folder: Path) -> list[Path]:
    """The listed files directly in a folder."""
    return [path for path in listing.files if path.parent == folder]


def read_wrist(path: Path) -> Wrist:
    """Read ``t,x,y,z`` and one column for each access point.

    Raises
    ------
    UnreadableFileError, OSError
        With the reason.
    """
    data = read_bytes(path)
    first = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    header = [name.strip() for name in first.decode("utf-8", "replace").split(",")]
    if tuple(header[:4]) != MOTION_COLUMNS or len(set(header)) != len(header):
        raise UnreadableFileError(f"the header is {header}, expected t,x,y,z and access points")
    access_points = tuple(header[4:])
    columns = read_columns(data, header, header=True, may_be_empty=access_points)
    values = columns.floats(*MOTION_COLUMNS)
    check_range(values[1:])
    rssi = columns.floats_or_nan(*access_points)
    heard = rssi[~np.isnan(rssi)]
    if ((heard < MIN_RSSI_DBM) | (heard > MAX_RSSI_DBM)).any():
        raise UnreadableFileError("an RSSI is no value in dBm")
    return Wrist(
        t_s=values[0],
        acceleration_g=values[1:].astype(np.float32),
        access_points=access_points,
        rssi_dbm=rssi.astype(np.float32),
        cut=columns.cut,
    )


def read_motion(path: Path, source: str) -> RecordedTrial:
    """One sequence as a trial.

    Raises
    ------
    UnreadableFileError, OSError
        With the reason.
    """
    wrist = read_wrist(path)
    axis = rebuild_axis(wrist.t_s)
    return RecordedTrial(
        dataset="sphere_daily",
        trial=sequence_name(path),
        subject=sequence_name(path),
        placement="wrist",
        age_group=None,
        activity="home",
        is_fall=False,
        fall_start_s=None,
        fall_end_s=None,
        rate_hz=axis.rate_hz,
        samples_g=as_motion(wrist.acceleration_g.astype(np.float64), axis.rate_hz),
        source=source,
        notes=axis.notes + (NOTE_CUT,) * wrist.cut,
    )


def read_intervals(data: bytes) -> Iterator[Interval]:
    """Read ``start,end,name,index``.

    Raises
    ------
    UnreadableFileError
        With the line and the reason.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    header = [name.strip() for name in next(rows, [])]
    if header != list(INTERVAL_COLUMNS):
        raise UnreadableFileError(f"the header is {header}, expected {list(INTERVAL_COLUMNS)}")
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != len(INTERVAL_COLUMNS):
            raise UnreadableFileError(f"line {line} has {len(row)} columns, expected 4")
        start = _field(line, row[0], float)
        end = _field(line, row[1], float)
        if not start <= end:
            raise UnreadableFileError(f"line {line} ends ({end:g} s) before it starts ({start:g})")
        yield Interval(start, end, row[2].strip(), _field(line, row[3], int))


Number = TypeVar("Number", int, float)


def _field(line: int, text: str, kind: Callable[[str], Number]) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise UnreadableFileError(f"line {line}: {text!r} is no number") from None
