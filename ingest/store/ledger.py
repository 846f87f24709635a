"""The ledger: what ingest must remember exactly, whatever store holds the measures.

Which batches and events were taken, so that a resend is known for what it is; up to where a
receipt may reach; and what was refused. One SQLite file in write-ahead mode with
``synchronous=FULL``: what a transaction returned for survives kill -9 and a power cut. Several
workers of one machine may share it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from contract.durable import make_durable
from contract.protocols import StoreUnavailableError
from ingest.letters import DeadLetter
from ingest.store import rows
from ingest.store.prefix import Prefix
from ingest.store.rows import SessionKey, StoredSession
from ingest.store.schema import migrate

BUSY_TIMEOUT_S: Final = 5.0
"""How long to wait for another worker's commit, which takes milliseconds."""

PAGE_BYTES: Final = 4096
"""SQLite's default page."""

MAX_CACHED_SESSIONS: Final = 1_000
"""Runs of gateways whose prefix is kept in memory: years of restarts, some 100 kB."""

MAX_CACHED_WEARERS: Final = 10_000
"""Far more than any home has; only a stranger's inventions would come near it."""

_T = TypeVar("_T")


class Entry:
    """One transaction: what it changes of what is kept in memory goes there at its commit.

    Made by `Ledger.transaction`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        sessions: dict[SessionKey, StoredSession],
        wearers: dict[str, str | None],
    ) -> None:
        self.connection = connection
        self.forgotten = 0
        """Dead letters deleted to make room."""
        self.sessions: dict[SessionKey, tuple[Prefix, StoredSession]] = {}
        """What was settled before, and what is afterwards."""
        self.wearers: dict[str, str | None] = {}
        self._known_sessions = sessions
        self._known_wearers = wearers

    def session(self, key: SessionKey, boot: str) -> StoredSession:
        """A copy of what is known of a session, to change within this transaction."""
        if key not in self.sessions:
            known = self._known_sessions.get(key) or rows.load_session(self.connection, key, boot)
            self.sessions[key] = known.prefix, StoredSession(known.row, known.prefix.copy())
        return self.sessions[key][1]

    def note_wearer(self, device: str, resident: str | None) -> None:
        """Remember who wears a device now."""
        known = self.wearers.get(device, self._known_wearers.get(device, ""))
        if known != resident:
            rows.insert_wearer(self.connection, device, resident)
            self.wearers[device] = resident

    def note_written(self, received_at_us: int) -> None:
        """Remember when something was stored last."""
        self.connection.execute(
            "INSERT INTO written VALUES (1, ?) ON CONFLICT DO UPDATE SET at_us = excluded.at_us",
            (received_at_us,),
        )

    def keep_letters(self, letters: Sequence[DeadLetter], received_at_us: int) -> None:
        """Keep what was refused; a batch among it is settled for `Ledger.settled_up_to`."""
        for letter in letters:
            rows.insert_letter(self.connection, letter, received_at_us)
            key = letter.batch_key
            if key is not None:
                self.session(SessionKey(*key[:3]), "").prefix.refuse(key[3])
        self.forgotten += rows.forget_letters(self.connection)


class Ledger:
    """The file, its one connection, and the thread that alone uses it.

    Opened at the first use and again after each failure, so that a service starts, and says
    what is wrong, on a disk that is full or gone.

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
        self.generation = 0
        """Another one when what others keep in memory of this file may be wrong."""
        self._open_connection: sqlite3.Connection | None = None
        self._version = -1
        self._sessions: dict[SessionKey, StoredSession] = {}
        self._wearers: dict[str, str | None] = {}
        self._settled: dict[SessionKey, int] = {}
        # One thread: writes are in order, and the event loop never waits for the disk.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Do blocking work on the ledger's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def transaction(self, work: Callable[[Entry], _T]) -> _T:
        """Do `work` wholly or not at all; only on the ledger's thread.

        Raises
        ------
        StoreUnavailableError
            If nothing was written.
        """
        try:
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            self._forget_if_changed(connection)
            entry = Entry(connection, self._sessions, self._wearers)
            result = work(entry)
            self._commit(entry)
        except (sqlite3.Error, OSError) as error:
            self.drop_connection()
            raise StoreUnavailableError(f"{self.path}: {error}") from error
        except BaseException:
            self.drop_connection()
            raise
        return result

    async def write_letters(self, letters: Sequence[DeadLetter], received_at_us: int) -> None:
        """Keep what was refused, in a transaction of its own.

        Raises
        ------
        StoreUnavailableError
            If nothing was written.
        """
        await self.in_thread(
            lambda: self.transaction(lambda entry: entry.keep_letters(letters, received_at_us))
        )

    def settled_up_to(self, home: str, gateway: str, session: str) -> int:
        """Greatest sequence so that every batch of the session up to it is durable.

        Stored or kept as a dead letter; 0 if the first is missing, or the session was in no
        write since the ledger was opened.
        """
        return self._settled.get(SessionKey(home, gateway, session), 0)

    def connection(self) -> sqlite3.Connection:
        """The file, opened and brought up to date; only on the ledger's thread.

        Raises
        ------
        sqlite3.Error, OSError
            If it cannot be.
        StoreUnavailableError
            If a newer Wardlight wrote it.
        """
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

    def _forget_if_changed(self, connection: sqlite3.Connection) -> None:
        """Another worker has written since: what is kept in memory may be wrong.

        ``data_version`` changes with the commits of other connections alone.
        """
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if version != self._version:
            self._version = version
            self._forget()

    def _forget(self) -> None:
        self.generation += 1
        self._sessions.clear()
        self._wearers.clear()

    def drop_connection(self) -> None:
        """Close the file; an open transaction is undone. What was cached may be wrong now."""
        connection, self._open_connection = self._open_connection, None
        self._forget()
        if connection is not None:
            connection.close()

    async def close(self) -> None:
        """Close the file and end the thread."""
        await self.in_thread(self.drop_connection)
        self._thread.shutdown(wait=False)

    def _commit(self, entry: Entry) -> None:
        for before, session in entry.sessions.values():
            rows.save_session(entry.connection, before, session)
        entry.connection.execute("COMMIT")
        self.dead_letters_forgotten += entry.forgotten
        if len(self._sessions) > MAX_CACHED_SESSIONS:
            self._sessions.clear()
            self._settled.clear()
        # Apart: this only grows, and is true whatever another worker writes after it.
        self._settled.update(
            {key: after.prefix.up_to for key, (_, after) in entry.sessions.items()}
        )
        self._sessions.update({key: after for key, (_, after) in entry.sessions.items()})
        if len(self._wearers) > MAX_CACHED_WEARERS:
            self._wearers.clear()
        self._wearers.update(entry.wearers)
