"""What ``wardlight air`` puts on the air, and the settings that a gateway needs to know it."""

from __future__ import annotations

import asyncio
import json
import math
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from contract.clock import Clock
from contract.messages import SensorConfig
from contract.protocols import HeardAdvert, RecordedStream
from edge.wearables import OWN_KIND
from firmware_sim import GatewayPlan, HomePlan, SimulatedHome, WearablePlan, ZonePlan
from firmware_sim.bluez import SIMULATED_OUI, FakeBluez, HomeOnAir, OnAir, Repeating
from firmware_sim.bluez.control import Control, ControlServer
from firmware_sim.plan import SensorPlan
from firmware_sim.room_sensors import SERVICE_UUID, SensorKind
from wardlight.running import background
from wardlight.settings import Settings
from wardlight.settings_devices import ResidentSettings, SensorSettings

SPACING_M: Final = 6.0
"""Between the zones of a home whose plan is not known: about a room."""

TRUTH_EVERY_S: Final = 0.1

SENSORS_DBM: Final = -70
"""As which a sensor is heard that has said nothing new yet; then as the home says."""


@dataclass(frozen=True, kw_only=True)
class AirOptions:
    """What the command line asks for."""

    plan: HomePlan
    gateway: str
    """At whose place the adapters are."""
    adapters: int
    socket: Path
    seed: int
    passive: bool
    recording: RecordedStream | None = None
    resident: str | None = None
    """Who plays the recording."""
    at_s: float = 0.0
    as_json: bool = False


class NoSuchHomeError(ValueError):
    """The settings do not say who wears what."""


def control_of(socket: Path) -> Path:
    """Where a fake whose bus listens at `socket` takes requests."""
    return socket.with_name(f"{socket.name}.control")


def plan_of(settings: Settings) -> HomePlan:
    """The home of these settings, its zones laid out in a square.

    Raises
    ------
    NoSuchHomeError
        If nobody wears anything, or there is no gateway.
    """
    wearables = tuple(
        plan for resident in settings.residents if (plan := _wearable(resident)) is not None
    )
    gateways = tuple(
        GatewayPlan(name=entry.name, zone=entry.zone, resting=entry.resting)
        for entry in settings.gateways
    )
    sensors = tuple(_sensor(each) for each in settings.sensors)
    if not wearables or not gateways:
        raise NoSuchHomeError(
            "a simulated home needs [[residents]] with our own wearables (device, address, and "
            "identity or key), and "
            "[[gateways]]; see docs/home.example.toml"
        )
    named = dict.fromkeys(
        [
            *(wearable.zone for wearable in wearables),
            *(gateway.zone for gateway in gateways),
            *(sensor.config.zone for sensor in sensors),
        ]
    )
    width = math.ceil(math.sqrt(len(named)))
    zones = tuple(
        ZonePlan(
            zone=zone,
            x_m=SPACING_M * (number % width),
            y_m=SPACING_M * (number // width),
            next_to=tuple(other for other in named if other != zone),
        )
        for number, zone in enumerate(named)
    )
    return HomePlan(
        home=settings.home.id, zones=zones, wearables=wearables, gateways=gateways, sensors=sensors
    )


def _sensor(each: SensorSettings) -> SensorPlan:
    """A home does not say what a sensor measures, for it says so itself; here its name does."""
    kinds = (kind for kind in SensorKind if each.id.startswith(kind.value.replace("_", "-")))
    return SensorPlan(
        kind=next(kinds, SensorKind.MOTION),
        config=SensorConfig(
            device=each.id,
            address=each.address,
            zone=each.zone,
            key=each.secret(),
            resident=each.resident,
        ),
    )


def _wearable(resident: ResidentSettings) -> WearablePlan | None:
    """Her wearable, if it is one of ours; the firmware of other makers' is not simulated here."""
    if resident.device is None or resident.address is None or resident.kind != OWN_KIND:
        return None
    return WearablePlan(
        device=resident.device,
        address=resident.address,
        identity=resident.identity or 0,
        key=resident.key,
        resident=resident.id,
        bed=resident.bed,
        zone=resident.zone,
        placement=resident.placement,
        streaming=resident.streaming,
    )


def settings_file(plan: HomePlan, gateway: str) -> str:
    """A home's settings (TOML) for a gateway on this air, and for the services behind it."""
    lines = [
        '# Written by wardlight air: a simulated home for a gateway with radio = "bluez".',
        "[home]",
        f"id = {json.dumps(plan.home)}",
        'name = "Simulated home"',
        f"time_zone = {json.dumps(plan.time_zone)}",
        "",
        "[gateway]",
        f"name = {json.dumps(gateway)}",
        f"folder = {json.dumps(f'var/{gateway}')}",
        'radio = "bluez"',
    ]
    for zone in plan.zones:
        lines += [
            "",
            "[[zones]]",
            f"id = {json.dumps(zone.zone)}",
            f"use = {json.dumps(zone.use.value)}",
            f"next_to = {json.dumps(list(zone.next_to))}",
        ]
    for entry in plan.gateways:
        lines += [
            "",
            "[[gateways]]",
            f"name = {json.dumps(entry.name)}",
            f"zone = {json.dumps(entry.zone)}",
        ]
    for number, wearable in enumerate(plan.wearables, start=1):
        lines += [
            "",
            "[[residents]]",
            f"id = {json.dumps(wearable.resident)}",
            f'name = "Resident {number}"',
            f"bed = {json.dumps(wearable.bed)}",
            f"zone = {json.dumps(wearable.zone)}",
            f"floor = {json.dumps(wearable.bed.split(' ')[0])}",
            f"device = {json.dumps(wearable.device)}",
            f"address = {json.dumps(wearable.address)}",
            _known_by(wearable),
            f"placement = {json.dumps(wearable.placement)}",
            f"streaming = {json.dumps(wearable.streaming)}",
        ]
    for sensor in plan.sensors:
        lines += _sensor_lines(sensor.config)
    return "\n".join(lines) + "\n"


def _known_by(wearable: WearablePlan) -> str:
    if wearable.key is not None:
        return f"key = {json.dumps(wearable.key)}"
    return f"identity = {wearable.identity}"


def _sensor_lines(config: SensorConfig) -> list[str]:
    fields = {
        "id": config.device,
        "address": config.address,
        "zone": config.zone,
        "kind": config.kind,
        "key": config.key,
        "resident": config.resident,
    }
    given = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value is not None]
    return ["", "[[sensors]]", *given]


def on_air(options: AirOptions, home: SimulatedHome, clock: Clock) -> dict[str, list[OnAir]]:
    """What each adapter hears: the same home, each with a fading of its own."""
    standing = _standing(home, clock.monotonic_ns())
    return {
        f"hci{number}": [
            Repeating(
                HomeOnAir(home.radio(options.gateway)),
                clock,
                seed=options.seed + number,
                standing=standing,
            )
        ]
        for number in range(options.adapters)
    }


def _standing(home: SimulatedHome, now_ns: int) -> list[HeardAdvert]:
    """What room sensors say from the beginning, until they have something new. A call point is
    silent: nobody presses it for hours, and a press that is repeated for ever would be one.
    """
    return [
        HeardAdvert(
            sensor.address,
            SENSORS_DBM,
            {},
            {SERVICE_UUID: sensor.packet()},
            now_ns,
            sensor.local_name,
        )
        for plan in home.plan.sensors
        if (sensor := home.sensor(plan.config.device)).kind is not SensorKind.CALL_POINT
    ]


async def run_air(options: AirOptions, clock: Clock, out: TextIO) -> None:
    """Put a home on the air until Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    home = SimulatedHome(options.plan, clock, options.seed)
    options.socket.parent.mkdir(parents=True, exist_ok=True)
    async with FakeBluez(
        clock,
        on_air(options, home, clock),
        socket=options.socket,
        passive=options.passive,
        oui=SIMULATED_OUI,
    ) as bluez:
        control = ControlServer(Control(bluez, home), control_of(options.socket))
        await control.start()
        out.write(_greeting(options, bluez))
        out.flush()
        try:
            async with background(
                home.run(), _play(options, home, clock), _tell_truth(options, home, clock, out)
            ):
                await stop.wait()
        finally:
            await control.stop()


async def _play(options: AirOptions, home: SimulatedHome, clock: Clock) -> None:
    if options.recording is not None and options.resident is not None:
        await clock.sleep(options.at_s)
        home.play(options.resident, options.recording)


async def _tell_truth(options: AirOptions, home: SimulatedHome, clock: Clock, out: TextIO) -> None:
    """For a program: what truly happens, a line each."""
    told = 0
    while options.as_json:
        for entry in home.truth[told:]:
            out.write(json.dumps({"truth": entry._asdict()}) + "\n")
        if told != len(home.truth):
            told = len(home.truth)
            out.flush()
        await clock.sleep(TRUTH_EVERY_S)


def _greeting(options: AirOptions, bluez: FakeBluez) -> str:
    wearables, sensors = len(options.plan.wearables), len(options.plan.sensors)
    if options.as_json:
        said = {
            "address": bluez.address,
            "control": str(control_of(options.socket)),
            "home": options.plan.home,
            "gateway": options.gateway,
            "adapters": list(bluez.controllers),
            "wearables": wearables,
            "sensors": sensors,
        }
        return json.dumps(said) + "\n"
    played = ""
    if options.recording is not None:
        played = (
            f"\nIn {options.at_s:.0f} s {options.resident} moves as in trial "
            f"{options.recording.trial}.\n"
        )
    return (
        f"On the air around {options.gateway}: {wearables} wearables and {sensors} room sensors, "
        f"heard by {', '.join(bluez.controllers)}.\n\n"
        f"  export DBUS_SYSTEM_BUS_ADDRESS={bluez.address}\n"
        '  wardlight gateway --config home.toml       # with [gateway] radio = "bluez"\n'
        f"{played}\n"
        f"Trouble on request: wardlight air tell {options.socket} help\n"
        "Ctrl-C ends it.\n"
    )
