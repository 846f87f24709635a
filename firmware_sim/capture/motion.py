"""The motion of a capture, decoded: a parquet file per wearable, for analysts.

Replay does not read it: it plays the raw traffic. The samples' times are wall time, from the
wearable's clock by the quickest delivery seen so far; they may step by milliseconds as the
estimate gets better.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from contract.advert import ADVERT_VERSION, COMPANY_ID, MANUFACTURER_BYTES, MalformedPacketError
from contract.gatt import STREAM_UUID, WINDOW_UUID
from contract.packets import DEVICE_TIME_MODULUS_MS, MotionPacket, decode_packet
from contract.protocols import HeardAdvert
from contract.units import NS_PER_MS, NS_PER_S, seconds_to_ns
from firmware_sim.capture.format import MOTION_FOLDER, CaptureScene, LinkStep, import_arrow
from firmware_sim.capture.reader import AdvertBatch, Item, LinkRow

_log = structlog.get_logger(__name__)

SECOND_MODULUS_NS: Final = 65_536 * NS_PER_S
"""An advert counts its seconds in 16 bits."""

MAX_MILLISECOND_WRAPS: Final = 12
"""A packet counts its milliseconds in 32 bits, 49.7 days; so often (20 months) is tried."""

MAX_DRIFT: Final = 100e-6
"""Two crystals of ±50 ppm part at most this fast, seconds per second."""

IMPLAUSIBLE_NS: Final = seconds_to_ns(5)
"""A wearable whose clock is this far from where it was has set or restarted it."""

ROWS_PER_GROUP: Final = 65_536
"""22 minutes at 50 Hz: what is in memory of each wearable."""

_BOOT_AND_SECOND: Final = struct.Struct("<BH")
_BOOT_OFFSET: Final = 5
"""`contract.advert`: behind version and identity."""

_SOURCES: Final = {STREAM_UUID: "stream", WINDOW_UUID: "window"}


class _DeviceClock:
    """One wearable's clock against the recording's monotonic one, nanoseconds."""

    def __init__(self) -> None:
        self._boot: int | None = None
        self._distance_ns: int | None = None
        self._seen_ns = 0

    def advert(self, data: bytes, arrival_ns: int) -> None:
        """The second that an advert tells has just ended."""
        if len(data) != MANUFACTURER_BYTES or data[0] != ADVERT_VERSION:
            return
        boot, second = _BOOT_AND_SECOND.unpack_from(data, _BOOT_OFFSET)
        if boot != self._boot:
            self._boot, self._distance_ns = boot, None
        device_ns = second * NS_PER_S
        if self._distance_ns is not None:
            device_ns = _nearest(device_ns, arrival_ns - self._distance_ns)
        distance_ns = arrival_ns - device_ns
        expected_ns = self._expected(arrival_ns)
        if expected_ns is None or abs(distance_ns - expected_ns) > IMPLAUSIBLE_NS:
            self._distance_ns = distance_ns
        else:
            self._distance_ns = min(distance_ns, expected_ns)
        self._seen_ns = arrival_ns

    def packet(self, packet: MotionPacket, arrival_ns: int) -> int:
        """Monotonic time of a packet's first sample."""
        if self._distance_ns is None:
            # Never heard: as if the last sample were as fresh as can be.
            length_ns = round(packet.samples_g.shape[1] * NS_PER_S / packet.rate_hz)
            self._distance_ns = arrival_ns - length_ns - packet.device_time_ms * NS_PER_MS
            self._seen_ns = arrival_ns
        near_ns = arrival_ns - self._distance_ns
        wraps = range(MAX_MILLISECOND_WRAPS + 1)
        device_ns = min(
            (
                _nearest((packet.device_time_ms + n * DEVICE_TIME_MODULUS_MS) * NS_PER_MS, near_ns)
                for n in wraps
            ),
            key=lambda candidate_ns: abs(candidate_ns - near_ns),
        )
        return device_ns + self._distance_ns

    def _expected(self, arrival_ns: int) -> int | None:
        """The distance if nothing had been quicker since: the quickest may drift away."""
        if self._distance_ns is None:
            return None
        return self._distance_ns + int(max(arrival_ns - self._seen_ns, 0) * MAX_DRIFT)


class _MotionFile:
    """One wearable's file, row group by row group; it appears under its name when whole."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self._arrow = import_arrow()
        self._path = path
        self._beside = path.with_suffix(".part")
        self._schema = self._arrow.schema(
            [
                ("t_ns", self._arrow.int64()),
                ("ax", self._arrow.float32()),
                ("ay", self._arrow.float32()),
                ("az", self._arrow.float32()),
                ("source", self._arrow.string()),
                ("candidate", self._arrow.uint8()),
            ]
        )
        self._writer = parquet.ParquetWriter(self._beside, self._schema, compression="zstd")
        self._pieces: list[Any] = []
        self._rows = 0
        self.samples = 0

    def add(
        self, t_ns: NDArray[np.int64], samples_g: NDArray[np.float32], source: str, candidate: int
    ) -> None:
        """A packet's samples: (n,) and (3, n)."""
        arrow, count = self._arrow, len(t_ns)
        of_stream = source == "stream"
        columns = [
            arrow.array(t_ns),
            *(arrow.array(axis) for axis in samples_g),
            arrow.repeat(source, count),
            arrow.nulls(count, arrow.uint8())
            if of_stream
            else arrow.repeat(arrow.scalar(candidate, arrow.uint8()), count),
        ]
        self._pieces.append(arrow.record_batch(columns, schema=self._schema))
        self._rows += count
        self.samples += count
        if self._rows >= ROWS_PER_GROUP:
            self._write()

    def _write(self) -> None:
        if self._pieces:
            table = self._arrow.Table.from_batches(self._pieces).combine_chunks()
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._pieces, self._rows = [], 0

    def commit(self) -> None:
        """All is in it."""
        self._write()
        self._writer.close()
        self._beside.replace(self._path)

    def abandon(self) -> None:
        """It is not needed any more; a file that was committed stays."""
        self._writer.close()
        self._beside.unlink(missing_ok=True)


def write_motion(folder: Path, scene: CaptureScene, timeline: Iterable[Item]) -> dict[str, int]:
    """Decode all motion of a capture into `MOTION_FOLDER`.

    Columns: ``t_ns`` (wall time, nanoseconds since 1970 UTC), ``ax``, ``ay``, ``az`` (g),
    ``source`` (``stream`` or ``window``), ``candidate`` (a window's counter). Rows stand in the
    order of arrival; a window repeats what a stream or another window has brought.

    Returns
    -------
    dict
        Samples by device.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    devices = {wearable.address: wearable.device for wearable in scene.wearables}
    clocks = {address: _DeviceClock() for address in devices}
    to_wall_ns = scene.clock.wall_ns - scene.clock.monotonic_ns
    files: dict[str, _MotionFile] = {}
    rejected = 0
    (folder / MOTION_FOLDER).mkdir(exist_ok=True)
    try:
        for item in timeline:
            if isinstance(item, AdvertBatch):
                for heard in item.adverts:
                    _hear(clocks, heard)
            elif isinstance(item, LinkRow) and _is_motion(item) and item.address in devices:
                try:
                    packet = decode_packet(item.data or b"")
                except MalformedPacketError:
                    rejected += 1
                    continue
                device = devices[item.address]
                if device not in files:
                    files[device] = _MotionFile(folder / MOTION_FOLDER / f"{device}.parquet")
                arrival_ns = item.at_ns if item.arrival_ns is None else item.arrival_ns
                begin_ns = clocks[item.address].packet(packet, arrival_ns) + to_wall_ns
                _add(files[device], packet, begin_ns, _SOURCES[item.characteristic or ""])
        for file in files.values():
            file.commit()
    finally:
        for file in files.values():
            file.abandon()
    if rejected:
        _log.warning("packets_unreadable", packets=rejected)
    return {device: file.samples for device, file in sorted(files.items())}


def _hear(clocks: dict[str, _DeviceClock], heard: HeardAdvert) -> None:
    clock = clocks.get(heard.address)
    data = heard.manufacturer_data.get(COMPANY_ID)
    if clock is not None and data is not None:
        clock.advert(data, heard.received_ns)


def _is_motion(row: LinkRow) -> bool:
    return row.step is LinkStep.NOTIFIED and row.characteristic in _SOURCES


def _add(file: _MotionFile, packet: MotionPacket, begin_ns: int, source: str) -> None:
    count = packet.samples_g.shape[1]
    t_ns = begin_ns + (np.arange(count) * (NS_PER_S / packet.rate_hz)).astype(np.int64)
    file.add(t_ns, packet.samples_g, source, packet.candidate_counter)


def _nearest(value_ns: int, near_ns: int) -> int:
    """The number congruent to `value_ns` modulo `SECOND_MODULUS_NS` nearest to `near_ns`."""
    half = SECOND_MODULUS_NS // 2
    return value_ns + (near_ns - value_ns + half) // SECOND_MODULUS_NS * SECOND_MODULUS_NS
