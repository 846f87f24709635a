"""The outbox for events: kept on disk until every receipt that is needed has come.

One file of its own, with reserved space, so that neither telemetry nor anything else on
the disk can take an alarm's place. In memory stands what the file holds, plus whatever
could not be written: that is published all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.events import Event, EventClass, Receiver
from contract.messages import Outcome, Receipt
from edge import outbox_rows as rows
from edge.outbox_rows import Counter, KeptRow, PendingEvent, Rejection, Standing
from edge.storage import Ballast, StorageFile, UnwritableError

_log = structlog.get_logger(__name__)

ALARMS_FILE: Final = "alarms.sqlite"
BALLAST_FILE: Final = "alarms.ballast"


class EventOutbox:
    """Events until they are receipted, and what else must survive with them.

    Parameters
    ----------
    folder
        Where the file lies; made if missing.
    boot
        Id of the machine's boot: monotonic times of another one say nothing.
    """

    def __init__(self, folder: Path, boot: str) -> None:
        self.boot = boot
        self.pending: dict[str, PendingEvent] = {}
        """By id, oldest first."""
        self.ballast = Ballast(folder / BALLAST_FILE)
        self._file = StorageFile(folder / ALARMS_FILE, rows.SCHEMA, self.ballast)
        self._results: dict[Counter, str | None] = {}
        self._sequences: dict[str, int] = {}
        self._damages_known = 0
        self.lying: dict[str, bytes] = {}
        """What an earlier session left open, by device (`edge.lying`)."""
        self.unknown_receipts = 0
        """Receipts for what was not waiting: doubled ones, and those after a restart."""

    async def open(self, now_monotonic_ns: int) -> list[Event]:
        """Load what an earlier session left; returns the faults that stood.

        Raises
        ------
        UnwritableError
            If there is no usable file; the outbox then works from memory alone.
        """
        kept, results, sequences, faults, lying = await self._file.do(rows.load)
        for payload, at_monotonic_ns, waiting in kept:
            event = rows.decode_kept(payload)
            if event is None or not waiting:
                continue
            receivers = frozenset(Receiver(each) for each in waiting.split(","))
            self.pending[event.id] = PendingEvent(
                event, at_monotonic_ns, now_monotonic_ns, receivers, durable=True
            )
        self._results.update({Counter(*row[:4]): row[4] for row in results})
        self._sequences.update(sequences)
        self.lying.update(lying)
        self.ballast.load()
        return [fault for (payload,) in faults if (fault := rows.decode_kept(payload)) is not None]

    @property
    def damaged_files(self) -> list[Path]:
        """Files that could not be read and were moved aside."""
        return self._file.moved_aside

    def next_sequence(self, session: str) -> int:
        """The number of the session's next event; stored with it."""
        self._sequences[session] = self._sequences.get(session, 0) + 1
        return self._sequences[session]

    async def put(
        self,
        event: Event,
        *,
        at_monotonic_ns: int,
        now_monotonic_ns: int,
        result: Counter | None = None,
        standing: Standing | None = None,
        lying: KeptRow | None = None,
    ) -> str | None:
        """Keep `event` until it is receipted.

        Parameters
        ----------
        result
            The wearable's counter that this event answers, written with it.
        standing
            The fault that this event raises or clears, written with it.
        lying
            What is open of its wearer from this event on, written with it.

        Returns
        -------
        str or None
            Why it could not be written; None if it is on the disk. It is pending either way.
        """
        reason = None
        entry = PendingEvent(
            event, at_monotonic_ns, now_monotonic_ns, event.receipts_needed, durable=True
        )
        try:
            await self._file.do(
                lambda connection: rows.insert(connection, entry, result, standing, lying)
            )
        except UnwritableError as error:
            reason = str(error)
            entry.durable = False
        self._notice_damage()
        self.pending[event.id] = entry
        if result is not None:
            self._results[result] = event.id
        return reason

    async def retry_unwritten(self) -> bool:
        """Write what could not be written; whether everything now is."""
        for entry in [each for each in self.pending.values() if not each.durable]:
            try:
                await self._file.do(partial(rows.insert, entry=entry))
                entry.durable = True
                if not entry.waiting:  # receipted while it was being written
                    await self._file.do(partial(rows.delete, entry=entry))
            except UnwritableError:
                return False
        return True

    def _notice_damage(self) -> None:
        """A file that was moved aside took with it what it held: write that again."""
        if len(self._file.moved_aside) > self._damages_known:
            self._damages_known = len(self._file.moved_aside)
            for entry in self.pending.values():
                entry.durable = False

    async def is_writable(self) -> bool:
        """Try a write; with nothing to write, the shortest there is."""
        try:
            await self._file.do(
                lambda connection: connection.execute("DELETE FROM commands WHERE 0")
            )
        except UnwritableError:
            return False
        return True

    async def apply(self, receipt: Receipt) -> list[Rejection]:
        """Take in a receipt; again, late and in any order.

        Returns
        -------
        list of Rejection
            Of events that were waiting for this receiver and will not be accepted by it.
        """
        rejections = []
        touched: list[PendingEvent] = []
        for identifier in receipt.ids:
            entry = self.pending.get(identifier)
            if entry is None or receipt.by not in entry.waiting:
                self.unknown_receipts += 1
                continue
            entry.waiting -= {receipt.by}
            touched.append(entry)
            if not entry.waiting:
                del self.pending[identifier]
            if receipt.outcome is Outcome.REJECTED:
                reason = receipt.reason or "no reason given"
                rejections.append(Rejection(entry.event, receipt.by, reason))
        if touched:
            try:
                await self._file.do(
                    lambda connection: rows.receive(connection, touched, rejections, receipt.at_us)
                )
            except UnwritableError as error:
                # Not lost: after a restart they are sent again and receipted as duplicates.
                _log.error("receipt_unwritten", reason=str(error), events=len(touched))
        return rejections

    @property
    def results(self) -> list[Counter]:
        """Counters whose results are known."""
        return list(self._results)

    def result(self, counter: Counter) -> bool:
        """Whether this counter's result is known already."""
        return counter in self._results

    def may_write_back(self, counter: Counter) -> bool:
        """Whether the result is safe: on the disk, or receipted by everybody."""
        if counter not in self._results:
            return False
        event_id = self._results[counter]
        entry = self.pending.get(event_id) if event_id is not None else None
        return entry is None or entry.durable

    async def put_result(self, counter: Counter) -> bool:
        """Keep that a candidate was looked into and is no alarm; whether it is on disk."""
        try:
            await self._file.do(lambda connection: rows.insert_result(connection, counter, None))
        except UnwritableError as error:
            _log.error("result_unwritten", device=counter.device, reason=str(error))
            return False
        self._results[counter] = None
        return True

    async def keep_lying(self, kept: Sequence[KeptRow]) -> None:
        """Write what is open of these wearers, all of it or nothing.

        Raises
        ------
        UnwritableError
            If it cannot be written.
        """
        await self._file.do(lambda connection: rows.keep_lying(connection, kept))

    async def forget_results(self, device: str, what: str, *, but: Counter | None = None) -> None:
        """The device has taken its counter back, or gone on to `but`: the number may mean something
        new one day. ``what/…`` is forgotten with ``what``.
        """
        known = [
            each
            for each in self._results
            if each != but and each.device == device and each.what.partition("/")[0] == what
        ]
        if not known:
            return
        for counter in known:
            del self._results[counter]
        try:
            await self._file.do(
                lambda connection: connection.executemany(
                    "DELETE FROM results "
                    "WHERE device = ? AND what = ? AND boot = ? AND counter = ?",
                    known,
                )
            )
        except UnwritableError as error:
            _log.error("results_not_forgotten", device=device, reason=str(error))

    async def forget_standing(self, key: str) -> None:
        """Forget a fault that stands no longer, where there is no event to say so with."""
        try:
            await self._file.do(
                lambda connection: connection.execute("DELETE FROM faults WHERE key = ?", (key,))
            )
        except UnwritableError as error:
            # After a restart it is left, or cleared, once more.
            _log.error("standing_not_forgotten", key=key, reason=str(error))

    async def claim_command(self, identifier: str, expires_at_us: int, now_us: int) -> bool:
        """Whether this command is new; it is kept as done before it is, so at most once.

        Raises
        ------
        UnwritableError
            If it cannot be kept: then it must not be done.
        """
        return await self._file.do(
            lambda connection: rows.claim(connection, identifier, expires_at_us, now_us)
        )

    async def dead_letters(self) -> list[tuple[Event, str, str]]:
        """Rejected events with who rejected them and why, oldest first."""
        rows = await self._file.do(
            lambda connection: connection.execute(
                "SELECT payload, rejected_by, reason FROM dead_letters ORDER BY rowid"
            ).fetchall()
        )
        return [(msgspec.json.decode(payload, type=Event), by, why) for payload, by, why in rows]

    async def close(self) -> None:
        """Let go of the file."""
        await self._file.close()


def waiting_in(outbox: EventOutbox, event_class: EventClass) -> list[PendingEvent]:
    """What waits, of one class, oldest first."""
    return [each for each in outbox.pending.values() if each.event.event_class is event_class]
