"""``wardlight record`` against a real mosquitto: whole, killed, told to stop, and refused."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract.clock import ScaledClock, SystemClock, now_us
from contract.events import EventKind
from contract.ids import seeded_ids
from edge import LogSiren
from firmware_sim import demo_home
from firmware_sim.capture import Capture, CaptureError, load_scene, seal_capture
from firmware_sim.capture.format import TABLES
from firmware_sim.capture.seal import KILLED
from messaging import MqttBus
from messaging.mosquitto import Mosquitto
from wardlight.record import record, run_record
from wardlight.replay import ReplayOptions, replay
from wardlight.roster import demo_settings
from wardlight.running import Parts, running_home
from wardlight.settings import Settings, load_settings

FAST = 10.0
SLOW = 20.0
"""Of real time, too: what a machine that is busy elsewhere keeps waiting for 45 ms comes too late
to be looked at (`detectors.LATENESS_S`); at 50 it is 18 ms, which two cores under load exceed."""
PROJECT = Path(__file__).parents[2]

PROGRAM = """
import sys
from pathlib import Path
from wardlight.logs import set_up_logs
from wardlight.record import run_record
from wardlight.settings import load_settings

set_up_logs("info")
settings = load_settings(Path(sys.argv[1]))
sys.exit(run_record(settings, Path(sys.argv[2]), seconds=None, as_json=True))
"""


@asynccontextmanager
async def home_without_gateways(folder, mosquitto, clock):
    """Ingest and alerts, which tell the gateway who wears what."""
    parts = Parts(
        clock=clock,
        ids=seeded_ids(clock, 7),
        folder=folder / "services",
        bus=lambda client_id: MqttBus(mosquitto.url, client_id, clock),
        siren=lambda _name, _bus: LogSiren(),
        radios={},
        boot="boot-of-a-test",
    )
    async with running_home(demo_settings(demo_home(), Settings()), parts) as home:
        yield home


def write_config(folder: Path, url: str, origin_us: int, *, fall_after_s: float = 12.0) -> Path:
    """A gateway's settings: it knows no resident before the home tells it."""
    path = folder / "gateway.toml"
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
folder = "{folder / "gateway"}"
radio = "simulated"
seed = 7
fall_after_s = {fall_after_s}
"""
    )
    return path


def run_beside_a_home(tmp_path, body):
    async def main():
        clock = ScaledClock(FAST)
        mosquitto = Mosquitto(tmp_path / "mosquitto", clock)
        await mosquitto.start()
        config = write_config(tmp_path, mosquitto.url, now_us(clock))
        try:
            async with home_without_gateways(tmp_path, mosquitto, clock) as home:
                return await body(config, clock, home)
        finally:
            mosquitto.stop()

    return asyncio.run(main())


def test_a_live_gateway_is_captured_and_says_the_same_when_replayed(tmp_path, play_capture):
    folder = tmp_path / "capture"
    out = io.StringIO()

    async def body(config, clock, home):
        stop = asyncio.Event()
        recording = asyncio.create_task(
            record(load_settings(config), folder, seconds=None, out=out, stop=stop)
        )
        await until(clock, lambda: bool(home.desk.board().watching), 300, "the fall")
        (watched,) = home.desk.board().watching
        stop.set()
        return await recording, watched

    report, watched = run_beside_a_home(tmp_path, body)
    assert report.exit_status == 0
    assert report.ended == "it was asked to stop"
    assert report.counts.adverts > 100
    assert report.counts.notifications > 50
    assert f"Play it with: wardlight replay {folder}" in out.getvalue()

    scene = load_scene(folder)
    worn = {wearable.device: wearable.resident for wearable in scene.wearables}
    assert worn == {one.device: one.resident for one in demo_home().wearables}
    assert scene.gateway.zone == "room-212", "as the home's configuration says"
    (impact,) = [line for line in scene.truth if line.what == "fall_impact"]
    assert impact.resident == "resident-3"

    _, events = play_capture(folder)
    (suspected,) = [event for event in events if event.kind is EventKind.FALL_SUSPECTED]
    assert suspected.resident == "resident-3"
    # Live, the grid of seconds began when that process did; in the replay it is the same.
    assert suspected.at_us == pytest.approx(watched.at_us, abs=60_000)
    assert suspected.at_us == pytest.approx(impact.at.timestamp() * 1e6, abs=300_000)


def test_a_capture_plays_to_a_running_home_whose_board_shows_the_falls(tmp_path, capture_home):
    async def story(simulation, clock):
        await clock.sleep(11)
        simulation.fall("resident-1")
        simulation.press_button("resident-5")
        await clock.sleep(2)
        simulation.fall("resident-3")
        await clock.sleep(36)

    captured = capture_home(tmp_path, story, plan=demo_home())
    options = ReplayOptions(
        recording=Capture(captured.folder), speed=SLOW, transport="stream", seed=0, as_json=True
    )
    out = io.StringIO()

    async def main():
        clock = SystemClock()
        mosquitto = Mosquitto(tmp_path / "mosquitto", clock)
        await mosquitto.start()
        settings = demo_settings(demo_home(), Settings(broker={"url": mosquitto.url}))
        try:
            async with home_without_gateways(tmp_path, mosquitto, clock) as home:
                await asyncio.to_thread(replay, options, settings, out)
                return home.desk.board()
        finally:
            mosquitto.stop()

    board = asyncio.run(main())
    found = {incident.resident_id for incident in (*board.incidents, *board.watching)}
    assert found == {"resident-1", "resident-3", "resident-5"}
    assert out.getvalue().count("fall_detected") >= 2


def start_recording(config: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(config), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


async def until(clock, condition, seconds, what):
    for _ in range(round(seconds / 0.5)):
        if condition():
            return
        await clock.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s of home time")


def on_disk(folder: Path, adverts: int) -> bool:
    if not all(table.unsealed(folder).exists() for table in TABLES):
        return False
    return sum(len(batch.adverts) for batch in Capture(folder).adverts()) >= adverts


def test_killed_it_loses_the_last_seconds_and_no_more(tmp_path, play_capture):
    folder = tmp_path / "capture"

    async def body(config, clock, home):
        process = start_recording(config, folder)
        try:
            await until(clock, lambda: bool(home.desk.board().watching), 300, "the fall")
            (watched,) = home.desk.board().watching
            # A flush later everything up to here is on the disk.
            await clock.sleep(8)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        return watched

    watched = run_beside_a_home(tmp_path, body)
    assert not Capture(folder).sealed
    _, events = play_capture(folder)
    (suspected,) = [event for event in events if event.kind is EventKind.FALL_SUSPECTED]
    assert suspected.at_us == pytest.approx(watched.at_us, abs=60_000)
    unsealed = list(Capture(folder).timeline())
    seal_capture(folder)
    assert load_scene(folder).ended.reason == KILLED
    assert list(Capture(folder).timeline()) == unsealed


def test_sigterm_ends_and_seals_it(tmp_path):
    folder = tmp_path / "capture"

    async def body(config, clock, _home):
        process = start_recording(config, folder)
        try:
            await until(clock, lambda: on_disk(folder, 10), 300, "the first adverts")
            process.terminate()
            out, err = await asyncio.to_thread(process.communicate, None, 30)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return process.returncode, out, err

    status, out, err = run_beside_a_home(tmp_path, body)
    assert status == 0, err
    report = json.loads(out)
    assert report["ended"] == "it was asked to stop"
    assert report["sealed"]
    assert report["counts"]["adverts"] >= 10
    assert Capture(folder).sealed


def test_it_ends_when_its_time_is_up_and_needs_no_broker(tmp_path):
    folder = tmp_path / "capture"
    out = io.StringIO()
    config = write_config(tmp_path, "mqtt://127.0.0.1:9", 0, fall_after_s=600)
    report = asyncio.run(record(load_settings(config), folder, seconds=20.0, out=out, as_json=True))
    assert report.ended == "its time was up"
    assert report.seconds >= 20
    assert report.counts.devices == 6
    assert report.counts.links == 0, "nobody has told it who lives here"
    assert json.loads(out.getvalue())["counts"]["adverts"] == report.counts.adverts
    heard = sum(len(batch.adverts) for batch in Capture(folder).adverts())
    assert heard == report.counts.adverts


def test_cancelled_it_seals_and_reports_and_is_cancelled(tmp_path):
    folder = tmp_path / "capture"
    out = io.StringIO()
    config = write_config(tmp_path, "mqtt://127.0.0.1:9", 0, fall_after_s=600)

    async def main():
        recording = asyncio.create_task(
            record(load_settings(config), folder, seconds=None, out=out)
        )
        await until(ScaledClock(FAST), lambda: on_disk(folder, 1), 300, "the first adverts")
        recording.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recording

    asyncio.run(main())
    assert Capture(folder).sealed
    assert out.getvalue().startswith("Captured ")


def test_a_folder_that_holds_something_is_refused_before_anything_runs(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    settings = load_settings(None)
    with pytest.raises(CaptureError, match=r"not empty \(it holds notes.txt\)"):
        asyncio.run(record(settings, tmp_path, seconds=1.0))
    assert run_record(settings, tmp_path, seconds=1.0) == 2
    assert "name a new folder" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]
