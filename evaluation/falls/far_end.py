"""Ingest and alerts as a gateway sees them: whatever it publishes gets its receipts.

Detections are read here, from the events as they go over the wire, and nowhere deeper: what is
scored is what a home would have been told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from contract import topics, wire
from contract.clock import Clock, now_us
from contract.events import Event, EventKind, Receiver
from contract.messages import MESSAGE_SCHEMA, AlertState, Outcome, Receipt
from contract.protocols import LastWill, Message, NotConnectedError
from contract.telemetry import TelemetryBatch

HEARTBEAT_S: Final = 10.0
"""How often the alert service says that it is there; a gateway misses it after 30 s
(`edge.siren_policy.HEARTBEAT_MISSING_NS`)."""

SESSION: Final = "evaluation"

_FAULTS: Final = (EventKind.FAULT, EventKind.FAULT_CLEARED)


class FarEnd:
    """A broker with both services behind it, for one gateway; implements `contract.protocols.Bus`.

    Parameters
    ----------
    home, gateway
        Whose messages these are.
    clock
        Stamps receipts.

    Attributes
    ----------
    events
        What was said of residents, each event once, in the order in which it came first.
    faults
        What was said of wearables and of the gateway itself, likewise.
    """

    def __init__(self, home: str, gateway: str, clock: Clock) -> None:
        self._home = home
        self._gateway = gateway
        self._clock = clock
        self._connected = False
        self._waiting: asyncio.Queue[Message] = asyncio.Queue()
        self._known: set[str] = set()
        self.events: list[Event] = []
        self.faults: list[Event] = []

    @property
    def shed(self) -> int:
        return 0

    @property
    def connected(self) -> bool:
        return self._connected

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        del retain  # Nobody comes later who would have to be told.
        if not self._connected:
            raise NotConnectedError("the gateway has not begun")
        branch = topics.parse(topic).branch
        if branch == topics.EVENT:
            event = wire.decode(payload, Event)
            self._note(event)
            for receiver in Receiver:
                self._receipt(receiver, ids=[event.id])
        elif branch == topics.TELEMETRY:
            batch = wire.decode(payload, TelemetryBatch)
            self._receipt(Receiver.INGEST, session=batch.session, up_to=batch.sequence)

    async def run(
        self,
        filters: Sequence[str],
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None = None,
        will: Callable[[], LastWill] | None = None,
    ) -> None:
        del filters, will  # Only its own messages reach it, and nobody outlives it.
        self._connected = True
        try:
            if on_connected is not None:
                await on_connected()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat())
                while True:
                    await on_messages([await self._waiting.get()])
        finally:
            self._connected = False

    def _note(self, event: Event) -> None:
        if event.id not in self._known:
            self._known.add(event.id)
            (self.faults if event.kind in _FAULTS else self.events).append(event)

    def _receipt(
        self,
        by: Receiver,
        *,
        ids: Sequence[str] = (),
        session: str | None = None,
        up_to: int | None = None,
    ) -> None:
        receipt = Receipt(
            schema=MESSAGE_SCHEMA,
            by=by,
            outcome=Outcome.STORED,
            at_us=now_us(self._clock),
            ids=list(ids),
            session=session,
            up_to_sequence=up_to,
        )
        self._say(topics.RECEIPT, wire.encode(receipt))

    async def _beat(self) -> None:
        """Be the alert service's heartbeat: without it, a gateway sounds the siren."""
        sequence = 0
        while True:
            sequence += 1
            state = AlertState(
                schema=MESSAGE_SCHEMA,
                session=SESSION,
                sequence=sequence,
                at_us=now_us(self._clock),
            )
            self._say(topics.ALERT_STATE, wire.encode(state))
            await self._clock.sleep(HEARTBEAT_S)

    def _say(self, branch: str, payload: bytes) -> None:
        topic = topics.build(self._home, self._gateway, branch)
        self._waiting.put_nowait(Message(topic, payload))
