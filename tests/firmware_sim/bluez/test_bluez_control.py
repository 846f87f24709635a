"""Trouble on request, as `wardlight air tell` asks for it."""

from __future__ import annotations

import asyncio

import pytest

from contract.clock import SystemClock
from firmware_sim import SimulatedHome, demo_home
from firmware_sim.bluez import HomeOnAir, Mishap
from firmware_sim.bluez.control import Control, ControlServer, UnknownRequestError, tell
from firmware_sim.homes import with_sensors


@pytest.fixture
def asking(fake, tmp_path):
    """Runs a scene that gets the fake, the home, and a way to ask."""

    def run(scene):
        async def main() -> None:
            clock = SystemClock()
            home = SimulatedHome(with_sensors(demo_home(sensors=True), 4), clock)
            async with fake({"hci0": [HomeOnAir(home.radio("gateway-a"))]}) as bluez:
                server = ControlServer(Control(bluez, home), tmp_path / "control")
                await server.start()
                try:
                    await scene(bluez, home, lambda line: tell(tmp_path / "control", line))
                finally:
                    await server.stop()

        asyncio.run(main())

    return run


def test_what_can_be_asked_for_is_said(asking):
    async def scene(bluez, home, ask) -> None:
        requests = await ask("help")
        assert "vanish-adapter ADAPTER" in requests
        assert await ask("") == requests
        with pytest.raises(UnknownRequestError, match="vanish-adapter"):
            await ask("explode")

    asking(scene)


def test_an_adapter_goes_and_comes(asking):
    async def scene(bluez, home, ask) -> None:
        await ask("vanish-adapter hci0")
        assert (await ask("status"))["adapters"]["hci0"]["present"] is False
        await ask("return-adapter hci0")
        assert (await ask("status"))["adapters"]["hci0"]["present"] is True
        await ask("deafen hci0 power")
        assert (bluez.controllers["hci0"].deaf, bluez.controllers["hci0"].heals) == (True, "power")

    asking(scene)


def test_bluetoothd_goes_and_comes(asking):
    async def scene(bluez, home, ask) -> None:
        assert await ask("restart-bluetoothd 0") == {"restarts": 1}
        await ask("stop-bluetoothd")
        assert (await ask("status"))["bluetoothd"] == {"running": False, "restarts": 1}
        await ask("start-bluetoothd")
        assert bluez.running
        assert await ask("refuse-systemd") == {"allows": False}

    asking(scene)


def test_calls_go_wrong_and_residents_fall(asking):
    async def scene(bluez, home, ask) -> None:
        await ask("hang-connect 2")
        await ask("let StartNotify in-progress always /org/bluez/hci0")
        await ask("break-after hci0 3 7")
        assert bluez.controllers["hci0"].breaks_after == [3, 7]
        assert await ask("drop-links") == {"dropped": 0}
        await ask("clear")
        await ask("press resident-2")
        assert home.truth[-1].what == "presses_button"
        await ask("press call-point-1")
        with pytest.raises(UnknownRequestError, match="motion-1 is a motion sensor"):
            await ask("press motion-1")
        assert await ask("sense door-1") == {"opening": True}
        assert await ask("sense bed-1 no") == {"occupied": False}
        with pytest.raises(UnknownRequestError, match="climate-204 is a climate sensor"):
            await ask("sense climate-204")
        with pytest.raises(UnknownRequestError, match="call-point-1, motion-1"):
            await ask("sense sensor-99")
        await ask("hide resident-2")
        assert not home.wearable("resident-2").heard
        await ask("show resident-2")
        await ask("fall resident-2 gets_up")
        with pytest.raises(UnknownRequestError, match=r"say: fall RESIDENT .*resident-9"):
            await ask("fall resident-9")
        with pytest.raises(UnknownRequestError, match=Mishap.NO_REPLY):
            await ask("let Connect explode")

    asking(scene)


def test_nobody_is_asked_where_nobody_listens(tmp_path):
    with pytest.raises(FileNotFoundError):
        asyncio.run(tell(tmp_path / "control", "help"))
