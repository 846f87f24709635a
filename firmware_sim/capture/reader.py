"""Reads a capture, also one that is being written, or whose writer was killed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from contract.protocols import HeardAdvert
from firmware_sim.capture.format import (
    ADVERTS,
    CAPTURE_FORMAT,
    LINKS,
    NEIGHBOURS,
    CaptureError,
    LinkStep,
    Table,
    import_arrow,
    load_scene,
)

_log = structlog.get_logger(__name__)

ROWS_AT_ONCE: Final = 8_192
"""Of a sealed table: about a megabyte, and some ten milliseconds of reading at a time."""

NO_SERVICE_DATA: Final[dict[str, bytes]] = {}


class AdvertBatch(NamedTuple):
    """Adverts that the gateway took together. Times: the recording's monotonic clock, ns."""

    sequence: int
    at_ns: int
    adverts: Sequence[HeardAdvert]


class LinkRow(NamedTuple):
    """Something that happened to a link."""

    sequence: int
    at_ns: int
    link: int
    address: str
    step: LinkStep
    characteristic: str | None
    data: bytes | None
    arrival_ns: int | None
    reason: str | None


class NeighbourRow(NamedTuple):
    """What another gateway said over the broker."""

    sequence: int
    at_ns: int
    topic: str
    payload: bytes


Item = AdvertBatch | LinkRow | NeighbourRow


class Capture:
    """The folder of a capture.

    Parameters
    ----------
    folder
        As `CaptureWriter` wrote it.

    Raises
    ------
    CaptureError
        If it is none, a table is missing, or the format is unknown.
    ModuleNotFoundError
        If pyarrow or PyYAML is not installed (they come with the extra ``recordings``).
    """

    def __init__(self, folder: Path) -> None:
        import_arrow()
        self.folder = folder
        self.scene = load_scene(folder)
        for table in (ADVERTS, LINKS, NEIGHBOURS):
            if not table.sealed(folder).exists() and not table.unsealed(folder).exists():
                raise CaptureError(f"{folder} holds no {table.sealed(folder).name}")

    @property
    def sealed(self) -> bool:
        """Whether all tables are parquet; otherwise its writer is at work, or was killed."""
        return all(table.sealed(self.folder).exists() for table in (ADVERTS, LINKS, NEIGHBOURS))

    def timeline(self) -> Iterator[Item]:
        """Everything, in the order in which it happened; a few thousand rows in memory.

        Raises
        ------
        CaptureError
            If a sealed table is damaged. The end of an unsealed one may be missing.
        """
        return heapq.merge(
            self.adverts(), self.links(), self.neighbours(), key=attrgetter("sequence")
        )

    def adverts(self) -> Iterator[AdvertBatch]:
        """The adverts alone."""
        sequence, at_ns = 0, 0
        batch: list[HeardAdvert] = []
        for row in self._rows(ADVERTS):
            if row[0] != sequence:
                if batch:
                    yield AdvertBatch(sequence, at_ns, batch)
                sequence, at_ns, batch = row[0], row[1], []
            batch.append(_advert(row))
        if batch:
            yield AdvertBatch(sequence, at_ns, batch)

    def links(self, *, notifications: bool = True) -> Iterator[LinkRow]:
        """The links alone, perhaps without what came over them."""
        steps = {step.value: step for step in LinkStep}
        for row in self._rows(LINKS):
            step = steps.get(row[4])
            if step is None:
                raise CaptureError(f"{self.folder}: a link's step {row[4]!r} is unknown")
            if notifications or step is not LinkStep.NOTIFIED:
                yield LinkRow(row[0], row[1], row[2], row[3], step, *row[5:])

    def neighbours(self) -> Iterator[NeighbourRow]:
        """What the other gateways said."""
        for row in self._rows(NEIGHBOURS):
            yield NeighbourRow(*row)

    def end_ns(self) -> int:
        """Monotonic time at which it ends; reads all of a capture that was never closed."""
        if self.scene.ended is not None:
            return self.scene.ended.monotonic_ns
        last = self.scene.clock.monotonic_ns
        for item in self.timeline():
            last = max(last, item.at_ns)
        return last

    def _rows(self, table: Table) -> Iterator[tuple[Any, ...]]:
        for batch in record_batches(self.folder, table):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def record_batches(folder: Path, table: Table) -> Iterator[Any]:
    """A raw table as Arrow record batches, sealed or not.

    Raises
    ------
    CaptureError
        If it is missing, or was sealed and is damaged.
    """
    sealed = table.sealed(folder)
    batches = _sealed(sealed) if sealed.exists() else _unsealed(table.unsealed(folder))
    names = [name for name, _ in table.columns]
    for found in batches:
        batch = _with_younger_columns(found, table)
        if batch.schema.names != names:
            raise CaptureError(
                f"{folder}: {table.name} has the columns {', '.join(batch.schema.names)}; "
                f"format {CAPTURE_FORMAT} has {', '.join(names)}"
            )
        yield batch


def _with_younger_columns(batch: Any, table: Table) -> Any:
    """An older capture's rows with nothing in the columns that it could not have."""
    names, schema = batch.schema.names, table.schema()
    missing = schema.names[len(names) :]
    if not missing or len(missing) > table.since or names != schema.names[: len(names)]:
        return batch
    arrow = import_arrow()
    nothing = [arrow.nulls(batch.num_rows, schema.field(name).type) for name in missing]
    return arrow.RecordBatch.from_arrays([*batch.columns, *nothing], schema=schema)


def _sealed(path: Path) -> Iterator[Any]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=ROWS_AT_ONCE)
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path} cannot be read as parquet: {error}") from error


def _unsealed(path: Path) -> Iterator[Any]:
    arrow = import_arrow()
    try:
        file = path.open("rb")
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        try:
            stream = arrow.ipc.open_stream(file)
            while True:
                yield stream.read_next_batch()
        except StopIteration:
            return
        except (OSError, ValueError, arrow.ArrowException) as error:
            # The last flush of a process that was killed, or of a full disk.
            _log.warning("capture_cut_short", file=path.name, reason=str(error))


def _advert(row: tuple[Any, ...]) -> HeardAdvert:
    _, _, received_ns, address, rssi_dbm, company, data, more, receiver = row
    manufacturer = {} if company is None or data is None else {company: data}
    if more is None:
        return HeardAdvert(
            address,
            rssi_dbm,
            manufacturer,
            NO_SERVICE_DATA,
            received_ns,
            receiver=receiver or "",
        )
    manufacturer |= {one["company_id"]: one["data"] for one in more if one["service"] is None}
    service = {one["service"]: one["data"] for one in more if one["service"] is not None}
    return HeardAdvert(
        address, rssi_dbm, manufacturer, service, received_ns, receiver=receiver or ""
    )
