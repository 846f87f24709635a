"""Inside the guest: bring everything up, run the checks, and say what came of each.

Run as ``python -m tools.test_bluez.guest BLUETOOTHD LIBRARIES OUTPUT``; on the host it would find
no controllers.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import struct
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, Never, TextIO

import structlog
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from contract.clock import SystemClock
from contract.units import seconds_to_ns
from firmware_sim import GatewayPlan, HomePlan, SimulatedHome, WearablePlan, ZonePlan
from messaging import Mosquitto
from tools.test_bluez import agent
from tools.test_bluez.checks import CHECKS, Check, CheckFailedError, Scene
from tools.test_bluez.peripherals import OnTheAir
from tools.test_bluez.witness import Witness

HOME: Final = "faithful"
GATEWAY: Final = "gateway-a"
RESIDENTS: Final = 4
SEED: Final = 4
RUN: Final = Path("/run/test-bluez")
SYSTEM_BUS: Final = Path("/run/dbus/system_bus_socket")
UP_LIMIT_S: Final = 30.0
"""For bluetoothd to know its adapter: two to five seconds under emulation."""
LOOK_S: Final = 0.1
CLOCK: Final = SystemClock()

_BUS_CONFIGURATION: Final = f"""<busconfig>
  <type>system</type>
  <listen>unix:path={SYSTEM_BUS}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""Who may do what is not what is tested here."""

_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1


async def _until(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Ask again and again: nobody tells when it is so.

    Raises
    ------
    CheckFailedError
        If it is not so within `UP_LIMIT_S`.
    """
    end_ns = CLOCK.monotonic_ns() + seconds_to_ns(UP_LIMIT_S)
    while not await is_so():
        if CLOCK.monotonic_ns() >= end_ns:
            raise CheckFailedError(f"{what}: not within {UP_LIMIT_S:.0f} s")
        await CLOCK.sleep(LOOK_S)


async def _has_bus() -> bool:
    return SYSTEM_BUS.exists()


def plan() -> HomePlan:
    """One room, the gateway in it; the first resident's motion is streamed."""
    return HomePlan(
        home=HOME,
        zones=(
            ZonePlan(zone="room", x_m=3.0, y_m=3.0, next_to=("corridor",)),
            ZonePlan(zone="corridor", x_m=7.0, y_m=3.0, next_to=("room",)),
        ),
        wearables=tuple(
            WearablePlan(
                device=f"wearable-{number}",
                address=f"C0:DE:5A:00:00:{number:02X}",
                identity=0x5A00_0000 + number,
                resident=f"resident-{number}",
                bed=f"bed-{number}",
                zone="room",
                streaming=number == 1,
            )
            for number in range(1, RESIDENTS + 1)
        ),
        gateways=(GatewayPlan(name=GATEWAY, zone="room"),),
    )


def loopback_up() -> None:
    """As ``ip link set lo up`` does; see netdevice(7)."""
    with socket.socket() as handle:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(handle, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))


class Daemons:
    """Processes of the guest; they end with it."""

    def __init__(self, bluetoothd: str, libraries: str) -> None:
        self._bluetoothd = bluetoothd
        self._libraries = libraries
        self._bluetooth: asyncio.subprocess.Process | None = None
        self._bus: MessageBus | None = None

    async def system_bus(self) -> None:
        """D-Bus, where everybody looks for it."""
        SYSTEM_BUS.parent.mkdir(parents=True, exist_ok=True)
        configuration = RUN / "bus.conf"
        configuration.write_text(_BUS_CONFIGURATION, "utf-8")
        await _start("dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile")
        await _until(_has_bus, "dbus-daemon listens")
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()

    async def bluetooth(self) -> None:
        """``bluetoothd``, until it knows its adapter."""
        paths = (self._libraries, os.environ.get("LD_LIBRARY_PATH", ""))
        libraries = {"LD_LIBRARY_PATH": ":".join(each for each in paths if each)}
        self._bluetooth = await _start(self._bluetoothd, "--nodetach", environment=libraries)
        await _until(self._powered, "bluetoothd knows its adapter")

    async def kill_bluetooth(self) -> None:
        """As a crash would."""
        assert self._bluetooth is not None
        self._bluetooth.kill()
        await self._bluetooth.wait()

    async def agent(self) -> None:
        """Let BlueZ have somebody to ask when it pairs."""
        assert self._bus is not None
        self._bus.export(agent.PATH, agent.Agent())
        manager = ("/org/bluez", "org.bluez.AgentManager1")
        await self.call(*manager, "RegisterAgent", agent.PATH, agent.CAPABILITY, signature="os")
        await self.call(*manager, "RequestDefaultAgent", agent.PATH, signature="o")

    async def call(
        self, path: str, interface: str, member: str, *arguments: object, signature: str = ""
    ) -> object:
        """One call of BlueZ.

        Raises
        ------
        CheckFailedError
            If it answers with an error.
        """
        assert self._bus is not None
        answer = await self._bus.call(
            Message("org.bluez", path, interface, member, signature=signature, body=[*arguments])
        )
        assert answer is not None
        if answer.message_type is MessageType.ERROR:
            raise CheckFailedError(f"{member}: {answer.error_name} {answer.body}")
        return answer.body[0] if answer.body else None

    async def _powered(self) -> bool:
        """Switch the adapter on; a fresh one of BlueZ 5.66 is off."""
        properties = "org.freedesktop.DBus.Properties"
        adapter = "org.bluez.Adapter1"
        on = Variant("b", True)
        try:
            set_on = ("/org/bluez/hci0", properties, "Set", adapter, "Powered", on)
            await self.call(*set_on, signature="ssv")
        except CheckFailedError:
            return False
        return True


async def _start(
    *command: str, environment: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    )


async def gateway(url: str) -> Never:
    """The command that a home runs, with its settings in a file; until it ends.

    Raises
    ------
    RuntimeError
        When it ends, which it must not.
    """
    settings = RUN / "gateway.toml"
    settings.write_text(
        "\n".join(
            (
                "[home]",
                f'id = "{HOME}"',
                "[broker]",
                f'url = "{url}"',
                "[gateway]",
                f'name = "{GATEWAY}"',
                f'folder = "{RUN}/gateway"',
                'radio = "bluez"',
                "[siren]",
                'loudspeaker = "no"',
                "mqtt = false",
            )
        ),
        "utf-8",
    )
    command = (sys.executable, "-X", "faulthandler", "-m", "wardlight.cli", "gateway")
    process = await _start(*command, "--config", str(settings))
    raise RuntimeError(f"the gateway ended by itself, status {await process.wait()}")


async def run(bluetoothd: str, libraries: str, output: TextIO) -> None:
    """Everything, from the loopback to the last check."""

    def say(**what: object) -> None:
        output.write(json.dumps(what) + "\n")
        output.flush()

    RUN.mkdir(parents=True, exist_ok=True)
    loopback_up()
    clock = CLOCK
    home = SimulatedHome(plan(), clock, SEED)
    daemons = Daemons(bluetoothd, libraries)
    say(progress="D-Bus, the air, bluetoothd and mosquitto")
    await daemons.system_bus()
    air = OnTheAir(home.radio(GATEWAY), [each.address for each in home.plan.wearables])
    await air.begin()
    await daemons.bluetooth()
    broker = Mosquitto(RUN / "mosquitto", clock)
    await broker.start()
    witness = Witness(broker.url, home.plan.gateway_config(GATEWAY), GATEWAY, clock)
    scene = Scene(home=home, air=air, witness=witness, daemons=daemons, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(each) for each in (home.run(), air.run(), witness.run())]
        say(progress="the gateway")
        working.append(tasks.create_task(gateway(broker.url)))
        for check in CHECKS:
            say(progress=check.what)
            say(**await carried_out(check, scene))
        for task in working:
            task.cancel()


async def carried_out(check: Check, scene: Scene) -> dict[str, object]:
    """What came of one check; the next one is done whatever that is."""
    begun_ns = scene.clock.monotonic_ns()
    try:
        async with asyncio.timeout(check.limit_s):
            detail, is_passed = await check.run(scene), True
    except TimeoutError:
        detail, is_passed = f"nothing within {check.limit_s:.0f} s", False
    except CheckFailedError as error:
        detail, is_passed = str(error), False
    seconds = (scene.clock.monotonic_ns() - begun_ns) / 1e9
    return {"check": check.what, "passed": is_passed, "detail": detail, "seconds": seconds}


def main() -> int:
    """The guest's only program."""
    bluetoothd, libraries, output = sys.argv[1:]
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    with Path(output).open("w", encoding="utf-8") as lines:
        try:
            asyncio.run(run(bluetoothd, libraries, lines))
        except BaseException as error:  # noqa: BLE001 - the host must know, whatever it is
            traceback.print_exc()
            lines.write(json.dumps({"error": repr(error)}) + "\n")
            return 1
        lines.write(json.dumps({"done": True}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
