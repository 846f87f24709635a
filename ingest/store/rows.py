"""Rows of the SQLite store: from structs, inside a transaction that somebody else opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from contract import wire
from contract.events import Event
from contract.messages import Outcome
from contract.protocols import WriteOutcome
from contract.telemetry import SummaryPoint, TelemetryBatch
from ingest.letters import DeadLetter
from ingest.store.prefix import Prefix

LATE_AFTER_MS: Final = 60_000
"""Data older than this when it was sent is marked late. Boards show the last minute; what
comes after it is history. Judged by age alone, unknown age is now (DESIGN 4)."""

MAX_DEAD_LETTER_BYTES: Final = wire.MAX_PAYLOAD_BYTES
"""Whatever could have been accepted is kept whole, so that it can be tried again."""

MAX_DEAD_LETTERS: Final = 10_000
"""Beyond it the oldest go."""

MAX_DEAD_LETTERS_BYTES: Final = 160 * 1024 * 1024
"""Together at most so much of what strangers send. Beyond it the oldest go."""

UNSTORABLE: Final = (
    OverflowError,
    ValueError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
)
"""What SQLite raises for a value that will never fit, as opposed to a disk that is full."""

STORED: Final = WriteOutcome(Outcome.STORED)
DUPLICATE: Final = WriteOutcome(Outcome.DUPLICATE)

_INSERT_EVENT: Final = (
    "INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"
)
_INSERT_READING: Final = "INSERT INTO reading VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_POINT: Final = "INSERT INTO point VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"


class SessionKey(NamedTuple):
    """A gateway's run."""

    home: str
    gateway: str
    session: str


class StoredSession(NamedTuple):
    """What the store knows of it."""

    row: int
    prefix: Prefix


def insert_event(connection: sqlite3.Connection, event: Event, received_at_us: int) -> WriteOutcome:
    """Keep an event unless it is there already."""
    try:
        cursor = connection.execute(_INSERT_EVENT, _event_row(event, received_at_us))
    except UNSTORABLE as error:
        return WriteOutcome(Outcome.REJECTED, f"cannot be stored: {error}")
    if cursor.rowcount:
        return STORED
    return known_event(connection, event) or STORED


def remember_event(connection: sqlite3.Connection, event: Event, received_at_us: int) -> None:
    """Keep of an event what tells a resend from another event, where the event itself is kept
    elsewhere: nothing of whom it is about.
    """
    bare = msgspec.structs.replace(event, resident=None, device=None)
    row = (*_event_row(bare, received_at_us)[:-1], b"")
    connection.execute(_INSERT_EVENT, row)


def known_event(connection: sqlite3.Connection, event: Event) -> WriteOutcome | None:
    """What to say of an event whose id is there already; None if it is not."""
    known = connection.execute(
        "SELECT home, gateway, session, sequence, kind FROM event WHERE id = ?", (event.id,)
    ).fetchone()
    if known is None:
        return None
    given = (event.home, event.gateway, event.session, event.sequence, event.kind.value)
    if known == given:
        return DUPLICATE
    return WriteOutcome(Outcome.REJECTED, "another event has this id")


def insert_points(
    connection: sqlite3.Connection, placed: Sequence[tuple[TelemetryBatch, int]]
) -> str | None:
    """Keep what batches hold, all or none; returns why they cannot be, None if they were.

    One statement for all: between two, this thread waits for the interpreter, which the one that
    reads from the broker holds.

    Parameters
    ----------
    connection
        Within a transaction.
    placed
        Each batch with the row of its session.
    """
    connection.execute("SAVEPOINT points")
    try:
        connection.executemany(_INSERT_POINT, list(_point_rows(placed)))
        readings = list(_reading_rows(placed))
        if readings:
            connection.executemany(_INSERT_READING, readings)
            devices = {(point.device,) for batch, _ in placed for point in batch.sensors}
            connection.executemany("INSERT OR IGNORE INTO sensor VALUES (?)", sorted(devices))
    except UNSTORABLE as error:
        connection.execute("ROLLBACK TO points")
        connection.execute("RELEASE points")
        return f"cannot be stored: {error}"
    connection.execute("RELEASE points")
    return None


def _point_rows(placed: Sequence[tuple[TelemetryBatch, int]]) -> Iterator[tuple[object, ...]]:
    for batch, session_row in placed:
        late, synced = is_late(batch.age_ms), batch.clock == "synced"
        for point in batch.points:
            yield _point_row(point, session_row, late, synced)


def _reading_rows(placed: Sequence[tuple[TelemetryBatch, int]]) -> Iterator[tuple[object, ...]]:
    for batch, session_row in placed:
        late, synced = is_late(batch.age_ms), batch.clock == "synced"
        for point in batch.sensors:
            yield (
                session_row,
                point.at_us,
                point.device,
                point.zone,
                point.resident,
                late,
                synced,
                point.changed,
                point.motion,
                point.opening,
                point.press,
                point.occupied,
                point.temperature_c,
                point.humidity_percent,
                point.battery_percent,
                point.rssi_dbm,
            )


def insert_wearer(connection: sqlite3.Connection, device: str, resident: str | None) -> None:
    """Remember who wore a device latest."""
    connection.execute(
        "INSERT INTO wearable VALUES (?, ?) "
        "ON CONFLICT (device) DO UPDATE SET resident = excluded.resident",
        (device, resident),
    )


def insert_letter(connection: sqlite3.Connection, letter: DeadLetter, received_at_us: int) -> None:
    """Keep a dead letter, or count that it came again."""
    connection.execute(
        "INSERT INTO dead_letter (topic, message, reason, first_at_us, last_at_us, times, "
        "payload_bytes, payload) VALUES (?, ?, ?, ?, ?, 1, ?, ?) "
        "ON CONFLICT (topic, message, reason) DO UPDATE "
        "SET times = times + 1, last_at_us = excluded.last_at_us",
        (
            letter.topic,
            letter.key(),
            letter.reason,
            received_at_us,
            received_at_us,
            len(letter.payload),
            letter.payload[:MAX_DEAD_LETTER_BYTES],
        ),
    )


def forget_letters(connection: sqlite3.Connection) -> int:
    """Delete the oldest beyond `MAX_DEAD_LETTERS` and `MAX_DEAD_LETTERS_BYTES`; returns how many
    went.
    """
    return connection.execute(
        "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ? OR id IN ("
        "SELECT id FROM (SELECT id, sum(length(payload)) OVER (ORDER BY id DESC) AS newer "
        "FROM dead_letter) WHERE newer > ?)",
        (MAX_DEAD_LETTERS, MAX_DEAD_LETTERS_BYTES),
    ).rowcount


def load_session(connection: sqlite3.Connection, key: SessionKey, boot: str) -> StoredSession:
    """What is known of a session; it is made if it is new."""
    connection.execute(
        "INSERT INTO session (home, gateway, session, boot, up_to) VALUES (?, ?, ?, ?, 0) "
        "ON CONFLICT DO NOTHING",
        (*key, boot),
    )
    row, up_to = connection.execute(
        "SELECT id, up_to FROM session WHERE home = ? AND gateway = ? AND session = ?", key
    ).fetchone()
    ahead, refused = (
        [
            sequence
            for (sequence,) in connection.execute(
                f"SELECT sequence FROM {table} WHERE session_id = ?",  # noqa: S608 - two constants
                (row,),
            )
        ]
        for table in ("batch_ahead", "batch_refused")
    )
    return StoredSession(row, Prefix(up_to, ahead, refused))


def save_session(connection: sqlite3.Connection, old: Prefix, session: StoredSession) -> None:
    """Write what changed since `old`."""
    row, new = session
    if new.up_to != old.up_to:
        connection.execute("UPDATE session SET up_to = ? WHERE id = ?", (new.up_to, row))
    for table, was, is_now in (
        ("batch_ahead", old.ahead, new.ahead),
        ("batch_refused", old.refused, new.refused),
    ):
        connection.executemany(
            f"INSERT OR IGNORE INTO {table} VALUES (?, ?)",  # noqa: S608 - two constants
            [(row, sequence) for sequence in sorted(is_now - was)],
        )
        connection.executemany(
            f"DELETE FROM {table} WHERE session_id = ? AND sequence = ?",  # noqa: S608
            [(row, sequence) for sequence in sorted(was - is_now)],
        )


def is_late(age_ms: int | None) -> bool:
    """Whether data of this age count as late."""
    return age_ms is not None and age_ms > LATE_AFTER_MS


def _event_row(event: Event, received_at_us: int) -> tuple[object, ...]:
    return (
        event.id,
        event.home,
        event.gateway,
        event.session,
        event.sequence,
        event.kind.value,
        event.at_us,
        received_at_us,
        is_late(event.age_ms),
        event.resident,
        event.device,
        wire.encode(event),
    )


def _point_row(
    point: SummaryPoint, session_row: int, late: bool, synced: bool
) -> tuple[object, ...]:
    return (
        session_row,
        point.at_us,
        point.device,
        point.resident,
        point.zone,
        late,
        synced,
        point.mean_x_g,
        point.mean_y_g,
        point.mean_z_g,
        point.min_g,
        point.max_g,
        point.deviation_g,
        point.worn,
        point.battery_percent,
        point.rssi_dbm,
        point.heart_rate_bpm,
    )
