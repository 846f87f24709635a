"""SisFall: a belt with three sensors, 200 Hz; 23 young people and 15 older ones.

Lines of nine integers closed by a semicolon: ADXL345 (±16 g), ITG3200 (gyroscope), MMA8451Q
(±8 g). The ADXL345 is read, as its range holds the impacts; the MMA8451Q is the variant
``sisfall_mma8451``, which must be asked for by name, as both are the same trials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_sim.layouts.numbers import NOTE_CUT, as_motion, read_bytes, read_columns
from firmware_sim.layouts.protocol import (
    Evidence,
    Listing,
    OpenSet,
    RecordedTrial,
    UnreadableFileError,
)

RATE_HZ: Final = 200.0
"""Stated by the authors; the files hold no time stamps. It is kept: the development set's 50 Hz
files are a resampling of it."""

ADXL345_G_PER_COUNT: Final = 32 / 8192
"""±16 g over 13 bits."""
MMA8451_G_PER_COUNT: Final = 16 / 16384
"""±8 g over 14 bits."""

COLUMNS: Final = (
    *(f"adxl345_{axis}" for axis in "xyz"),
    *(f"itg3200_{axis}" for axis in "xyz"),
    *(f"mma8451_{axis}" for axis in "xyz"),
)
AGE_GROUPS: Final = {"SA": "young", "SE": "older"}

_NAME = re.compile(r"^([DF]\d\d)_(S[AE])(\d\d)_R(\d\d)\.txt$", re.IGNORECASE)


@dataclass(frozen=True)
class SisFall:
    """The reader of SisFall, for one of its two accelerometers."""

    name: str = "sisfall"
    title: str = "SisFall"
    version: int = 1
    looked_for: str = "SA01/D01_SA01_R01.txt"
    placements: tuple[str, ...] = ("waist",)
    automatic: bool = True
    sensor: str = "adxl345"
    g_per_count: float = ADXL345_G_PER_COUNT

    def detect(self, listing: Listing) -> Evidence:
        found = [path for path in listing.files if _NAME.match(path.name)]
        example = listing.name(found[0]) if found else ""
        return Evidence(self.name, len(found), example, len(found))

    def open(self, listing: Listing, placement: str | None) -> OpenSet:
        def read(path: Path) -> Iterator[RecordedTrial]:
            yield self.read_trial(path, listing.name(path))

        return OpenSet([path for path in listing.files if _NAME.match(path.name)], read)

    def read_trial(self, path: Path, source: str) -> RecordedTrial:
        """Read one file.

        Raises
        ------
        UnreadableFileError, OSError
            With the reason.
        """
        name = _NAME.match(path.name)
        if name is None:
            raise UnreadableFileError(f"not a name like {self.looked_for}")
        activity, group, person, repetition = (part.upper() for part in name.groups())
        data, cut = _without_semicolons(read_bytes(path))
        columns = read_columns(data, COLUMNS)
        counts = columns.floats(*(f"{self.sensor}_{axis}" for axis in "xyz"))
        return RecordedTrial(
            dataset=self.name,
            trial=f"{group}{person}-{activity}-R{repetition}",
            subject=f"{group}{person}",
            placement="waist",
            age_group=AGE_GROUPS[group],
            activity=activity,
            is_fall=activity.startswith("F"),
            fall_start_s=None,
            fall_end_s=None,
            rate_hz=RATE_HZ,
            samples_g=as_motion(counts * self.g_per_count, RATE_HZ),
            source=source,
            notes=(NOTE_CUT,) * (cut or columns.cut),
        )


def _without_semicolons(data: bytes) -> tuple[bytes, bool]:
    """Lines without their closing semicolon; a last line that lacks it was cut off in a number."""
    body, semicolon, rest = data.rpartition(b";")
    if not semicolon:
        raise UnreadableFileError("no line is closed by a semicolon")
    cut = bool(rest.strip())
    return body.replace(b";", b""), cut
