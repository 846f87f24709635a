"""Wearables that roll, over BlueZ: each new address is a new device there, and links find it."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil

import pytest

from contract.clock import ScaledClock
from contract.identity import EPOCH_S
from contract.ids import seeded_ids
from edge import Gateway, LogSiren
from edge.radio.bluez import BluezRadio
from firmware_sim import SimulatedHome, demo_home
from firmware_sim.bluez import FakeBluez, HomeOnAir
from messaging import LocalBroker, LocalBus

FAST = 10.0
"""Seconds of home time for each of the test."""


def test_a_press_after_the_roll_is_answered_at_the_new_address(tmp_path, monkeypatch):
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (apt install dbus-daemon)")
    plan = demo_home()
    (worn,) = plan.wearables[1:2]
    worn = dataclasses.replace(worn, key="5e" * 16, streaming=False)
    plan = dataclasses.replace(plan, wearables=(worn,))

    async def main() -> None:
        clock = ScaledClock(FAST)
        home = SimulatedHome(plan, clock, seed=3)
        wearable = home.wearable(worn.resident)
        wearable._uptime_s = 5 * EPOCH_S - 12  # seconds until it rolls
        async with FakeBluez(clock, {"hci0": [HomeOnAir(home.radio("gateway-a"))]}) as bluez:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
            gateway = Gateway(
                home=plan.home,
                name="gateway-a",
                folder=tmp_path,
                clock=clock,
                ids=seeded_ids(clock, 1),
                radio=BluezRadio(clock),
                bus=LocalBus(LocalBroker(), "gateway-a", clock),
                siren=LogSiren(),
                boot="boot-1",
                session="session-1",
                config=plan.gateway_config("gateway-a"),
            )
            running = [asyncio.create_task(each) for each in (gateway.run(), home.run())]
            try:
                await bluez.until(lambda: len(gateway.roster.by_address) == 1, within_s=20.0)
                (known,) = gateway.roster
                before = known.address
                await bluez.until(lambda: known.address != before, within_s=20.0)
                home.press_button(worn.resident)
                assert wearable._button_pending
                await bluez.until(lambda: not wearable._button_pending, within_s=20.0)
                assert known.address == wearable.address
                assert {before, known.address} <= set(bluez.devices("hci0")), "two, to BlueZ"
                assert gateway.counts["write_backs_failed"] == 0
            finally:
                for each in running:
                    each.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(main())
