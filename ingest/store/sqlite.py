"""The store of one home in one SQLite file, which is also its ledger.

One transaction for each call, so either all of it is there or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contract.events import Event
from contract.messages import Outcome
from contract.protocols import WriteOutcome
from contract.telemetry import TelemetryBatch
from ingest.letters import DeadLetter
from ingest.store import rows
from ingest.store.ledger import Entry, Ledger
from ingest.store.retention import KEEPING, LOOK_EVERY_US, Keeping, thin_sqlite
from ingest.store.rows import SessionKey, StoredSession
from ingest.store.sqlite_reader import StoreReader


class SqliteStore:
    """Implements `ingest.store.protocol.IngestStore`.

    Parameters
    ----------
    path
        The file; see `Ledger` for when it is touched.
    max_bytes
        The file grows no larger; None for no limit but the disk's.
    keeping
        How long what is kept.
    """

    def __init__(
        self, path: Path, *, max_bytes: int | None = None, keeping: Keeping = KEEPING
    ) -> None:
        self.ledger = Ledger(path, max_bytes=max_bytes)
        self._keeping = keeping
        self._next_look_us = 0

    @classmethod
    def open(cls, path: Path, keeping: Keeping = KEEPING) -> SqliteStore:
        """The store in `path`; see `Ledger` for when the file is touched."""
        return cls(path, keeping=keeping)

    @property
    def path(self) -> Path:
        """The file."""
        return self.ledger.path

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def durable(self) -> bool:
        return True

    @property
    def dead_letters_forgotten(self) -> int:
        return self.ledger.dead_letters_forgotten

    @property
    def points_refused(self) -> int:
        """None alone: here a batch is stored or refused as a whole."""
        return 0

    async def write(
        self, events: Sequence[Event], batches: Sequence[TelemetryBatch], received_at_us: int
    ) -> tuple[list[WriteOutcome], list[WriteOutcome]]:
        def work(entry: Entry) -> tuple[list[WriteOutcome], list[WriteOutcome]]:
            event_outcomes = [
                rows.insert_event(entry.connection, each, received_at_us) for each in events
            ]
            batch_outcomes = _insert_batches(entry, batches)
            entry.note_written(received_at_us)
            return event_outcomes, batch_outcomes

        return await self.ledger.in_thread(lambda: self.ledger.transaction(work))

    async def write_dead_letters(self, letters: Sequence[DeadLetter], received_at_us: int) -> None:
        await self.ledger.write_letters(letters, received_at_us)

    def settled_up_to(self, home: str, gateway: str, session: str) -> int:
        return self.ledger.settled_up_to(home, gateway, session)

    async def upkeep(self, now_us: int, *, thin: bool = True) -> bool:
        if not thin or now_us < self._next_look_us:
            return False
        more = await self.ledger.in_thread(
            lambda: self.ledger.transaction(lambda entry: thin_sqlite(entry, self._keeping, now_us))
        )
        self._next_look_us = 0 if more else now_us + LOOK_EVERY_US
        return more

    def reader(self) -> StoreReader:
        return StoreReader(self.path)

    async def close(self) -> None:
        await self.ledger.close()


def _insert_batches(entry: Entry, batches: Sequence[TelemetryBatch]) -> list[WriteOutcome]:
    """All at once; one by one if there is one among them that cannot be stored."""
    placed: dict[tuple[SessionKey, int], tuple[TelemetryBatch, StoredSession]] = {}
    outcomes = []
    for batch in batches:
        session = _session(entry, batch)
        key = (_key(batch), batch.sequence)
        is_known = session.prefix.is_stored(batch.sequence) or key in placed
        outcomes.append(rows.DUPLICATE if is_known else rows.STORED)
        if not is_known:
            placed[key] = batch, session
    if not placed:
        return outcomes
    rows_of = [(batch, session.row) for batch, session in placed.values()]
    if rows.insert_points(entry.connection, rows_of) is not None:
        return [_insert_batch(entry, each) for each in batches]
    for batch, session in placed.values():
        _note(entry, batch, session)
    return outcomes


def _insert_batch(entry: Entry, batch: TelemetryBatch) -> WriteOutcome:
    session = _session(entry, batch)
    if session.prefix.is_stored(batch.sequence):
        return rows.DUPLICATE
    reason = rows.insert_points(entry.connection, [(batch, session.row)])
    if reason is not None:
        return WriteOutcome(Outcome.REJECTED, reason)
    _note(entry, batch, session)
    return rows.STORED


def _note(entry: Entry, batch: TelemetryBatch, session: StoredSession) -> None:
    session.prefix.store(batch.sequence)
    for point in batch.points:
        entry.note_wearer(point.device, point.resident)


def _session(entry: Entry, batch: TelemetryBatch) -> StoredSession:
    return entry.session(_key(batch), batch.boot)


def _key(batch: TelemetryBatch) -> SessionKey:
    return SessionKey(batch.home, batch.gateway, batch.session)
