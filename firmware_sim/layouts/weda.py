"""WEDA-FALL: wrist, Fitbit Sense, about 40 Hz; 14 young people who act falls, 11 older.

Only the folder ``40Hz`` is read. In the authors' ``50Hz`` folder the falls run at 39.9 Hz and the
daily activities at 49.8 Hz, so that counting samples tells a fall (SCIENCE 0.1); the slower
folders keep every nth sample of a burst, which is no uniform decimation.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from contract.units import STANDARD_GRAVITY_M_S2
from firmware_sim.layouts.numbers import (
    NOTE_CUT,
    Axis,
    Columns,
    as_motion,
    read_bytes,
    read_columns,
    rebuild_axis,
)
from firmware_sim.layouts.protocol import (
    Evidence,
    Listing,
    OpenSet,
    RecordedTrial,
    RefusedLayoutError,
    Unreadable,
    UnreadableFileError,
)

READ_FOLDER: Final = "40hz"
COLUMNS: Final = ("accel_time_list", "accel_x_list", "accel_y_list", "accel_z_list")
MARKS_FILE: Final = "fall_timestamps.csv"
MARKS_COLUMNS: Final = ("filename", "start_time", "end_time")

MAX_RATE_HZ: Final = 45.0
"""Trials of the 40 Hz folder run at 38.6 to 40.7 Hz, daily activities of the 50 Hz folder at 49.8:
this stands between (SCIENCE 0.1 uses the same limit to show the leak)."""
RATE_PROBES: Final = 5
"""Daily-activity files that are measured before the folder's name is believed; the median counts,
so that two damaged ones do not matter."""

SATURATION_G: Final = 3.99
"""The watch clips each axis at 39.2 m/s² (±4 g, quantised to 0.1 m/s²)."""

LAST_YOUNG: Final = 14
FIRST_OLDER: Final = 21
"""Users 1–14 are young and act falls; 21 and above are older and do not."""

_NAME = re.compile(r"^U(\d+)_R(\d+)_accel\.csv$", re.IGNORECASE)
_RATE = re.compile(r"^(50|40|25|10|5)hz$", re.IGNORECASE)
_ACTIVITY = re.compile(r"^[FD]\d\d$", re.IGNORECASE)
_MARK = re.compile(r"(F\d\d)\D+?(U\d+)_(R\d+)", re.IGNORECASE)

NOTE_NO_MARKS_FILE: Final = f"no {MARKS_FILE} beside the folder: falls carry no marks"
NOTE_NO_MARK: Final = "a fall without a mark"
NOTE_ODD_MARK: Final = "a fall's mark is left out: it ends before it begins or lies outside"
NOTE_SATURATES: Final = "an axis clips at ±4 g"
NOTE_AGE: Final = "a user number that is neither of the young nor of the older"

REFUSED: Final[Mapping[str, str]] = {
    "50hz": (
        "its falls run at 39.9 Hz and its daily activities at 49.8 Hz, so the number of samples "
        "gives the label away and any score on it is worthless"
    ),
    **dict.fromkeys(
        ("25hz", "10hz", "5hz"),
        "it keeps every nth sample of bursts, unevenly spaced, and has lost the impacts",
    ),
}


class Place(NamedTuple):
    """What a file's folders and name say."""

    folder: Path
    """The folder of the rate."""
    rate: str
    """In lower case, such as ``40hz``."""
    activity: str
    subject: str
    repetition: str

    @property
    def trial(self) -> str:
        return f"{self.subject}-{self.activity}-{self.repetition}"


def place_of(path: Path) -> Place | None:
    """Where a file belongs, from its absolute path; None if it is not of this layout."""
    name = _NAME.match(path.name)
    activity, rate = path.parent, path.parent.parent
    if not (name and _ACTIVITY.match(activity.name) and _RATE.match(rate.name)):
        return None
    user, repetition = (int(group) for group in name.groups())
    return Place(
        folder=rate,
        rate=rate.name.lower(),
        activity=activity.name.upper(),
        subject=f"U{user:02d}",
        repetition=f"R{repetition:02d}",
    )


@dataclass(frozen=True)
class Weda:
    """The reader of WEDA-FALL."""

    name: str = "weda"
    title: str = "WEDA-FALL"
    version: int = 1
    looked_for: str = "dataset/40Hz/F01/U01_R01_accel.csv"
    placements: tuple[str, ...] = ("wrist",)
    automatic: bool = True

    def detect(self, listing: Listing) -> Evidence:
        found = [path for path in listing.files if place_of(path)]
        near = sum(1 for path in listing.files if _NAME.match(path.name))
        example = listing.name(found[0]) if found else ""
        return Evidence(self.name, len(found), example, near)

    def open(self, listing: Listing, placement: str | None) -> OpenSet:
        places = {path: place for path in listing.files if (place := place_of(path))}
        rates = Counter(place.rate for place in places.values())
        if READ_FOLDER not in rates:
            raise RefusedLayoutError(_refusal(listing, rates))
        chosen = [path for path, place in places.items() if place.rate == READ_FOLDER]
        check_rate(listing, [path for path in chosen if places[path].activity[0] == "D"])
        marks, problems, notes = _read_all_marks(listing, [places[path].folder for path in chosen])

        def read(path: Path) -> Iterator[RecordedTrial]:
            yield read_trial(path, places[path], marks, listing.name(path))

        return OpenSet(chosen, read, problems, notes)


def _refusal(listing: Listing, rates: Mapping[str, int]) -> str:
    # The fastest folder first: it is the one that the user meant.
    names = sorted(rates, key=lambda rate: -int(rate.removesuffix("hz")))
    reasons = "; ".join(f"{name.replace('hz', 'Hz')}: {REFUSED[name]}" for name in names)
    return f"{listing.root}: WEDA-FALL is refused here. {reasons}. Point at the set's 40Hz folder."


def check_rate(listing: Listing, daily: Sequence[Path]) -> None:
    """Refuse a 50 Hz folder that somebody has renamed.

    Raises
    ------
    RefusedLayoutError
        If the median rate of a few daily activities is above `MAX_RATE_HZ`.
    """
    rates = []
    for path in daily[:: max(1, len(daily) // RATE_PROBES)][:RATE_PROBES]:
        try:
            rates.append(_read_axis(path)[1].rate_hz)
        except (UnreadableFileError, OSError):
            continue  # reported when its turn to be read comes
    if rates and float(np.median(rates)) > MAX_RATE_HZ:
        raise RefusedLayoutError(
            f"{listing.root}: the folder is called 40Hz, but its daily activities run at "
            f"{float(np.median(rates)):.1f} Hz, as in the authors' 50Hz folder: {REFUSED['50hz']}."
        )


Marks = Mapping[tuple[Path, str], tuple[float, float]]


def _read_all_marks(
    listing: Listing, folders: Sequence[Path]
) -> tuple[Marks, tuple[Unreadable, ...], tuple[str, ...]]:
    """Marks by rate folder and trial: they lie beside the rate folders, perhaps above the root."""
    marks: dict[tuple[Path, str], tuple[float, float]] = {}
    problems: list[Unreadable] = []
    notes: list[str] = []
    for folder in sorted(set(folders)):
        path = folder.parent / MARKS_FILE
        if not path.is_file():
            notes.append(NOTE_NO_MARKS_FILE)
            continue
        try:
            found, bad = read_marks(read_bytes(path))
        except (UnreadableFileError, OSError) as error:
            problems.append(Unreadable(listing.name(path), str(error)))
            continue
        marks.update({(folder, trial): mark for trial, mark in found.items()})
        problems += [Unreadable(f"{listing.name(path)}:{line}", why) for line, why in bad]
    return marks, tuple(problems), tuple(notes)


def read_marks(data: bytes) -> tuple[dict[str, tuple[float, float]], list[tuple[int, str]]]:
    """Read ``filename,start_time,end_time`` (with a byte-order mark), seconds on the file's axis.

    Returns
    -------
    tuple
        Start and end by trial (``U01-F01-R01``), and the lines that could not be read with the
        reasons.

    Raises
    ------
    UnreadableFileError
        If the header is another.
    """
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace")))
    header = [name.strip() for name in next(rows, [])]
    if header != list(MARKS_COLUMNS):
        raise UnreadableFileError(f"the header is {header}, expected {list(MARKS_COLUMNS)}")
    marks: dict[str, tuple[float, float]] = {}
    bad: list[tuple[int, str]] = []
    for line, row in enumerate(rows, start=2):
        if not any(field.strip() for field in row):
            continue
        name = _MARK.search(row[0])
        try:
            start, end = (float(field) for field in row[1:])
        except ValueError:
            bad.append((line, f"expected a file name and two times, found {row}"))
            continue
        if name is None:
            bad.append((line, f"{row[0]!r} names no fall, user and repetition"))
            continue
        activity, user, repetition = (group.upper() for group in name.groups())
        marks[f"{user}-{activity}-{repetition}"] = (start, end)
    return marks, bad


def _read_axis(path: Path) -> tuple[Columns, Axis]:
    columns = read_columns(read_bytes(path), COLUMNS, header=True)
    return columns, rebuild_axis(columns.floats(COLUMNS[0])[0])


def read_trial(path: Path, place: Place, marks: Marks, source: str) -> RecordedTrial:
    """Read one file.

    Raises
    ------
    UnreadableFileError, OSError
        With the reason.
    """
    columns, axis = _read_axis(path)
    if axis.rate_hz > MAX_RATE_HZ:
        raise UnreadableFileError(
            f"runs at {axis.rate_hz:.1f} Hz inside the 40 Hz folder: a rate that differs between "
            "trials gives the label away"
        )
    samples = as_motion(columns.floats(*COLUMNS[1:]) / STANDARD_GRAVITY_M_S2, axis.rate_hz)
    notes = list(axis.notes)
    notes += [NOTE_CUT] * columns.cut
    notes += [NOTE_SATURATES] * bool(np.abs(samples).max() >= SATURATION_G)
    is_fall = place.activity.startswith("F")
    start, end = None, None
    if is_fall:
        duration = samples.shape[1] / axis.rate_hz
        mark = marks.get((place.folder, place.trial))
        start, end, note = _mark_in_trial(mark, axis.first_s, duration)
        notes += [note] * bool(note)
    user = int(place.subject[1:])
    age_group = "young" if user <= LAST_YOUNG else "older" if user >= FIRST_OLDER else None
    notes += [NOTE_AGE] * (age_group is None)
    return RecordedTrial(
        dataset="weda",
        trial=place.trial,
        subject=place.subject,
        placement="wrist",
        age_group=age_group,
        activity=place.activity,
        is_fall=is_fall,
        fall_start_s=start,
        fall_end_s=end,
        rate_hz=axis.rate_hz,
        samples_g=samples,
        source=source,
        notes=tuple(notes),
    )


def _mark_in_trial(
    mark: tuple[float, float] | None, first_s: float, duration_s: float
) -> tuple[float | None, float | None, str]:
    """A mark in seconds after the first sample, or None with the note that says why."""
    if mark is None:
        return None, None, NOTE_NO_MARK
    start, end = mark[0] - first_s, mark[1] - first_s
    if not (start < end and start < duration_s and end > 0):
        return None, None, NOTE_ODD_MARK
    return start, end, ""
