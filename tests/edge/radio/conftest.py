"""The radio on our own ``org.bluez``: every byte goes through bleak and a real message bus."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contract.clock import Clock, SystemClock, within
from contract.protocols import HeardAdvert
from firmware_sim.bluez import Advert, Characteristic, FakeBluez, Gadgets, OnAir, Service
from firmware_sim.wearable import Central

pytest.importorskip("bleak", reason="the extra wardlight[bluetooth] is not installed")

from edge.radio.bluez import BluezRadio


class Echo:
    """A peripheral that gives back what was written, and counts aloud when it is told to."""

    BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
    VALUE = "7a8b00f1-5d2e-4c63-9e0a-3f1c5b2d7e10"
    FLOW = "7a8b00f2-5d2e-4c63-9e0a-3f1c5b2d7e10"
    NOTHING = "7a8b00ff-5d2e-4c63-9e0a-3f1c5b2d7e10"

    def __init__(self, number: int = 1, *, rssi_dbm: float = -60.0) -> None:
        self.address = f"C0:DE:00:00:00:{number:02X}"
        self.interval_s = 0.02
        self.rssi_dbm = rssi_dbm
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
        self.counts_when_asked = 0
        self.value = b"\x57"
        self.links: list[Central] = []

    def advert(self, now_ns: int) -> Advert | None:
        return None if self.silent else Advert({0xFFFF: b"\x01echo"}, {"fcd2": b"\x44"}, "Echo")

    def accept(self, link: Central) -> bool:
        self.links.append(link)
        return True

    def release(self, link: Central) -> None:
        self.links.remove(link)

    def read(self, characteristic: str) -> bytes:
        return self.value

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        self.value = data
        if self.counts_when_asked:
            self.count_to(self.counts_when_asked)

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        """Counts when it is written to, not before."""

    def count_to(self, number: int, first: int = 0) -> None:
        for link in self.links:
            for one in range(first, number):
                link.notify(self.FLOW, one.to_bytes(4, "little"), 0)

    def hang_up(self) -> None:
        for link in list(self.links):
            link.drop("out of reach")


class Bench:
    """A radio on a fake, and what it has heard."""

    def __init__(self, bluez: FakeBluez, radio: BluezRadio, clock: Clock) -> None:
        self.bluez = bluez
        self.radio = radio
        self.clock = clock
        self.adverts: list[HeardAdvert] = []
        self.batches = 0

    async def listen(self) -> None:
        async for batch in self.radio.adverts():
            self.adverts += batch
            self.batches += 1

    @property
    def addresses(self) -> set[str]:
        return {each.address for each in self.adverts}

    def heard(self, adapter: str) -> int:
        return self.radio.heard.get(adapter, 0)

    async def until(self, true: Callable[[], bool], within_s: float = 10.0) -> None:
        await self.bluez.until(true, within_s=within_s)

    async def hears(self, count: int = 3, since: int | None = None) -> None:
        """Until so many more adverts came."""
        before = len(self.adverts) if since is None else since
        await self.until(lambda: len(self.adverts) >= before + count)

    async def hears_who(self, *gadgets: Any) -> None:
        wanted = {each.address for each in gadgets}
        await self.until(lambda: wanted <= self.addresses)


@pytest.fixture
def on_air(monkeypatch) -> Callable[..., Any]:
    """A radio on a fake with these adapters; it listens."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (apt install dbus-daemon)")

    @asynccontextmanager
    async def start(
        air: Mapping[str, Sequence[OnAir]],
        *,
        clock: Clock,
        passive: bool = True,
        **options: Any,
    ):
        async with FakeBluez(clock, air, passive=passive) as bluez:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
            bench = Bench(bluez, BluezRadio(clock, **options), clock)
            listening = asyncio.create_task(bench.listen())
            try:
                yield bench
            finally:
                await within(SystemClock(), 10.0, bench.radio.close())
                await within(SystemClock(), 10.0, listening)

    return start


@pytest.fixture
def play(on_air) -> Callable[..., None]:
    """Play a scene with adapters that hear these gadgets: a list for each."""

    def run(scene: Callable[[Bench], Any], *gadgets: Sequence[Any], **options: Any) -> None:
        async def main() -> None:
            clock = options.pop("clock", None) or SystemClock()
            air = {
                f"hci{number}": [Gadgets(clock, each, seed=number)]
                for number, each in enumerate(gadgets)
            }
            async with on_air(air, clock=clock, **options) as bench:
                await scene(bench)

        asyncio.run(main())

    return run


@pytest.fixture
def make_echo() -> type[Echo]:
    return Echo
