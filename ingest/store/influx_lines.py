"""Line protocol: events and points as InfluxDB takes them; the schema is in ``docs/data.md``.

`influxdb_client.Point` makes the same lines (the tests compare) at a tenth of the speed: it
sorts and looks at the type of each value, where here the types are known.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from contract import wire
from contract.events import Event
from contract.telemetry import SensorPoint, SummaryPoint
from contract.units import US_PER_S
from ingest.store.lanes import time_ns

SUMMARY: Final = "summary"
READING: Final = "reading"
LATEST_READING: Final = "latest_reading"
EVENT: Final = "event"
LATEST: Final = "latest"
WRITTEN: Final = "written"
MINUTE: Final = "minute"
HOUR: Final = "hour"

PARTS: Final = 64
"""Rows of a home are spread over so many series by resident, so that a question about one of
sixty reads the rows of one or two, while the index stays as small whatever ids come."""

MAX_KNOWN_LENGTH: Final = 64
"""Ids that are kept in memory; a stranger's longer ones are not."""

US_PER_DAY: Final = 86_400 * US_PER_S

MAX_WHOLE: Final = 2**63 - 1
"""Whole numbers are signed 64-bit; a server refuses the line otherwise, and says so of one of
many."""

_IN_TAG: Final = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
)
_IN_STRING: Final = str.maketrans({'"': r"\"", "\\": r"\\"})


def part_of(resident: str | None, device: str) -> int:
    """Which of a home's `PARTS` holds the rows of a resident, or of a device nobody wears."""
    return zlib.crc32((resident or device).encode()) % PARTS


def tag(value: str) -> str:
    """The value of a tag, escaped."""
    return value.translate(_IN_TAG)


def text(value: str) -> str:
    """A string field's value, quoted and escaped."""
    return f'"{value.translate(_IN_STRING)}"'


class Origin(NamedTuple):
    """Where a batch of points comes from."""

    home: str
    gateway: str
    late: bool
    synced: bool
    """Whether the gateway's clock could be believed."""


def _name(value: str) -> str:
    """An id as a string field: the same few come with every second."""
    return _known_name(value) if len(value) <= MAX_KNOWN_LENGTH else text(value)


@lru_cache(maxsize=4_096)
def _known_name(value: str) -> str:
    return text(value)


def point_line(origin: Origin, point: SummaryPoint, lane: int) -> bytes:
    """One second of one wearable.

    Raises
    ------
    ValueError
        If a text is no Unicode, or a number too large.
    """
    part = part_of(point.resident, point.device)
    home, fields = tag(origin.home), _point_fields(origin, point)
    return f"{SUMMARY},home={home},part={part} {fields} {time_ns(point.at_us, lane)}".encode()


def reading_line(origin: Origin, point: SensorPoint, lane: int) -> bytes:
    """What one room sensor said.

    Raises
    ------
    ValueError
        If a text is no Unicode, or a number too large.
    """
    fields = [
        f"at_us={point.at_us}i,device={_name(point.device)},gateway={_name(origin.gateway)},"
        f"late={origin.late},synced={origin.synced},zone={_name(point.zone)}"
    ]
    fields += [
        f"{name}={_name(text_)}"
        for name, text_ in (("resident", point.resident), ("changed", point.changed))
        if text_ is not None
    ]
    fields += [
        f"{name}={state}"
        for name, state in (
            ("motion", point.motion),
            ("opening", point.opening),
            ("occupied", point.occupied),
        )
        if state is not None
    ]
    fields += [
        f"{name}={number!r}"
        for name, number in (
            ("temperature_c", point.temperature_c),
            ("humidity_percent", point.humidity_percent),
        )
        if number is not None
    ]
    fields += [
        f"{name}={_whole(name, whole)}i"
        for name, whole in (
            ("press", point.press),
            ("battery_percent", point.battery_percent),
            ("rssi_dbm", point.rssi_dbm),
        )
        if whole is not None
    ]
    part = part_of(None, point.device)
    head = f"{READING},home={tag(origin.home)},part={part}"
    return f"{head} {','.join(fields)} {time_ns(point.at_us, lane)}".encode()


def latest_line(origin: Origin, point: SummaryPoint | SensorPoint, lane: int) -> bytes:
    """The latest point of a device: one row for each and day, written over.

    In one field: a row that is written over keeps the fields that its new version lacks.

    Raises
    ------
    ValueError
        If a text is no Unicode, or a number too large.
    """
    day_us = point.at_us // US_PER_DAY * US_PER_DAY
    body = text(msgspec.json.encode(point).decode())
    measurement = LATEST if isinstance(point, SummaryPoint) else LATEST_READING
    return (
        f"{measurement},home={tag(origin.home)} at_us={point.at_us}i,body={body},"
        f"gateway={text(origin.gateway)},late={origin.late},synced={origin.synced} "
        f"{time_ns(day_us, lane)}"
    ).encode()


def written_line(home: str, received_at_us: int) -> bytes:
    """When ingest wrote last: one row for each day, written over."""
    day_us = received_at_us // US_PER_DAY * US_PER_DAY
    return f"{WRITTEN},home={tag(home)} at_us={received_at_us}i {time_ns(day_us, 0)}".encode()


def event_line(event: Event, lane: int, late: bool, received_at_us: int) -> bytes:
    """One event, with the whole of it in `body`.

    Raises
    ------
    ValueError
        If a text is no Unicode.
    """
    fields = [
        f"at_us={event.at_us}i",
        f"body={text(wire.encode(event).decode())}",
        f"gateway={text(event.gateway)}",
        f"id={text(event.id)}",
        f"late={late}",
        f"received_at_us={received_at_us}i",
        f"sequence={event.sequence}i",
        f"session={text(event.session)}",
    ]
    fields += [
        f"{name}={text(value)}"
        for name, value in (
            ("cause", event.cause),
            ("device", event.device),
            ("resident", event.resident),
            ("zone", event.zone),
        )
        if value is not None
    ]
    tags = f"{EVENT},home={tag(event.home)},kind={tag(event.kind.value)}"
    return f"{tags} {','.join(fields)} {time_ns(event.at_us, lane)}".encode()


def plain_line(
    measurement: str,
    home: str,
    fields: Sequence[tuple[str, str | int | float | None]],
    at_ns: int,
    part: int | None = None,
) -> bytes:
    """A row of a roll-up: texts, whole numbers and others, where they are known."""
    written = ",".join(f"{name}={_field(value)}" for name, value in fields if value is not None)
    tags = f"{measurement},home={tag(home)}" + ("" if part is None else f",part={part}")
    return f"{tags} {written} {at_ns}".encode()


def _field(value: str | int | float) -> str:
    if isinstance(value, str):
        return text(value)
    return f"{value}i" if isinstance(value, int) else repr(value)


def _whole(name: str, value: int) -> int:
    if not -MAX_WHOLE <= value <= MAX_WHOLE:
        raise ValueError(f"{name} does not fit into 64 bits")
    return value


def _point_fields(origin: Origin, point: SummaryPoint) -> str:
    fields = [
        f"at_us={point.at_us}i,device={_name(point.device)},gateway={_name(origin.gateway)},"
        f"late={origin.late},synced={origin.synced}"
    ]
    add = fields.append
    if point.resident is not None:
        add(f"resident={_name(point.resident)}")
    if point.zone is not None:
        add(f"zone={_name(point.zone)}")
    for name, number in (
        ("mean_x_g", point.mean_x_g),
        ("mean_y_g", point.mean_y_g),
        ("mean_z_g", point.mean_z_g),
        ("min_g", point.min_g),
        ("max_g", point.max_g),
        ("deviation_g", point.deviation_g),
    ):
        if number is not None:
            add(f"{name}={number!r}")
    for name, whole in (
        ("battery_percent", point.battery_percent),
        ("rssi_dbm", point.rssi_dbm),
        ("heart_rate_bpm", point.heart_rate_bpm),
    ):
        if whole is not None:
            add(f"{name}={_whole(name, whole)}i")
    if point.worn is not None:
        add(f"worn={point.worn}")
    return ",".join(fields)
