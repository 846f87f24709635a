"""Room sensors on the air, as an adapter hears them."""

from __future__ import annotations

from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

from firmware_sim import demo_home
from firmware_sim.bluez import FakeBluez
from firmware_sim.bluez.sensors import CALL_POINT_EVERY, sensor_configs, sensors_on_air


def test_sensors_are_heard_and_read_with_their_keys(play, until, scanning):
    configs = sensor_configs(demo_home(), CALL_POINT_EVERY)
    sensors = sensors_on_air(configs)
    for sensor in sensors:
        sensor.interval_s = 0.1

    async def scene(bluez: FakeBluez) -> None:
        talkative = {sensor.address for sensor in sensors[:-1]}
        async with scanning() as heard:
            await until(lambda: heard.addresses == talkative)
            assert sensors[-1].address not in heard.addresses, "nobody has pressed it"
            sensors[-1].press()
            await until(lambda: sensors[-1].address in heard.addresses)
        for config in configs:
            device, advert = next(
                (device, advert)
                for device, advert in reversed(heard.adverts)
                if device.address == config.address
            )
            parser = BTHomeBluetoothDeviceData(bindkey=bytes.fromhex(config.key))
            info = BluetoothServiceInfoBleak.from_scan("hci0", device, advert, 0.0, False)
            assert parser.supported(info)
            assert parser.decryption_failed is False

    play(scene, *sensors)
