"""`wardlight air`: which home it puts on the air, and what it writes for the services."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal

import pytest
from typer.testing import CliRunner

from contract.clock import SystemClock, within
from edge.configuration import check_config
from firmware_sim import demo_home
from firmware_sim.bluez.control import tell
from firmware_sim.homes import MOST_WEARABLES, many, with_keys, with_sensors
from wardlight.air_home import (
    AirOptions,
    NoSuchHomeError,
    control_of,
    plan_of,
    run_air,
    settings_file,
)
from wardlight.cli import app
from wardlight.settings import Settings, load_settings


def test_a_home_that_is_written_is_the_home_that_is_read(tmp_path):
    for plan in (demo_home(sensors=True), many(60, sensors=40), with_keys(many(7))):
        path = tmp_path / "home.toml"
        path.write_text(settings_file(plan, plan.gateways[0].name), "utf-8")
        settings = load_settings(path)
        assert settings.gateway.radio == "bluez"
        again = plan_of(settings)
        assert again.wearables == plan.wearables
        assert [s.kind for s in again.sensors] == [s.kind for s in plan.sensors]
        assert [s.config.key for s in again.sensors] == [s.config.key for s in plan.sensors]
        assert [(g.name, g.zone) for g in again.gateways] == [
            (g.name, g.zone) for g in plan.gateways
        ]
        assert again.route(plan.wearables[0].zone, plan.wearables[-1].zone)


def test_each_wearable_of_a_home_that_rolls_has_a_key_of_its_own():
    plan = with_keys(many(60))
    assert len({each.key for each in plan.wearables}) == 60
    assert {each.identity for each in plan.wearables} == {0}
    assert with_keys(many(60)) == plan
    check_config(plan.gateway_config("gateway-a"), plan.home)


def test_a_home_in_which_nobody_wears_anything_is_refused():
    with pytest.raises(NoSuchHomeError, match="our own wearables"):
        plan_of(Settings())


@pytest.mark.parametrize("wearables", [1, 6, 7, 60, MOST_WEARABLES])
def test_a_home_of_any_size_can_be_walked_through(wearables):
    plan = many(wearables, gateways=3, streaming=1)
    assert len(plan.wearables) == wearables
    assert sum(w.streaming for w in plan.wearables) == 1
    assert len({w.address for w in plan.wearables}) == wearables
    assert plan.route("lounge", plan.wearables[-1].zone)[0] == "lounge"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trial", "t"], "--trial needs --data"),
        (["--gateway", "gateway-z"], "this home has gateway-a, gateway-b"),
        (["--resident", "resident-9"], "nobody here is called so"),
        (["--wearables", "1000"], "1 to 240"),
        (["--home", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["--home", "x.toml", "--wearables", "2"], "cannot be read"),
        (["tell", "nowhere", "help"], "no air there"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(arguments, said):
    result = CliRunner().invoke(app, ["air", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_it_is_on_the_air_until_it_is_stopped(tmp_path, monkeypatch):
    """In this process; the signal that ends it is a real one."""
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed (apt install dbus-daemon)")
    bleak = pytest.importorskip("bleak", reason="the extra wardlight[bluetooth] is not installed")
    clock = SystemClock()
    plan = with_sensors(demo_home(), 3)
    options = AirOptions(
        plan=plan,
        gateway="gateway-a",
        adapters=2,
        socket=tmp_path / "bus",
        seed=0,
        passive=True,
        as_json=True,
    )
    out = io.StringIO()

    async def hears(adapter: str, wanted: set[str]) -> None:
        heard: set[str] = set()
        scanner = bleak.BleakScanner(
            lambda device, _: heard.add(device.address), bluez={"adapter": adapter}
        )
        async with scanner:
            while not wanted <= heard:
                await clock.sleep(0.02)

    async def main() -> None:
        running = asyncio.create_task(run_air(options, clock, out))
        while not out.getvalue():
            await clock.sleep(0.01)
        said = json.loads(out.getvalue().splitlines()[0])
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", said["address"])
        assert (said["wearables"], said["sensors"]) == (6, len(plan.sensors))
        wanted = {sensor.config.address for sensor in plan.sensors[-3:]}
        wanted.add(plan.wearables[2].address)
        for adapter in said["adapters"]:
            await hears(adapter, wanted)
        await tell(control_of(options.socket), "press resident-2")
        while '"presses_button"' not in out.getvalue():
            await clock.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)
        await running

    asyncio.run(within(clock, 30.0, main()))
    assert not options.socket.exists()
    assert not control_of(options.socket).exists()
