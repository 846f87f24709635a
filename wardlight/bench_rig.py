"""A gateway that benches hand adverts to, and the home that sends them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Never

from contract.advert import encode_manufacturer_data
from contract.clock import VirtualClock
from contract.identity import rolling_identity
from contract.ids import seeded_ids
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, SensorConfig, WearableConfig
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError
from edge import Gateway, LogSiren
from firmware_sim.room_sensors import RoomSensor, SensorKind
from messaging import LocalBroker, LocalBus
from wardlight.fuzz import an_advert
from wardlight.fuzz_devices import BTHOME

WEARABLES: Final = 60
SENSORS: Final = 40


class _NoRadio:
    """The bench hands the adverts over itself."""

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        return
        yield ()

    async def connect(self, address: str) -> Never:
        raise LinkLostError(f"nobody connects to {address} here")

    async def close(self) -> None:
        pass

    def troubles(self) -> Sequence[AdapterTrouble]:
        return ()


class Rig:
    """A gateway that is handed adverts, without a life of its own between them.

    Parameters
    ----------
    folder
        For its outboxes.
    """

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        dice = random.Random(1)  # noqa: S311
        self.clock = clock
        self.keys = [dice.randbytes(16) for _ in range(WEARABLES)]
        wearables = [
            WearableConfig(device=f"wearable-{number}", address="", key=key.hex())
            for number, key in enumerate(self.keys)
        ]
        self.sensors = [
            RoomSensor(
                kind,
                SensorConfig(
                    device=f"sensor-{place}-{number}",
                    address=f"A4:C1:38:00:{place:02X}:{number:02X}",
                    zone="hall",
                    key=dice.randbytes(16).hex() if number % 2 else None,
                ),
            )
            for place, kind in enumerate(SensorKind)
            for number in range(SENSORS // len(SensorKind))
        ]
        self.config = GatewayConfig(
            schema=MESSAGE_SCHEMA,
            home="bench",
            revision=1,
            wearables=wearables,
            sensors=[each.config for each in self.sensors],
        )
        self.gateway = Gateway(
            home="bench",
            name="gateway-a",
            folder=folder,
            clock=clock,
            ids=seeded_ids(clock, 1),
            radio=_NoRadio(),
            bus=LocalBus(LocalBroker(), "gateway-a", clock),
            siren=LogSiren(),
            boot="boot-1",
            session="session-1",
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.TaskGroup]:
        """Files open, the configuration in force."""
        gateway = self.gateway
        await gateway.outbox.open(self.clock.monotonic_ns())
        await gateway.sensors.open()
        gateway.configs.begin(None)
        gateway.configs.offer(self.config)
        gateway._apply_config(self.config)  # noqa: SLF001 - as it does at its start
        try:
            async with asyncio.TaskGroup() as tasks:
                yield tasks
        finally:
            await gateway.sensors.close(self.clock.monotonic_ns())
            await gateway.outbox.close()

    def own(self, second: int) -> list[bytes]:
        """What each wearable says at a second; all have another boot counter."""
        return [
            encode_manufacturer_data(
                an_advert(rolling_identity(key, number, second), second, boot_counter=number)
            )
            for number, key in enumerate(self.keys)
        ]

    def address(self, number: int, second: int) -> str:
        """Where it is heard: another address with each identity."""
        return f"40:00:{second >> 10 & 0xFF:02X}:00:00:{number:02X}"

    def rooms(self) -> list[HeardAdvert]:
        """What each room sensor says next."""
        now_ns = self.clock.monotonic_ns()
        return [
            HeardAdvert(each.address, -70, {}, {BTHOME: each.packet()}, now_ns)
            for each in self.sensors
        ]

    def close_seconds(self) -> None:
        """Let the grid close what is over, so that nothing waits."""
        self.gateway.pipeline.tick(self.gateway.time.grid_now_ns())
