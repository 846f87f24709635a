"""The way to the broker: send, and send again until every receipt has come.

Alarms, notices and telemetry each have a lane of their own, so that nothing stands in an
alarm's way: not a backlog, not a notice that the broker sits on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from contract import topics, wire
from contract.clock import Clock, now_us
from contract.events import Event, EventClass
from contract.protocols import Bus, NotConnectedError, PublishRefusedError
from contract.units import NS_PER_MS, NS_PER_S, seconds_to_ns
from edge.outbox import EventOutbox, waiting_in
from edge.outbox_rows import PendingEvent
from edge.pace import Pace
from edge.storage import UnwritableError
from edge.telemetry_outbox import PendingBatch, TelemetryOutbox
from edge.waiting import WaitedTooLongError, event_or_time, within

_log = structlog.get_logger(__name__)

FIRST_RESEND_S: Final = 2.0
"""A receipt takes some tens of milliseconds on a healthy system; after two seconds the message
or its receipt is lost, or somebody restarts."""

LONGEST_ALARM_RESEND_S: Final = 10.0
"""However long alerts is away, it hears of an alarm within this time of its return."""

LONGEST_RESEND_S: Final = 60.0
"""The same for notices and telemetry, which nobody runs for."""

PUBLISH_LIMIT_S: Final = 10.0
"""A broker that has not acknowledged by then is half dead; the bus finds out in its own time
(keep-alive), we send again."""

UNCONNECTED_RETRY_S: Final = 1.0
"""After a publish that found no broker, if the bus believes to be connected again."""

BATCHES_IN_FLIGHT: Final = 8
"""Telemetry batches sent and not yet receipted: a backlog drains at this many a round trip
and does not flood an ingest that has just come back."""

EVENTS_IN_FLIGHT: Final = 64
"""Events of one lane that the broker has and has not acknowledged: one that hangs holds up no
other, and a backlog of days does not flood a broker that has just come back."""

BATCHES_PER_S: Final = 10.0
"""A hundred times as fast as they are made: a day offline has gone out after a quarter of an
hour, and sixty gateways that come back together do not keep an ingest from its alarms."""

NOTICES_PER_S: Final = 50.0
"""The same for the notices of days; more than a live gateway makes in an hour. Alarms have no
pace."""

_EXPONENT_LIMIT: Final = 20


class Uplink:
    """Delivers both outboxes over a `Bus`.

    Parameters
    ----------
    on_refused
        Told the topic and the reason when the broker refuses a message.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        events: EventOutbox,
        telemetry: TelemetryOutbox,
        on_refused: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._events = events
        self._telemetry = telemetry
        self._on_refused = on_refused
        self._wake: dict[EventClass | None, asyncio.Event] = {
            EventClass.ALARM: asyncio.Event(),
            EventClass.NOTICE: asyncio.Event(),
            None: asyncio.Event(),
        }
        self._batch_pace = Pace(BATCHES_PER_S, BATCHES_IN_FLIGHT)
        self._notice_pace = Pace(NOTICES_PER_S, EVENTS_IN_FLIGHT)
        self._connected_ns = clock.monotonic_ns()
        self.published = 0
        """Publishes that the broker acknowledged (no receipts)."""

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._event_lane(EventClass.ALARM))
            tasks.create_task(self._event_lane(EventClass.NOTICE))
            tasks.create_task(self._telemetry_lane())

    def wake(self, event_class: EventClass | None) -> None:
        """Something new waits; None stands for telemetry."""
        self._wake[event_class].set()

    def connected(self) -> None:
        """The broker is there again: everything is due now, in order."""
        self._connected_ns = now_ns = self._clock.monotonic_ns()
        for event in self._events.pending.values():
            event.attempts, event.due_ns = 0, now_ns
        for batch in self._telemetry.pending.values():
            batch.attempts, batch.due_ns = 0, now_ns
        for wake in self._wake.values():
            wake.set()

    async def _event_lane(self, lane: EventClass) -> None:
        is_alarm = lane is EventClass.ALARM
        longest_s = LONGEST_ALARM_RESEND_S if is_alarm else LONGEST_RESEND_S
        pace = None if is_alarm else self._notice_pace
        async with asyncio.TaskGroup() as sending:
            in_flight: set[asyncio.Task[None]] = set()
            while True:
                self._wake[lane].clear()
                waiting = waiting_in(self._events, lane)
                if self._bus.connected:
                    free = EVENTS_IN_FLIGHT - len(in_flight)
                    for entry in self._within_pace(pace, self._due(waiting)[:free]):
                        task = sending.create_task(self._publish_event(entry, longest_s))
                        in_flight.add(task)
                        task.add_done_callback(in_flight.discard)
                        task.add_done_callback(lambda _task: self._wake[lane].set())
                next_due_ns = min((entry.due_ns for entry in waiting), default=None)
                if len(in_flight) >= EVENTS_IN_FLIGHT:
                    next_due_ns = None  # The first that comes back wakes us.
                await self._rest(lane, self._at_pace(pace, next_due_ns))

    def _within_pace(self, pace: Pace | None, entries: list[PendingEvent]) -> list[PendingEvent]:
        """Those of them that may go now; their place is taken."""
        if pace is None:
            return entries
        now_ns = self._clock.monotonic_ns()
        chosen = entries[: pace.allowed(now_ns)]
        pace.take(now_ns, len(chosen))
        return chosen

    def _at_pace(self, pace: Pace | None, next_due_ns: int | None) -> int | None:
        """When there is something to do: not before the pace allows it."""
        if pace is None or next_due_ns is None:
            return next_due_ns
        return max(next_due_ns, pace.next_ns(self._clock.monotonic_ns()))

    def _due(self, waiting: list[PendingEvent]) -> list[PendingEvent]:
        """What is to be sent now: what has come since the broker is there and was never sent
        first, so that a live alarm overtakes a backlog of days; then by age.
        """
        now_ns = self._clock.monotonic_ns()
        due = [entry for entry in waiting if entry.due_ns <= now_ns]
        return sorted(due, key=lambda e: (e.attempts > 0, e.since_ns < self._connected_ns))

    async def _rest(self, lane: EventClass | None, next_due_ns: int | None) -> None:
        """Until something new waits, the next is due, or the connection comes back."""
        seconds = None
        if next_due_ns is not None and self._bus.connected:
            seconds = (next_due_ns - self._clock.monotonic_ns()) / NS_PER_S
        await event_or_time(self._clock, self._wake[lane], seconds)

    def _publish_event(self, entry: PendingEvent, longest_s: float) -> Coroutine[Any, Any, None]:
        """Note that it is on its way, and hand it over; a receipt may come before that ends."""
        entry.due_ns = self._next_due(entry.attempts, longest_s)
        entry.attempts += 1
        return self._hand_over(entry)

    async def _hand_over(self, entry: PendingEvent) -> None:
        event = self.renewed(entry)
        topic = topics.event_topic(event.home, event.gateway, event.kind)
        if not await self._publish(topic, wire.encode(event)):
            entry.due_ns = self._clock.monotonic_ns() + seconds_to_ns(UNCONNECTED_RETRY_S)

    def renewed(self, entry: PendingEvent) -> Event:
        """The event with its age as of now; without one after a reboot."""
        event = entry.event
        if event.boot != self._events.boot:
            return msgspec.structs.replace(event, age_ms=None)
        age_ns = self._clock.monotonic_ns() - entry.at_monotonic_ns
        return msgspec.structs.replace(event, age_ms=max(age_ns // NS_PER_MS, 0))

    async def _telemetry_lane(self) -> None:
        while True:
            self._wake[None].clear()
            window = self._first_batches()
            now_ns = self._clock.monotonic_ns()
            due = [entry for entry in window if entry.due_ns <= now_ns]
            allowed = due[: self._batch_pace.allowed(now_ns)]
            if allowed and self._bus.connected:
                self._batch_pace.take(now_ns, len(allowed))
                for entry in allowed:
                    await self._send_batch(entry)
                continue
            next_due_ns = min((entry.due_ns for entry in window), default=None)
            await self._rest(None, self._at_pace(self._batch_pace, next_due_ns))

    def _first_batches(self) -> list[PendingBatch]:
        return [
            entry
            for entry, _ in zip(
                self._telemetry.pending.values(), range(BATCHES_IN_FLIGHT), strict=False
            )
        ]

    async def _send_batch(self, entry: PendingBatch) -> None:
        entry.due_ns = self._next_due(entry.attempts, LONGEST_RESEND_S)
        entry.attempts += 1
        try:
            batch = await self._telemetry.load(entry)
        except UnwritableError as error:
            _log.error("telemetry_unreadable", reason=str(error), sequence=entry.key[1])
            return
        age_ms = None
        if entry.boot == self._events.boot:
            age_ms = (self._clock.monotonic_ns() - entry.made_monotonic_ns) // NS_PER_MS
        renewed = msgspec.structs.replace(
            batch,
            sent_at_us=max(now_us(self._clock), 0),
            age_ms=None if age_ms is None else max(age_ms, 0),
        )
        topic = topics.build(batch.home, batch.gateway, topics.TELEMETRY)
        if not await self._publish(topic, wire.compress(wire.encode(renewed))):
            entry.due_ns = self._clock.monotonic_ns() + seconds_to_ns(UNCONNECTED_RETRY_S)

    def _next_due(self, attempts: int, longest_s: float) -> int:
        wait_s = min(FIRST_RESEND_S * 2.0 ** min(attempts, _EXPONENT_LIMIT), longest_s)
        return self._clock.monotonic_ns() + seconds_to_ns(wait_s)

    async def _publish(self, topic: str, payload: bytes) -> bool:
        """Hand over; false if there was no broker to take it."""
        try:
            await within(
                self._clock, PUBLISH_LIMIT_S, self._bus.publish(topic, payload), "a publish"
            )
        except NotConnectedError:
            return False
        except WaitedTooLongError as error:
            _log.warning("publish_hangs", topic=topic, reason=str(error))
            return True
        except PublishRefusedError as error:
            await self._on_refused(topic, str(error))
            return True
        self.published += 1
        return True
