"""A provisioned home: its authority, and the real mosquitto with its configuration."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.clock import Clock, SystemClock
from contract.protocols import Message
from contract.units import ns_to_seconds
from messaging import Credentials, Mosquitto, MqttBus
from messaging.mosquitto import free_port
from wardlight.provision.enrolment import Enrolment, accept
from wardlight.provision.home import Options, ProvisionedHome

LIMIT_S = 8.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Nothing has ended then: a gateway may be enrolled with what the broker refuses."""
HOME = "demo"


def no_passphrase() -> bytes:
    pytest.fail("nothing is encrypted here")


@dataclass
class Ear:
    """A client and what it was told."""

    bus: MqttBus
    messages: list[Message] = field(default_factory=list)
    connects: int = 0

    def topics(self) -> list[str]:
        return [message.topic for message in self.messages]


class SecuredHome:
    """A home, its broker, and machines that are enrolled in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock: Clock = SystemClock()
        self.home = ProvisionedHome(folder / "home", self.clock, no_passphrase)
        self.options = Options(
            HOME,
            ("127.0.0.1",),
            port=free_port(),
            services_port=free_port(),
            broker_user="root",
        )
        self.home.create(self.options, None)
        self.broker = Mosquitto(
            folder / "mosquitto",
            self.clock,
            port=self.options.port,
            configuration=self.home.configuration,
        )

    def at(self, clock: Clock) -> ProvisionedHome:
        """The same home, administered at another time."""
        return ProvisionedHome(self.home.folder, clock, no_passphrase)

    def enrol(self, made: Enrolment, folder: str | None = None) -> Credentials:
        """Make a machine of an enrolment; what it shows the broker."""
        machine = self.folder / (folder or made.gateway)
        accept(made, machine, machine / "data", LONG_AGO)
        return Credentials(ca_file=machine / "ca.pem", certificate_file=machine / "identity.pem")

    def gateway(self, name: str) -> Credentials:
        """A new gateway of this home."""
        return self.enrol(self.home.add_device(name, "gateway"))

    def service(self, name: str) -> Credentials:
        folder = self.home.services_folder
        return Credentials(ca_file=folder / "ca.pem", certificate_file=folder / f"{name}.pem")

    def bus(
        self, credentials: Credentials, client_id: str = "any", *, services: bool = False
    ) -> MqttBus:
        port = self.options.services_port if services else self.options.port
        return MqttBus(f"mqtts://127.0.0.1:{port}", client_id, self.clock, tls=credentials)

    def service_bus(self, name: str, client_id: str | None = None) -> MqttBus:
        return self.bus(self.service(name), client_id or name, services=True)

    @asynccontextmanager
    async def ear(self, bus: MqttBus, *filters: str, connects: bool = True) -> AsyncIterator[Ear]:
        """A client that listens, and stands if `connects`."""
        ear = Ear(bus)

        async def heard(messages: Sequence[Message]) -> None:
            ear.messages += messages

        async def connected() -> None:
            ear.connects += 1

        task = asyncio.create_task(bus.run(filters, heard, connected))
        try:
            if connects:
                await self.until(lambda: ear.connects > 0, f"a session ({bus.trouble})")
            yield ear
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def trouble(self, bus: MqttBus) -> str:
        """What a client learns that is not let in."""
        async with self.ear(bus, connects=False) as ear:
            await self.until(lambda: bus.certificate_trouble is not None, "a refusal")
            assert ear.connects == 0
            return str(bus.certificate_trouble)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        started = self.clock.monotonic_ns()
        while not condition():
            waited = ns_to_seconds(self.clock.monotonic_ns() - started)
            assert waited < LIMIT_S, f"waited in vain for {what}"
            await self.clock.sleep(0.01)

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await self.broker.start()
            await scenario()

        try:
            asyncio.run(main())
            gc.collect()
        finally:
            self.broker.kill()


@pytest.fixture
def secured(tmp_path: Path) -> SecuredHome:
    return SecuredHome(tmp_path)
