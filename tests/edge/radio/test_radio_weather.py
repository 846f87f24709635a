"""What befalls a machine's Bluetooth: adapters pulled or deaf, a bluetoothd that restarts or hangs.

The ladder's own times are in test_radio_watchdog.py; here they are made short, so that each rung is
seen to do what it says, over D-Bus.
"""

from __future__ import annotations

import asyncio

import pytest

from contract.clock import SystemClock, within
from contract.events import FaultCause
from contract.protocols import LinkLostError
from edge.radio.bluez import BluezRadio
from firmware_sim.bluez import FakeBluez, Gadgets

S = 1_000_000_000


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr("edge.radio.watchdog.SILENT_NS", int(0.4 * S))
    monkeypatch.setattr("edge.radio.watchdog.EFFECT_NS", int(0.4 * S))
    monkeypatch.setattr("edge.radio.watchdog.CHECK_S", 0.1)
    monkeypatch.setattr("edge.radio.bluez.TOLD_AFTER_NS", int(0.2 * S))
    monkeypatch.setattr("edge.radio.bluez.FIRST_RETRY_S", 0.1)
    monkeypatch.setattr("edge.radio.bluez_adapter.FIRST_RETRY_S", 0.1)
    monkeypatch.setattr("edge.radio.bluez_adapter.LONGEST_RETRY_S", 0.2)
    monkeypatch.setattr("edge.radio.bluez_adapter.OFF_S", 0.05)


def told(bench):
    return {each.adapter: each.detail for each in bench.radio.troubles()}


def test_a_pulled_adapter_is_told_and_comes_back_by_itself(play, make_echo):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        packets = link.notifications(echo.FLOW)
        waiting = asyncio.ensure_future(anext(packets))
        await bench.until(lambda: bool(echo.links) and echo.links[0].subscribed(echo.FLOW))
        await bench.bluez.unplug("hci0")
        with pytest.raises(LinkLostError):
            await waiting
        await bench.until(lambda: bool(told(bench)))
        assert told(bench) == {"hci0": "hci0 is not there: plug it in, or see wardlight doctor"}
        assert bench.radio.troubles()[0].cause is FaultCause.ADAPTER_SILENT
        with pytest.raises(LinkLostError, match="is not heard at the moment"):
            await bench.radio.connect(echo.address)
        await bench.bluez.plug("hci0")
        await bench.hears(3)
        assert told(bench) == {}
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"

    play(scene, [echo])


def test_one_of_two_pulled_leaves_the_other_alone(play, make_echo):
    one, other = make_echo(1), make_echo(2)

    async def scene(bench):
        await bench.hears_who(one, other)
        link = await bench.radio.connect(other.address)
        await bench.bluez.unplug("hci0")
        await bench.until(lambda: "hci0" in told(bench))
        assert await link.read(other.BATTERY) == b"\x57"
        await bench.hears(5)

    play(scene, [one], [other])


@pytest.mark.parametrize("scan", ["passive", "active"])
def test_a_bluetoothd_that_is_killed_and_comes_back_costs_its_links_only(play, make_echo, scan):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        packets = link.notifications(echo.FLOW)
        waiting = asyncio.ensure_future(anext(packets))
        await bench.until(lambda: bool(echo.links) and echo.links[0].subscribed(echo.FLOW))
        await bench.bluez.restart_bluetoothd(0.05)
        with pytest.raises(LinkLostError, match="the Bluetooth service ended"):
            await waiting
        await bench.hears(10)
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"
        # Heard once for each advert, not once for each scan that there was.
        times = [each.received_ns for each in bench.adverts[-8:]]
        assert len(set(times)) == 8
        assert times[-1] - times[0] > 0.08 * S

    play(scene, [echo], scan=scan)


def test_a_bluetoothd_that_stays_away_is_told_and_systemd_is_asked(play, make_echo):
    async def scene(bench):
        await bench.hears(3)
        await bench.bluez.stop_bluetoothd()
        await bench.until(lambda: "hci0" in told(bench))
        assert told(bench)["hci0"] == "hci0 is not there: the Bluetooth service does not run"
        await bench.hears(3)
        assert bench.bluez.systemd.asked == ["bluetooth.service"]
        assert told(bench) == {}

    play(scene, [make_echo()])


@pytest.mark.parametrize(
    ("heals", "said"),
    [
        ("scan", "its scan was restarted"),
        ("power", "it was switched off and on"),
        ("restart", "the Bluetooth service was restarted"),
    ],
)
def test_a_deaf_adapter_is_helped_by_the_rung_that_helps(play, make_echo, heals, said):
    async def scene(bench):
        await bench.hears(3)
        controller = bench.bluez.controllers["hci0"]
        controller.heals, controller.deaf = heals, True
        seen = set()

        def is_told() -> bool:
            seen.update(told(bench).values())
            return any(said in detail for detail in seen)

        await bench.until(is_told, 15.0)
        assert not controller.deaf
        await bench.until(lambda: told(bench) == {})
        await bench.hears(3)

    play(scene, [make_echo()])


def test_when_nothing_helps_and_systemd_refuses_a_person_is_asked(play, make_echo):
    async def scene(bench):
        await bench.hears(3)
        bench.bluez.systemd.allows = False
        bench.bluez.controllers["hci0"].deaf = True
        details = []

        def is_asked() -> bool:
            for detail in told(bench).values():
                if detail not in details:
                    details.append(detail)
            return any("exchange the adapter" in detail for detail in details)

        await bench.until(is_asked, 15.0)
        assert bench.bluez.systemd.asked == []
        refused = "the Bluetooth service could not be restarted (org.freedesktop.DBus.Error."
        assert any(f"{refused}InteractiveAuthorizationRequired" in each for each in details)

    play(scene, [make_echo()])


def test_a_machine_that_may_restart_itself_does_so_and_not_twice_in_a_row(
    play, make_echo, monkeypatch
):
    up_s = [3_600.0]
    monkeypatch.setattr("edge.radio.bluez_system.uptime_s", lambda: up_s[0])

    async def scene(bench):
        await bench.hears(3)
        bench.bluez.controllers["hci0"].deaf = True
        await bench.until(lambda: "it was restarted 60 min ago" in str(told(bench)), 15.0)
        assert bench.bluez.systemd.asked == ["bluetooth.service"]
        up_s[0] = 86_400.0
        await bench.radio.reboot()
        assert bench.bluez.systemd.asked == ["bluetooth.service", "reboot.target"]

    play(scene, [make_echo()], reboot_when_deaf=True)


def test_a_scan_that_a_link_has_interrupted_goes_on(play, make_echo, monkeypatch):
    monkeypatch.setattr("edge.radio.watchdog.SILENT_NS", 90 * S)
    monkeypatch.setattr("edge.radio.bluez_adapter.RESUME_S", 0.2)
    echo, other = make_echo(1), make_echo(2)

    async def scene(bench):
        await bench.hears_who(echo, other)
        controller = bench.bluez.controllers["hci0"]
        controller.heals, controller.deaf = "scan", True
        link = await bench.radio.connect(echo.address)
        await bench.until(lambda: not controller.deaf)
        await bench.hears(3)
        assert await link.read(echo.BATTERY) == b"\x57"
        assert told(bench) == {}

    play(scene, [echo, other], scan="active")


@pytest.mark.parametrize("mishap", ["in-progress", "hang", "not-ready"])
def test_a_scan_that_does_not_begin_is_tried_until_it_does(play, make_echo, monkeypatch, mishap):
    monkeypatch.setattr("edge.radio.bluez_scan.START_LIMIT_S", 0.2)
    monkeypatch.setattr("edge.radio.bluez_scan.STOP_LIMIT_S", 0.2)

    async def scene(bench):
        await bench.hears(3)
        bench.bluez.mishaps.let("StartDiscovery", mishap, times=5)
        bench.bluez.controllers["hci0"].heals = "scan"
        bench.bluez.controllers["hci0"].deaf = True
        seen = set()

        def is_tried_again() -> bool:
            seen.update(told(bench).values())
            return bench.bluez.mishaps.met.get(mishap) == 5

        await bench.until(is_tried_again, 15.0)
        assert any("could not" in each or "cannot scan" in each for each in seen), seen
        await bench.until(lambda: not bench.bluez.controllers["hci0"].deaf)
        await bench.hears(3)

    play(scene, [make_echo()], scan="active")


def test_an_adapter_that_is_off_is_switched_on(play, make_echo):
    async def scene(bench):
        await bench.hears(3)
        await bench.radio._system.switch("hci0", on=False)
        await bench.hears(3)

    play(scene, [make_echo()])


def test_a_passive_scan_that_hears_nobody_twice_gives_way_aloud(
    play, make_echo, monkeypatch, capsys
):
    monkeypatch.setattr("edge.radio.bluez_scan.TRIAL_S", 0.3)
    monkeypatch.setattr("edge.radio.bluez_adapter.TRIAL_S", 0.3)
    # No pattern matches: as good as a controller that matches nothing.
    monkeypatch.setattr("edge.radio.bluez_scan.PATTERNS", ((0, 0xFF, b"\xee\xee"),))

    async def scene(bench):
        await bench.hears(3)
        assert "passive_scan_given_up" in capsys.readouterr().out

    play(scene, [make_echo()])


def test_a_bus_that_comes_later_is_found(make_echo, monkeypatch, tmp_path):
    async def main():
        clock, socket = SystemClock(), tmp_path / "bus"
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={socket}")
        radio = BluezRadio(clock)

        hearing = asyncio.create_task(anext(radio.adverts()))
        await clock.sleep(0.3)
        (trouble,) = radio.troubles()
        assert trouble.adapter == "bluetooth"
        assert "the Bluetooth service cannot be reached" in trouble.detail
        echo = make_echo()
        async with FakeBluez(clock, {"hci0": [Gadgets(clock, [echo])]}, socket=socket):
            (advert, *_) = await within(clock, 10.0, hearing)
            assert advert.address == echo.address
            assert radio.troubles() == []
            await radio.close()

    asyncio.run(main())


def test_a_lost_bus_is_connected_again(make_echo, monkeypatch, tmp_path):
    async def main():
        clock, socket, echo = SystemClock(), tmp_path / "bus", make_echo()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={socket}")
        radio = BluezRadio(clock)
        heard = []

        async def listen():
            async for batch in radio.adverts():
                heard.extend(batch)

        listening = asyncio.create_task(listen())
        for _ in range(2):
            heard.clear()
            async with FakeBluez(clock, {"hci0": [Gadgets(clock, [echo])]}, socket=socket) as bluez:
                await bluez.until(lambda: len(heard) > 3, within_s=10.0)
        await radio.close()
        await within(clock, 5.0, listening)

    asyncio.run(main())


def test_close_is_quick_when_nothing_answers_any_more(play, make_echo, monkeypatch):
    for name in ("bluez_scan.STOP_LIMIT_S", "bluez_link.DISCONNECT_LIMIT_S", "calls.FAREWELL_S"):
        monkeypatch.setattr(f"edge.radio.{name}", 0.3)
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        await bench.radio.connect(echo.address)
        bench.bluez.mishaps.let("*", "hang")
        await within(SystemClock(), 3.0, bench.radio.close())
        with pytest.raises(LinkLostError, match="closed"):
            await bench.radio.connect(echo.address)

    play(scene, [echo])
