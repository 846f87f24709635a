"""Room sensors of a simulated home, as an adapter hears them."""

from __future__ import annotations

import asyncio

from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

from contract.clock import ScaledClock
from firmware_sim import SimulatedHome
from firmware_sim.bluez import HomeOnAir
from firmware_sim.homes import many


def test_sensors_are_heard_and_read_with_their_keys(fake, until, scanning):
    plan = many(1, sensors=4)

    async def main() -> None:
        clock = ScaledClock(60.0)
        home = SimulatedHome(plan, clock)
        async with fake({"hci0": [HomeOnAir(home.radio("gateway-a"))]}, clock), scanning() as heard:
            living = asyncio.create_task(home.run())
            wanted = {sensor.config.address for sensor in plan.sensors}
            await until(lambda: wanted <= heard.addresses, 10.0)
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)
        for sensor in plan.sensors:
            device, advert = next(
                (device, advert)
                for device, advert in reversed(heard.adverts)
                if device.address == sensor.config.address
            )
            parser = BTHomeBluetoothDeviceData(bindkey=bytes.fromhex(sensor.config.key))
            info = BluetoothServiceInfoBleak.from_scan("hci0", device, advert, 0.0, False)
            assert parser.supported(info)
            assert parser.decryption_failed is False

    asyncio.run(main())
