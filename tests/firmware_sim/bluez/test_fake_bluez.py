"""bleak's BlueZ backend, unchanged, on our own ``org.bluez``."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from bleak.args.bluez import OrPattern
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError

from contract.clock import ScaledClock, SystemClock
from firmware_sim.bluez import Advert, Beacon, FakeBluez, Gadgets, NoBusError, PrivateBus

ROOM_SENSOR = OrPattern(0, 0x16, b"\xd2\xfc")
"""An advert with BTHome's service data."""


def test_an_advert_arrives_as_it_was_said(play, scanning, until, make_echo):
    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            await until(lambda: len(heard.adverts) >= 5)
        device, advert = heard.adverts[-1]
        assert device.address == "C0:DE:00:00:00:01"
        assert (device.name, advert.local_name) == ("Echo", "Echo")
        assert advert.manufacturer_data == {0xFFFF: b"\x01echo"}
        assert advert.service_data == {"0000fcd2-0000-1000-8000-00805f9b34fb": b"\x44"}
        assert advert.service_uuids == ["0000180f-0000-1000-8000-00805f9b34fb"]
        assert len({advert.rssi for _, advert in heard.adverts}) > 1, "people move"

    play(scene, make_echo())


def test_without_duplicates_only_news_is_told(play, scanning, until):
    beacon = Beacon("C0:DE:00:00:00:02", Advert({1: b"one"}), interval_s=0.02)

    async def scene(bluez: FakeBluez) -> None:
        async with scanning(bluez={"filters": {}}) as heard:
            await until(lambda: bluez.controllers["hci0"].heard >= 20)
            said = bluez.controllers["hci0"].heard
            assert len(heard.adverts) < said / 2
            beacon.says = Advert({2: b"two"})
            await until(lambda: heard.adverts[-1][1].manufacturer_data.get(2) == b"two")
        # What it said of another company before still stands: a trap for whoever decodes.
        assert heard.adverts[-1][1].manufacturer_data == {1: b"one", 2: b"two"}

    play(scene, beacon)


def test_a_passive_scan_hears_what_its_patterns_ask_for(play, scanning, until):
    async def scene(bluez: FakeBluez) -> None:
        patterns = {"or_patterns": [ROOM_SENSOR]}
        async with scanning(scanning_mode="passive", bluez=patterns) as heard:
            await until(lambda: len(heard.adverts) >= 5)
        assert heard.addresses == {"C0:DE:00:00:00:03"}

    play(
        scene,
        Beacon("C0:DE:00:00:00:02", Advert({1: b"one"}), interval_s=0.02),
        Beacon("C0:DE:00:00:00:03", Advert(service_data={"fcd2": b"\x44"}), interval_s=0.02),
    )


def test_a_controller_may_offer_no_passive_scan(play, scanning):
    async def scene(bluez: FakeBluez) -> None:
        with pytest.raises(BleakError, match="passive scanning on Linux requires"):
            async with scanning(scanning_mode="passive", bluez={"or_patterns": [ROOM_SENSOR]}):
                pass

    play(scene, passive=False)


def test_read_write_and_an_error_of_the_peripheral(play, scanning, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            async with BleakClient(await heard.first()) as client:
                assert await client.read_gatt_char(echo.BATTERY) == b"\x57"
                await client.write_gatt_char(echo.VALUE, b"hello", response=True)
                assert await client.read_gatt_char(echo.VALUE) == b"hello"
                with pytest.raises(BleakGATTProtocolError, match="0x80"):
                    await client.write_gatt_char(echo.VALUE, b"nonsense", response=True)
                with pytest.raises(BleakGATTProtocolError, match="Write Not Permitted"):
                    await client.write_gatt_char(echo.BATTERY, b"1", response=True)
            assert echo.links == [], "letting go reaches the peripheral"

    play(scene, echo)


@pytest.mark.parametrize("acquire", [False, True])
def test_a_burst_of_notifications_is_whole_and_in_order(play, scanning, until, make_echo, acquire):
    echo, count = make_echo(), 20_000

    async def scene(bluez: FakeBluez) -> None:
        got: list[int] = []
        async with scanning() as heard, BleakClient(await heard.first()) as client:
            await client.start_notify(
                echo.FLOW,
                lambda _, data: got.append(int.from_bytes(data, "little")),
                bluez={"use_start_notify": not acquire},
            )
            echo.count_to(count)
            await until(lambda: len(got) >= count)
        assert got == list(range(count))

    play(scene, echo)


def test_a_link_that_breaks_is_noticed(play, scanning, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        gone = asyncio.Event()
        async with scanning() as heard:
            client = BleakClient(await heard.first(), lambda _: gone.set())
            await client.connect()
            assert await bluez.drop_links("hci0") == 1
            await asyncio.wait_for(gone.wait(), 1.0)
            assert not client.is_connected
            await client.disconnect()
            await client.connect()
            assert await client.read_gatt_char(echo.BATTERY) == b"\x57"
            await client.disconnect()

    play(scene, echo)


def test_a_peripheral_that_takes_no_link_is_refused(play, scanning):
    beacon = Beacon("C0:DE:00:00:00:02", Advert({1: b"one"}), interval_s=0.02)

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            client = BleakClient(await heard.first())
            with pytest.raises(BleakDBusError, match="Software caused connection abort"):
                await client.connect()

    play(scene, beacon)


def test_a_device_that_fell_silent_is_forgotten(play, scanning, until, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        async with scanning():
            await until(lambda: echo.address in bluez.devices("hci0"))
            echo.silent = True
            await until(lambda: echo.address not in bluez.devices("hci0"))

    play(scene, echo, clock=ScaledClock(40.0))


def test_two_adapters_are_two(fake, scanning, until):
    async def main() -> None:
        clock = SystemClock()
        one = Beacon("C0:DE:00:00:00:01", Advert({1: b"one"}), interval_s=0.02)
        two = Beacon("C0:DE:00:00:00:02", Advert({1: b"two"}), interval_s=0.02)
        adapters = {"hci0": [Gadgets(clock, [one])], "hci1": [Gadgets(clock, [two])]}
        async with fake(adapters, clock), scanning("hci0") as here, scanning("hci1") as there:
            await until(lambda: bool(here.adverts and there.adverts))
        assert here.addresses == {one.address}
        assert there.addresses == {two.address}

    asyncio.run(main())


def test_who_has_no_dbus_daemon_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    async def main() -> None:
        with pytest.raises(NoBusError, match="apt-get install"):
            async with PrivateBus(SystemClock()):
                pass

    asyncio.run(main())


def test_nothing_is_left_running(play):
    seen: list[tuple[int, Path]] = []

    async def scene(bluez: FakeBluez) -> None:
        seen.append((bluez.process_id, Path(bluez.address.removeprefix("unix:path="))))
        assert seen[0][1].is_socket()

    play(scene)
    process, socket = seen[0]
    assert not Path(f"/proc/{process}").exists()
    assert not socket.parent.exists()


def test_the_bus_ends_with_a_process_that_is_killed(fake, until):
    program = """
import asyncio, sys
from contract.clock import SystemClock
from firmware_sim.bluez.daemon import PrivateBus

async def main():
    async with PrivateBus(SystemClock()) as bus:
        print(bus.process_id, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    bus = Path("/proc") / child.stdout.readline().decode().strip()
    assert bus.exists()
    child.kill()
    child.wait()
    child.stdout.close()

    def has_ended() -> bool:
        # One that nobody waits for any more may stand there as a zombie.
        try:
            return "\nState:\tZ" in (bus / "status").read_text()
        except OSError:
            return True

    asyncio.run(until(has_ended))


def test_a_scan_for_nobody_ends_cleanly(play):
    async def scene(bluez: FakeBluez) -> None:
        assert await BleakScanner.discover(timeout=0.1) == []

    play(scene)
