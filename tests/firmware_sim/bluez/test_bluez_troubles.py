"""What goes wrong on a real adapter goes wrong on the fake, and bleak meets it."""

from __future__ import annotations

import asyncio

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from bleak.exc import BleakDBusError, BleakError
from bleak_retry_connector import establish_connection
from dbus_fast import Message
from dbus_fast.aio import MessageBus

from firmware_sim.bluez import Advert, Beacon, FakeBluez, Mishap


@pytest.mark.parametrize(
    ("mishap", "said"),
    [
        (Mishap.ABORT, "Software caused connection abort"),
        (Mishap.IN_PROGRESS, "Operation already in progress"),
        (Mishap.NOT_READY, "Resource Not Ready"),
        (Mishap.NO_REPLY, "Did not receive a reply"),
    ],
)
def test_a_link_that_does_not_come_about(play, scanning, make_echo, mishap, said):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            device = await heard.first()
            bluez.mishaps.let("Connect", mishap, times=1)
            with pytest.raises(BleakDBusError, match=said):
                await BleakClient(device).connect()
            async with BleakClient(device) as client:
                assert await client.read_gatt_char(echo.BATTERY) == b"\x57"
        assert bluez.mishaps.met == {mishap: 1}

    play(scene, echo)


def test_bleak_tries_again_by_itself_after_an_abort_by_local(play, scanning, make_echo):
    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            device = await heard.first()
            bluez.mishaps.let("Connect", Mishap.ABORT_BY_LOCAL, times=2)
            async with BleakClient(device) as client:
                assert client.is_connected
        assert bluez.mishaps.met == {Mishap.ABORT_BY_LOCAL: 2}

    play(scene, make_echo())


def test_without_the_signal_bleak_waits_until_its_own_limit(play, scanning, make_echo):
    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            device = await heard.first()
            bluez.mishaps.let("Connect", Mishap.ABORT_BY_LOCAL_SILENT)
            with pytest.raises(TimeoutError):
                await BleakClient(device, timeout=0.5).connect()

    play(scene, make_echo())


def test_bleak_retry_connector_recovers(play, scanning, make_echo):
    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            device = await heard.first()
            bluez.mishaps.let("Connect", Mishap.ABORT, times=2)
            client = await establish_connection(BleakClient, device, "echo")
            assert client.is_connected
            await client.disconnect()
        assert bluez.mishaps.met == {Mishap.ABORT: 2}

    play(scene, make_echo())


def test_a_peripheral_out_of_reach_can_be_tried_again_at_once(play, scanning, make_echo):
    """BlueZ waits for 20 s; who has waited long enough ends it by Disconnect."""

    async def nobody(address: str) -> None:
        await asyncio.Event().wait()

    async def scene(bluez: FakeBluez) -> None:
        controller = bluez.controllers["hci0"]
        near = controller.connect
        async with scanning() as heard:
            device = await heard.first()
            controller.connect = nobody
            with pytest.raises(TimeoutError):
                await BleakClient(device, timeout=0.3).connect()
            controller.connect = near
            async with BleakClient(device) as client:
                assert client.is_connected

    play(scene, make_echo())


def test_a_call_that_is_never_answered_ends_by_the_limit_of_who_calls(play, scanning, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard, BleakClient(await heard.first()) as client:
            for member, call in (
                ("ReadValue", lambda: client.read_gatt_char(echo.BATTERY)),
                ("WriteValue", lambda: client.write_gatt_char(echo.VALUE, b"1", response=True)),
                ("StartNotify", lambda: client.start_notify(echo.FLOW, lambda *_: None)),
            ):
                bluez.mishaps.let(member, Mishap.HANG)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(call(), 0.2)
            bluez.mishaps.clear()
            assert await client.read_gatt_char(echo.BATTERY) == b"\x57"

    play(scene, echo)


def test_in_progress_for_ever_is_retried_for_ever_by_bleak(play, scanning, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard, BleakClient(await heard.first()) as client:
            bluez.mishaps.let("ReadValue", Mishap.IN_PROGRESS)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.read_gatt_char(echo.BATTERY), 0.3)
        assert bluez.mishaps.met[Mishap.IN_PROGRESS] > 3

    play(scene, echo)


def test_a_scan_that_does_not_begin(play, scanning, make_echo):
    async def scene(bluez: FakeBluez) -> None:
        bluez.mishaps.let("StartDiscovery", Mishap.IN_PROGRESS, times=1, under="/org/bluez/hci0")
        with pytest.raises(BleakDBusError, match="InProgress"):
            await BleakScanner().start()
        async with scanning() as heard:
            await heard.first()

    play(scene, make_echo())


@pytest.mark.parametrize("heals", ["scan", "power", "restart"])
def test_a_deaf_controller_hears_again_after_what_heals_it(play, scanning, power_cycle, heals):
    remedies = {
        "scan": lambda _: asyncio.sleep(0),
        "power": power_cycle,
        "restart": lambda bluez: bluez.restart_bluetoothd(0.05),
    }

    async def hears(bluez: FakeBluez) -> bool:
        controller = bluez.controllers["hci0"]
        async with scanning() as heard:
            said = controller.heard + 5
            await bluez.until(lambda: controller.heard >= said, within_s=5.0)
        return bool(heard.adverts)

    async def scene(bluez: FakeBluez) -> None:
        assert await hears(bluez)
        controller = bluez.controllers["hci0"]
        controller.deaf, controller.heals = True, heals
        tried = []
        for name, remedy in remedies.items():
            await remedy(bluez)
            tried.append(name)
            if await hears(bluez):
                break
        assert tried == list(remedies)[: list(remedies).index(heals) + 1]

    play(scene, Beacon("C0:DE:00:00:00:02", Advert({1: b"one"}), interval_s=0.02))


def test_an_unplugged_adapter_takes_everything_with_it(play, scanning, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        heard = []
        scanner = BleakScanner(lambda device, _: heard.append(device))
        await scanner.start()
        await bluez.until(lambda: bool(heard), within_s=5.0)
        client = BleakClient(heard[-1])
        await client.connect()
        await bluez.unplug("hci0")
        assert echo.links == []
        assert not bluez.devices("hci0")
        with pytest.raises(BleakDBusError):  # the adapter is no object any more
            await scanner.stop()
        assert client.is_connected, "that its device is gone is not that it is not connected"
        with pytest.raises(BleakError, match="hci0"):
            await BleakScanner(bluez={"adapter": "hci0"}).start()
        await bluez.plug("hci0")
        manager = await get_global_bluez_manager()
        await bluez.until(lambda: "/org/bluez/hci0" in manager._adapters, within_s=5.0)
        async with scanning() as again:
            await again.first()
        with pytest.raises(BleakDBusError):
            await client.disconnect()

    play(scene, echo)


def test_a_restarted_bluetoothd_tells_nobody(play, scanning, until, make_echo):
    """bleak believes in its link and in its scan until somebody looks."""
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        heard = []
        scanner = BleakScanner(lambda device, _: heard.append(device))
        await scanner.start()
        await until(lambda: bool(heard))
        client = BleakClient(heard[-1])
        await client.connect()
        await bluez.restart_bluetoothd(0.05)
        assert echo.links == []
        assert client.is_connected, "nobody told it"
        with pytest.raises(BleakDBusError):
            await client.read_gatt_char(echo.BATTERY)
        before, said = len(heard), bluez.controllers["hci0"].heard
        await until(lambda: bluez.controllers["hci0"].heard >= said + 5)
        assert len(heard) == before, "the scan ended with the old one"
        with pytest.raises(BleakDBusError, match="No discovery started"):
            await scanner.stop()
        with pytest.raises(BleakDBusError):
            await client.disconnect()
        async with scanning() as again:
            await again.first()

    play(scene, echo)


def test_a_link_breaks_in_mid_flow(play, scanning, until, make_echo):
    echo = make_echo()

    async def scene(bluez: FakeBluez) -> None:
        bluez.controllers["hci0"].breaks_after = [3]
        got: list[bytes] = []
        gone = asyncio.Event()
        async with scanning() as heard:
            client = BleakClient(await heard.first(), lambda _: gone.set())
            await client.connect()
            await client.start_notify(echo.FLOW, lambda _, data: got.append(bytes(data)))
            echo.count_to(10)
            await asyncio.wait_for(gone.wait(), 1.0)
            assert len(got) == 3
            await client.disconnect()

    play(scene, echo)


def test_an_adapter_takes_so_many_links_and_no_more(play, scanning, until, make_echo):
    echoes = [make_echo(f"C0:DE:00:00:00:{number:02X}") for number in range(9)]

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard:
            await until(lambda: len(heard.addresses) == 9)
            devices = {device.address: device for device, _ in heard.adverts}
            clients = [BleakClient(device) for device in devices.values()]
            ended = await asyncio.gather(*(c.connect() for c in clients), return_exceptions=True)
            assert sum(isinstance(one, BleakDBusError) for one in ended) == 1
            await asyncio.gather(*(c.disconnect() for c in clients))

    play(scene, *echoes)


@pytest.mark.parametrize("allows", [True, False])
def test_systemd_restarts_bluetoothd_for_whoever_may(play, allows):
    async def scene(bluez: FakeBluez) -> None:
        bluez.systemd.allows = allows
        bus = await MessageBus(bus_address=bluez.address).connect()
        reply = await bus.call(
            Message(
                destination="org.freedesktop.systemd1",
                path="/org/freedesktop/systemd1",
                interface="org.freedesktop.systemd1.Manager",
                member="RestartUnit",
                signature="ss",
                body=["bluetooth.service", "replace"],
            )
        )
        bus.disconnect()
        if allows:
            await bluez.until(lambda: bluez.restarts == 1, within_s=5.0)
        else:
            assert reply.error_name == (
                "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
            )
            assert bluez.restarts == 0
        assert bluez.systemd.asked == ["bluetooth.service"] * allows

    play(scene)


def test_a_gadget_that_is_written_badly_fails_its_call_and_no_other(play, scanning, make_echo):
    echo = make_echo()
    echo.read = lambda characteristic: {}[characteristic]

    async def scene(bluez: FakeBluez) -> None:
        async with scanning() as heard, BleakClient(await heard.first()) as client:
            with pytest.raises(BleakDBusError, match="KeyError"):
                await client.read_gatt_char(echo.BATTERY)
            await client.write_gatt_char(echo.VALUE, b"1", response=True)

    play(scene, echo)
