"""A home in virtual time: a broker, ingest on a real file, and a gateway that only listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from contract import topics, wire
from contract.clock import VirtualClock
from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.flood import Allowance
from contract.messages import Receipt, Status
from contract.protocols import Message
from contract.telemetry import TELEMETRY_SCHEMA, SensorPoint, SummaryPoint, TelemetryBatch
from ingest import IngestService, SqliteStore, StoreReader
from messaging import LocalBroker, LocalBus

HOME = "demo"
GATEWAY = "gateway-a"
START_US = 1_767_297_600_000_000


def make_event(number: int = 1, **changes: object) -> Event:
    values: dict[str, object] = {
        "schema": EVENT_SCHEMA,
        "id": f"01900000-0000-7000-8000-{number:012d}",
        "kind": EventKind.FALL_DETECTED,
        "home": HOME,
        "gateway": GATEWAY,
        "session": "session-1",
        "sequence": number,
        "boot": "boot-1",
        "clock": "synced",
        "at_us": START_US + number * 1_000_000,
        "emitted_at_us": START_US + number * 1_000_000 + 500_000,
        "age_ms": 500,
        "resident": "resident-1",
        "device": "wearable-1",
    }
    return Event(**(values | changes))  # type: ignore[arg-type]


def make_point(second: int = 0, **changes: object) -> SummaryPoint:
    values: dict[str, object] = {
        "at_us": START_US + second * 1_000_000,
        "device": "wearable-1",
        "resident": "resident-1",
        "mean_x_g": 0.25,
        "min_g": 0.9,
        "max_g": 1.1,
        "worn": True,
        "battery_percent": 80,
    }
    return SummaryPoint(**(values | changes))  # type: ignore[arg-type]


def make_reading(second: int = 0, **changes: object) -> SensorPoint:
    values: dict[str, object] = {
        "at_us": START_US + second * 1_000_000,
        "device": "door-1",
        "zone": "room-211",
        "opening": True,
        "battery_percent": 90,
        "rssi_dbm": -70,
    }
    return SensorPoint(**(values | changes))  # type: ignore[arg-type]


def make_batch(sequence: int = 1, **changes: object) -> TelemetryBatch:
    values: dict[str, object] = {
        "schema": TELEMETRY_SCHEMA,
        "home": HOME,
        "gateway": GATEWAY,
        "session": "session-1",
        "sequence": sequence,
        "boot": "boot-1",
        "clock": "synced",
        "sent_at_us": START_US + sequence * 10_000_000,
        "age_ms": 900,
        "points": [make_point(sequence * 10 + second) for second in range(3)],
    }
    return TelemetryBatch(**(values | changes))  # type: ignore[arg-type]


class Scene:
    """Virtual time, a broker, and what a gateway hears."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.refused_topics: set[str] = set()
        self.broker = LocalBroker(
            lambda _, topic: "no receipts allowed" if topic in self.refused_topics else None
        )
        self.path = folder / "store.sqlite"
        self.store = SqliteStore.open(self.path)
        self.reader = StoreReader(self.path)
        self.heard: list[tuple[str, Receipt]] = []
        """Gateway and receipt, in the order of hearing."""
        self.statuses: list[Status] = []
        self.gateway = LocalBus(self.broker, "gateway", self.clock)
        self.services = 0
        self.allowance: Allowance | None = None
        self.service: IngestService | None = None
        self.ingest_bus: LocalBus | None = None

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            filters = [
                topics.build(HOME, topics.ANY, topics.RECEIPT),
                topics.build(HOME, topics.ANY, topics.STATUS),
            ]
            listening = asyncio.create_task(self.gateway.run(filters, self._hear))
            try:
                await scenario()
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
                await self.store.close()
                self.reader.close()

        self.clock.run(main())

    async def _hear(self, messages: Sequence[Message]) -> None:
        for message in messages:
            topic = topics.parse(message.topic)
            if topic.branch == topics.STATUS:
                self.statuses.append(wire.decode(message.payload, Status))
            else:
                self.heard.append((topic.sender, wire.decode(message.payload, Receipt)))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[IngestService]:
        self.services += 1
        self.ingest_bus = LocalBus(self.broker, "ingest", self.clock)
        self.service = IngestService(
            HOME,
            self.clock,
            self.ingest_bus,
            self.store,
            f"run-{self.services}",
            boot="boot-1",
            allowance=self.allowance,
        )
        task = asyncio.create_task(self.service.run())
        await self.settle()
        try:
            yield self.service
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def settle(self) -> None:
        """Until everybody has done what is to be done now."""
        await self.clock.sleep(0.3)

    async def send(self, *messages: Event | TelemetryBatch) -> None:
        """Publish as a gateway does, all at once, and wait."""
        await asyncio.gather(
            *(
                self.gateway.publish(
                    topics.event_topic(HOME, each.gateway, each.kind)
                    if isinstance(each, Event)
                    else topics.build(HOME, each.gateway, topics.TELEMETRY),
                    wire.encode(each),
                )
                for each in messages
            )
        )
        await self.settle()

    async def send_raw(self, topic: str, payload: bytes) -> None:
        await self.gateway.publish(topic, payload)
        await self.settle()

    def receipts(self) -> list[Receipt]:
        """Those heard since the last call."""
        found = [receipt for _, receipt in self.heard]
        self.heard.clear()
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def event() -> Callable[..., Event]:
    return make_event


@pytest.fixture
def batch() -> Callable[..., TelemetryBatch]:
    return make_batch


@pytest.fixture
def point() -> Callable[..., SummaryPoint]:
    return make_point


@pytest.fixture
def reading() -> Callable[..., SensorPoint]:
    return make_reading


@pytest.fixture
def scenes() -> type[Scene]:
    """For property tests, which need a new one for each example."""
    return Scene


@pytest.fixture
def altered() -> Callable[..., bytes]:
    """The JSON of a message with some fields replaced by anything."""

    def alter(message: msgspec.Struct, **changes: object) -> bytes:
        values = msgspec.to_builtins(message) | changes
        return msgspec.json.encode({key: value for key, value in values.items() if value != "DROP"})

    return alter
