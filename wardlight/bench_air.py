"""A gateway on the air of a whole home, over BlueZ's D-Bus: what it costs, how soon windows come.

The home is on `wardlight air` in a process of its own, the gateway in another; broker, ingest and
alerts run as in a home. Nothing is simulated of the gateway: it hears, links and reads by bleak.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from contract import topics, wire
from contract.clock import SystemClock
from contract.events import Event, EventKind
from contract.protocols import Message
from contract.screen import WINDOW_BEFORE_S
from contract.units import US_PER_S, ns_to_seconds
from firmware_sim.bluez.control import tell
from firmware_sim.homes import many
from firmware_sim.room_sensors import SensorKind
from messaging import MqttBus
from messaging.mosquitto import Mosquitto
from wardlight.air_home import control_of, settings_file
from wardlight.bench_air_flow import bench_flow
from wardlight.bench_load import Watched, service
from wardlight.running import background

Row = dict[str, Any]

CLOCK: Final = SystemClock()
WEARABLES: Final = 60
SENSORS: Final = 40

SETTLE_S: Final = 75.0
"""Until it has its configuration, has judged its passive scan, and has heard every wearable."""
MEASURED_S: Final = 60.0
"""Of quiet life, in which adverts are all that there is."""

AT_ONCE: Final = 3
ROUNDS: Final = 10
ROUND_S: Final = 25.0
"""A window goes on for 15 s after its mark: then the three of a round are done with."""

CPU_BAR_PERCENT: Final = 5.0
MEMORY_BAR_MB: Final = 160.0
"""Home Assistant idles at 178 to 281 MB on such a box (PLATFORM)."""
WINDOW_BAR_S: Final = 3.0

PRESSES: Final = 20
"""By turns of a wearable's button and of a call point."""
BETWEEN_PRESSES_S: Final = 4.37
"""No multiple of an advertising interval: presses meet it at any moment."""
PRESS_BAR_S: Final = 1.0
"""For nine in ten: the simulated air loses one advert in fifty, and with it all of that second."""

GATEWAY: Final = "gateway-a"
PATIENCE_S: Final = 60.0


class _Lines:
    """What a process prints, read as it comes."""

    def __init__(self, process: Watched) -> None:
        self.lines: list[dict[str, Any]] = []
        self._process = process
        # It ends with the process, whose pipe then ends.
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while line := self._process.line():
            self.lines.append(json.loads(line))


class _Home:
    """The processes of the bench."""

    def __init__(self, air: _Lines, gateway: Watched, said: _Lines, socket: Path) -> None:
        self.air = air
        self.gateway = gateway
        self.said = said
        self._socket = socket

    async def ask(self, line: str) -> dict[str, Any]:
        """Ask the air."""
        return await tell(control_of(self._socket), line)

    async def adverts(self) -> int:
        """How many the adapter has heard."""
        return int((await self.ask("status"))["adapters"]["hci0"]["adverts"])


@contextmanager
def _home(folder: Path, url: str) -> Iterator[_Home]:
    config = folder / "home.toml"
    config.write_text(_config(folder, url), "utf-8")
    socket = folder / "bus"
    with ExitStack() as stack:
        words = ["-m", "wardlight.cli", "air", "--json", "--socket", str(socket)]
        words += ["--wearables", str(WEARABLES), "--sensors", str(SENSORS)]
        air = Watched(words, folder / "air.log")
        stack.callback(air.end)
        said = json.loads(air.line() or "{}")
        if "address" not in said:
            raise RuntimeError(f"the air did not start: {air.log.read_text()}")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = said["address"]
        stack.callback(os.environ.pop, "DBUS_SYSTEM_BUS_ADDRESS")
        for name in ("ingest", "alerts"):
            stack.enter_context(service(name, config))
        gateway = Watched(
            ["-m", "wardlight.bench_air_gateway", str(config)], folder / "gateway.log"
        )
        stack.callback(gateway.end)
        yield _Home(_Lines(air), gateway, _Lines(gateway), socket)


def _config(folder: Path, url: str) -> str:
    text = settings_file(many(WEARABLES, sensors=SENSORS), GATEWAY)
    text = text.replace(f'"var/{GATEWAY}"', json.dumps(str(folder / GATEWAY)))
    return text + "\n".join(
        [
            *("", "[broker]", f'url = "{url}"'),
            *("[siren]", 'loudspeaker = "no"'),
            *("[ingest]", f'store = "{folder / "store.sqlite"}"'),
            *("[alerts]", f'database = "sqlite:///{folder / "records.sqlite"}"', ""),
            *("[[staff]]", 'id = "mei"', 'name = "Mei"', ""),
        ]
    )


async def _quiet(home: _Home) -> list[Row]:
    """Adverts alone."""
    await CLOCK.sleep(SETTLE_S)
    adverts, cpu_s, began_ns = await home.adverts(), home.gateway.cpu_s(), CLOCK.monotonic_ns()
    await CLOCK.sleep(MEASURED_S)
    passed_s = ns_to_seconds(CLOCK.monotonic_ns() - began_ns)
    percent = 100.0 * (home.gateway.cpu_s() - cpu_s) / passed_s
    rate = (await home.adverts() - adverts) / passed_s
    return [
        _row("adverts on the air", rate, "/s", f"{WEARABLES} wearables, {SENSORS} sensors"),
        _row("gateway, CPU of one core", percent, "%", "bar", CPU_BAR_PERCENT),
        _row("gateway, resident memory", _megabytes(home.gateway), "MB", "bar", MEMORY_BAR_MB),
    ]


async def _windows(home: _Home) -> list[Row]:
    """Three fall at once, again and again."""
    residents = [wearable.resident for wearable in many(WEARABLES).wearables]
    for number in range(ROUNDS):
        # Far apart in the home, as three who fall at once are.
        for resident in residents[number :: WEARABLES // AT_ONCE][:AT_ONCE]:
            await home.ask(f"fall {resident}")
        await CLOCK.sleep(ROUND_S)
    waited = sorted(_on_grid_s(home))
    p50, p95 = np.percentile(waited, (50, 95)) if waited else (float("nan"), float("nan"))
    falls = AT_ONCE * ROUNDS
    return [
        _row("window on the grid after its mark, p50", float(p50), "s", f"{AT_ONCE} at once"),
        _row("window on the grid after its mark, p95", float(p95), "s", "bar", WINDOW_BAR_S),
        _row("windows read", len(waited), f"of {falls} falls", f"{falls} falls"),
        _row(
            "gateway, resident memory after", _megabytes(home.gateway), "MB", "bar", MEMORY_BAR_MB
        ),
    ]


class _Helps:
    """Notes when the broker has each call for help."""

    def __init__(self) -> None:
        self.at_ns: list[int] = []

    async def hear(self, messages: Sequence[Message]) -> None:
        """Take what comes of it."""
        for message in messages:
            if wire.decode(message.payload, Event).kind is EventKind.HELP_REQUESTED:
                self.at_ns.append(CLOCK.monotonic_ns())


async def _presses(home: _Home, url: str) -> list[Row]:
    """Buttons and call points, until the broker has the call for help."""
    plan = many(WEARABLES, sensors=SENSORS)
    points = [s.config.device for s in plan.sensors if s.kind is SensorKind.CALL_POINT]
    # Beside the gateway: what the air loses of those far away is the simulation's own.
    near = sorted(plan.wearables, key=lambda w: plan.distance_m(w.zone, plan.gateways[0].zone))
    residents = [wearable.resident for wearable in near]
    helps, waited = _Helps(), []
    bus = MqttBus(url, "presses", CLOCK)
    topic_filter = topics.event_topic(plan.home, topics.ANY, topics.ANY)
    async with background(bus.run([topic_filter], helps.hear)):
        await CLOCK.sleep(BETWEEN_PRESSES_S)
        for number in range(PRESSES):
            names = points if number % 2 else residents
            known, pressed_ns = len(helps.at_ns), CLOCK.monotonic_ns()
            await home.ask(f"press {names[number // 2 % len(names)]}")
            await CLOCK.sleep(BETWEEN_PRESSES_S)
            if len(helps.at_ns) > known:
                waited.append(ns_to_seconds(helps.at_ns[known] - pressed_ns))
    p50, p90 = np.percentile(waited, (50, 90)) if waited else (float("nan"), float("nan"))
    return [
        _row("press to help_requested at the broker, p50", float(p50), "s", f"{PRESSES} presses"),
        _row("press to help_requested at the broker, p90", float(p90), "s", "bar", PRESS_BAR_S),
        _row("presses told", len(waited), f"of {PRESSES}", f"{PRESSES} presses"),
    ]


def _on_grid_s(home: _Home) -> list[float]:
    """Seconds from each impact to the moment when all motion up to it was on the grid."""
    wearables = {w.resident: w.address for w in many(WEARABLES).wearables}
    waited = []
    for line in home.air.lines:
        truth = line.get("truth", {})
        if truth.get("what") != "fall_impact":
            continue
        impact_us, address = truth["at_us"], wearables[truth["resident"]]
        reached = [
            packet["at_us"]
            for packet in home.said.lines
            if packet["address"] == address
            and packet["at_us"] >= impact_us
            # A window begins so long before its mark.
            and (packet["number"] + 1) * packet["samples"] >= WINDOW_BEFORE_S * packet["rate_hz"]
        ]
        if reached:
            waited.append((min(reached) - impact_us) / US_PER_S)
    return waited


def _megabytes(process: Watched) -> float:
    return process.memory_bytes() / 1e6


def _row(name: str, value: float, unit: str, against: str, bar: float | None = None) -> Row:
    ratio = value / bar if bar is not None else None
    return {
        "name": f"air: {name}",
        "value": value,
        "unit": unit,
        "against": f"{against} {bar:g} {unit}" if bar is not None else against,
        "ratio": ratio,
        "bar": 1.0 if bar is not None else None,
        "ok": ratio is None or ratio < 1.0,
    }


async def _run(folder: Path) -> list[Row]:
    mosquitto = Mosquitto(folder / "broker", CLOCK)
    await mosquitto.start()
    try:
        with _home(folder, mosquitto.url) as home:
            return [
                *await _quiet(home),
                *await _presses(home, mosquitto.url),
                *await _windows(home),
            ]
    finally:
        mosquitto.stop()


def bench_air() -> list[Row]:
    """All rows.

    Raises
    ------
    RuntimeError
        If a process did not start.
    """
    with tempfile.TemporaryDirectory(prefix="wardlight-bench-") as folder:
        rows = asyncio.run(_run(Path(folder)))
    return [*rows, *bench_flow()]
