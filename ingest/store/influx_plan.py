"""What of some messages is new to InfluxDB, and the line of each: within one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contract.events import Event
from contract.messages import Outcome
from contract.protocols import WriteOutcome
from contract.telemetry import SensorPoint, SummaryPoint, TelemetryBatch
from contract.units import US_PER_S
from ingest.read import FUTURE_TOLERANCE_S
from ingest.store import rows
from ingest.store.influx_lines import (
    Origin,
    event_line,
    latest_line,
    point_line,
    reading_line,
)
from ingest.store.lanes import Lanes
from ingest.store.ledger import Entry
from ingest.store.rows import SessionKey


class Placed(NamedTuple):
    """A new message and its lines: one of an event; of a batch one for each point, then one for
    each of a sensor.
    """

    message: Event | TelemetryBatch
    lines: list[bytes]


class Plan(NamedTuple):
    """What to write, and what is known already of each message, events first."""

    outcomes: list[WriteOutcome | Placed]
    """A message that came twice at once has the same `Placed` twice."""
    placed: list[Placed]
    latest: list[bytes]
    """Rows of the latest point of each device."""


class _Newest(NamedTuple):
    batch: TelemetryBatch
    point: SummaryPoint | SensorPoint


def make_plan(
    entry: Entry,
    lanes: Lanes,
    events: Sequence[Event],
    batches: Sequence[TelemetryBatch],
    received_at_us: int,
) -> Plan:
    """Find out what is new and give it its lines.

    Lanes that are new are written with the transaction that `entry` is.
    """
    placed: dict[object, Placed] = {}
    outcomes: list[WriteOutcome | Placed] = []
    for event in events:
        found = rows.known_event(entry.connection, event) or placed.get(event.id)
        if isinstance(found, Placed) and not _is_same(found.message, event):
            found = WriteOutcome(Outcome.REJECTED, "another event has this id")
        if found is None:
            found = _place_event(entry, lanes, event, received_at_us)
            if isinstance(found, Placed):
                placed[event.id] = found
        outcomes.append(found)
    outcomes.extend(_take_batch(entry, lanes, batch, placed) for batch in batches)
    plan = Plan(outcomes, list(placed.values()), [])
    for batch, point in _newest(plan.placed, received_at_us).values():
        what = "wearable" if isinstance(point, SummaryPoint) else "sensor"
        lane = lanes.of_latest(entry.connection, f"{what} {point.device}", point.at_us)
        if lane is not None:
            plan.latest.append(latest_line(origin_of(batch), point, lane))
    lanes.save(entry.connection)
    return plan


def origin_of(batch: TelemetryBatch) -> Origin:
    """What the lines of its points have in common."""
    late, synced = rows.is_late(batch.age_ms), batch.clock == "synced"
    return Origin(batch.home, batch.gateway, late, synced)


def owner_of_event(event_id: str) -> str:
    """Whose lane an event's is."""
    return f"event {event_id}"


def owner_of_points(session_row: int, device: str) -> str:
    """Whose lane is that of a device's points, heard in one run of one gateway."""
    return f"points {session_row} {device}"


def _take_batch(
    entry: Entry, lanes: Lanes, batch: TelemetryBatch, placed: dict[object, Placed]
) -> WriteOutcome | Placed:
    key = SessionKey(batch.home, batch.gateway, batch.session)
    session = entry.session(key, batch.boot)
    if session.prefix.is_stored(batch.sequence):
        return rows.DUPLICATE
    twin = placed.get((key, batch.sequence))
    if twin is not None:
        return twin
    found = _place_batch(entry, lanes, batch, session.row)
    if isinstance(found, Placed):
        placed[key, batch.sequence] = found
    return found


def _place_event(
    entry: Entry, lanes: Lanes, event: Event, received_at_us: int
) -> WriteOutcome | Placed:
    lane = lanes.of_one(entry.connection, owner_of_event(event.id))
    try:
        line = event_line(event, lane, rows.is_late(event.age_ms), received_at_us)
    except ValueError as error:
        return WriteOutcome(Outcome.REJECTED, f"cannot be stored: {error}")
    return Placed(event, [line])


def _place_batch(
    entry: Entry, lanes: Lanes, batch: TelemetryBatch, session_row: int
) -> WriteOutcome | Placed:
    origin = origin_of(batch)
    lines = []
    try:
        for place, point in enumerate(batch.points):
            owner = owner_of_points(session_row, point.device)
            position = (batch.sequence, place)
            lane = lanes.of_point(entry.connection, owner, position, point.at_us)
            lines.append(point_line(origin, point, lane))
        for place, reading in enumerate(batch.sensors, len(batch.points)):
            owner = owner_of_points(session_row, reading.device)
            position = (batch.sequence, place)
            lane = lanes.of_point(entry.connection, owner, position, reading.at_us)
            lines.append(reading_line(origin, reading, lane))
    except ValueError as error:
        return WriteOutcome(Outcome.REJECTED, f"cannot be stored: {error}")
    return Placed(batch, lines)


def _newest(
    placed: Sequence[Placed], received_at_us: int
) -> dict[tuple[type[object], str], _Newest]:
    """The newest point of each device that is not of a time to come."""
    limit_us = received_at_us + FUTURE_TOLERANCE_S * US_PER_S
    newest: dict[tuple[type[object], str], _Newest] = {}
    for message, _ in placed:
        if isinstance(message, Event):
            continue
        points: list[SummaryPoint | SensorPoint] = [*message.points, *message.sensors]
        for point in points:
            key = (type(point), point.device)
            known = newest.get(key)
            if point.at_us <= limit_us and (known is None or known.point.at_us <= point.at_us):
                newest[key] = _Newest(message, point)
    return newest


def _is_same(one: Event | TelemetryBatch, other: Event) -> bool:
    return isinstance(one, Event) and (
        one.home,
        one.gateway,
        one.session,
        one.sequence,
        one.kind,
    ) == (other.home, other.gateway, other.session, other.sequence, other.kind)
