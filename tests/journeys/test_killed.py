"""The gateway's process is killed (-9) at the worst moments."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path

from contract.clock import ScaledClock, now_us
from contract.ids import seeded_ids
from contract.protocols import Bus
from edge import LogSiren
from firmware_sim import demo_home
from messaging import MqttBus
from messaging.mosquitto import Mosquitto
from wardlight.roster import demo_settings
from wardlight.running import Parts, running_home
from wardlight.settings import Settings

FAST = 5.0
FALL_AFTER_S = 20.0


def _write_config(folder: Path, url: str, origin_us: int, *, falls: bool) -> Path:
    path = folder / f"gateway-{'falls' if falls else 'quiet'}.toml"
    fall = f"fall_after_s = {FALL_AFTER_S}\n" if falls else ""
    path.write_text(
        f"""
[home]
id = "demo"
[clock]
rate = {FAST}
origin_us = {origin_us}
[broker]
url = "{url}"
[gateway]
name = "gateway-a"
folder = "{folder / "gateway-a"}"
radio = "simulated"
seed = 7
{fall}"""
    )
    return path


def _start_gateway(config: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "wardlight.cli", "gateway", "--config", str(config)],
            stdout=output,
            stderr=output,
        )


@asynccontextmanager
async def _services(folder: Path, mosquitto: Mosquitto, clock: ScaledClock):
    """Ingest and alerts in this process; the gateway is one of its own."""

    def bus(client_id: str) -> Bus:
        return MqttBus(mosquitto.url, client_id, clock)

    parts = Parts(
        clock=clock,
        ids=seeded_ids(clock, 7),
        folder=folder / "services",
        bus=bus,
        siren=lambda _name, _bus: LogSiren(),
        radios={},
        boot="boot-of-a-test",
    )
    async with running_home(demo_settings(demo_home(), Settings()), parts) as home:
        yield home


async def _until(clock: ScaledClock, condition, seconds: float, what: str) -> None:
    for _ in range(round(seconds / 0.5)):
        if condition():
            return
        await clock.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s of home time")


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_ten_seconds_after_the_impact_it_is_still_paged(tmp_path):
    async def main():
        clock = ScaledClock(FAST)
        mosquitto = Mosquitto(tmp_path / "mosquitto", clock)
        await mosquitto.start()
        config = _write_config(tmp_path, mosquitto.url, now_us(clock), falls=True)
        gateway = None
        try:
            async with _services(tmp_path, mosquitto, clock) as home:
                gateway = _start_gateway(config, tmp_path / "gateway.log")
                await _until(
                    clock, lambda: bool(home.desk.board().watching), 300, "the fall is suspected"
                )
                (watched,) = home.desk.board().watching
                await clock.sleep(max(0.0, 10 - (now_us(clock) - watched.at_us) / 1e6))
                _kill(gateway)
                assert home.desk.board().incidents == [], "nobody was paged yet"
                await _until(
                    clock, lambda: bool(home.desk.board().incidents), 120, "the fall is paged"
                )
                (incident,) = home.desk.board().incidents
                assert incident.id == watched.id
                assert incident.resident_id == "resident-3"
                assert (incident.paged_at_us - incident.at_us) / 1e6 < 75
        finally:
            if gateway is not None and gateway.poll() is None:
                _kill(gateway)
            mosquitto.stop()

    asyncio.run(main())


def test_killed_between_detection_and_publish_it_publishes_after_its_restart(tmp_path):
    async def main():
        clock = ScaledClock(FAST)
        mosquitto = Mosquitto(tmp_path / "mosquitto", clock)
        await mosquitto.start()
        origin_us = now_us(clock)
        gateway = None
        alarms = tmp_path / "gateway-a" / "alarms.sqlite"
        try:
            async with _services(tmp_path, mosquitto, clock) as home:
                falls = _write_config(tmp_path, mosquitto.url, origin_us, falls=True)
                gateway = _start_gateway(falls, tmp_path / "gateway.log")
                # It needs the home's configuration once, and then the broker is gone.
                await _until(clock, (alarms.parent / "config.json").exists, 300, "its config")
                mosquitto.kill()
                await _until(
                    clock,
                    lambda: _pending(alarms, "fall_suspected"),
                    300,
                    "the fall is in the outbox",
                )
                _kill(gateway)
                await mosquitto.start()
                assert home.desk.board().watching == []
                quiet = _write_config(tmp_path, mosquitto.url, origin_us, falls=False)
                gateway = _start_gateway(quiet, tmp_path / "gateway.log")
                await _until(
                    clock, lambda: bool(home.desk.board().incidents), 300, "the fall is paged"
                )
                (incident,) = home.desk.board().incidents
                assert incident.resident_id == "resident-3"
        finally:
            if gateway is not None and gateway.poll() is None:
                _kill(gateway)
            mosquitto.stop()

    asyncio.run(main())


def _pending(path: Path, kind: str) -> bool:
    if not path.exists():
        return False
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT payload FROM events").fetchall()
    return any(f'"{kind}"'.encode() in payload for (payload,) in rows)
