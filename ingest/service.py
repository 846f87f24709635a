"""Ingest: from the broker to the store, and a receipt for everything that is durable.

Nothing is kept in memory beyond the batch in hand. What cannot be stored now gets no
receipt, and its sender, whose outbox holds it, sends it again (DESIGN 4).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from typing import Final, NamedTuple

import structlog

from contract import topics, wire
from contract.clock import Clock, now_us, within
from contract.events import Event, FaultCause
from contract.flood import Allowance, FloodGate
from contract.messages import Outcome
from contract.protocols import (
    Bus,
    LastWill,
    Message,
    NotConnectedError,
    PublishRefusedError,
    StoreUnavailableError,
)
from contract.telemetry import TelemetryBatch
from ingest.health import NAME, Health
from ingest.letters import DeadLetter
from ingest.reading import read_message
from ingest.receipts import AddressedReceipt, ReceiptBook
from ingest.store.protocol import IngestStore
from ingest.upkeep import keep_up

HEARTBEAT_S: Final = 10.0
"""Watchers call a service silent after 60 s (DESIGN 4): six chances to be heard."""

MAX_MESSAGES_PER_WRITE: Final = 1_000
"""Messages in one transaction: above this the fsync is no longer what costs, and an alarm waits
behind the write that is under way."""

MAX_BYTES_PER_WRITE: Final = 256 * 1024
"""The same for long messages: 80 of a gateway's compressed batches, 5,000 points, a tenth of a
second. A thousand of them kept an alarm waiting for a second."""

MAX_REASONS_TOLD: Final = 10
"""Lines in the log about what was refused in one write: a flood of junk must not become one of
lines, each of which costs more than the reading."""

GOODBYE_LIMIT_S: Final = 1.0
"""For the last heartbeat: a process must end within 2 s, with or without a broker."""

_log = structlog.get_logger(__name__)


class IngestService:
    """Consumes events and telemetry of one home.

    Parameters
    ----------
    home
        Whose messages to take.
    clock
        For heartbeats and the time of receipt.
    bus
        A connection to the broker that nothing else runs.
    store
        Where it goes; the caller closes it.
    session
        Id of this run, new at each start.
    boot
        Id of the machine's boot.
    version
        Of the program, for the heartbeat.
    bulk
        A second connection, for telemetry: however much of it comes, events do not wait
        behind it. Default: everything comes over `bus`.
    group
        Share the messages out among all workers of this name; default take them all.
    allowance
        Of each sender of messages; None for no limit.
    """

    def __init__(
        self,
        home: str,
        clock: Clock,
        bus: Bus,
        store: IngestStore,
        session: str,
        *,
        boot: str = "",
        version: str = "",
        bulk: Bus | None = None,
        group: str | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self.health = Health(clock, session, boot, version)
        self._home = home
        self._clock = clock
        self._bus = bus
        self._bulk = bulk
        self._group = group
        self._store = store
        self._gate = FloodGate(clock, allowance)
        self._status_topic = topics.build(home, NAME, topics.STATUS)

    async def run(self) -> None:
        """Serve until cancelled; then say that it is off."""
        await self._probe_store()
        events = self._filter(topics.event_topic(self._home, topics.ANY, topics.ANY))
        telemetry = self._filter(topics.build(self._home, topics.ANY, topics.TELEMETRY))
        tasks = [asyncio.create_task(self._beat())]
        tasks.append(asyncio.create_task(keep_up(self._store, self._clock)))
        if self._bulk is not None:
            tasks.append(asyncio.create_task(self._bulk.run((telemetry,), self._on_messages)))
        filters = (events,) if self._bulk is not None else (events, telemetry)
        serving = asyncio.create_task(
            self._bus.run(filters, self._on_messages, self._publish_status, self._will)
        )
        try:
            await asyncio.wait((serving, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            if not serving.done():
                await self._say_goodbye()
            serving.cancel()
            ended = await asyncio.gather(serving, *tasks, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception):
                raise end

    def _filter(self, topic_filter: str) -> str:
        return topic_filter if self._group is None else topics.shared(self._group, topic_filter)

    async def _on_messages(self, messages: Sequence[Message]) -> None:
        messages = self._gate.passing(messages)
        # A false one is an event: it comes before all telemetry.
        messages = sorted(messages, key=lambda each: each.topic.endswith(f"/{topics.TELEMETRY}"))
        giving: asyncio.Task[None] | None = None
        try:
            for portion in portions(messages):
                receipts = await self._take(portion)
                # The next write need not wait for the broker; receipts keep their order.
                if giving is not None:
                    await giving
                giving = asyncio.create_task(self._give(receipts))
        finally:
            if giving is not None:
                await giving

    async def _take(self, messages: Sequence[Message]) -> list[AddressedReceipt]:
        """Store some messages; their receipts, or none."""
        good, letters = self._sort(messages)
        book = ReceiptBook(now_us(self._clock))
        is_any_good = bool(good.events or good.batches)
        if is_any_good and not await self._attempt(self._store_good(good, letters, book)):
            self.health.counts["unstored"] += len(messages)
            return []
        if letters and not await self._attempt(self._store_refused(letters, book)):
            self.health.counts["unstored"] += len(letters)
        return book.receipts(self._settled_up_to)

    def _settled_up_to(self, gateway: str, session: str) -> int:
        return self._store.settled_up_to(self._home, gateway, session)

    def _sort(self, messages: Sequence[Message]) -> tuple[_Good, list[DeadLetter]]:
        good, letters = _Good([], []), []
        for message in messages:
            read = read_message(message, self._home)
            if isinstance(read, Event):
                good.events.append((message, read))
            elif isinstance(read, TelemetryBatch):
                good.batches.append((message, read))
            else:
                letters.append(read)
        return good, letters

    async def _store_good(self, good: _Good, letters: list[DeadLetter], book: ReceiptBook) -> None:
        """Write what was readable; what the store refuses joins `letters`."""
        events = [event for _, event in good.events]
        batches = [batch for _, batch in good.batches]
        outcomes = await self._store.write(events, batches, now_us(self._clock))
        counts = self.health.counts
        counts["points_refused"] = self._store.points_refused
        for (message, event), (outcome, reason) in zip(good.events, outcomes[0], strict=True):
            if outcome is Outcome.REJECTED:
                letters.append(_refused_event(message, event, reason))
                continue
            counts["events_stored" if outcome is Outcome.STORED else "events_repeated"] += 1
            book.add_event(event.gateway, event.id, outcome)
        for (message, batch), (outcome, reason) in zip(good.batches, outcomes[1], strict=True):
            if outcome is Outcome.REJECTED:
                letters.append(_refused_batch(message, batch, reason))
                continue
            if outcome is Outcome.STORED:
                counts["batches_stored"] += 1
                counts["points_stored"] += len(batch.points)
                counts["readings_stored"] += len(batch.sensors)
            else:
                counts["batches_repeated"] += 1
            book.settle_batches(batch.gateway, batch.session, outcome)

    async def _store_refused(self, letters: Sequence[DeadLetter], book: ReceiptBook) -> None:
        """Keep dead letters, and tell the senders that can be told."""
        await self._store.write_dead_letters(letters, now_us(self._clock))
        self.health.counts["rejected"] += len(letters)
        self.health.counts["dead_letters_forgotten"] = self._store.dead_letters_forgotten
        _tell(letters)
        for letter in letters:
            if letter.sender is None:
                continue
            if letter.message_id is not None:
                book.add_event(letter.sender, letter.message_id, Outcome.REJECTED, letter.reason)
            key = letter.batch_key
            if key is not None:
                book.refuse_batch(letter.sender, key[2], key[3], letter.reason)

    async def _attempt(self, work: Awaitable[None]) -> bool:
        """Do work on the store; False, and a fault, if it cannot write now."""
        try:
            await work
        except StoreUnavailableError as error:
            await self._set_fault(FaultCause.STORE_UNWRITABLE, str(error))
            return False
        await self._set_fault(FaultCause.STORE_UNWRITABLE, None)
        return True

    async def _probe_store(self) -> None:
        async def write_nothing() -> None:
            await self._store.write([], [], now_us(self._clock))

        await self._attempt(write_nothing())

    async def _give(self, receipts: Sequence[AddressedReceipt]) -> None:
        """Publish receipts; one that is lost is asked for again by a resend."""
        ends = await asyncio.gather(
            *(
                self._bus.publish(
                    topics.build(self._home, sender, topics.RECEIPT), wire.encode(receipt)
                )
                for sender, receipt in receipts
            ),
            return_exceptions=True,
        )
        refusal: str | None = None
        for end in ends:
            if end is None:
                self.health.counts["receipts_sent"] += 1
            elif isinstance(end, NotConnectedError):
                self.health.counts["receipts_unsent"] += 1
            elif isinstance(end, PublishRefusedError):
                self.health.counts["receipts_refused"] += 1
                refusal = str(end)
            else:
                raise end
        if receipts:
            await self._set_fault(FaultCause.PUBLISH_REFUSED, refusal)

    async def _set_fault(self, cause: FaultCause, detail: str | None) -> None:
        """Begin or end a fault; a change is said at once."""
        if not self.health.set_fault(cause, detail):
            return
        if detail is None:
            _log.info("fault_cleared", cause=cause.value)
        else:
            _log.error("fault", cause=cause.value, detail=detail)
        await self._publish_status()

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_S)
            self.health.counts["shed"] = self._bus.shed + (self._bulk.shed if self._bulk else 0)
            if FaultCause.STORE_UNWRITABLE in self.health.faults:
                await self._probe_store()
            await self._report_floods()
            await self._publish_status()

    async def _report_floods(self) -> None:
        self.health.counts["beyond_allowance"] = self._gate.shed.total()
        floods = self._gate.flooding()
        detail = f"more than a gateway has to say comes from {', '.join(floods)}"
        await self._set_fault(FaultCause.GATEWAY_FLOODS, detail if floods else None)

    async def _publish_status(self, *, online: bool = True) -> None:
        if not self._bus.connected:
            return  # said at the next connect
        status = self.health.status(online=online)
        try:
            await self._bus.publish(self._status_topic, wire.encode(status), retain=True)
        except NotConnectedError:
            return  # said at the next connect
        except PublishRefusedError as error:
            # Nobody can be told over the broker; watchers see that the heartbeat is missing.
            _log.error("status_refused", reason=str(error))

    def _will(self) -> LastWill:
        return LastWill(self._status_topic, wire.encode(self.health.will()))

    async def _say_goodbye(self) -> None:
        """Say "offline" at once, so that nobody waits 60 s for a service that was stopped."""
        try:
            await within(self._clock, GOODBYE_LIMIT_S, self._publish_status(online=False))
        except TimeoutError:
            _log.warning("goodbye_not_acknowledged", limit_s=GOODBYE_LIMIT_S)


def portions(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Messages in their order, in pieces that are each small enough for one write."""
    start = size = 0
    for end, message in enumerate(messages):
        size += len(message.payload)
        is_full = end - start >= MAX_MESSAGES_PER_WRITE or size > MAX_BYTES_PER_WRITE
        if is_full and end > start:
            yield messages[start:end]
            start, size = end, len(message.payload)
    if start < len(messages):
        yield messages[start:]


class _Good(NamedTuple):
    """Messages that could be read, each with what it says."""

    events: list[tuple[Message, Event]]
    batches: list[tuple[Message, TelemetryBatch]]


def _tell(letters: Sequence[DeadLetter]) -> None:
    """Log some of what was refused: all of it is in the store, with its reasons."""
    counts = Counter(letter.reason for letter in letters)
    first = {letter.reason: letter.topic for letter in reversed(letters)}
    for reason, count in counts.most_common(MAX_REASONS_TOLD):
        _log.warning("message_rejected", topic=first[reason], reason=reason, count=count)


def _refused_event(message: Message, event: Event, reason: str | None) -> DeadLetter:
    return DeadLetter(
        message.topic,
        message.payload,
        reason or "refused by the store",
        event.home,
        event.gateway,
        message_id=event.id,
    )


def _refused_batch(message: Message, batch: TelemetryBatch, reason: str | None) -> DeadLetter:
    return DeadLetter(
        message.topic,
        message.payload,
        reason or "refused by the store",
        batch.home,
        batch.gateway,
        session=batch.session,
        sequence=batch.sequence,
    )
