"""What the event outbox keeps, and the SQL that keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from contract import wire
from contract.events import Event, Receiver

_log = structlog.get_logger(__name__)

REMEMBERED_SESSIONS: Final = 32
"""Sessions whose event numbers are kept, so that one that is opened again goes on counting."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL,
    at_monotonic_ns INTEGER NOT NULL,
    waiting TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS dead_letters (
    id TEXT NOT NULL,
    rejected_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (id, rejected_by)
) STRICT;
CREATE TABLE IF NOT EXISTS sequences (session TEXT PRIMARY KEY, latest INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS results (
    device TEXT NOT NULL,
    what TEXT NOT NULL,
    boot INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    event_id TEXT,
    PRIMARY KEY (device, what, boot, counter)
) STRICT;
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, expires_at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS lying (device TEXT PRIMARY KEY, payload BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS faults (key TEXT PRIMARY KEY, payload BLOB NOT NULL) STRICT;
"""


class Counter(NamedTuple):
    """A counter in a wearable's advert that waits to be written back, or the number of a press of a
    call point.
    """

    device: str
    what: str
    """``candidate`` or ``button``; of a call point ``press``, or ``press/`` and the machine's boot
    where `boot` is a second of it (`edge.call_points`)."""
    boot: int
    counter: int


class Standing(NamedTuple):
    """A change to the faults that stand, written together with its event."""

    key: str
    raised: bool


class KeptRow(NamedTuple):
    """What is open of one wearer's falls (`edge.lying`); None where nothing is any more."""

    device: str
    payload: bytes | None


class PendingEvent:
    """An event that still waits for receipts."""

    __slots__ = ("at_monotonic_ns", "attempts", "due_ns", "durable", "event", "since_ns", "waiting")

    def __init__(
        self,
        event: Event,
        at_monotonic_ns: int,
        since_ns: int,
        waiting: frozenset[Receiver],
        *,
        durable: bool,
    ) -> None:
        self.event = event
        self.at_monotonic_ns = at_monotonic_ns
        """Monotonic time of `Event.at_us`, within the event's boot."""
        self.since_ns = since_ns
        """Monotonic time since when this session has tried to deliver it."""
        self.waiting = waiting
        self.durable = durable
        self.attempts = 0
        self.due_ns = since_ns
        """Monotonic time of the next send."""


class Rejection(NamedTuple):
    """A receiver said that it will never accept this event."""

    event: Event
    by: Receiver
    reason: str


Loaded = tuple[
    list[tuple[bytes, int, str]],
    list[tuple[str, str, int, int, str | None]],
    list[tuple[str, int]],
    list[tuple[bytes]],
    list[tuple[str, bytes]],
]


def load(connection: sqlite3.Connection) -> Loaded:
    """Everything that an earlier session left."""
    connection.execute(
        "DELETE FROM sequences WHERE rowid NOT IN "
        "(SELECT rowid FROM sequences ORDER BY rowid DESC LIMIT ?)",
        (REMEMBERED_SESSIONS,),
    )
    return (
        connection.execute(
            "SELECT payload, at_monotonic_ns, waiting FROM events ORDER BY position"
        ).fetchall(),
        connection.execute("SELECT device, what, boot, counter, event_id FROM results").fetchall(),
        connection.execute("SELECT session, latest FROM sequences").fetchall(),
        connection.execute("SELECT payload FROM faults ORDER BY key").fetchall(),
        connection.execute("SELECT device, payload FROM lying ORDER BY device").fetchall(),
    )


def insert(
    connection: sqlite3.Connection,
    entry: PendingEvent,
    result: Counter | None = None,
    standing: Standing | None = None,
    lying: KeptRow | None = None,
) -> None:
    """Write an event, and what is written with it."""
    event = entry.event
    payload = wire.encode(event)
    connection.execute(
        "INSERT INTO events (id, payload, at_monotonic_ns, waiting) VALUES (?, ?, ?, ?)",
        (event.id, payload, entry.at_monotonic_ns, ",".join(sorted(entry.waiting))),
    )
    connection.execute(
        "INSERT INTO sequences VALUES (?, ?) "
        "ON CONFLICT (session) DO UPDATE SET latest = max(latest, excluded.latest)",
        (event.session, event.sequence),
    )
    if result is not None:
        insert_result(connection, result, event.id)
    if standing is not None and standing.raised:
        connection.execute("INSERT OR REPLACE INTO faults VALUES (?, ?)", (standing.key, payload))
    elif standing is not None:
        connection.execute("DELETE FROM faults WHERE key = ?", (standing.key,))
    if lying is not None:
        keep_lying(connection, [lying])


def keep_lying(connection: sqlite3.Connection, rows: Sequence[KeptRow]) -> None:
    """Write what is open of these wearers."""
    for row in rows:
        if row.payload is None:
            connection.execute("DELETE FROM lying WHERE device = ?", (row.device,))
        else:
            connection.execute("INSERT OR REPLACE INTO lying VALUES (?, ?)", row)


def delete(connection: sqlite3.Connection, entry: PendingEvent) -> None:
    """Forget an event that everybody has receipted."""
    connection.execute("DELETE FROM events WHERE id = ?", (entry.event.id,))


def insert_result(connection: sqlite3.Connection, counter: Counter, event_id: str | None) -> None:
    """Write what became of a wearable's counter."""
    connection.execute(
        "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", (*counter, event_id)
    )


def receive(
    connection: sqlite3.Connection,
    touched: Sequence[PendingEvent],
    rejections: Sequence[Rejection],
    at_us: int,
) -> None:
    """Write down who need not be waited for any more, and who said no."""
    for entry in touched:
        if entry.waiting:
            connection.execute(
                "UPDATE events SET waiting = ? WHERE id = ?",
                (",".join(sorted(entry.waiting)), entry.event.id),
            )
        else:
            delete(connection, entry)
    for rejection in rejections:
        connection.execute(
            "INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?)",
            (
                rejection.event.id,
                rejection.by,
                rejection.reason,
                wire.encode(rejection.event),
                at_us,
            ),
        )


def claim(connection: sqlite3.Connection, identifier: str, expires_at_us: int, now_us: int) -> bool:
    """Keep a command as done; false if it was."""
    connection.execute("DELETE FROM commands WHERE expires_at_us < ?", (now_us,))
    cursor = connection.execute(
        "INSERT OR IGNORE INTO commands VALUES (?, ?)", (identifier, expires_at_us)
    )
    return cursor.rowcount == 1


def decode_kept(payload: bytes) -> Event | None:
    """An event that we wrote; an unreadable one is said aloud and left in the file."""
    try:
        return msgspec.json.decode(payload, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.error("kept_event_unreadable", reason=str(error), payload=payload[:200])
        return None
