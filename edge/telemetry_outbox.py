"""The outbox for telemetry: batches, kept until ingest's cumulative receipt.

One commit for each batch and no more: receipts are applied in memory at once and reach the
disk with the next batch. After a crash in between, a few batches are sent twice.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract import wire
from contract.messages import Outcome, Receipt
from contract.telemetry import TELEMETRY_SCHEMA, TelemetryBatch
from edge.storage import StorageFile, UnwritableError

_log = structlog.get_logger(__name__)

TELEMETRY_FILE: Final = "telemetry.sqlite"

MAX_BATCHES: Final = 60_480
"""A week of batches of ten seconds: longer than any outage that nobody repairs, and at about
14 kB each for six residents below 1 GB."""

CACHED_BATCHES: Final = 64
"""Newest batches kept in memory as well: eleven minutes, all that ordinary hiccups need."""

REMEMBERED_SESSIONS: Final = 32
"""Sessions whose last receipt is kept when nothing of them waits: enough to continue one that
is opened again, too few to fill anything."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS batches (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    boot TEXT NOT NULL,
    payload BLOB NOT NULL,
    made_monotonic_ns INTEGER NOT NULL,
    UNIQUE (session, sequence)
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

BatchKey = tuple[str, int]
"""Session and sequence."""


class PendingBatch:
    """A batch that still waits for its receipt."""

    __slots__ = ("attempts", "batch", "boot", "due_ns", "given_up", "key", "made_monotonic_ns")

    def __init__(
        self,
        key: BatchKey,
        boot: str,
        made_monotonic_ns: int,
        due_ns: int,
        batch: TelemetryBatch | None = None,
        *,
        given_up: bool = False,
    ) -> None:
        self.key = key
        self.boot = boot
        self.made_monotonic_ns = made_monotonic_ns
        self.batch = batch
        """None if it is not in memory."""
        self.given_up = given_up
        """There was no space for it: an empty batch goes in its place."""
        self.attempts = 0
        self.due_ns = due_ns
        """Monotonic time of the next send."""


class TelemetryOutbox:
    """Batches in the order they were made.

    A receiver's receipts are cumulative, so a session's numbers must have no hole: what is
    given up for lack of space is replaced by an empty batch of the same number.

    Parameters
    ----------
    folder
        Where the file lies.
    home, gateway
        Whose batches these are; for the empty ones.
    max_batches
        Beyond this the oldest are given up.
    may_write
        Asked before each commit: false keeps telemetry in memory, so that it does not take
        the space that was given up for alarms.
    """

    def __init__(
        self,
        folder: Path,
        home: str,
        gateway: str,
        max_batches: int = MAX_BATCHES,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.pending: dict[BatchKey, PendingBatch] = {}
        """Oldest first."""
        self.given_up = 0
        """Batches for which there was no space."""
        self._home = home
        self._gateway = gateway
        self._file = StorageFile(folder / TELEMETRY_FILE, _SCHEMA)
        self._max_batches = max_batches
        self._may_write = may_write
        self._held: deque[PendingBatch] = deque()
        self._cached: deque[PendingBatch] = deque()
        self._sequences: dict[str, int] = {}
        self._receipted: dict[str, int] = {}
        # What the next commit brings to the disk.
        self._unwritten: list[PendingBatch] = []
        self._to_delete: list[BatchKey] = []
        self._to_bury: list[tuple[str, BatchKey]] = []
        self._advanced: set[str] = set()

    async def open(self, now_ns: int) -> None:
        """Load what an earlier session left.

        Raises
        ------
        UnwritableError
            If there is no usable file; the outbox then works from memory alone.
        """
        rows, receipted, rejected = await self._file.do(_load)
        self._receipted.update(receipted)
        self._sequences.update(receipted)
        for session, sequence, boot, made_monotonic_ns in rows:
            for missing in range(self._sequences.get(session, 0) + 1, sequence):
                # Rejected, or made and not written before the end of its session.
                if (session, missing) not in rejected:
                    self._add(PendingBatch((session, missing), boot, 0, now_ns, given_up=True))
            self._sequences[session] = sequence
            self._add(PendingBatch((session, sequence), boot, made_monotonic_ns, now_ns))

    def _add(self, entry: PendingBatch) -> None:
        self.pending[entry.key] = entry
        if not entry.given_up:
            self._held.append(entry)

    def next_sequence(self, session: str) -> int:
        """The number of the session's next batch."""
        self._sequences[session] = self._sequences.get(session, 0) + 1
        return self._sequences[session]

    async def put(self, batch: TelemetryBatch, now_ns: int) -> str | None:
        """Keep a batch; returns why it could not be written, None if it is on the disk."""
        key = (batch.session, batch.sequence)
        entry = PendingBatch(key, batch.boot, now_ns, now_ns, batch)
        self._add(entry)
        self._cached.append(entry)
        self._unwritten.append(entry)
        reason = await self._write()
        self._make_room()
        return reason

    def apply(self, receipt: Receipt) -> list[BatchKey]:
        """Take in a receipt, again, late and in any order; returns the batches it rejects.

        A rejection names one batch, everything else all batches up to one.
        """
        session, up_to = receipt.session, receipt.up_to_sequence
        if session is None or up_to is None:
            return []
        if receipt.outcome is Outcome.REJECTED:
            key = (session, up_to)
            if self.pending.pop(key, None) is None:
                return []
            self._to_bury.append((receipt.reason or "no reason given", key))
            return [key]
        before = self._receipted.get(session, 0)
        # Never beyond what the session made: a receiver in error must not make us forget.
        up_to = min(up_to, self._sequences.get(session, 0))
        for sequence in range(before + 1, up_to + 1):
            if self.pending.pop((session, sequence), None) is not None:
                self._to_delete.append((session, sequence))
        if up_to > before:
            self._receipted[session] = up_to
            self._advanced.add(session)
        return []

    async def load(self, entry: PendingBatch) -> TelemetryBatch:
        """The batch itself, from memory or disk; an empty one for what was given up.

        Raises
        ------
        UnwritableError
            If the file cannot be read now.
        """
        if entry.batch is not None:
            return entry.batch
        payload = None
        if not entry.given_up:
            payload = await self._file.do(lambda connection: _payload(connection, entry.key))
        if payload is None:
            session, sequence = entry.key
            return TelemetryBatch(
                schema=TELEMETRY_SCHEMA,
                home=self._home,
                gateway=self._gateway,
                session=session,
                sequence=sequence,
                boot=entry.boot,
                clock="unsynced",
                sent_at_us=0,
                points=[],
            )
        return msgspec.json.decode(payload, type=TelemetryBatch)

    async def dead_letters(self) -> list[tuple[str, int, str]]:
        """Session, sequence and reason of the rejected batches that reached the disk."""
        return await self._file.do(
            lambda connection: connection.execute(
                "SELECT session, sequence, reason FROM dead_letters ORDER BY rowid"
            ).fetchall()
        )

    async def close(self) -> None:
        """Bring to the disk what is only in memory, and let go of the file."""
        if self._unwritten or self._to_delete or self._to_bury:
            reason = await self._write()
            if reason is not None:
                _log.error("telemetry_unwritten", reason=reason, batches=len(self._unwritten))
        await self._file.close()

    async def _write(self) -> str | None:
        """One commit for everything that has come together; why it failed, if it did."""
        if not self._may_write():
            return "the disk is full; what is left of it is for alarms"
        # Copies: receipts may come while the card writes.
        unwritten, deleted = list(self._unwritten), list(self._to_delete)
        buried = list(self._to_bury)
        advanced = {session: self._receipted[session] for session in self._advanced}
        try:
            await self._file.do(
                lambda connection: _commit(connection, unwritten, deleted, buried, advanced)
            )
        except UnwritableError as error:
            return str(error)
        del self._unwritten[: len(unwritten)]
        del self._to_delete[: len(deleted)]
        del self._to_bury[: len(buried)]
        self._advanced -= {
            session for session, up_to in advanced.items() if self._receipted[session] == up_to
        }
        return None

    def _make_room(self) -> None:
        """Keep memory and disk within their limits."""
        while len(self._cached) > CACHED_BATCHES:
            oldest = self._cached.popleft()
            if oldest in self._unwritten:
                self._unwritten.remove(oldest)
                self._give_up(oldest)
            oldest.batch = None
        while self._held and self._held[0].key not in self.pending:
            self._held.popleft()
        while len(self._held) > self._max_batches:
            oldest = self._held.popleft()
            if oldest.key in self.pending:
                self._to_delete.append(oldest.key)
                self._give_up(oldest)

    def _give_up(self, entry: PendingBatch) -> None:
        if entry.key not in self.pending:
            return
        entry.given_up = True
        entry.batch = None
        self.given_up += 1
        _log.warning("telemetry_dropped", session=entry.key[0], sequence=entry.key[1])


def _load(
    connection: sqlite3.Connection,
) -> tuple[list[tuple[str, int, str, int]], list[tuple[str, int]], set[BatchKey]]:
    connection.execute(
        "DELETE FROM receipted WHERE session NOT IN (SELECT session FROM batches) AND session "
        "NOT IN (SELECT session FROM receipted ORDER BY rowid DESC LIMIT ?)",
        (REMEMBERED_SESSIONS,),
    )
    return (
        connection.execute(
            "SELECT session, sequence, boot, made_monotonic_ns FROM batches ORDER BY position"
        ).fetchall(),
        connection.execute("SELECT session, up_to FROM receipted").fetchall(),
        set(connection.execute("SELECT session, sequence FROM dead_letters")),
    )


def _payload(connection: sqlite3.Connection, key: BatchKey) -> bytes | None:
    row = connection.execute(
        "SELECT payload FROM batches WHERE session = ? AND sequence = ?", key
    ).fetchone()
    return None if row is None else bytes(row[0])


def _commit(
    connection: sqlite3.Connection,
    unwritten: Sequence[PendingBatch],
    deleted: Sequence[BatchKey],
    buried: Sequence[tuple[str, BatchKey]],
    advanced: Mapping[str, int],
) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO batches (session, sequence, boot, payload, made_monotonic_ns) "
        "VALUES (?, ?, ?, ?, ?)",
        [
            (*entry.key, entry.boot, wire.encode(entry.batch), entry.made_monotonic_ns)
            for entry in unwritten
            if entry.batch is not None
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO dead_letters (reason, session, sequence, payload) "
        "SELECT ?, session, sequence, payload FROM batches WHERE session = ? AND sequence = ?",
        [(reason, *key) for reason, key in buried],
    )
    connection.executemany(
        "DELETE FROM batches WHERE session = ? AND sequence = ?",
        [*deleted, *(key for _, key in buried)],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO receipted (session, up_to) VALUES (?, ?)", list(advanced.items())
    )
