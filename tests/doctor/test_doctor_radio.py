"""What the doctor says of a machine's Bluetooth, asked over a real message bus."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from contract.clock import SystemClock
from firmware_sim.bluez import SIMULATED_OUI, FakeBluez, Gadgets
from wardlight.doctor import Level
from wardlight.settings import GatewaySettings, Settings

TITLE = "radio / bluetooth"


@pytest.fixture
def asked(looking, found, monkeypatch):
    """Look at the radio of a machine with these adapters, after something befell it."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (apt install dbus-daemon)")

    def look(
        *adapters: str, befalls=None, named: tuple[str, ...] = (), radio: str = "bluez", **fake
    ):
        async def main():
            clock = SystemClock()
            air = {name: [Gadgets(clock)] for name in adapters}
            async with FakeBluez(clock, air, **fake) as bluez:
                monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
                if befalls is not None:
                    await befalls(bluez)
                settings = looking.settings(gateway={"radio": radio, "adapters": named})
                return found(await looking.look(settings, "radio"), TITLE)

        return asyncio.run(main())

    return look


def test_adapters_are_named_with_their_addresses(asked) -> None:
    entry = asked("hci0", "hci1")
    assert entry.level is Level.OK
    assert entry.found == "2 adapters: hci0 (00:1A:7D:DA:71:00), hci1 (00:1A:7D:DA:71:01)"
    assert entry.figures == {"adapters": 2.0}


def test_a_simulated_home_in_the_place_of_the_real_one_is_told(asked) -> None:
    entry = asked("hci0", oui=SIMULATED_OUI)
    assert entry.level is Level.WARNING
    assert "hci0 (02:57:4C:DA:71:00) is of wardlight air" in entry.found
    assert "DBUS_SYSTEM_BUS_ADDRESS" in entry.advice


def test_no_adapter_and_no_bluetoothd_are_faults_with_a_remedy(asked) -> None:
    async def stop(bluez):
        await bluez.stop_bluetoothd()

    entry = asked()
    assert (entry.level, entry.found) == (Level.FAULT, "no Bluetooth adapter")
    entry = asked("hci0", named=("hci1",))
    assert (entry.level, entry.found) == (Level.FAULT, "no hci1 (there: hci0)")
    entry = asked("hci0", befalls=stop)
    assert (entry.level, entry.found) == (Level.FAULT, "the Bluetooth service does not run")
    assert "systemctl enable --now bluetooth" in entry.advice


def test_a_bluetoothd_that_does_not_answer_is_a_fault(asked, monkeypatch) -> None:
    monkeypatch.setattr("edge.radio.bluez_system.CALL_LIMIT_S", 0.5)

    async def hang(bluez):
        bluez.mishaps.let("GetManagedObjects", "hang")

    entry = asked("hci0", befalls=hang)
    assert entry.level is Level.FAULT
    assert "does not answer" in entry.found


def test_no_bus_at_all_is_a_fault(looking, found, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    entry = found(looking.now(looking.settings(gateway={"radio": "bluez"}), "radio"), TITLE)
    assert entry.level is Level.FAULT
    assert "D-Bus cannot be used" in entry.found


def test_a_machine_that_is_no_gateway_needs_none(looking, found) -> None:
    entry = found(looking.now(looking.settings(), "radio"), TITLE)
    assert (entry.level, entry.found) == (Level.OK, "not used: [gateway] radio is 'simulated'")
    server = Settings()
    assert server.gateway == GatewaySettings()
    assert found(looking.now(server, "radio"), TITLE).level is Level.OK
