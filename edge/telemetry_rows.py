"""What telemetry's outbox writes: the SQL, and how a batch is made smaller.

A batch lies in the file as it travels, compressed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from contract import wire
from contract.telemetry import SummaryPoint, TelemetryBatch

_log = structlog.get_logger(__name__)

BatchKey = tuple[str, int]
"""Session and sequence."""

REMEMBERED_SESSIONS: Final = 32
"""Sessions whose last receipt is kept when nothing of them waits: enough to continue one that
is opened again, too few to fill anything."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batches (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    boot TEXT NOT NULL,
    payload BLOB NOT NULL,
    made_monotonic_ns INTEGER NOT NULL,
    UNIQUE (session, sequence)
) STRICT;
CREATE TABLE IF NOT EXISTS thinned (
    session TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (session, sequence)
) STRICT;
CREATE TABLE IF NOT EXISTS receipted (session TEXT PRIMARY KEY, up_to INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS dead_letters (
    session TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (session, sequence)
) STRICT;
"""


class KeptBatch(NamedTuple):
    """What is known of a batch in the file without reading it."""

    key: BatchKey
    boot: str
    made_monotonic_ns: int
    size: int
    """Bytes of its payload."""
    thinned: bool


class Kept(NamedTuple):
    """What an earlier session left."""

    batches: list[KeptBatch]
    receipted: dict[str, int]
    rejected: set[BatchKey]


class Changes(NamedTuple):
    """What one commit brings to the disk."""

    written: Sequence[tuple[TelemetryBatch, int]]
    """New batches, and when each was made (monotonic)."""
    deleted: Sequence[BatchKey]
    buried: Sequence[tuple[str, BatchKey]]
    """Rejected batches, each with the reason."""
    receipted: Mapping[str, int]


def load(connection: sqlite3.Connection) -> Kept:
    """Everything that an earlier session left."""
    connection.execute(
        "DELETE FROM receipted WHERE session NOT IN (SELECT session FROM batches) AND session "
        "NOT IN (SELECT session FROM receipted ORDER BY rowid DESC LIMIT ?)",
        (REMEMBERED_SESSIONS,),
    )
    batches = connection.execute(
        "SELECT session, sequence, boot, made_monotonic_ns, length(payload), thinned.session "
        "IS NOT NULL FROM batches LEFT JOIN thinned USING (session, sequence) ORDER BY position"
    )
    return Kept(
        [
            KeptBatch((session, sequence), boot, made_ns, size, bool(thinned))
            for session, sequence, boot, made_ns, size, thinned in batches
        ],
        dict(connection.execute("SELECT session, up_to FROM receipted")),
        set(connection.execute("SELECT session, sequence FROM dead_letters")),
    )


def read(connection: sqlite3.Connection, key: BatchKey) -> TelemetryBatch | None:
    """One batch; None if it is not in the file, or unreadable there."""
    row = connection.execute(
        "SELECT payload FROM batches WHERE session = ? AND sequence = ?", key
    ).fetchone()
    if row is None:
        return None
    try:
        return wire.decode(row[0], TelemetryBatch)
    except wire.RejectedMessageError as error:
        _log.error("kept_batch_unreadable", session=key[0], sequence=key[1], reason=error.reason)
        return None


def commit(connection: sqlite3.Connection, changes: Changes) -> list[int]:
    """Write what has come together; returns the bytes that each new batch takes."""
    payloads = [wire.compress(wire.encode(batch)) for batch, _ in changes.written]
    connection.executemany(
        "INSERT OR REPLACE INTO batches (session, sequence, boot, payload, made_monotonic_ns) "
        "VALUES (?, ?, ?, ?, ?)",
        [
            (batch.session, batch.sequence, batch.boot, payload, made_ns)
            for (batch, made_ns), payload in zip(changes.written, payloads, strict=True)
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO dead_letters (reason, session, sequence, payload) "
        "SELECT ?, session, sequence, payload FROM batches WHERE session = ? AND sequence = ?",
        [(reason, *key) for reason, key in changes.buried],
    )
    gone = [*changes.deleted, *(key for _, key in changes.buried)]
    connection.executemany("DELETE FROM batches WHERE session = ? AND sequence = ?", gone)
    connection.executemany("DELETE FROM thinned WHERE session = ? AND sequence = ?", gone)
    connection.executemany(
        "INSERT OR REPLACE INTO receipted (session, up_to) VALUES (?, ?)",
        list(changes.receipted.items()),
    )
    return [len(payload) for payload in payloads]


def thin(connection: sqlite3.Connection, keys: Iterable[BatchKey]) -> dict[BatchKey, int]:
    """Leave little of these batches (`thinned`); returns the bytes they take then."""
    sizes = {}
    for key in keys:
        batch = read(connection, key)
        if batch is None:
            continue
        payload = wire.compress(wire.encode(thinned(batch)))
        connection.execute(
            "UPDATE batches SET payload = ? WHERE session = ? AND sequence = ?", (payload, *key)
        )
        connection.execute("INSERT OR IGNORE INTO thinned VALUES (?, ?)", key)
        sizes[key] = len(payload)
    return sizes


def thinned(batch: TelemetryBatch) -> TelemetryBatch:
    """The batch with each wearable's first second alone, and of sensors what has changed.

    The first, not the liveliest: a chart of what is left must not show more movement than there
    was.
    """
    first: dict[str, SummaryPoint] = {}
    for point in batch.points:
        first.setdefault(point.device, point)
    changes = [point for point in batch.sensors if point.changed is not None]
    return msgspec.structs.replace(batch, points=list(first.values()), sensors=changes)
