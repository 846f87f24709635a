"""The store in InfluxDB: 1.x by ``/write``, 2.x and 3.x by ``/api/v2/write``.

A write has three steps, on the ledger's thread: *plan* (which of it is new, and the lane of
each new line; committed, so that the same message is the same line whenever it comes),
*write* (until the server has taken or refused each line), *note* (stored, refused, and for a
server that may forget, the journal; one transaction). A failure in between leaves nothing that
a resend would double: it makes the same lines, and they fall on themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from contract import topics, wire
from contract.events import Event
from contract.messages import Outcome
from contract.protocols import StoreUnavailableError, WriteOutcome
from contract.telemetry import TelemetryBatch
from ingest.letters import DeadLetter
from ingest.read import ReadSide
from ingest.store import rows
from ingest.store.influx_lines import written_line
from ingest.store.influx_plan import Placed, Plan, make_plan, owner_of_event
from ingest.store.influx_write import LineSink, write_lines
from ingest.store.journal import Journal
from ingest.store.lanes import Lanes, drop_lanes
from ingest.store.ledger import Entry, Ledger
from ingest.store.retention import KEEPING, LOOK_EVERY_US, InfluxRollUp, Keeping, thin_sqlite
from ingest.store.rows import SessionKey


class InfluxStore:
    """Implements `ingest.store.protocol.IngestStore`.

    Parameters
    ----------
    home
        Whose store it is; one server may keep several homes.
    ledger
        Closed with the store.
    sink
        Where lines go; closed with the store.
    open_reader
        Makes the read side.
    journal
        For a server that may forget what it acknowledged; None for one that does not.
    roll_up
        Makes minutes and hours; None where the server answers no InfluxQL.
    keeping
        How long what is kept.
    """

    def __init__(
        self,
        home: str,
        ledger: Ledger,
        sink: LineSink,
        open_reader: Callable[[], ReadSide],
        *,
        journal: Journal | None = None,
        roll_up: InfluxRollUp | None = None,
        keeping: Keeping = KEEPING,
    ) -> None:
        self.ledger = ledger
        self.points_refused = 0
        self._home = home
        self._sink = sink
        self._journal = journal
        self._lanes = Lanes()
        self._lanes_generation = ledger.generation
        self._open_reader = open_reader
        self._roll_up = roll_up
        self._keeping = keeping
        self._next_look_us = 0

    @property
    def where(self) -> str:
        return self._sink.where

    @property
    def durable(self) -> bool:
        return self._journal is None

    @property
    def dead_letters_forgotten(self) -> int:
        return self.ledger.dead_letters_forgotten

    async def write(
        self, events: Sequence[Event], batches: Sequence[TelemetryBatch], received_at_us: int
    ) -> tuple[list[WriteOutcome], list[WriteOutcome]]:
        outcomes = await self.ledger.in_thread(lambda: self._write(events, batches, received_at_us))
        return outcomes[: len(events)], outcomes[len(events) :]

    async def write_dead_letters(self, letters: Sequence[DeadLetter], received_at_us: int) -> None:
        await self.ledger.write_letters(letters, received_at_us)

    def settled_up_to(self, home: str, gateway: str, session: str) -> int:
        return self.ledger.settled_up_to(home, gateway, session)

    async def upkeep(self, now_us: int, *, thin: bool = True) -> bool:
        return await self.ledger.in_thread(lambda: self._upkeep(now_us, thin))

    def reader(self) -> ReadSide:
        return self._open_reader()

    async def close(self) -> None:
        await self.ledger.in_thread(self._close)
        await self.ledger.close()

    def _upkeep(self, now_us: int, thin: bool) -> bool:
        sound = written_line(self._home, now_us)
        if self._journal is not None and self._journal.catch_up(self._sink, sound, now_us):
            return True
        if not thin or now_us < self._next_look_us:
            return False
        more = self._roll_up is not None and self._roll_up.step(self.ledger, now_us)
        # What was taken before this store was this one's may still lie in the ledger's file.
        more |= self.ledger.transaction(lambda entry: thin_sqlite(entry, self._keeping, now_us))
        self._next_look_us = 0 if more else now_us + LOOK_EVERY_US
        return more

    def _close(self) -> None:
        self._sink.close()
        if self._roll_up is not None:
            self._roll_up.close()

    def _write(
        self, events: Sequence[Event], batches: Sequence[TelemetryBatch], received_at_us: int
    ) -> list[WriteOutcome]:
        try:
            plan = self.ledger.transaction(
                lambda entry: make_plan(entry, self._known_lanes(), events, batches, received_at_us)
            )
            sound = written_line(self._home, received_at_us)
            lines = [line for each in plan.placed for line in each.lines] + plan.latest
            refused = write_lines(self._sink, [*lines, sound], sound)
            return self.ledger.transaction(
                lambda entry: self._note(entry, plan, [*lines, sound], refused, received_at_us)
            )
        except StoreUnavailableError:
            if self._journal is not None:
                self._journal.doubt()
            raise

    def _known_lanes(self) -> Lanes:
        """What is in memory of lanes, unless another worker has written to the ledger since."""
        if self._lanes_generation != self.ledger.generation:
            self._lanes_generation = self.ledger.generation
            self._lanes.forget()
        return self._lanes

    def _note(
        self,
        entry: Entry,
        plan: Plan,
        lines: Sequence[bytes],
        refused: Mapping[int, str],
        received_at_us: int,
    ) -> list[WriteOutcome]:
        """Remember what was stored and what was refused, and say so of each message."""
        said: dict[int, WriteOutcome] = {}
        letters: list[DeadLetter] = []
        start = 0
        for each in plan.placed:
            end = start + len(each.lines)
            reasons = {at - start: refused[at] for at in range(start, end) if at in refused}
            said[id(each)] = _note_one(entry, each, reasons, received_at_us)
            if said[id(each)] is rows.STORED and reasons:
                letters.extend(_partial_letters(each, reasons))
                self.points_refused += len(reasons)
            start = end
        if letters:
            entry.keep_letters(letters, received_at_us)
        drop_lanes(
            entry.connection,
            [
                owner_of_event(each.message.id)
                for each in plan.placed
                if isinstance(each.message, Event)
            ],
        )
        if self._journal is not None and plan.placed:
            # Not the rows that are written over: an old one, written again, would stand for new.
            kept = [line for at, line in enumerate(lines[:start]) if at not in refused]
            self._journal.keep(entry, kept, received_at_us)
        entry.note_written(received_at_us)
        return list(_outcomes(plan, said))


def _note_one(
    entry: Entry, placed: Placed, reasons: Mapping[int, str], received_at_us: int
) -> WriteOutcome:
    """Note one message as stored, unless all of it was refused."""
    message = placed.message
    if reasons and len(reasons) == len(placed.lines):
        return WriteOutcome(
            Outcome.REJECTED, f"refused by the store: {next(iter(reasons.values()))}"
        )
    if isinstance(message, Event):
        rows.remember_event(entry.connection, message, received_at_us)
        return rows.STORED
    session = entry.session(
        SessionKey(message.home, message.gateway, message.session), message.boot
    )
    session.prefix.store(message.sequence)
    for point in message.points:
        entry.note_wearer(point.device, point.resident)
    return rows.STORED


def _partial_letters(placed: Placed, reasons: Mapping[int, str]) -> Iterator[DeadLetter]:
    """The refused points of a batch that was stored otherwise: a batch of those of each reason.

    Under a session of their own: tried again, they would else be taken for the stored batch.
    """
    batch = placed.message
    if not isinstance(batch, TelemetryBatch):
        return
    session = f"{batch.session}-refused-{batch.sequence}"
    for number, reason in enumerate(dict.fromkeys(reasons.values()), 1):
        places = [at for at, given in reasons.items() if given == reason]
        whole = len(batch.points)
        refused = msgspec.structs.replace(
            batch,
            session=session,
            sequence=number,
            points=[batch.points[at] for at in places if at < whole],
            sensors=[batch.sensors[at - whole] for at in places if at >= whole],
        )
        of = whole + len(batch.sensors)
        yield DeadLetter(
            topics.build(batch.home, batch.gateway, topics.TELEMETRY),
            wire.encode(refused),
            f"refused by the store, {len(places)} of {of} points: {reason}",
            batch.home,
            batch.gateway,
        )


def _outcomes(plan: Plan, said: Mapping[int, WriteOutcome]) -> Iterator[WriteOutcome]:
    """What to say of each message; of one that came twice at once, the second is a duplicate."""
    told: set[int] = set()
    for each in plan.outcomes:
        if isinstance(each, WriteOutcome):
            yield each
            continue
        outcome = said[id(each)]
        is_again = id(each) in told and outcome is rows.STORED
        told.add(id(each))
        yield rows.DUPLICATE if is_again else outcome
