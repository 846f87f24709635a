"""The store of one home in one SQLite file.

Write-ahead log with ``synchronous=FULL``: what `write` returned for survives kill -9 and a
power cut. One transaction for each call, so either all of it is there or nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from contract.durable import make_durable
from contract.events import Event
from contract.messages import Outcome
from contract.protocols import StoreUnavailableError, WriteOutcome
from contract.telemetry import TelemetryBatch
from ingest.letters import DeadLetter
from ingest.store import rows
from ingest.store.prefix import Prefix
from ingest.store.rows import SessionKey, StoredSession
from ingest.store.schema import migrate

BUSY_TIMEOUT_S: Final = 5.0
"""How long to wait for another process that writes to the same file, which none should."""

PAGE_BYTES: Final = 4096
"""SQLite's default page."""

MAX_CACHED_SESSIONS: Final = 1_000
"""Runs of gateways whose prefix is kept in memory: years of restarts, some 100 kB."""

MAX_CACHED_WEARERS: Final = 10_000
"""Far more than any home has; only a stranger's inventions would come near it."""

_T = TypeVar("_T")


class _Changes(NamedTuple):
    """What a transaction changes of what is kept in memory."""

    sessions: dict[SessionKey, tuple[Prefix, StoredSession]]
    """What was settled before, and what is afterwards."""
    wearers: dict[str, str | None]


class SqliteStore:
    """Implements `contract.protocols.Store`, with dead letters and prefixes for receipts.

    The file is opened at the first write and again after each failure, so that a service
    starts, and says what is wrong, on a disk that is full or gone.

    Parameters
    ----------
    path
        The file; it and its folder are made if missing, readable by this user alone.
    max_bytes
        The file grows no larger; None for no limit but the disk's.
    """

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.dead_letters_forgotten = 0
        self._open_connection: sqlite3.Connection | None = None
        self._sessions: dict[SessionKey, StoredSession] = {}
        self._wearers: dict[str, str | None] = {}
        # One thread: writes are in order, and the event loop never waits for the disk.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    @classmethod
    def open(cls, path: Path) -> SqliteStore:
        """The store in `path`; see the class for when the file is touched."""
        return cls(path)

    @property
    def durable(self) -> bool:
        return True

    async def write(
        self, events: Sequence[Event], batches: Sequence[TelemetryBatch], received_at_us: int
    ) -> tuple[list[WriteOutcome], list[WriteOutcome]]:
        return await self._in_thread(
            lambda connection: self._write(connection, events, batches, received_at_us)
        )

    async def write_dead_letters(self, letters: Sequence[DeadLetter], received_at_us: int) -> None:
        """Keep what was refused; a batch among it is settled for `settled_up_to`.

        Raises
        ------
        StoreUnavailableError
            If nothing was written.
        """
        await self._in_thread(
            lambda connection: self._write_letters(connection, letters, received_at_us)
        )

    def settled_up_to(self, home: str, gateway: str, session: str) -> int:
        """Greatest sequence so that every batch of the session up to it is durable.

        Stored or kept as a dead letter; 0 if the first is missing, or the session was in no
        write since the store was opened.
        """
        known = self._sessions.get(SessionKey(home, gateway, session))
        return known.prefix.up_to if known is not None else 0

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._drop_connection)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do `work` wholly or not at all."""
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            return work(connection)
        except (sqlite3.Error, OSError) as error:
            self._drop_connection()
            raise StoreUnavailableError(f"{self.path}: {error}") from error
        except BaseException:
            self._drop_connection()
            raise

    def _connection(self) -> sqlite3.Connection:
        if self._open_connection is not None:
            return self._open_connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            make_durable(connection)
            if self.max_bytes is not None:
                connection.execute(f"PRAGMA max_page_count = {self.max_bytes // PAGE_BYTES}")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._open_connection = connection
        return connection

    def _drop_connection(self) -> None:
        """Close the file; an open transaction is undone. What was cached may be wrong now."""
        connection, self._open_connection = self._open_connection, None
        self._sessions.clear()
        self._wearers.clear()
        if connection is not None:
            connection.close()

    def _write(
        self,
        connection: sqlite3.Connection,
        events: Sequence[Event],
        batches: Sequence[TelemetryBatch],
        received_at_us: int,
    ) -> tuple[list[WriteOutcome], list[WriteOutcome]]:
        changed = _Changes({}, {})
        event_outcomes = [rows.insert_event(connection, each, received_at_us) for each in events]
        batch_outcomes = [self._insert_batch(connection, each, changed) for each in batches]
        connection.execute(
            "INSERT INTO written VALUES (1, ?) ON CONFLICT DO UPDATE SET at_us = excluded.at_us",
            (received_at_us,),
        )
        self._commit(connection, changed)
        return event_outcomes, batch_outcomes

    def _write_letters(
        self,
        connection: sqlite3.Connection,
        letters: Sequence[DeadLetter],
        received_at_us: int,
    ) -> None:
        changed = _Changes({}, {})
        for letter in letters:
            rows.insert_letter(connection, letter, received_at_us)
            key = letter.batch_key
            if key is not None:
                session = self._session(connection, SessionKey(*key[:3]), "", changed)
                session.prefix.refuse(key[3])
        forgotten = rows.forget_letters(connection)
        self._commit(connection, changed)
        self.dead_letters_forgotten += forgotten

    def _insert_batch(
        self, connection: sqlite3.Connection, batch: TelemetryBatch, changed: _Changes
    ) -> WriteOutcome:
        key = SessionKey(batch.home, batch.gateway, batch.session)
        session = self._session(connection, key, batch.boot, changed)
        if session.prefix.is_stored(batch.sequence):
            return rows.DUPLICATE
        reason = rows.insert_points(connection, batch, session.row)
        if reason is not None:
            return WriteOutcome(Outcome.REJECTED, reason)
        session.prefix.store(batch.sequence)
        for point in batch.points:
            known = changed.wearers.get(point.device, self._wearers.get(point.device, ""))
            if known != point.resident:
                rows.insert_wearer(connection, point.device, point.resident)
                changed.wearers[point.device] = point.resident
        return rows.STORED

    def _session(
        self, connection: sqlite3.Connection, key: SessionKey, boot: str, changed: _Changes
    ) -> StoredSession:
        """A copy of what is known of a session, to change within this transaction."""
        if key not in changed.sessions:
            known = self._sessions.get(key) or rows.load_session(connection, key, boot)
            changed.sessions[key] = known.prefix, StoredSession(known.row, known.prefix.copy())
        return changed.sessions[key][1]

    def _commit(self, connection: sqlite3.Connection, changed: _Changes) -> None:
        for before, session in changed.sessions.values():
            rows.save_session(connection, before, session)
        connection.execute("COMMIT")
        if len(self._sessions) > MAX_CACHED_SESSIONS:
            self._sessions.clear()
        self._sessions.update({key: after for key, (_, after) in changed.sessions.items()})
        if len(self._wearers) > MAX_CACHED_WEARERS:
            self._wearers.clear()
        self._wearers.update(changed.wearers)
