"""The outbox for telemetry: batches, kept until ingest's cumulative receipt.

One commit for each batch and no more: receipts are applied in memory at once and reach the
disk with the next batch. After a crash in between, a few batches are sent twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

import structlog

from contract.messages import Outcome, Receipt
from contract.telemetry import TELEMETRY_SCHEMA, TelemetryBatch
from edge import telemetry_rows as rows
from edge.storage import StorageFile, UnwritableError
from edge.telemetry_rows import BatchKey, Changes

_log = structlog.get_logger(__name__)

TELEMETRY_FILE: Final = "telemetry.sqlite"

MAX_BATCHES: Final = 60_480
"""A week of batches of ten seconds, longer than any outage that nobody repairs: each takes
some 300 bytes of memory while it waits."""

MAX_BYTES: Final = 1 << 30
"""What telemetry may take of the card, in payloads. A batch of six residents takes about 3 kB, so
that a gateway of six keeps its whole week; one of sixty three days of seconds, and of what is
older a second in ten."""

THIN_AT_ONCE: Final = 16
"""Batches thinned with one new one: a few milliseconds, and many times what it needs."""

CACHED_BATCHES: Final = 64
"""Newest batches kept in memory as well: eleven minutes, all that ordinary hiccups need."""


class PendingBatch:
    """A batch that still waits for its receipt."""

    __slots__ = (
        "attempts",
        "batch",
        "boot",
        "due_ns",
        "given_up",
        "key",
        "made_monotonic_ns",
        "size",
    )

    def __init__(
        self,
        key: BatchKey,
        boot: str,
        made_monotonic_ns: int,
        due_ns: int,
        batch: TelemetryBatch | None = None,
        *,
        size: int = 0,
        given_up: bool = False,
    ) -> None:
        self.key = key
        self.boot = boot
        self.made_monotonic_ns = made_monotonic_ns
        self.batch = batch
        """None if it is not in memory."""
        self.size = size
        """Bytes that its payload takes in the file; 0 if it is not there."""
        self.given_up = given_up
        """There was no space for it: an empty batch goes in its place."""
        self.attempts = 0
        self.due_ns = due_ns
        """Monotonic time of the next send."""


class TelemetryOutbox:
    """Batches in the order they were made.

    Where space runs out, the oldest batches are thinned to one second of each wearable, and when
    all are, the oldest given up. A receiver's receipts are cumulative, so a session's numbers
    must have no hole: what is given up is replaced by an empty batch of the same number.

    Parameters
    ----------
    folder
        Where the file lies.
    home, gateway
        Whose batches these are; for the empty ones.
    max_batches
        Beyond this the oldest are given up.
    max_bytes
        Beyond this the oldest are thinned, then given up.
    may_write
        Asked before each commit: false keeps telemetry in memory, so that it does not take
        the space that was given up for alarms.
    """

    def __init__(
        self,
        folder: Path,
        home: str,
        gateway: str,
        *,
        max_batches: int = MAX_BATCHES,
        max_bytes: int = MAX_BYTES,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.pending: dict[BatchKey, PendingBatch] = {}
        """Oldest first."""
        self.given_up = 0
        """Batches for which there was no space."""
        self.thinned = 0
        """Batches of which one second of each wearable is left."""
        self.bytes = 0
        """What waits in the file takes, in payloads."""
        self._home = home
        self._gateway = gateway
        self._file = StorageFile(folder / TELEMETRY_FILE, rows.SCHEMA)
        self._max_batches = max_batches
        self._max_bytes = max_bytes
        self._may_write = may_write
        # Oldest first; every one of the first is older than every one of the second.
        self._thin: deque[PendingBatch] = deque()
        self._whole: deque[PendingBatch] = deque()
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
        kept = await self._file.do(rows.load)
        self._receipted.update(kept.receipted)
        self._sequences.update(kept.receipted)
        for batch in kept.batches:
            session, sequence = batch.key
            for missing in range(self._sequences.get(session, 0) + 1, sequence):
                # Rejected, or made and not written before the end of its session.
                if (session, missing) not in kept.rejected:
                    key = (session, missing)
                    self.pending[key] = PendingBatch(key, batch.boot, 0, now_ns, given_up=True)
            self._sequences[session] = sequence
            entry = PendingBatch(
                batch.key, batch.boot, batch.made_monotonic_ns, now_ns, size=batch.size
            )
            self.pending[batch.key] = entry
            self.bytes += batch.size
            (self._thin if batch.thinned else self._whole).append(entry)

    def next_sequence(self, session: str) -> int:
        """The number of the session's next batch."""
        self._sequences[session] = self._sequences.get(session, 0) + 1
        return self._sequences[session]

    async def put(self, batch: TelemetryBatch, now_ns: int) -> str | None:
        """Keep a batch; returns why it could not be written, None if it is on the disk."""
        key = (batch.session, batch.sequence)
        entry = PendingBatch(key, batch.boot, now_ns, now_ns, batch)
        self.pending[key] = entry
        self._whole.append(entry)
        self._cached.append(entry)
        self._unwritten.append(entry)
        reason = await self._write()
        self._forget_cached()
        self._forget_beyond_count()
        if self.bytes > self._max_bytes and reason is None:
            reason = await self._shrink()
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
            if self._take(key) is None:
                return []
            self._to_bury.append((receipt.reason or "no reason given", key))
            return [key]
        before = self._receipted.get(session, 0)
        # Never beyond what the session made: a receiver in error must not make us forget.
        up_to = min(up_to, self._sequences.get(session, 0))
        for sequence in range(before + 1, up_to + 1):
            if self._take((session, sequence)) is not None:
                self._to_delete.append((session, sequence))
        if up_to > before:
            self._receipted[session] = up_to
            self._advanced.add(session)
        return []

    def _take(self, key: BatchKey) -> PendingBatch | None:
        """Nobody waits for this one any more."""
        entry = self.pending.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
            entry.size = 0
        return entry

    async def load(self, entry: PendingBatch) -> TelemetryBatch:
        """The batch itself, from memory or disk; an empty one for what was given up.

        Raises
        ------
        UnwritableError
            If the file cannot be read now.
        """
        if entry.batch is not None:
            return entry.batch
        batch = None
        if not entry.given_up:
            batch = await self._file.do(lambda connection: rows.read(connection, entry.key))
        return batch if batch is not None else self._empty(entry)

    def _empty(self, entry: PendingBatch) -> TelemetryBatch:
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
        unwritten = list(self._unwritten)
        changes = Changes(
            [(each.batch, each.made_monotonic_ns) for each in unwritten if each.batch is not None],
            list(self._to_delete),
            list(self._to_bury),
            {session: self._receipted[session] for session in self._advanced},
        )
        try:
            sizes = await self._file.do(lambda connection: rows.commit(connection, changes))
        except UnwritableError as error:
            return str(error)
        for entry, size in zip(unwritten, sizes, strict=True):
            self._resize(entry, size)
        del self._unwritten[: len(unwritten)]
        del self._to_delete[: len(changes.deleted)]
        del self._to_bury[: len(changes.buried)]
        self._advanced -= {
            session
            for session, up_to in changes.receipted.items()
            if self._receipted[session] == up_to
        }
        return None

    def _resize(self, entry: PendingBatch, size: int) -> None:
        if entry.key in self.pending:
            self.bytes += size - entry.size
            entry.size = size

    def _forget_cached(self) -> None:
        """Keep memory within its limit."""
        while len(self._cached) > CACHED_BATCHES:
            oldest = self._cached.popleft()
            if oldest in self._unwritten:
                self._unwritten.remove(oldest)
                self._give_up(oldest)
            oldest.batch = None

    def _forget_beyond_count(self) -> None:
        self._forget_settled()
        while len(self._thin) + len(self._whole) > self._max_batches:
            self._give_up((self._thin or self._whole).popleft())

    def _forget_settled(self) -> None:
        """Let go of the oldest that need not be sent any more."""
        for waiting in (self._thin, self._whole):
            while waiting and waiting[0].key not in self.pending:
                waiting.popleft()

    async def _shrink(self) -> str | None:
        """Keep the disk within its limit; returns why it could not be done.

        The newest, which are in memory as well, are left whole: they go out next.
        """
        older = takewhile(lambda each: each.batch is None, self._whole)
        whole = list(islice(older, THIN_AT_ONCE))
        keys = [each.key for each in whole if each.key in self.pending]
        try:
            sizes = await self._file.do(lambda connection: rows.thin(connection, keys))
        except UnwritableError as error:
            return str(error)
        for entry in whole:
            self._whole.popleft()
            self._thin.append(entry)
            if entry.key in sizes:
                self._resize(entry, sizes[entry.key])
                self.thinned += 1
        self._forget_settled()
        while self.bytes > self._max_bytes and self._thin and len(whole) < THIN_AT_ONCE:
            self._give_up(self._thin.popleft())
        return None

    def _give_up(self, entry: PendingBatch) -> None:
        if entry.key not in self.pending:
            return
        if entry.size:
            self._to_delete.append(entry.key)
            self._resize(entry, 0)
        entry.given_up = True
        entry.batch = None
        self.given_up += 1
        _log.warning("telemetry_dropped", session=entry.key[0], sequence=entry.key[1])
