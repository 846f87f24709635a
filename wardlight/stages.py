"""Follow one fall through the system, from the broker, as any bystander could."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import structlog

from contract import topics, wire
from contract.clock import Clock, now_us, within
from contract.events import Event, EventKind, Receiver
from contract.messages import AlertState, IncidentState, Outcome, Receipt
from contract.protocols import Message
from contract.units import US_PER_S

_log = structlog.get_logger(__name__)

_DURABLE: Final = (Outcome.STORED, Outcome.DUPLICATE)


class Stage(StrEnum):
    """From the wrist to the carer."""

    SENSED = "sensed"
    SUSPECTED = "suspected"
    DETECTED = "detected"
    PUBLISHED = "published"
    STORED = "stored"
    ALERTED = "alerted"
    ACKNOWLEDGED = "acknowledged"


class StageFailedError(RuntimeError):
    """A stage was not reached in its time."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        super().__init__(f"stage {stage!s} was not reached within {seconds:.0f} s")
        self.stage = stage


class FallWatch:
    """Notes when a resident's fall reaches each stage.

    Parameters
    ----------
    home, resident
        Whom to follow; the first fall from now on counts.
    clock
        Latencies are in its time.
    on_stage
        Called once for each stage with the seconds since the impact and, where there is one,
        the event.
    """

    def __init__(
        self,
        home: str,
        resident: str,
        clock: Clock,
        on_stage: Callable[[Stage, float, Event | None], None],
    ) -> None:
        self.filters: Final = (
            topics.event_topic(home, topics.ANY, topics.ANY),
            topics.build(home, topics.ANY, topics.RECEIPT),
            topics.build(home, topics.ANY, topics.ALERT_STATE),
        )
        self._incident: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._resident = resident
        self._clock = clock
        self._on_stage = on_stage
        self._impact_us: int | None = None
        self._detected: Event | None = None
        self._reached = {stage: asyncio.Event() for stage in Stage}

    async def on_messages(self, messages: Sequence[Message]) -> None:
        """Look at what passes on the broker; give it to `Bus.run`."""
        for message in messages:
            try:
                self._look_at(message)
            except ValueError as error:
                # The services refuse it, with a fault; who only looks on goes on looking.
                _log.warning("message_unreadable", topic=message.topic, reason=str(error))

    def _look_at(self, message: Message) -> None:
        branch = topics.parse(message.topic).branch
        if branch == topics.EVENT:
            self._see_event(wire.decode(message.payload, Event))
        elif branch == topics.RECEIPT:
            self._see_receipt(wire.decode(message.payload, Receipt))
        elif branch == topics.ALERT_STATE:
            self._see_state(wire.decode(message.payload, AlertState))

    async def reached(self, stage: Stage, seconds: float) -> None:
        """Wait until the fall has come to `stage`.

        Raises
        ------
        StageFailedError
            If it has not within `seconds`.
        """
        try:
            await within(self._clock, seconds, self._reached[stage].wait())
        except TimeoutError:
            raise StageFailedError(stage, seconds) from None

    async def paged_incident(self, seconds: float) -> str:
        """Id of the incident that the fall was grouped into.

        Raises
        ------
        StageFailedError
            If no alert state has named it within `seconds`.
        """

        async def wait() -> str:
            return await asyncio.shield(self._incident)

        try:
            return await within(self._clock, seconds, wait())
        except TimeoutError:
            raise StageFailedError(Stage.ALERTED, seconds) from None

    def _reach(self, stage: Stage, at_us: int, event: Event | None = None) -> None:
        if self._reached[stage].is_set() or self._impact_us is None:
            return
        self._reached[stage].set()
        self._on_stage(stage, (at_us - self._impact_us) / US_PER_S, event)

    def _see_event(self, event: Event) -> None:
        if event.resident != self._resident:
            return
        if event.kind is EventKind.FALL_SUSPECTED and self._impact_us is None:
            self._impact_us = event.at_us
            self._reach(Stage.SENSED, event.at_us, event)
            self._reach(Stage.SUSPECTED, event.emitted_at_us, event)
        elif event.kind is EventKind.FALL_DETECTED and self._detected is None:
            self._detected = event
            if self._impact_us is None:
                self._impact_us = event.at_us
                self._reach(Stage.SENSED, event.at_us, event)
            self._reach(Stage.DETECTED, event.emitted_at_us, event)
            self._reach(Stage.PUBLISHED, now_us(self._clock), event)

    def _see_receipt(self, receipt: Receipt) -> None:
        event = self._detected
        if event is None or event.id not in receipt.ids or receipt.outcome not in _DURABLE:
            return
        stage = Stage.STORED if receipt.by is Receiver.INGEST else Stage.ALERTED
        self._reach(stage, now_us(self._clock), event)

    def _see_state(self, state: AlertState) -> None:
        if self._detected is None:
            return
        for item in state.alerts:
            if self._detected.id not in item.event_ids:
                continue
            if not self._incident.done():
                self._incident.set_result(item.incident)
            if item.state is IncidentState.ACKNOWLEDGED:
                self._reach(Stage.ACKNOWLEDGED, now_us(self._clock), self._detected)
