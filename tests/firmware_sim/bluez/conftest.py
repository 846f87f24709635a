"""bleak's real BlueZ backend on the fake: what a test of the fake needs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from contract.advert import MalformedPacketError
from contract.clock import Clock, SystemClock, within
from firmware_sim.bluez import Advert, Characteristic, FakeBluez, Gadgets, OnAir, Service
from firmware_sim.wearable import Central


class Echo:
    """A gadget that gives back what was written, and notifies as many numbers as it is told."""

    BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
    VALUE = "7a8b00f1-5d2e-4c63-9e0a-3f1c5b2d7e10"
    FLOW = "7a8b00f2-5d2e-4c63-9e0a-3f1c5b2d7e10"

    def __init__(self, address: str = "C0:DE:00:00:00:01", *, links: int = 2) -> None:
        self.address = address
        self.interval_s = 0.05
        self.rssi_dbm = -60.0
        self.services: Sequence[Service] = (
            Service(
                "180f",
                (
                    Characteristic("2a19", ("read",)),
                    Characteristic(self.VALUE, ("read", "write")),
                    Characteristic(self.FLOW, ("notify",)),
                ),
            ),
        )
        self.silent = False
        self.value = b""
        self.links: list[Central] = []
        self._most_links = links

    def advert(self, now_ns: int) -> Advert | None:
        if self.silent:
            return None
        return Advert({0xFFFF: b"\x01echo"}, {"fcd2": b"\x44"}, "Echo", ("180f",))

    def accept(self, link: Central) -> bool:
        if len(self.links) >= self._most_links:
            return False
        self.links.append(link)
        return True

    def release(self, link: Central) -> None:
        self.links.remove(link)

    def read(self, characteristic: str) -> bytes:
        return self.value or b"\x57"

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        if data == b"nonsense":
            raise MalformedPacketError("nonsense")
        self.value = data

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        pass

    def count_to(self, number: int) -> None:
        for link in self.links:
            for one in range(number):
                link.notify(self.FLOW, one.to_bytes(4, "little"), 0)


class Heard:
    """What a bleak scanner heard."""

    def __init__(self) -> None:
        self.adverts: list[tuple[BLEDevice, AdvertisementData]] = []

    def __call__(self, device: BLEDevice, advert: AdvertisementData) -> None:
        self.adverts.append((device, advert))

    @property
    def addresses(self) -> set[str]:
        return {device.address for device, _ in self.adverts}

    async def first(self, within_s: float = 5.0) -> BLEDevice:
        await wait_until(lambda: bool(self.adverts), within_s)
        return self.adverts[-1][0]


@asynccontextmanager
async def scan(adapter: str = "hci0", **options: Any) -> AsyncIterator[Heard]:
    heard = Heard()
    bluez = {"adapter": adapter, "filters": {"DuplicateData": True}, **options.pop("bluez", {})}
    async with BleakScanner(heard, bluez=bluez, **options):
        yield heard


async def wait_until(true: Callable[[], bool], within_s: float = 5.0) -> None:
    clock = SystemClock()

    async def wait() -> None:
        while not true():
            await clock.sleep(0.005)

    await within(clock, within_s, wait())


@pytest.fixture
def fake(monkeypatch) -> Callable[..., Any]:
    """Starts a fake with these adapters, and points bleak at it."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (apt install dbus-daemon)")

    @asynccontextmanager
    async def start(
        adapters: Mapping[str, Sequence[OnAir]], clock: Clock | None = None, **options: Any
    ) -> AsyncIterator[FakeBluez]:
        async with FakeBluez(clock or SystemClock(), adapters, **options) as bluez:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
            yield bluez

    return start


@pytest.fixture
def play(fake) -> Callable[..., None]:
    """Runs a scene with one adapter that hears these gadgets."""

    def run(scene: Callable[[FakeBluez], Any], *gadgets: Any, **options: Any) -> None:
        async def main() -> None:
            clock = options.pop("clock", None) or SystemClock()
            async with fake({"hci0": [Gadgets(clock, gadgets)]}, clock, **options) as bluez:
                await scene(bluez)

        asyncio.run(main())

    return run


@pytest.fixture
def scanning() -> Callable[..., Any]:
    return scan


@pytest.fixture
def until() -> Callable[..., Any]:
    return wait_until


@pytest.fixture
def make_echo() -> type[Echo]:
    return Echo


async def switch(bluez: FakeBluez, adapter: str = "hci0") -> None:
    """Switch an adapter off and on, as a rung of a watchdog does."""
    bus = await MessageBus(bus_address=bluez.address).connect()
    for value in (False, True):
        reply = await bus.call(
            Message(
                destination="org.bluez",
                path=f"/org/bluez/{adapter}",
                interface="org.freedesktop.DBus.Properties",
                member="Set",
                signature="ssv",
                body=["org.bluez.Adapter1", "Powered", Variant("b", value)],
            )
        )
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
    bus.disconnect()


@pytest.fixture
def power_cycle() -> Callable[..., Any]:
    return switch
