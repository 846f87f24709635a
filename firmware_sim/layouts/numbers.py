"""Numbers out of files, and what must hold before they count as motion.

Published files are cut off, have Windows line ends, byte-order marks, and stamps that are the
arrival of packets and not the time of samples. What can be repaired without guessing is
repaired and noted; anything else makes the file unreadable, with the reason.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from firmware_sim.layouts.protocol import UnreadableFileError

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""The largest file of the sets is a few MB; a hundred times that is not one of them."""

MIN_DURATION_S: Final = 1.0
"""A trial of less than a second holds neither a fall (its impact and what follows take two) nor
an activity; the shortest of the published ones has 2 s."""

MIN_RATE_HZ: Final = 8.0
MAX_RATE_HZ: Final = 250.0
"""The published sensors run at 18 to 200 Hz. A rate outside these limits comes from damaged
stamps or from a misread unit (units of time are 1,000 apart, these limits 31)."""

MIN_MEDIAN_G: Final = 0.4
MAX_MEDIAN_G: Final = 5.0
"""The median of |a| over a trial: 0.78 (belt) to 2.42 g (jogging, wrist) over 4,100 published
trials. Outside these limits the unit or the columns are not what the layout says: m/s² taken as
g lies near 9.8, g taken as m/s² near 0.1."""

MAX_AXIS_G: Final = 100.0
"""No sensor of the sets measures more than ±16 g."""

LONG_GAP_S: Final = 0.25
"""A packet holds about 0.1 s; beyond this, samples are missing (31 WEDA files: SCIENCE 0)."""

MAX_REASON_CHARACTERS: Final = 200
"""Enough for a row of nine integers and what is wrong with it."""

NOTE_CUT: Final = "the last line is cut off and left out"
NOTE_BACKWARD: Final = "time stamps step backwards (they are arrivals; the order of the file holds)"
NOTE_GAP: Final = f"time stamps leave a gap of more than {LONG_GAP_S} s"


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises
    ------
    UnreadableFileError
        If it is empty or larger than `MAX_FILE_BYTES`.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise UnreadableFileError(f"{size} bytes: larger than any file of these sets")
    data = path.read_bytes()
    if not data.strip():
        raise UnreadableFileError("the file is empty")
    return data


class Columns(NamedTuple):
    """The columns of a file of numbers."""

    by_name: dict[str, Any]
    """pyarrow arrays, all of one length."""
    cut: bool
    """Whether a cut-off last line was left out."""

    def floats(self, *names: str) -> NDArray[np.float64]:
        """Shape (names, rows); raises `UnreadableFileError` where a value is missing."""
        values = self.floats_or_nan(*names)
        holes = np.flatnonzero(~np.isfinite(values).all(axis=0))
        if len(holes):
            raise UnreadableFileError(
                f"sample {holes[0] + 1} of {values.shape[1]}: a value is missing or no number"
            )
        return values

    def floats_or_nan(self, *names: str) -> NDArray[np.float64]:
        """Shape (names, rows); NaN where a value is missing."""
        if not names:
            return np.empty((0, len(next(iter(self.by_name.values())))))
        return np.stack([_as_floats(self.by_name[name]) for name in names])


def read_columns(
    data: bytes,
    names: Sequence[str],
    *,
    text: Sequence[str] = (),
    may_be_empty: Sequence[str] = (),
    separator: str = ",",
    header: bool = False,
) -> Columns:
    """Parse rows of numbers.

    Parameters
    ----------
    data
        The file; a byte-order mark and Windows line ends are allowed.
    names
        The columns, in order; with `header`, the file's first line must name exactly these.
    text
        Columns to keep as text.
    may_be_empty
        Columns of numbers that have no value in every row.
    separator
        One character.
    header
        Whether the first line is a header.

    Raises
    ------
    UnreadableFileError
        With the row and the reason. Only the very last line may be short: a download or a
        recording that was cut off.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if header:
        data = _without_header(data, names, separator)
    data, cut = _without_cut_line(
        data, [name not in (*text, *may_be_empty) for name in names], separator
    )
    if not data.strip():
        raise UnreadableFileError("no complete line of samples")
    types = {name: pa.string() if name in text else pa.float64() for name in names}
    try:
        table = pa_csv.read_csv(
            io.BytesIO(data),
            read_options=pa_csv.ReadOptions(column_names=list(names), use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=separator, quote_char=False),
            convert_options=pa_csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise UnreadableFileError(_plain(error)) from None
    return Columns({name: table.column(name) for name in names}, cut)


def _without_header(data: bytes, names: Sequence[str], separator: str) -> bytes:
    first, _, rest = data.partition(b"\n")
    found = [name.strip() for name in first.decode("utf-8", "replace").split(separator)]
    if found != list(names):
        raise UnreadableFileError(f"the header is {found}, expected {list(names)}")
    return rest


def _without_cut_line(data: bytes, numeric: Sequence[bool], separator: str) -> tuple[bytes, bool]:
    """Leave out a last line that has too few fields, or ends in the middle of a number."""
    body = data.rstrip()
    before, newline, last = body.rpartition(b"\n")
    fields = last.split(separator.encode())
    short = len(fields) < len(numeric)
    if len(fields) == len(numeric):
        short = not all(_is_number(f) for f, number in zip(fields, numeric, strict=True) if number)
    return (before + newline, True) if short else (body + b"\n", False)


def _plain(error: Exception) -> str:
    """A parser's message as one short line; it quotes the file, which may be anything."""
    text = "".join(c if c.isprintable() else " " for c in str(error))
    return f"rows of samples: {' '.join(text.split())[:MAX_REASON_CHARACTERS]}"


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _as_floats(column: Any) -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


class Axis(NamedTuple):
    """The uniform axis of a trial, rebuilt from count and duration."""

    rate_hz: float
    first_s: float
    """The earliest stamp; marks are counted from it."""
    longest_gap_s: float
    notes: tuple[str, ...]


def rebuild_axis(stamps_s: NDArray[np.float64]) -> Axis:
    """A uniform axis for samples whose stamps are arrivals of packets.

    The rate is (samples − 1) / (latest − earliest stamp). Single stamps are not used: within a
    burst they are 1 ms apart, between bursts 0.1 s, and some run backwards (SCIENCE 0).

    Raises
    ------
    UnreadableFileError
        If there are fewer than two samples, or the rate is not one that a sensor has.
    """
    count = len(stamps_s)
    span = float(stamps_s.max()) - float(stamps_s.min()) if count else 0.0
    if count < 2 or span <= 0:
        raise UnreadableFileError(f"{count} samples over {span:g} s: no rate can be told")
    rate = (count - 1) / span
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise UnreadableFileError(
            f"{count} samples over {span:g} s of time stamps make {rate:.3g} Hz, which no sensor "
            "of these sets has"
        )
    steps = np.diff(stamps_s)
    notes: tuple[str, ...] = (NOTE_BACKWARD,) if (steps < 0).any() else ()
    longest = float(steps.max())
    notes += (NOTE_GAP,) if longest > LONG_GAP_S else ()
    return Axis(rate, float(stamps_s.min()), longest, notes)


def check_range(samples_g: NDArray[np.float64]) -> None:
    """Raise `UnreadableFileError` if an axis reaches what no sensor measures."""
    peak = float(np.abs(samples_g).max())
    if not peak <= MAX_AXIS_G:
        raise UnreadableFileError(f"an axis reaches {peak:.4g} g, which no sensor measures")


def as_motion(samples_g: NDArray[np.float64], rate_hz: float) -> NDArray[np.float32]:
    """Acceleration in g, shape (3, samples), checked to be motion of a body on Earth.

    Raises
    ------
    UnreadableFileError
        If it is too short, not finite, or of another unit.
    """
    duration = samples_g.shape[1] / rate_hz
    if duration < MIN_DURATION_S:
        raise UnreadableFileError(
            f"{samples_g.shape[1]} samples are {duration:.2f} s: too short for a trial"
        )
    check_range(samples_g)
    median = float(np.median(np.sqrt(np.square(samples_g).sum(axis=0))))
    if not MIN_MEDIAN_G <= median <= MAX_MEDIAN_G:
        raise UnreadableFileError(
            f"the median of |a| is {median:.3g} g: the unit or the columns are not those of this "
            "layout"
        )
    return np.ascontiguousarray(samples_g, dtype=np.float32)
