"""Sealing: from the Arrow streams that survive a kill to the parquet that analysts read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from firmware_sim.capture.counts import CaptureCounts, Tally
from firmware_sim.capture.format import (
    TABLES,
    CaptureEnd,
    CaptureError,
    Table,
    import_arrow,
    load_scene,
    save_scene,
)
from firmware_sim.capture.motion import write_motion
from firmware_sim.capture.reader import AdvertBatch, Capture, Item, LinkRow, record_batches

_log = structlog.get_logger(__name__)

ROWS_PER_GROUP: Final = 65_536
"""A few megabytes: what sealing holds in memory, and small enough for a reader to skip through."""

KILLED: Final = "it was not closed: its process was killed, or the power failed"


class SealedCapture(NamedTuple):
    """What a capture holds."""

    counts: CaptureCounts
    samples: dict[str, int]
    """Of motion, by device."""


def seal_capture(folder: Path) -> SealedCapture:
    """Make a capture whose writer has ended whole: tables to parquet, motion decoded.

    May be done again and again, and be killed at any point: nothing raw is removed before
    what replaces it is on the disk.

    Raises
    ------
    CaptureError
        If the folder is no capture, or its disk cannot take it; it can be read as before.
    """
    try:
        scene = load_scene(folder)
        if scene.ended is None:
            end_ns = Capture(folder).end_ns()
            scene = msgspec.structs.replace(
                scene, ended=CaptureEnd(monotonic_ns=end_ns, reason=KILLED)
            )
            save_scene(folder, scene)
        for table in TABLES:
            _seal(folder, table)
        tally = Tally()
        samples = write_motion(folder, scene, _counted(Capture(folder).timeline(), tally))
    except OSError as error:
        raise CaptureError(
            f"{folder}: cannot be sealed ({error.strerror or error}); it can be replayed as it is"
        ) from error
    _log.info("capture_sealed", folder=str(folder), samples=sum(samples.values()))
    return SealedCapture(tally.counts(), samples)


def _counted(timeline: Iterator[Item], tally: Tally) -> Iterator[Item]:
    for item in timeline:
        if isinstance(item, AdvertBatch):
            tally.adverts(item.adverts)
        elif isinstance(item, LinkRow):
            tally.link(item.step)
        yield item


def _seal(folder: Path, table: Table) -> None:
    sealed, unsealed = table.sealed(folder), table.unsealed(folder)
    if not sealed.exists():
        beside = sealed.with_suffix(".part")
        try:
            _to_parquet(folder, table, beside)
            beside.replace(sealed)
        finally:
            beside.unlink(missing_ok=True)
    unsealed.unlink(missing_ok=True)


def _to_parquet(folder: Path, table: Table, path: Path) -> None:
    from pyarrow import parquet

    arrow = import_arrow()
    with path.open("wb") as file:
        with parquet.ParquetWriter(file, table.schema(), compression="zstd") as writer:
            pieces: list[Any] = []
            rows = 0
            for batch in record_batches(folder, table):
                pieces.append(batch)
                rows += batch.num_rows
                if rows >= ROWS_PER_GROUP:
                    writer.write_table(arrow.Table.from_batches(pieces).combine_chunks())
                    pieces, rows = [], 0
            if pieces:
                writer.write_table(arrow.Table.from_batches(pieces).combine_chunks())
        file.flush()
        os.fsync(file.fileno())
