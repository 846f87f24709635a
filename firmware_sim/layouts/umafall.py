"""UMAFall: five sensors at once; the one at the wrist and the one at the waist are read.

A header of ``%`` lines names the person's age and each sensor (MAC; id; position; model); then
``time ms; sample; x; y; z; type; sensor id`` with accelerometer, gyroscope and magnetometer rows
mixed. Accelerometer rows (type 0) are in g.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from contract.units import MS_PER_S
from firmware_sim.layouts.numbers import (
    NOTE_CUT,
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
    Unreadable,
    UnreadableFileError,
)

COLUMNS: Final = ("time_ms", "sample", "x", "y", "z", "type", "sensor")
ACCELEROMETER: Final = 0
PLACEMENTS: Final = ("wrist", "waist")

OLDER_FROM_YEARS: Final = 60
"""The age at which SisFall's older group begins; UMAFall states ages and no groups."""

NOTE_NO_AGE: Final = "the header states no age"
NOTE_NO_WRIST: Final = "no sensor at the wrist in this file"

_NAME = re.compile(
    r"^UMAFall_Subject_(\d+)_(ADL|Fall)_(.+?)_(\d+)_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)\.csv$",
    re.IGNORECASE,
)
_AGE = re.compile(r"^%\s*Age\b\D*(\d+)", re.IGNORECASE | re.MULTILINE)


class Header(NamedTuple):
    """What the ``%`` lines say."""

    age_years: int | None
    sensors: dict[int, str]
    """Position, in lower case, by sensor id."""


@dataclass(frozen=True)
class UmaFall:
    """The reader of UMAFall."""

    name: str = "umafall"
    title: str = "UMAFall"
    version: int = 1
    looked_for: str = "UMAFall_Subject_01_ADL_Aplausing_1_2017-04-14_23-38-23.csv"
    placements: tuple[str, ...] = PLACEMENTS
    automatic: bool = True

    def detect(self, listing: Listing) -> Evidence:
        found = [path for path in listing.files if _NAME.match(path.name)]
        near = sum(1 for path in listing.files if path.name.lower().startswith("umafall"))
        example = listing.name(found[0]) if found else ""
        return Evidence(self.name, len(found), example, near)

    def open(self, listing: Listing, placement: str | None) -> OpenSet:
        wanted = (placement,) if placement else PLACEMENTS

        def read(path: Path) -> Iterator[RecordedTrial | Unreadable]:
            return read_trials(path, wanted, listing.name(path))

        return OpenSet([path for path in listing.files if _NAME.match(path.name)], read)


def read_trials(
    path: Path, wanted: tuple[str, ...], source: str
) -> Iterator[RecordedTrial | Unreadable]:
    """Read one file: a trial for each wanted position that it has; one may fail by itself.

    Raises
    ------
    UnreadableFileError, OSError
        With the reason; also if the file has none of the wanted positions.
    """
    name = _NAME.match(path.name)
    if name is None:
        raise UnreadableFileError("not a name of this layout")
    subject, kind, activity, attempt, stamp = name.groups()
    header, body = split_header(read_bytes(path))
    chosen = {
        position: sensor
        for position in wanted
        for sensor, where in sorted(header.sensors.items())
        if position in where
    }
    if not chosen:
        places = ", ".join(sorted(header.sensors.values())) or "none"
        raise UnreadableFileError(
            f"no sensor at the {' or '.join(wanted)}; the header names: {places}"
        )
    columns = read_columns(body, COLUMNS, separator=";")
    is_fall = kind.lower() == "fall"
    age = header.age_years
    notes = (NOTE_CUT,) * columns.cut + (NOTE_NO_AGE,) * (age is None)
    notes += (NOTE_NO_WRIST,) * ("wrist" in wanted and "wrist" not in chosen)
    for position, sensor in chosen.items():
        try:
            trial = read_sensor(columns, sensor, position)
        except UnreadableFileError as error:
            yield Unreadable(source, f"{position}: {error}")
            continue
        yield trial._replace(
            trial=f"S{int(subject):02d}-{kind}-{activity}-{int(attempt):02d}-{stamp}-{position}",
            subject=f"S{int(subject):02d}",
            age_group=_age_group(age),
            activity=activity,
            is_fall=is_fall,
            source=source,
            notes=notes + trial.notes,
        )


def _age_group(age_years: int | None) -> str | None:
    if age_years is None:
        return None
    return "older" if age_years >= OLDER_FROM_YEARS else "young"


def split_header(data: bytes) -> tuple[Header, bytes]:
    """The header's content, and the rows after it."""
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    head = [line for line in lines if line.lstrip().startswith(b"%")]
    body = b"".join(line for line in lines if not line.lstrip().startswith(b"%"))
    text = b"".join(head).decode("utf-8", "replace")
    sensors: dict[int, str] = {}
    for line in text.splitlines():
        fields = [part.strip() for part in line.lstrip("% \t").split(";")]
        # MAC; id; position; model. The line that names the columns has seven fields.
        if len(fields) in (4, 5) and fields[1].isdecimal():
            sensors[int(fields[1])] = fields[2].lower()
    age = _AGE.search(text)
    return Header(int(age.group(1)) if age else None, sensors), body


def read_sensor(columns: Columns, sensor: int, position: str) -> RecordedTrial:
    """The accelerometer of one sensor, as a trial that still lacks what the file's name says.

    Raises
    ------
    UnreadableFileError
        If the sensor has no rows, or they are not motion.
    """
    values = columns.floats(*COLUMNS)
    by_name = dict(zip(COLUMNS, values, strict=True))
    rows = (by_name["type"] == ACCELEROMETER) & (by_name["sensor"] == sensor)
    if not rows.any():
        raise UnreadableFileError("the sensor has no accelerometer rows")
    axis = rebuild_axis(by_name["time_ms"][rows] / MS_PER_S)
    return RecordedTrial(
        dataset="umafall",
        trial="",
        subject="",
        placement=position,
        age_group=None,
        activity="",
        is_fall=False,
        fall_start_s=None,
        fall_end_s=None,
        rate_hz=axis.rate_hz,
        samples_g=as_motion(values[2:5, rows], axis.rate_hz),
        notes=axis.notes,
    )
