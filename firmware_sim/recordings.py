"""Readers of recorded trials: a user's own data as `contract.protocols.Recording`.

The layout (a row per trial) is that of the development data:

================================= ==========================================================
column                            meaning
================================= ==========================================================
``trial``                         unique id
``rate_hz``                       samples per second of this trial
``ax``, ``ay``, ``az``            lists of float, acceleration in g; null or NaN: not measured
``subject``, ``placement``        optional: person, ``wrist`` or ``waist``
anything else                     handed on as a label, for scoring only
================================= ==========================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contract.packets import MAX_RATE_HZ, MIN_RATE_HZ
from contract.protocols import RecordedStream
from firmware_sim.motion import MOTION_HZ

AXES: Final = ("ax", "ay", "az")
NEEDED: Final = ("trial", "rate_hz", *AXES)
_STREAM_COLUMNS: Final = frozenset({*NEEDED, "subject", "placement"})
DEFAULT_PLACEMENT: Final = "wrist"

_ROWS_AT_ONCE: Final = 64
"""A trial of a long recording takes megabytes; so many short ones take little."""


class RecordingError(ValueError):
    """A recording that cannot be read as one; the reason is the message."""


class ParquetRecording:
    """Trials in parquet files; implements `contract.protocols.Recording`.

    Parameters
    ----------
    path
        A file, or a folder whose ``*.parquet`` files are read in the order of their names.
    trial
        Only this trial; default all.

    Raises
    ------
    RecordingError
        If there is no such file, a folder has none, a column is missing, an axis is no list of
        numbers, or no trial is called so (the nearest names are said).
    ModuleNotFoundError
        If pyarrow is not installed (it comes with the extra ``recordings``).
    """

    def __init__(self, path: Path | str, trial: str | None = None) -> None:
        self._parquet = _import_parquet()
        self._files = parquet_files(Path(path))
        self._trial = trial
        names: list[str] = []
        for file in self._files:
            self._check_columns(file)
            names += self._trial_names(file)
        if trial is not None and trial not in names:
            raise RecordingError(_unknown_trial(trial, names, Path(path)))
        self.names: tuple[str, ...] = tuple(names) if trial is None else (trial,)
        """Ids of the trials that will be read, in their order."""

    def trials(
        self, refused: Callable[[RecordingError], None] | None = None
    ) -> Iterator[RecordedStream]:
        """Every trial, file by file, in the order of the rows.

        Parameters
        ----------
        refused
            Told of each trial that cannot be read, while the others go on; without it the
            first one ends the reading.

        Raises
        ------
        RecordingError
            If a trial's axes differ in length, it is empty, or its rate is absurd; and, with
            `refused` too, if a file is damaged.
        """
        for file in self._files:
            for batch in self._batches(file):
                for row, name in enumerate(batch.column("trial").to_pylist()):
                    if self._trial is not None and str(name) != self._trial:
                        continue
                    try:
                        stream = _read_row(batch, row, file)
                    except RecordingError as error:
                        if refused is None:
                            raise
                        refused(error)
                    else:
                        yield stream

    def _batches(self, file: Path) -> Iterator[Any]:
        try:
            with self._parquet.ParquetFile(file) as table:
                yield from table.iter_batches(batch_size=_ROWS_AT_ONCE)
        except (OSError, ValueError) as error:
            raise RecordingError(f"{file} cannot be read to its end: {error}") from error

    def _check_columns(self, file: Path) -> None:
        try:
            schema = self._parquet.read_schema(file)
        except (OSError, ValueError) as error:
            raise RecordingError(f"{file} cannot be read as parquet: {error}") from error
        columns = schema.names
        missing = [name for name in NEEDED if name not in columns]
        if missing:
            raise RecordingError(
                f"{file} has no column {', '.join(missing)}; it has {', '.join(columns)}"
            )
        for name in AXES:
            kind = schema.field(name).type
            if not _is_list_of_numbers(kind):
                raise RecordingError(
                    f"{file}: its column {name} holds {kind}; a row is a whole trial, its axes are "
                    "lists of numbers"
                )

    def _trial_names(self, file: Path) -> list[str]:
        try:
            # Not `read_table`: where pandas is installed that reads it, too.
            with self._parquet.ParquetFile(file) as table:
                column = table.read(columns=["trial"]).column("trial")
        except (OSError, ValueError) as error:
            raise RecordingError(f"{file}: its column trial cannot be read: {error}") from error
        return [str(name) for name in column.to_pylist()]


def _is_list_of_numbers(kind: Any) -> bool:
    from pyarrow import types

    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if not is_list:
        return bool(types.is_null(kind))
    value = kind.value_type
    return bool(types.is_floating(value) or types.is_integer(value) or types.is_null(value))


def _import_parquet() -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "reading recordings needs pyarrow: pip install 'wardlight[recordings]'"
        ) from error
    return parquet


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or those of a folder in the order of their names.

    Raises
    ------
    RecordingError
        If there is nothing there.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RecordingError(f"there is no file or folder {path}")
    files = sorted(path.glob("*.parquet"))
    if not files:
        raise RecordingError(f"the folder {path} holds no .parquet file")
    return files


def _unknown_trial(trial: str, names: list[str], path: Path) -> str:
    near = difflib.get_close_matches(trial, names, n=5, cutoff=0.4) or names[:5]
    return f"no trial {trial!r} in {path}; near it: {', '.join(near) or 'there are none at all'}"


def _read_row(batch: Any, row: int, file: Path) -> RecordedStream:
    values: Mapping[str, object] = {
        name: batch.column(name)[row].as_py() for name in batch.schema.names if name not in AXES
    }
    if values["trial"] is None:
        raise RecordingError(f"a trial in {file} has no name in the column trial")
    trial = str(values["trial"])
    where = f"trial {trial} in {file}"
    axes = [_axis(batch.column(name)[row]) for name in AXES]
    lengths = sorted({len(axis) for axis in axes})
    if len(lengths) > 1:
        raise RecordingError(f"{where}: its axes differ in length ({lengths})")
    if lengths[0] == 0:
        raise RecordingError(f"{where} holds no samples")
    rate = values["rate_hz"]
    if not isinstance(rate, int | float) or not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise RecordingError(
            f"{where}: rate_hz is {rate!r}; {MIN_RATE_HZ:.0f} to {MAX_RATE_HZ:.0f} can be played"
        )
    subject = values.get("subject")
    placement = values.get("placement")
    return RecordedStream(
        trial=trial,
        subject=None if subject is None else str(subject),
        placement=DEFAULT_PLACEMENT if placement is None else str(placement),
        rate_hz=float(rate),
        samples_g=np.stack(axes),
        labels={name: value for name, value in values.items() if name not in _STREAM_COLUMNS},
    )


def _axis(cell: Any) -> NDArray[np.float32]:
    if not cell.is_valid:
        return np.empty(0, np.float32)
    # A null within the list becomes NaN: not measured.
    numbers = cell.values.to_numpy(zero_copy_only=False)
    # What is too great for a float becomes infinite: not measured either.
    with np.errstate(over="ignore"):
        return np.asarray(numbers, dtype=np.float32)


def at_motion_rate(stream: RecordedStream) -> NDArray[np.float32]:
    """A trial as samples at `MOTION_HZ`, (3, n), joined by straight lines, holes included.

    Raises
    ------
    ValueError
        If the trial holds no measured sample.
    """
    measured = np.flatnonzero(~np.isnan(stream.samples_g).any(axis=0))
    if len(measured) == 0:
        raise ValueError(f"trial {stream.trial} holds no measured sample")
    seconds = stream.samples_g.shape[1] / stream.rate_hz
    at_s = np.arange(max(1, round(seconds * MOTION_HZ))) / MOTION_HZ
    return np.stack(
        [np.interp(at_s, measured / stream.rate_hz, axis[measured]) for axis in stream.samples_g]
    ).astype(np.float32)
