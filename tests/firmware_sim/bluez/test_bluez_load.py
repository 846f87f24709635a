"""A whole home on the air of one adapter."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from contract.advert import COMPANY_ID, decode_manufacturer_data
from contract.clock import SystemClock
from firmware_sim import SimulatedHome
from firmware_sim.bluez import Advert, Beacon, Gadgets, HomeOnAir, Repeating
from firmware_sim.homes import many


def test_sixty_wearables_and_forty_sensors_with_moving_strength(fake):
    async def main() -> None:
        clock = SystemClock()
        plan = many(60)
        home = SimulatedHome(plan, clock)
        sensors = [
            Beacon(f"A4:C1:38:00:00:{number:02X}", Advert(service_data={"fcd2": b"\x44"}))
            for number in range(40)
        ]
        on_air = [
            Repeating(HomeOnAir(home.radio(plan.gateways[0].name)), clock),
            Gadgets(clock, sensors),
        ]
        times: Counter[str] = Counter()
        strengths: dict[str, set[int]] = defaultdict(set)

        def take(device: BLEDevice, advert: AdvertisementData) -> None:
            times[device.address] += 1
            strengths[device.address].add(advert.rssi)
            if COMPANY_ID in advert.manufacturer_data:
                decode_manufacturer_data(advert.manufacturer_data[COMPANY_ID])

        everybody = {wearable.address for wearable in plan.wearables}
        everybody |= {sensor.address for sensor in sensors}
        async with fake({"hci0": on_air}, clock) as bluez:
            filters = {"filters": {"DuplicateData": True}}
            async with BleakScanner(take, bluez={"adapter": "hci0", **filters}):
                living = asyncio.create_task(home.run())
                # Not every advert arrives; the second time nearly every device was heard.
                await bluez.until(
                    lambda: set(times) == everybody and times.total() >= 400, within_s=15.0
                )
                living.cancel()
                await asyncio.gather(living, return_exceptions=True)
        assert sum(len(heard) for heard in strengths.values()) > 2 * len(everybody)

    asyncio.run(main())
