"""A fall travels from the wrist to the board through bleak and D-Bus: no byte goes another way."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contract.clock import Clock
from contract.gatt import VibratePattern
from dashboards.web import create_app, serve
from firmware_sim import ParquetRecording, SimulatedHome
from firmware_sim.bluez import FakeBluez, HomeOnAir
from wardlight.stages import Stage

FALLS = Path(__file__).parents[3] / "shared" / "data" / "falls" / "weda.parquet"
TRIAL = "U01-F01-R01"
WARM_UP_S = 15.0
ADAPTERS = {"gateway-a": "hci0", "gateway-b": "hci1"}


@pytest.fixture
def on_the_air(monkeypatch):
    """Radios that are BlueZ's, each gateway's with an adapter of its own; and their fake."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (apt install dbus-daemon)")
    pytest.importorskip("bleak", reason="the extra wardlight[bluetooth] is not installed")
    from edge.radio.bluez import BluezRadio

    fakes: list[FakeBluez] = []

    @asynccontextmanager
    async def radios(simulation: SimulatedHome, clock: Clock) -> AsyncIterator[dict]:
        hear = {
            adapter: [HomeOnAir(simulation.radio(gateway))] for gateway, adapter in ADAPTERS.items()
        }
        async with FakeBluez(clock, hear) as bluez:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
            fakes.append(bluez)
            yield {
                gateway: lambda adapter=adapter: BluezRadio(clock, adapters=[adapter])
                for gateway, adapter in ADAPTERS.items()
            }

    return radios, fakes


async def reach_the_board(scene, resident: str) -> None:
    """From the suspicion to the wearer's wrist, where the carer's answer is felt."""
    app = create_app(scene.home.desk, scene.clock, home_name="Test home")
    web = await serve(app, "127.0.0.1", 0)
    try:
        await scene.watch.reached(Stage.SUSPECTED, 90)
        await scene.watch.reached(Stage.DETECTED, 120)
        await scene.watch.reached(Stage.ALERTED, 60)
        incident = await scene.watch.paged_incident(60)
        async with httpx.AsyncClient(base_url=web.url) as browser:
            board = (await browser.get("/")).text
            assert scene.plan.wearable_of(resident).bed in board
            assert "Fall detected" in board
            await browser.post(
                f"/api/v1/incidents/{incident}/acknowledge", json={"staff_id": "mei"}
            )
        await scene.until(
            lambda: (
                VibratePattern.HELP_IS_COMING
                in [felt.pattern for felt in scene.simulation.wearable(resident).vibrations]
            ),
            120,
            "the wearable says that help is coming",
        )
    finally:
        await web.stop()


def test_a_recorded_fall_reaches_the_board_over_bluez(real_scene, on_the_air):
    radios, fakes = on_the_air
    recorded = None
    if FALLS.is_file():
        (recorded,) = ParquetRecording(FALLS, TRIAL).trials()

    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        if recorded is None:
            scene.simulation.fall("resident-3")
        else:
            scene.simulation.play("resident-3", recorded)
        await reach_the_board(scene, "resident-3")
        (bluez,) = fakes
        assert sum(controller.heard for controller in bluez.controllers.values()) > 0
        assert sum(d.notified for name in ADAPTERS.values() for d in bluez.devices(name).values())

    real_scene(journey, "resident-3", radios)
    if recorded is None:
        pytest.skip(f"passed with a simulated fall: there are no recordings at {FALLS.parent}")


def test_links_that_break_and_a_bluetoothd_that_dies_lose_no_fall(real_scene, on_the_air):
    radios, fakes = on_the_air

    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        (bluez,) = fakes
        for controller in bluez.controllers.values():
            # The two that hold links, and the window's first attempts.
            controller.breaks_after = [4, 4, 9, 9]
        scene.simulation.fall("resident-3")
        await scene.watch.reached(Stage.SENSED, 60)
        await bluez.restart_bluetoothd(2.0)
        await reach_the_board(scene, "resident-3")

    real_scene(journey, "resident-3", radios)
