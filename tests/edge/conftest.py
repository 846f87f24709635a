"""A far end that gives receipts, a gateway wired to it, and a radio that does as it is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract import topics, wire
from contract.advert import COMPANY_ID, WearableAdvert, encode_manufacturer_data
from contract.clock import Clock, VirtualClock, now_us
from contract.events import Event, EventKind, FaultCause, Receiver
from contract.gatt import Operation, decode_command
from contract.ids import seeded_ids
from contract.messages import (
    MESSAGE_SCHEMA,
    AlertState,
    AlertStateItem,
    GatewayConfig,
    Outcome,
    Receipt,
    Status,
    WearableConfig,
)
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError, Message
from contract.telemetry import TelemetryBatch
from edge import Gateway, Tone
from edge.storage import StorageFile
from messaging import LocalBroker, LocalBus

HOME = "demo"


@pytest.fixture(autouse=True)
def no_file_stays_open(monkeypatch):
    """A test that plays a crash abandons its files; Python 3.13 minds who leaves one open."""
    opened = []
    connect = StorageFile._connect

    def remember(file):
        opened.append(connect(file))
        return opened[-1]

    monkeypatch.setattr(StorageFile, "_connect", remember)
    yield
    for connection in opened:
        connection.close()


class RecordingSiren:
    """Remembers when it was told what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.log: list[tuple[float, str]] = []
        self.now: str | None = None
        self.volumes: list[int] = []
        self.troubles: tuple[str, ...] = ()

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        self.volumes.append(volume_percent)
        if self.now != tone.value:
            self.now = tone.value
            self.log.append((self._clock.monotonic_ns() / 1e9, tone.value))

    async def quiet(self) -> None:
        if self.now is not None:
            self.now = None
            self.log.append((self._clock.monotonic_ns() / 1e9, "quiet"))

    @property
    def tones(self) -> list[str]:
        return [tone for _, tone in self.log]


class FarEnd:
    """Ingest and alerts as a gateway sees them: receipts and alert state."""

    def __init__(self, broker: LocalBroker, clock: Clock) -> None:
        self._broker = broker
        self._bus = LocalBus(broker, "far-end", clock)
        self._clock = clock
        self.ingest_up = True
        self.alerts_up = True
        self.reject: dict[EventKind, tuple[Receiver, str]] = {}
        self.events: list[Event] = []
        self.payloads: list[tuple[float, str, bytes]] = []
        self.batches: list[TelemetryBatch] = []
        self.statuses: list[Status] = []
        self.alerts: list[AlertStateItem] = []
        self.session = "alerts-1"
        self._sequence = 0
        self._up_to: dict[str, int] = {}

    async def run(self) -> None:
        filters = [topics.event_topic(HOME, "+", "+"), topics.build(HOME, "+", "telemetry")]
        filters.append(topics.build(HOME, "+", "status"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run(filters, self._take))
            tasks.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            if self.alerts_up:
                self.say_alert_state()
            await self._clock.sleep(5.0)

    def say_alert_state(self) -> None:
        self._sequence += 1
        state = AlertState(
            schema=MESSAGE_SCHEMA,
            session=self.session,
            sequence=self._sequence,
            at_us=max(now_us(self._clock), 0),
            alerts=list(self.alerts),
        )
        if self._broker.running:
            for gateway in ("gateway-a", "gateway-b"):
                self._broker.publish(topics.build(HOME, gateway, "alert_state"), wire.encode(state))

    async def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            topic = topics.parse(message.topic)
            self.payloads.append((self._clock.monotonic_ns() / 1e9, message.topic, message.payload))
            if topic.branch == "event":
                self._event(topic.sender, wire.decode(message.payload, Event))
            elif topic.branch == "telemetry":
                self._batch(topic.sender, wire.decode(message.payload, TelemetryBatch))
            elif topic.branch == "status" and not message.retained:
                self.statuses.append(wire.decode(message.payload, Status))

    def _event(self, gateway: str, event: Event) -> None:
        self.events.append(event)
        for receiver, up in ((Receiver.INGEST, self.ingest_up), (Receiver.ALERTS, self.alerts_up)):
            if not up:
                continue
            outcome, reason = Outcome.STORED, None
            if event.kind in self.reject and self.reject[event.kind][0] is receiver:
                outcome, reason = Outcome.REJECTED, self.reject[event.kind][1]
            self.receipt(gateway, receiver, outcome, [event.id], reason)

    def receipt(
        self,
        gateway: str,
        by: Receiver,
        outcome: Outcome,
        ids: list[str],
        reason: str | None = None,
    ) -> None:
        receipt = Receipt(
            schema=MESSAGE_SCHEMA, by=by, outcome=outcome, at_us=0, ids=ids, reason=reason
        )
        self._broker.publish(topics.build(HOME, gateway, "receipt"), wire.encode(receipt))

    def _batch(self, gateway: str, batch: TelemetryBatch) -> None:
        if not self.ingest_up:
            return
        self.batches.append(batch)
        if batch.sequence == self._up_to.get(batch.session, 0) + 1:
            self._up_to[batch.session] = batch.sequence
        receipt = Receipt(
            schema=MESSAGE_SCHEMA,
            by=Receiver.INGEST,
            outcome=Outcome.STORED,
            at_us=0,
            session=batch.session,
            up_to_sequence=self._up_to.get(batch.session, 0),
        )
        self._broker.publish(topics.build(HOME, gateway, "receipt"), wire.encode(receipt))

    def of(self, *kinds: EventKind) -> list[Event]:
        """Each event of these kinds once, in the order of their first arrival."""
        return list({each.id: each for each in self.events if each.kind in kinds}.values())

    def faults(self, cause: FaultCause) -> list[Event]:
        kinds = (EventKind.FAULT, EventKind.FAULT_CLEARED)
        return [each for each in self.of(*kinds) if each.cause is cause]


class ScriptedLink:
    """A link whose answers a test decides."""

    def __init__(self, radio: ScriptedRadio, address: str) -> None:
        self._radio = radio
        self.address = address
        self.lost = False
        self.queue: deque[tuple[bytes, int]] = deque()
        self.changed = asyncio.Event()

    async def write(self, characteristic: str, data: bytes) -> None:
        if self.lost:
            raise LinkLostError("gone")
        operation, arguments = decode_command(data)
        self._radio.written.append((self.address, operation, arguments))
        if self._radio.on_write is not None:
            self._radio.on_write(self, operation, arguments)

    async def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        while True:
            while self.queue:
                yield self.queue.popleft()
            if self.lost:
                raise LinkLostError("gone")
            self.changed.clear()
            await self.changed.wait()

    def notify(self, payload: bytes) -> None:
        self.queue.append((payload, self._radio.clock.monotonic_ns()))
        self.changed.set()

    def drop(self) -> None:
        self.lost = True
        self.changed.set()

    async def read(self, characteristic: str) -> bytes:
        raise LinkLostError(f"there is no {characteristic} to read")

    async def disconnect(self) -> None:
        self.drop()


class ScriptedRadio:
    """A radio that hears what a test says."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._waiting: deque[list[HeardAdvert]] = deque()
        self._changed = asyncio.Event()
        self.connectable = True
        self.standing: list[AdapterTrouble] = []
        self.connects = 0
        self.links: list[ScriptedLink] = []
        self.written: list[tuple[str, Operation, tuple[int, ...]]] = []
        self.on_write: Callable[[ScriptedLink, Operation, tuple[int, ...]], None] | None = None

    def hear(self, address: str, data: bytes, rssi: int = -60, company: int = COMPANY_ID) -> None:
        heard = HeardAdvert(address, rssi, {company: data}, {}, self.clock.monotonic_ns())
        self._waiting.append([heard])
        self._changed.set()

    def hear_service(self, address: str, uuid: str, data: bytes, rssi: int = -60) -> None:
        heard = HeardAdvert(address, rssi, {}, {uuid: data}, self.clock.monotonic_ns())
        self._waiting.append([heard])
        self._changed.set()

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            self._changed.clear()
            await self._changed.wait()

    async def connect(self, address: str) -> ScriptedLink:
        self.connects += 1
        if not self.connectable:
            raise LinkLostError("no answer")
        link = ScriptedLink(self, address)
        self.links.append(link)
        return link

    async def close(self) -> None:
        for link in self.links:
            link.drop()

    def troubles(self) -> Sequence[AdapterTrouble]:
        return self.standing


def wearable(number: int = 1, **changes: object) -> WearableConfig:
    values: dict[str, object] = {
        "device": f"wearable-{number}",
        "address": f"C0:DE:00:00:00:{number:02X}",
        "identity": number,
        "resident": f"resident-{number}",
        "bed": f"2/F 21{number}-A",
        "zone": "room-211",
    }
    return WearableConfig(**{**values, **changes})  # type: ignore[arg-type]


def config(*wearables: WearableConfig, revision: int = 1, **changes: object) -> GatewayConfig:
    return GatewayConfig(
        schema=MESSAGE_SCHEMA,
        home=HOME,
        revision=revision,
        wearables=list(wearables) or [wearable()],
        zone="corridor",
        **changes,  # type: ignore[arg-type]
    )


def advert(second: int, **changes: object) -> bytes:
    values: dict[str, object] = {
        "identity": 1,
        "boot_counter": 7,
        "second": second % 65_536,
        "mean_g": (0.0, 0.0, 1.0),
        "min_g": 0.97,
        "max_g": 1.0,
        "deviation_g": 0.01,
        "battery_percent": 80,
        "worn": True,
        "charging": False,
        "saturated": False,
        "candidate_counter": 0,
        "candidate_pending": False,
        "candidate_age_s": 255,
        "candidate_peak_g": 0.0,
        "button_counter": 0,
        "button_pending": False,
        "heart_rate_bpm": 70,
    }
    return encode_manufacturer_data(WearableAdvert(**{**values, **changes}))  # type: ignore[arg-type]


class Bench:
    """One virtual home: broker, far end, scripted radio, and gateways made on demand."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.folder = folder
        self.clock = clock
        self.broker = LocalBroker()
        self.far_end = FarEnd(self.broker, clock)
        self.siren = RecordingSiren(clock)
        self.radio = ScriptedRadio(clock)
        self.gateways = 0
        self.bus = LocalBus(self.broker, "none", clock)

    def gateway(self, name: str = "gateway-a", **changes: object) -> Gateway:
        self.gateways += 1
        self.bus = LocalBus(self.broker, name, self.clock)
        values: dict[str, object] = {
            "home": HOME,
            "name": name,
            "folder": self.folder / name,
            "clock": self.clock,
            "ids": seeded_ids(self.clock, self.gateways),
            "radio": self.radio,
            "bus": self.bus,
            "siren": self.siren,
            "boot": "boot-1",
            "session": f"session-{self.gateways}",
            "config": config(),
        }
        return Gateway(**{**values, **changes})  # type: ignore[arg-type]

    @asynccontextmanager
    async def running(self, *gateways: Gateway) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.far_end.run())]
        tasks += [asyncio.create_task(each.run()) for each in gateways]
        try:
            await self.clock.sleep(0.5)
            yield
        finally:
            for task in tasks:
                if task.done():
                    task.result()  # what failed on its own comes before what a test noticed
            await stop(tasks)

    async def advertise(
        self, seconds: int, first: int = 100, number: int = 1, **changes: object
    ) -> None:
        """One advert each second."""
        for second in range(first, first + seconds):
            self.radio.hear(
                f"C0:DE:00:00:00:{number:02X}", advert(second, identity=number, **changes)
            )
            await self.clock.sleep(1.0)


async def stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bench(tmp_path: Path, clock: VirtualClock) -> Bench:
    return Bench(tmp_path, clock)


@pytest.fixture
def make_advert() -> Callable[..., bytes]:
    return advert


@pytest.fixture
def make_wearable() -> Callable[..., WearableConfig]:
    return wearable


@pytest.fixture
def make_config() -> Callable[..., GatewayConfig]:
    return config


@pytest.fixture
def stop_tasks() -> Callable[[Sequence[asyncio.Task[None]]], Awaitable[None]]:
    return stop
