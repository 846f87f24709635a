"""SmartFallMM: a watch, a phone and two Meta sensors on young and older people.

The files have no header: a time stamp and x, y, z in m/s² (watch, phone), or six columns that end
in x, y, z in g (Meta). Stamps come in bursts and sometimes run backwards. Some subjects' files
repeat another's: `firmware_sim.layouts.importing` leaves repeats out, by content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.units import EPOCH, STANDARD_GRAVITY_M_S2
from firmware_sim.layouts.numbers import (
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    NOTE_CUT,
    NOTE_GAP,
    Axis,
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
    UnreadableFileError,
)

FALLS: Final = frozenset(f"A{number}" for number in range(10, 15))
AGE_GROUPS: Final = {"young": "young", "old": "older"}


class Device(NamedTuple):
    """How one device of the set is published."""

    placement: str
    columns: tuple[str, ...]
    stamps: tuple[str, ...]
    """Columns that may hold the time, the most regular first."""
    g_per_unit: float
    nominal_hz: float | None
    """None where no rate is stated: the stamps decide alone."""


_MOBILE_COLUMNS = ("time", "x", "y", "z")
_META_COLUMNS = ("first", "second", "third", "x", "y", "z")
_META_STAMPS = ("third", "first", "second")

DEVICES: Final[Mapping[str, Device]] = {
    "watch": Device("wrist", _MOBILE_COLUMNS, ("time",), 1 / STANDARD_GRAVITY_M_S2, 32.0),
    "phone": Device("phone", _MOBILE_COLUMNS, ("time",), 1 / STANDARD_GRAVITY_M_S2, None),
    "meta_wrist": Device("wrist", _META_COLUMNS, _META_STAMPS, 1.0, None),
    "meta_hip": Device("waist", _META_COLUMNS, _META_STAMPS, 1.0, None),
}

RATE_TOLERANCE: Final = 0.05
"""A watch's own clock and scheduling; beyond this and what a burst explains, the stamps are
believed and not the nominal rate."""

NOTE_NOMINAL: Final = "time stamps tell no rate: the nominal rate is used"
NOTE_OTHER_RATE: Final = "time stamps contradict the nominal rate: the measured rate is used"

_NAME = re.compile(r"^S(\d+)A(\d+)T(\d+)\.csv$", re.IGNORECASE)


class Place(NamedTuple):
    """What a file's folders and name say."""

    group: str
    device: str
    subject: str
    activity: str
    attempt: str

    @property
    def trial(self) -> str:
        """As the development set names watch trials; other devices add theirs, to be unique."""
        name = f"{self.subject}-{self.activity}-{self.attempt}"
        return name if self.device == "watch" else f"{name}-{self.device}"


def place_of(path: Path) -> Place | None:
    """Where a file belongs, from its absolute path; None if it is not of this layout."""
    name = _NAME.match(path.name)
    if name is None or len(path.parts) < 4:
        return None
    group, sensor, device = (part.lower() for part in path.parts[-4:-1])
    if group not in AGE_GROUPS or sensor != "accelerometer" or device not in DEVICES:
        return None
    subject, activity, attempt = (int(part) for part in name.groups())
    return Place(group, device, f"{group}-S{subject:02d}", f"A{activity:02d}", f"T{attempt:02d}")


@dataclass(frozen=True)
class SmartFallMM:
    """The reader of SmartFallMM."""

    name: str = "smartfallmm"
    title: str = "SmartFallMM"
    version: int = 1
    looked_for: str = "young/accelerometer/watch/S28A10T01.csv"
    placements: tuple[str, ...] = ("wrist", "waist", *DEVICES)
    automatic: bool = True

    def detect(self, listing: Listing) -> Evidence:
        found = [path for path in listing.files if place_of(path)]
        near = sum(1 for path in listing.files if _NAME.match(path.name))
        example = listing.name(found[0]) if found else ""
        return Evidence(self.name, len(found), example, near)

    def open(self, listing: Listing, placement: str | None) -> OpenSet:
        places = {path: place for path in listing.files if (place := place_of(path))}
        chosen = [
            path
            for path, place in places.items()
            if placement in (None, place.device, DEVICES[place.device].placement)
        ]

        def read(path: Path) -> Iterator[RecordedTrial]:
            yield read_trial(path, places[path], listing.name(path))

        return OpenSet(chosen, read)


def read_trial(path: Path, place: Place, source: str) -> RecordedTrial:
    """Read one file.

    Raises
    ------
    UnreadableFileError, OSError
        With the reason.
    """
    device = DEVICES[place.device]
    columns = read_columns(read_bytes(path), device.columns, text=device.stamps)
    axis = find_axis([columns.by_name[name] for name in device.stamps], device.nominal_hz)
    samples = columns.floats("x", "y", "z") * device.g_per_unit
    return RecordedTrial(
        dataset=f"smartfall_{place.device}",
        trial=place.trial,
        subject=place.subject,
        placement=device.placement,
        age_group=AGE_GROUPS[place.group],
        activity=place.activity,
        is_fall=place.activity in FALLS,
        fall_start_s=None,
        fall_end_s=None,
        rate_hz=axis.rate_hz,
        samples_g=as_motion(samples, axis.rate_hz),
        source=source,
        notes=axis.notes + (NOTE_CUT,) * columns.cut,
    )


def find_axis(stamps: list[Any], nominal_hz: float | None) -> Axis:
    """The uniform axis of a trial, from the first column of stamps that makes sense.

    A trial lasts a few seconds and a burst a good part of one, so count over duration may be off
    by the longest gap: within that, a stated nominal rate is the better estimate.

    Raises
    ------
    UnreadableFileError
        If no column tells a rate and none is stated.
    """
    reason = ""
    for column in stamps:
        try:
            axis = rebuild_axis(stamps_in_seconds(column.to_pylist()))
        except UnreadableFileError as error:
            reason = reason or str(error)
            continue
        return _prefer_nominal(axis, len(column), nominal_hz)
    if nominal_hz is None:
        raise UnreadableFileError(f"no column of time stamps tells a rate: {reason}")
    return Axis(nominal_hz, 0.0, 0.0, (NOTE_NOMINAL,))


def _prefer_nominal(axis: Axis, count: int, nominal_hz: float | None) -> Axis:
    if nominal_hz is None:
        return axis
    burst = axis.longest_gap_s * axis.rate_hz / count
    ratio = axis.rate_hz / nominal_hz
    if abs(ratio - 1) <= RATE_TOLERANCE + burst:
        # Bursts make a trial look faster, never slower: only lost samples do that.
        lost = ratio < 1 - RATE_TOLERANCE
        notes = tuple(note for note in axis.notes if lost or note != NOTE_GAP)
        return axis._replace(rate_hz=nominal_hz, notes=notes)
    return axis._replace(notes=(*axis.notes, NOTE_OTHER_RATE))


def stamps_in_seconds(texts: list[str]) -> NDArray[np.float64]:
    """Stamps as seconds after the first: numbers of s, ms, µs or ns, or dates as ISO 8601 has them.

    The unit is the one that makes the rate one of a sensor; units are 1,000 apart and possible
    rates are not, so no two fit.

    Raises
    ------
    UnreadableFileError
        If a stamp is neither, or no unit fits.
    """
    try:
        # Whole numbers first: nanoseconds since 1970 do not fit into a float.
        whole = [int(text) for text in texts]
        values = np.array([value - whole[0] for value in whole], dtype=np.float64)
    except (ValueError, OverflowError):
        try:
            values = np.array([float(text) for text in texts])
        except ValueError:
            return _dates_in_seconds(texts)
        if not np.isfinite(values).all():
            raise UnreadableFileError("a time stamp is not finite") from None
    span = float(values.max()) - float(values.min())
    for per_second in (1.0, 1e3, 1e6, 1e9):
        if span and MIN_RATE_HZ <= (len(values) - 1) * per_second / span <= MAX_RATE_HZ:
            return values / per_second
    raise UnreadableFileError(f"{len(values)} stamps span {span:g}: no unit of time makes a rate")


def _dates_in_seconds(texts: list[str]) -> NDArray[np.float64]:
    try:
        moments = [datetime.fromisoformat(text.strip()) for text in texts]
    except ValueError as error:
        raise UnreadableFileError(f"a time stamp is no number and no date: {error}") from None
    # Only differences count, so a stamp without a zone may be taken as UTC.
    zoned = [m if m.tzinfo else m.replace(tzinfo=EPOCH.tzinfo) for m in moments]
    return np.array([(moment - zoned[0]).total_seconds() for moment in zoned])
