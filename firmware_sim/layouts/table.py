"""The parquet layout of recorded motion: one row a trial; see docs/recordings.md."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from firmware_sim.layouts.protocol import RecordedTrial

AXES: Final = ("ax", "ay", "az")
TEXT_COLUMNS: Final = ("dataset", "placement", "trial", "subject", "age_group", "activity")
SCHEMA: Final = pa.schema(
    [
        *((name, pa.large_string()) for name in TEXT_COLUMNS),
        ("is_fall", pa.bool_()),
        *((name, pa.float64()) for name in ("fall_start_s", "fall_end_s", "rate_hz")),
        *((axis, pa.list_(pa.float32())) for axis in AXES),
    ]
)

ROW_GROUP_SAMPLES: Final = 500_000
"""Samples that are gathered before a row group is written: 6 MB of three axes, so that memory
does not grow with the set, and groups are large enough to compress well."""

READ_BATCH_ROWS: Final = 16
"""Trials that are decoded at once when reading back."""


class TrialWriter:
    """Writes trials to a parquet file that appears whole, or not at all.

    A context manager. Rows go to a file beside it; `commit` brings it to disk and renames it.
    Leaving without a commit removes it and leaves an older file of the name as it was.
    """

    def __init__(self, out: Path, metadata: Mapping[str, str]) -> None:
        self._out = out
        self._temporary = out.with_name(f".{out.name}.{os.getpid()}.partial")
        self._schema = SCHEMA.with_metadata(dict(metadata))
        self._pending: list[RecordedTrial] = []
        self._pending_samples = 0
        self._writer: Any = None

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._temporary, self._schema, compression="zstd")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._writer.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def write(self, trial: RecordedTrial) -> None:
        """Take a trial; it is written with its row group."""
        self._pending.append(trial)
        self._pending_samples += trial.samples_g.shape[1]
        if self._pending_samples >= ROW_GROUP_SAMPLES:
            self._flush()

    def commit(self) -> None:
        """Bring everything to disk under the asked-for name, replacing what was there."""
        self._flush()
        self._writer.close()
        _sync(self._temporary)
        self._temporary.replace(self._out)
        _sync(self._out.parent)

    def _flush(self) -> None:
        if not self._pending:
            return
        columns = [
            pa.array([getattr(trial, name) for trial in self._pending], SCHEMA.field(name).type)
            for name in SCHEMA.names[: -len(AXES)]
        ]
        columns += [_lists([t.samples_g[axis] for t in self._pending]) for axis in range(3)]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._pending = []
        self._pending_samples = 0


def _lists(rows: list[NDArray[np.float32]]) -> Any:
    """Arrays of different lengths as one list column, without a Python object a sample."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_back(path: Path) -> Iterator[RecordedTrial]:
    """The trials of a file in this layout, a few at a time, in the order of the file.

    Raises
    ------
    ValueError
        If a column is missing (pyarrow's `ArrowInvalid` is one too).
    """
    with pq.ParquetFile(path) as file:
        missing = [name for name in SCHEMA.names if name not in file.schema_arrow.names]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}")
        for batch in file.iter_batches(batch_size=READ_BATCH_ROWS, columns=list(SCHEMA.names)):
            columns = {name: batch.column(name) for name in SCHEMA.names}
            for row in range(batch.num_rows):
                said = {name: columns[name][row].as_py() for name in SCHEMA.names[: -len(AXES)]}
                axes = [columns[axis][row].values.to_numpy(zero_copy_only=False) for axis in AXES]
                yield RecordedTrial(**said, samples_g=np.stack(axes).astype(np.float32, copy=False))


def read_metadata(path: Path) -> dict[str, str]:
    """What `TrialWriter` was told of the source: keys that begin with ``wardlight.``."""
    found = pq.read_schema(path).metadata or {}
    return {
        key.decode(): value.decode()
        for key, value in found.items()
        if key.startswith(b"wardlight.")
    }
