"""Three worlds in which the same promises of `contract.protocols.Bus` must hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.clock import Clock, SystemClock, VirtualClock
from contract.protocols import Bus, LastWill, Message
from contract.units import ns_to_seconds
from messaging.embedded import EmbeddedBroker
from messaging.local import LocalBroker, LocalBus
from messaging.mosquitto import Mosquitto
from messaging.mqtt import MqttBus

LIMIT_S = 8.0
"""No condition takes longer unless it never comes."""


@dataclass
class Ear:
    """A client and everything that it was told."""

    bus: Bus
    messages: list[Message] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    connects: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]


class World:
    """A broker of some kind, and clients of it."""

    name: str
    clock: Clock
    refuses_are_seen = True
    takes_over_clients = True

    def bus(self, client_id: str) -> Bus:
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await self.start()
            try:
                await scenario()
            finally:
                await self.stop()

        if isinstance(self.clock, VirtualClock):
            self.clock.run(main())
        else:
            asyncio.run(main())

    async def until(self, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        started = self.clock.monotonic_ns()
        while not condition():
            waited = ns_to_seconds(self.clock.monotonic_ns() - started)
            assert waited < limit_s, "waited in vain"
            await self.clock.sleep(0.005)

    @asynccontextmanager
    async def ear(
        self,
        client_id: str,
        *filters: str,
        on_connected: Callable[[], Awaitable[None]] | None = None,
        will: Callable[[], LastWill] | None = None,
        on_messages: Callable[[Sequence[Message]], Awaitable[None]] | None = None,
        await_connect: bool = True,
    ) -> AsyncIterator[Ear]:
        ear = Ear(self.bus(client_id))

        async def connected() -> None:
            ear.connects += 1
            if on_connected is not None:
                await on_connected()

        async def heard(messages: Sequence[Message]) -> None:
            ear.messages += messages
            ear.batches.append(len(messages))
            if on_messages is not None:
                await on_messages(messages)

        ear.task = asyncio.create_task(ear.bus.run(filters, heard, connected, will))
        try:
            if await_connect:
                await self.until(lambda: ear.connects > 0)
            yield ear
        finally:
            ear.task.cancel()
            with suppress(asyncio.CancelledError, HandlerBrokeError):
                await ear.task


class HandlerBrokeError(Exception):
    """What a defective handler raises in these tests."""


class LocalWorld(World):
    name = "local"

    def __init__(self, refuses: Callable[[str, str], str | None] | None = None) -> None:
        self.clock = VirtualClock()
        self.broker = LocalBroker(refuses)

    def bus(self, client_id: str) -> Bus:
        return LocalBus(self.broker, client_id, self.clock)

    async def start(self) -> None:
        self.broker.start()

    async def stop(self) -> None:
        self.broker.stop()


class MosquittoWorld(World):
    name = "mosquitto"

    def __init__(self, folder: Path, access: tuple[str, ...] = ()) -> None:
        self.clock = SystemClock()
        self.broker = Mosquitto(folder, self.clock, access=access)

    def bus(self, client_id: str) -> Bus:
        return MqttBus(self.broker.url, client_id, self.clock)

    async def start(self) -> None:
        await self.broker.start()

    async def stop(self) -> None:
        self.broker.stop()


class EmbeddedWorld(World):
    name = "embedded"
    refuses_are_seen = False  # MQTT 3.1.1 has no word for it
    takes_over_clients = False  # amqtt lets two clients of one id stand

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.broker = EmbeddedBroker()

    def bus(self, client_id: str) -> Bus:
        return MqttBus(self.broker.url, client_id, self.clock)

    async def start(self) -> None:
        await self.broker.start()

    async def stop(self) -> None:
        await self.broker.stop()


@pytest.fixture(params=["local", "mosquitto", "embedded"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made: World
    if request.param == "local":
        made = LocalWorld()
    elif request.param == "mosquitto":
        made = MosquittoWorld(tmp_path)
    else:
        made = EmbeddedWorld()
    yield made
    if isinstance(made, MosquittoWorld):
        made.broker.kill()


@pytest.fixture
def handler_broke_error() -> type[Exception]:
    return HandlerBrokeError


@pytest.fixture(params=["local", "mosquitto"])
def guarded_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A broker that lets everybody publish on ``free/#`` alone."""
    made: World
    if request.param == "local":
        made = LocalWorld(lambda _, topic: None if topic.startswith("free/") else "not allowed")
    else:
        made = MosquittoWorld(tmp_path, ("topic read #", "topic readwrite free/#"))
    yield made
    if isinstance(made, MosquittoWorld):
        made.broker.kill()
