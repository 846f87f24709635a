"""Wearables that repeat themselves: what a radio really hears of them between two seconds.

A simulated home gives each wearable's new advert once, all of a half second together. A device
repeats what it has to say at its advertising interval until it has something new, each at its own
moment and each time a little louder or fainter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from contract.clock import Clock
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S
from firmware_sim.bluez.gadgets import INTERVAL_S, Advert, Gadgets
from firmware_sim.bluez.peripherals import HeldLink, OnAir, Service
from firmware_sim.wearable import Central

STALE_S: Final = 1.2
"""A wearable has something new each second; what is older was lost on the way, or it is silent."""
OUT_OF_TURN_S: Final = 0.9
"""What comes sooner after the last does not wait for the advertising interval: a press is
advertised at once (docs/wearable-profile.md)."""


class _Repeated:
    """One device of another's air, as a gadget that says again what it said last."""

    services: Sequence[Service] = ()

    def __init__(self, heard: HeardAdvert, interval_s: float, *, stands: bool = False) -> None:
        self.address = heard.address
        self.interval_s = interval_s
        self._stands = stands
        self.hear(heard)

    def is_out_of_turn(self, heard: HeardAdvert) -> bool:
        """Whether it says this before its second is over: a button was pressed."""
        return heard.received_ns - self._at_ns < OUT_OF_TURN_S * NS_PER_S

    def hear(self, heard: HeardAdvert) -> None:
        self.rssi_dbm = float(heard.rssi_dbm)
        self._at_ns = heard.received_ns
        self._says = Advert(
            heard.manufacturer_data,
            heard.service_data,
            heard.local_name,
            tuple(heard.service_uuids),
        )

    def advert(self, now_ns: int) -> Advert | None:
        is_new = now_ns - self._at_ns < STALE_S * NS_PER_S
        return self._says if is_new or self._stands else None

    def accept(self, link: Central) -> bool:
        return False

    def release(self, link: Central) -> None:
        """Its links are made elsewhere."""

    def read(self, characteristic: str) -> bytes:
        raise KeyError(characteristic)

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        raise KeyError(characteristic)

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        raise KeyError(characteristic)


class Repeating:
    """Another's air, each of whose devices advertises at an interval; implements `OnAir`.

    What is new waits for the next advertising event of its device, as it does in one; but what
    comes out of turn does not, as a press.

    Parameters
    ----------
    on_air
        Whose.
    clock
        When they advertise.
    interval_s
        Between the adverts of one device.
    seed
        Decides phases, jitter and fading.
    standing
        Devices that say the same for as long as there is nothing new, and what they say at first:
        room sensors, of which many send what they measured last again and again.
    """

    def __init__(
        self,
        on_air: OnAir,
        clock: Clock,
        *,
        interval_s: float = INTERVAL_S,
        seed: int = 0,
        standing: Sequence[HeardAdvert] = (),
    ) -> None:
        self._on_air = on_air
        self._interval_s = interval_s
        self._devices = {
            heard.address: _Repeated(heard, interval_s, stands=True) for heard in standing
        }
        # Slow fading is the other's own.
        self._gadgets = Gadgets(clock, list(self._devices.values()), seed, slow_fading_db=0.0)

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        listening = asyncio.create_task(self._listen())
        try:
            async for batch in self._gadgets.adverts():
                if listening.done():
                    listening.result()
                yield batch
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        async for batch in self._on_air.adverts():
            for heard in batch:
                device = self._devices.get(heard.address)
                if device is not None:
                    is_urgent = device.is_out_of_turn(heard)
                    device.hear(heard)
                    if is_urgent:
                        self._gadgets.hurry(heard.address)
                else:
                    device = self._devices[heard.address] = _Repeated(heard, self._interval_s)
                    self._gadgets.add(device)

    async def connect(self, address: str) -> HeldLink:
        return await self._on_air.connect(address)

    def services(self, address: str) -> Sequence[Service]:
        return self._on_air.services(address)
