"""The far end of the gateway: receipts for what it says, and what it has said so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from contract import topics, wire
from contract.clock import Clock
from contract.events import Event, EventKind, Receiver
from contract.messages import (
    MESSAGE_SCHEMA,
    AlertState,
    Command,
    CommandName,
    GatewayConfig,
    Outcome,
    Presence,
    Receipt,
    Status,
)
from contract.protocols import Message
from contract.telemetry import TelemetryBatch
from contract.units import NS_PER_US, seconds_to_ns
from messaging import MqttBus

BEAT_S = 5.0
COMMAND_HOLDS_S = 60.0


class Witness:
    """Ingest and alerts as one gateway sees them.

    Attributes
    ----------
    events
        Each with the monotonic time at which it came, in nanoseconds.
    rssi_dbm
        What the gateway said of each device, by device.
    """

    def __init__(self, url: str, config: GatewayConfig, gateway: str, clock: Clock) -> None:
        self.events: list[tuple[int, Event]] = []
        self.rssi_dbm: dict[str, list[float]] = {}
        self.status: Status | None = None
        self._config = config
        self._gateway = gateway
        self._clock = clock
        self._bus = MqttBus(url, "witness", clock)
        self._sequence = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Listen and answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run([f"{topics.ROOT}/#"], self._take, self._configure))
            tasks.create_task(self._beat())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what has been said fulfils `condition`."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def event(self, kind: EventKind, device: str, since_ns: int) -> tuple[int, Event]:
        """The first event of this kind and device after a moment, and when it came."""

        def found() -> list[tuple[int, Event]]:
            return [
                each
                for each in self.events
                if each[0] >= since_ns and each[1].kind is kind and each[1].device == device
            ]

        await self.until(lambda: bool(found()))
        return found()[0]

    def count(self, name: str) -> float:
        """A count of the gateway's latest status."""
        return 0.0 if self.status is None else self.status.counts.get(name, 0.0)

    async def command(self, name: CommandName, device: str) -> None:
        """Ask the gateway for something."""
        now_ns = self._clock.now_ns()
        asked = Command(
            schema=MESSAGE_SCHEMA,
            id=f"command-{now_ns}",
            name=name,
            expires_at_us=(now_ns + seconds_to_ns(COMMAND_HOLDS_S)) // NS_PER_US,
            device=device,
        )
        await self._say(topics.COMMAND, wire.encode(asked))

    async def _say(self, branch: str, payload: bytes, *, retain: bool = False) -> None:
        where = topics.build(self._config.home, self._gateway, branch)
        await self._bus.publish(where, payload, retain=retain)

    async def _configure(self) -> None:
        await self._say(topics.CONFIG, wire.encode(self._config), retain=True)

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(BEAT_S)
            self._sequence += 1
            state = AlertState(
                schema=MESSAGE_SCHEMA,
                session="witness",
                sequence=self._sequence,
                at_us=self._clock.now_ns() // NS_PER_US,
            )
            if self._bus.connected:
                await self._say(topics.ALERT_STATE, wire.encode(state))

    async def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            branch = topics.parse(message.topic).branch
            if branch == topics.EVENT:
                event = wire.decode(message.payload, Event)
                self.events.append((self._clock.monotonic_ns(), event))
                for receiver in Receiver:
                    await self._receipt(receiver, ids=[event.id])
            elif branch == topics.TELEMETRY:
                batch = wire.decode(message.payload, TelemetryBatch)
                await self._receipt(
                    Receiver.INGEST, session=batch.session, up_to_sequence=batch.sequence
                )
            elif branch == topics.STATUS:
                self.status = wire.decode(message.payload, Status)
            elif branch == topics.PRESENCE:
                for device, rssi in wire.decode(message.payload, Presence).heard.items():
                    self.rssi_dbm.setdefault(device, []).append(rssi)
        self._changed.set()

    async def _receipt(
        self,
        by: Receiver,
        *,
        ids: Sequence[str] = (),
        session: str | None = None,
        up_to_sequence: int | None = None,
    ) -> None:
        receipt = Receipt(
            schema=MESSAGE_SCHEMA,
            by=by,
            outcome=Outcome.STORED,
            at_us=self._clock.now_ns() // NS_PER_US,
            ids=list(ids),
            session=session,
            up_to_sequence=up_to_sequence,
        )
        await self._say(topics.RECEIPT, wire.encode(receipt))
