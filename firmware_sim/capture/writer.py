"""Writes a capture while it happens: rows in memory, batches to the disk, parquet at the end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from contract.advert import COMPANY_ID, is_own_layout
from contract.clock import Clock, within
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert
from firmware_sim.capture.counts import Tally
from firmware_sim.capture.format import (
    ADVERTS,
    LINKS,
    NEIGHBOURS,
    TABLES,
    CapturedTruth,
    CapturedWearable,
    CaptureEnd,
    CaptureError,
    CaptureScene,
    LinkStep,
    Table,
    import_arrow,
    save_scene,
)
from firmware_sim.capture.pinning import Pinning

_log = structlog.get_logger(__name__)

FLUSH_S: Final = 5.0
"""A process that is killed loses at most so much; each flush costs about a kilobyte of framing,
17 MB in a day."""

FLUSH_ROWS: Final = 4_096
"""Or so many rows: half a megabyte, a second of the loudest room (sixty wearables and as many
visitors' phones, each heard ten times a second, make 1,200 rows a second)."""

MAX_WAITING_ROWS: Final = 64 * FLUSH_ROWS
"""A disk that is so far behind (minutes) will not catch up: the capture ends, and memory stays
below 100 MB. The gateway's own work must never wait for a recording."""

RESERVE_BYTES: Final = 256 * 1024 * 1024
"""The capture ends when less is free: the outbox and the store are usually on the same card, and
an alarm needs its place more than a recording does."""


class _Stream:
    """A table that is being written."""

    def __init__(self, table: Table, folder: Path) -> None:
        arrow = import_arrow()
        self._arrow = arrow
        self._schema = table.schema()
        self._file = table.unsealed(folder).open("xb")
        self._writer = arrow.ipc.new_stream(self._file, self._schema)
        self._file.flush()

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_batch(self._arrow.record_batch(columns, schema=self._schema))
        self._file.flush()

    def close(self, *, whole: bool) -> None:
        """Let go of the file: with the mark of the stream's end, or as a failed write left it."""
        if whole:
            self._writer.close()
            self._file.close()
            return
        with contextlib.suppress(OSError):
            # Python tries once more to write what the disk has refused.
            self._file.close()


class CaptureWriter:
    """The folder of one capture. `advert_batch`, `link` and `neighbour` only remember; `keep`
    takes what they remember to the disk, and none of them ever fails or waits.

    Parameters
    ----------
    folder
        New or empty.
    scene
        As it is at the beginning.
    reserve_bytes
        The capture ends when less is free on the disk.

    Raises
    ------
    CaptureError
        If the folder holds something already, or cannot be written.
    """

    def __init__(
        self, folder: Path, scene: CaptureScene, *, reserve_bytes: int = RESERVE_BYTES
    ) -> None:
        check_folder(folder)
        self.folder = folder
        self.tally = Tally()
        """Of what was heard and done, written or waiting."""
        self.failure: str | None = None
        """Why nothing more is written, if the disk does not take it."""
        self._closed = False
        self._scene = scene
        self._scene_changed = False
        self._reserve_bytes = reserve_bytes
        self._pinning = Pinning()
        self._addresses = {each.address for each in scene.wearables}
        self._identities = {each.identity for each in scene.wearables} - {0}
        self._sequence = 0
        self._waiting: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
        self._waiting_rows = 0
        self._much = asyncio.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_scene(folder, scene)
            self._streams = {table: _Stream(table, folder) for table in TABLES}
        except OSError as error:
            raise CaptureError(f"{folder}: cannot be written: {error.strerror}") from error

    @property
    def scene(self) -> CaptureScene:
        """As it stands."""
        return self._scene

    # -- what happens, as it happens ---------------------------------------------------------

    def advert_batch(self, at_ns: int, batch: Sequence[HeardAdvert]) -> None:
        """The gateway took a batch of adverts."""
        if self._is_over:
            return
        self._sequence += 1
        sequence, rows = self._sequence, self._waiting[ADVERTS]
        for heard in map(self._pinning.advert, batch):
            company, data, more = _spread(heard)
            rows.append(
                (
                    sequence,
                    at_ns,
                    heard.received_ns,
                    heard.address,
                    heard.rssi_dbm,
                    company,
                    data,
                    more,
                    heard.receiver or None,
                )
            )
        self.tally.adverts(batch)
        self._count_rows(len(batch))

    def link(
        self,
        at_ns: int,
        number: int,
        address: str,
        step: LinkStep,
        *,
        characteristic: str | None = None,
        data: bytes | None = None,
        arrival_ns: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Something happened to a link."""
        if self._is_over:
            return
        self._sequence += 1
        self._waiting[LINKS].append(
            (
                self._sequence,
                at_ns,
                number,
                self._pinning.address(address),
                step.value,
                characteristic,
                data,
                arrival_ns,
                reason,
            )
        )
        self.tally.link(step)
        self._count_rows(1)

    def neighbour(self, at_ns: int, topic: str, payload: bytes) -> None:
        """Another gateway said something over the broker."""
        if self._is_over:
            return
        self._sequence += 1
        self._waiting[NEIGHBOURS].append((self._sequence, at_ns, topic, payload))
        self._count_rows(1)

    def is_ours(self, heard: HeardAdvert) -> bool:
        """Whether an advert is of a device of this home: by address, by identity, or by key. As
        long as nobody has said who lives here: of any wearable of our own make.
        """
        data = heard.manufacturer_data.get(COMPANY_ID)
        if data is not None and is_own_layout(data):
            identity = int.from_bytes(data[1:5], "little")
            if identity in self._identities or not self._addresses:
                return True
        return heard.address in self._addresses or self._pinning.knows(heard)

    def enrolled(
        self,
        wearables: Sequence[WearableConfig],
        zone: str | None,
        sensors: Sequence[SensorConfig] = (),
    ) -> None:
        """The home says who wears what, what else is its own, and where this gateway stands."""
        self._pinning.follow(wearables)
        self._addresses = {each.address for each in wearables} | {each.address for each in sensors}
        self._identities = {each.identity for each in wearables} - {0}
        worn = [CapturedWearable.of(config) for config in wearables]
        gateway = self._scene.gateway
        if zone is not None:
            gateway = msgspec.structs.replace(gateway, zone=zone)
        scene = msgspec.structs.replace(self._scene, wearables=worn, gateway=gateway)
        self._scene_changed = self._scene_changed or scene != self._scene
        self._scene = scene

    @property
    def _is_over(self) -> bool:
        """Nothing will be written any more; the gateway goes on."""
        return self._closed or self.failure is not None

    def _count_rows(self, rows: int) -> None:
        self._waiting_rows += rows
        if self._waiting_rows >= MAX_WAITING_ROWS:
            self._fail("the disk is too slow for what is heard")
        elif self._waiting_rows >= FLUSH_ROWS:
            self._much.set()

    # -- to the disk ---------------------------------------------------------------------------

    async def keep(self, clock: Clock) -> None:
        """Write what waits, every `FLUSH_S` and every `FLUSH_ROWS`, until cancelled.

        Raises
        ------
        CaptureError
            If nothing more can be written; what was written before can be read.
        """
        while self.failure is None:
            with contextlib.suppress(TimeoutError):
                await within(clock, FLUSH_S, self._much.wait())
            await self.flush()
        raise CaptureError(f"{self.folder}: the capture ended: {self.failure}")

    async def flush(self) -> None:
        """Write what waits, beside the event loop; a failure shows in `failure`."""
        self._much.clear()
        if self.failure is not None:
            return
        taken = {table: rows for table, rows in self._waiting.items() if rows}
        for table in taken:
            self._waiting[table] = []
        self._waiting_rows = 0
        scene = self._scene if self._scene_changed else None
        self._scene_changed = False
        writing = asyncio.get_running_loop().run_in_executor(None, self._write, taken, scene)
        # A cancelled flush has still been begun; the next one must not run beside it.
        await _finished(writing)

    def _write(self, taken: dict[Table, list[tuple[Any, ...]]], scene: CaptureScene | None) -> None:
        """Runs in a thread. After a failure nothing may follow: half a batch may stand there."""
        try:
            if scene is not None:
                save_scene(self.folder, scene)
            for table, rows in taken.items():
                self._streams[table].write(rows)
            if shutil.disk_usage(self.folder).free < self._reserve_bytes:
                self._fail(f"less than {self._reserve_bytes // 2**20} MB are free on its disk")
        except OSError as error:
            self._fail(f"its disk cannot be written: {error.strerror or error}")

    def _fail(self, reason: str) -> None:
        self.failure = reason
        _log.error("capture_ended", folder=str(self.folder), reason=reason)

    async def close(self, at_ns: int, reason: str, truth: Sequence[CapturedTruth] = ()) -> None:
        """Write what waits, and say when, how and with which truth it ended.

        Raises
        ------
        CaptureError
            If the disk does not take it; what it took before can be read.
        """
        await self.flush()
        self._closed = True
        ended = CaptureEnd(monotonic_ns=at_ns, reason=self.failure or reason)
        self._scene = msgspec.structs.replace(self._scene, ended=ended, truth=list(truth))
        try:
            for stream in self._streams.values():
                stream.close(whole=self.failure is None)
            save_scene(self.folder, self._scene)
        except OSError as error:
            raise CaptureError(f"{self.folder}: cannot be closed: {error.strerror}") from error


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises
    ------
    CaptureError
        Saying what is there.
    """
    try:
        found = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise CaptureError(f"{folder} is a file; name a new folder") from error
    except OSError as error:
        raise CaptureError(f"{folder}: cannot be read: {error.strerror}") from error
    if found:
        raise CaptureError(f"{folder} is not empty (it holds {found[0]}); name a new folder")


async def _finished(writing: asyncio.Future[None]) -> None:
    """Wait for a thread to its end, also when cancelled; then be cancelled."""
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait((writing,))
        raise


def _spread(heard: HeardAdvert) -> tuple[int | None, bytes | None, list[dict[str, Any]] | None]:
    """An advert's data: nearly always one manufacturer's, rarely more."""
    manufacturer, service = heard.manufacturer_data, heard.service_data
    if len(manufacturer) == 1 and not service:
        ((company, data),) = manufacturer.items()
        return company, bytes(data), None
    entries = [(each, None, bytes(value)) for each, value in manufacturer.items()]
    first, rest = entries[:1], entries[1:]
    more = [
        {"company_id": each, "service": uuid, "data": value}
        for each, uuid, value in [
            *rest,
            *((None, uuid, bytes(value)) for uuid, value in service.items()),
        ]
    ]
    if not first:
        return None, None, more
    return first[0][0], first[0][2], more or None
