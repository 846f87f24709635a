"""Tables of the SQLite store, and how an older file becomes a newer one."""

from __future__ import annotations

import sqlite3
from typing import Final

from contract.protocols import StoreUnavailableError

_FIRST: Final = (
    # One event each; `body` is the whole of it as it came, the columns are for finding it.
    """
    CREATE TABLE event (
        id TEXT PRIMARY KEY,
        home TEXT NOT NULL,
        gateway TEXT NOT NULL,
        session TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL,
        late INTEGER NOT NULL,
        resident TEXT,
        device TEXT,
        body BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX event_by_time ON event (at_us)",
    "CREATE INDEX event_by_resident ON event (resident, at_us) WHERE resident IS NOT NULL",
    # A gateway's run. `up_to` settles every batch from 1 on; see `ingest.store.prefix`.
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        home TEXT NOT NULL,
        gateway TEXT NOT NULL,
        session TEXT NOT NULL,
        boot TEXT NOT NULL,
        up_to INTEGER NOT NULL,
        UNIQUE (home, gateway, session)
    ) STRICT
    """,
    """
    CREATE TABLE batch_ahead (
        session_id INTEGER NOT NULL REFERENCES session (id),
        sequence INTEGER NOT NULL,
        PRIMARY KEY (session_id, sequence)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE batch_refused (
        session_id INTEGER NOT NULL REFERENCES session (id),
        sequence INTEGER NOT NULL,
        PRIMARY KEY (session_id, sequence)
    ) STRICT, WITHOUT ROWID
    """,
    # No uniqueness: two gateways hear one wearable, and a clock that jumps back measures a
    # second twice. Batches are what is idempotent.
    """
    CREATE TABLE point (
        session_id INTEGER NOT NULL REFERENCES session (id),
        at_us INTEGER NOT NULL,
        device TEXT NOT NULL,
        resident TEXT,
        zone TEXT,
        late INTEGER NOT NULL,
        synced INTEGER NOT NULL,
        mean_x_g REAL,
        mean_y_g REAL,
        mean_z_g REAL,
        min_g REAL,
        max_g REAL,
        deviation_g REAL,
        worn INTEGER,
        battery_percent INTEGER,
        rssi_dbm INTEGER,
        heart_rate_bpm INTEGER
    ) STRICT
    """,
    "CREATE INDEX point_by_device ON point (device, at_us)",
    "CREATE INDEX point_by_resident ON point (resident, at_us) WHERE resident IS NOT NULL",
    # Who wears what, so that the latest point of each is found without reading them all.
    "CREATE TABLE wearable (device TEXT PRIMARY KEY, resident TEXT) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY,
        topic TEXT NOT NULL,
        message TEXT NOT NULL,
        reason TEXT NOT NULL,
        first_at_us INTEGER NOT NULL,
        last_at_us INTEGER NOT NULL,
        times INTEGER NOT NULL,
        payload_bytes INTEGER NOT NULL,
        payload BLOB NOT NULL,
        UNIQUE (topic, message, reason)
    ) STRICT
    """,
    "CREATE TABLE written (only INTEGER PRIMARY KEY CHECK (only = 1), at_us INTEGER) STRICT",
)

_SECOND: Final = (
    # Below the millisecond, for stores where equal times overwrite; see `ingest.store.lanes`.
    # AUTOINCREMENT: the number of a lane that was deleted is never given again.
    """
    CREATE TABLE lane (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL,
        first_sequence INTEGER NOT NULL,
        first_place INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL,
        last_place INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        UNIQUE (owner, first_sequence, first_place)
    ) STRICT
    """,
    # What a store acknowledged that may lose it again; see `ingest.store.journal`.
    """
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        written_at_us INTEGER NOT NULL,
        lines BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX journal_by_time ON journal (written_at_us)",
    # Minutes of what was deleted as seconds. No uniqueness: seconds that come after their
    # minute was made have one of their own.
    """
    CREATE TABLE minute (
        home TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        device TEXT NOT NULL,
        resident TEXT,
        seconds INTEGER NOT NULL,
        mean_x_g REAL,
        mean_y_g REAL,
        mean_z_g REAL,
        min_g REAL,
        max_g REAL,
        deviation_g REAL,
        worn REAL,
        battery_percent REAL,
        rssi_dbm REAL,
        heart_rate_bpm REAL
    ) STRICT
    """,
    "CREATE INDEX minute_by_time ON minute (at_us)",
    "CREATE INDEX minute_by_resident ON minute (resident, at_us) WHERE resident IS NOT NULL",
    """
    CREATE TABLE hour (
        home TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        residents INTEGER NOT NULL,
        minutes INTEGER NOT NULL,
        deviation_g REAL,
        worn REAL,
        heart_rate_bpm REAL
    ) STRICT
    """,
    "CREATE INDEX hour_by_time ON hour (at_us)",
    # Up to where something that goes on for long has come, by its name.
    "CREATE TABLE progress (name TEXT PRIMARY KEY, up_to INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)

_THIRD: Final = (
    # What a room sensor said; no uniqueness, as of `point`.
    """
    CREATE TABLE reading (
        session_id INTEGER NOT NULL REFERENCES session (id),
        at_us INTEGER NOT NULL,
        device TEXT NOT NULL,
        zone TEXT NOT NULL,
        resident TEXT,
        late INTEGER NOT NULL,
        synced INTEGER NOT NULL,
        changed TEXT,
        motion INTEGER,
        opening INTEGER,
        press INTEGER,
        occupied INTEGER,
        temperature_c REAL,
        humidity_percent REAL,
        battery_percent INTEGER,
        rssi_dbm INTEGER
    ) STRICT
    """,
    "CREATE INDEX reading_by_device ON reading (device, at_us)",
    "CREATE INDEX reading_by_time ON reading (at_us)",
    # So that the latest of each sensor is found without reading them all.
    "CREATE TABLE sensor (device TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _SECOND, _THIRD)
"""Statements that lead from each version to the next; never changed once released."""

SCHEMA_VERSION: Final = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to `SCHEMA_VERSION`, all or nothing.

    Raises
    ------
    StoreUnavailableError
        If a newer Wardlight wrote it: an older one must not guess.
    """
    if _version(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Asked again: another worker may have begun at the same time.
    for statements in MIGRATIONS[_version(connection) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"the store has version {version}, this program knows {SCHEMA_VERSION}: update it"
        )
    return version
