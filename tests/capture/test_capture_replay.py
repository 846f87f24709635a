"""A capture says again what the live gateway said, to the byte in every run."""

from __future__ import annotations

import asyncio
import io
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contract import wire
from contract.clock import ScaledClock, VirtualClock
from contract.events import EventKind
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, Presence, WearableConfig
from contract.protocols import Message
from firmware_sim import GatewayPlan, RecordingError, SimulatedHome, demo_home
from firmware_sim.capture import Capture, CaptureRadio
from wardlight.replay import (
    ReplayError,
    ReplayOptions,
    _handed_over,
    open_recording,
    replay,
)
from wardlight.roster import demo_settings
from wardlight.settings import Settings
from wardlight.tape import Tape


def test_the_replay_detects_what_the_live_run_detected(three_falls, play_capture, said):
    _, events = play_capture(three_falls.folder)
    assert {kind for kind, _, _ in three_falls.said()} == {
        EventKind.FALL_SUSPECTED,
        EventKind.FALL_DETECTED,
        EventKind.HELP_REQUESTED,
    }
    assert said(events) == three_falls.said()
    assert {event.resident for event in events} == {"resident-1", "resident-3", "resident-5"}
    assert {event.gateway for event in events} == {"gateway-a"}


def test_two_replays_are_the_same_to_the_byte(three_falls, play_capture):
    first, _ = play_capture(three_falls.folder)
    second, _ = play_capture(three_falls.folder)
    assert first == second
    assert first.count("\n") >= 5
    other, _ = play_capture(three_falls.folder, seed=1)
    assert other != first, "another seed gives other ids"


def test_the_text_says_where_in_the_capture(three_falls):
    out = io.StringIO()
    options = ReplayOptions(
        recording=Capture(three_falls.folder), speed=0, transport="stream", seed=0, as_json=False
    )
    replay(options, None, out)
    *lines, last = out.getvalue().splitlines()
    assert lines[0].startswith("fall_suspected    gateway-a  at 23.28 s  said ")
    counts = three_falls.report.counts
    # All of it, and nothing was asked for that was not recorded.
    assert last == (
        f"gateway-a of home demo played: {counts.adverts} adverts, {counts.links} links, "
        f"{counts.notifications} notifications."
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_also_with_lost_links_reboots_and_a_start_within_a_second(
    tmp_path, capture_home, play_capture, said, seed
):
    async def story(simulation, clock):
        await clock.sleep(15)
        simulation.set_heard("resident-4", False)
        await clock.sleep(10)
        simulation.reboot("resident-1")
        simulation.set_heard("resident-4", True)
        await clock.sleep(20)
        simulation.fall("resident-4")
        simulation.fall("resident-6", then="gets_up")
        await clock.sleep(3)
        simulation.set_heard("resident-6", False)
        await clock.sleep(12)
        simulation.set_heard("resident-6", True)
        await clock.sleep(80)

    start = datetime(2026, 11, 1, 3, 59, 59, 733_123, tzinfo=UTC)
    plan = demo_home()
    live = capture_home(
        tmp_path,
        story,
        plan=replace(plan, gateways=plan.gateways[:1]),
        seed=seed,
        clock=VirtualClock(start),
    )
    assert live.report.counts.links_failed or live.report.counts.links > 3
    assert {device for _, device, _ in live.said()} >= {"wearable-4", "wearable-6"}
    text, events = play_capture(live.folder)
    assert said(events) == live.said()
    assert play_capture(live.folder)[0] == text


def test_what_the_neighbour_looked_after_is_left_to_it_again(tmp_path, capture_home):
    plan = demo_home()
    nearer = GatewayPlan(name="gateway-b", zone="room-213")

    async def story(simulation, clock):
        await clock.sleep(20)
        simulation.fall("resident-6")
        await clock.sleep(50)

    live = capture_home(tmp_path, story, plan=replace(plan, gateways=(plan.gateways[0], nearer)))
    suspected = [each for each in live.said() if each[0] == EventKind.FALL_SUSPECTED]
    assert suspected == [], "the gateway in her room fetched the window"
    out = io.StringIO()
    options = ReplayOptions(
        recording=Capture(live.folder), speed=0, transport="stream", seed=0, as_json=False
    )
    replay(options, None, out)
    assert "fall_suspected" not in out.getvalue()
    assert "not recorded" not in out.getvalue(), "it did not even ask for the link"


def test_a_stranger_on_the_broker_does_not_end_a_recording(tmp_path):
    clock = VirtualClock()
    tape = Tape(demo_settings(demo_home(), Settings()), tmp_path / "capture")

    async def main():
        home = SimulatedHome(demo_home(), clock)
        tape.wrap(home.radio("gateway-a"), clock, ())
        for topic in (
            "wardlight/v1/demo/NO GATEWAY/presence",
            "wardlight/v1/demo/gateway-a/config",
        ):
            await tape.on_messages([Message(f"wardlight/v1/{topic}", b"{no json")])
        await tape.on_messages([Message("wardlight/v1/demo/gateway-b/presence", b"{no json")])
        return await tape.close("the test was over")

    report = clock.run(main())
    assert report.exit_status == 0
    assert report.wearables == 6, "those of the settings stay"
    capture = Capture(tmp_path / "capture")
    assert [row.payload for row in capture.neighbours()] == [b"{no json"]


def test_a_recording_holds_nothing_of_carers_tags(tmp_path):
    clock = VirtualClock()
    tape = Tape(demo_settings(demo_home(), Settings()), tmp_path / "capture")
    worn = WearableConfig(device="wearable-1", address="C0:DE:00:00:00:01", identity=1)
    tag = WearableConfig(device="tag-1", address="C0:DE:00:00:00:02", identity=2, is_carer=True)
    config = GatewayConfig(
        schema=MESSAGE_SCHEMA, home="demo", revision=1, wearables=[worn, tag], zone="corridor"
    )
    both = {"wearable-1": -60.0, "tag-1": -61.0}
    presence = Presence(
        schema=MESSAGE_SCHEMA,
        gateway="gateway-b",
        session="s",
        sequence=1,
        at_us=0,
        heard=both,
        strengths={"": both, "proxy-1": {"tag-1": -70.0}},
        movement_g={"tag-1": 0.1},
        low_battery={"tag-1": 5},
        unworn=["tag-1"],
    )

    async def main():
        tape.wrap(SimulatedHome(demo_home(), clock).radio("gateway-a"), clock, ())
        for topic, message in (("gateway-a/config", config), ("gateway-b/presence", presence)):
            await tape.on_messages([Message(f"wardlight/v1/demo/{topic}", wire.encode(message))])
        return await tape.close("the test was over")

    clock.run(main())
    (row,) = Capture(tmp_path / "capture").neighbours()
    kept = wire.decode(row.payload, Presence)
    assert kept.heard == {"wearable-1": -60.0}
    assert kept.strengths == {"": {"wearable-1": -60.0}, "proxy-1": {}}
    assert b"tag-1" not in row.payload
    assert "tag-1" not in (tmp_path / "capture" / "scene.yaml").read_text()


def test_on_the_machines_clock_every_advert_keeps_its_distance_to_the_others(three_falls):
    capture = Capture(three_falls.folder)

    async def main():
        radio = CaptureRadio(capture, ScaledClock(40))
        heard = []

        async def listen():
            async for batch in radio.adverts():
                heard.extend(batch)
                if len(heard) > 100:
                    return

        playing = asyncio.ensure_future(radio.run())
        await listen()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        return heard

    heard = asyncio.run(main())
    recorded = [advert for each in capture.adverts() for advert in each.adverts][: len(heard)]
    pairs = list(zip(heard, recorded, strict=True))
    assert len({now.received_ns - then.received_ns for now, then in pairs}) == 1
    assert all(now == then._replace(received_ns=now.received_ns) for now, then in pairs)


def test_a_path_is_a_capture_if_it_holds_a_scene(three_falls, tmp_path):
    assert isinstance(open_recording(three_falls.folder, None), Capture)
    with pytest.raises(ReplayError, match="leave out --trial"):
        open_recording(three_falls.folder, "U01")
    with pytest.raises(RecordingError):
        open_recording(tmp_path / "nowhere")
    shutil.copytree(three_falls.folder, tmp_path / "capture")
    (tmp_path / "capture" / "scene.yaml").unlink()
    with pytest.raises(RecordingError, match="no column"):
        open_recording(tmp_path / "capture")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resident": "resident-1"}, "leave out --resident"),
        ({}, "do not know wearable-1"),
    ],
)
def test_a_running_home_must_know_who_was_recorded(three_falls, demo_plan, change, said):
    settings = demo_settings(demo_plan, Settings())
    if not change:
        first, *others = settings.residents
        stranger = first.model_copy(update={"identity": 1})
        settings = settings.model_copy(update={"residents": (stranger, *others)})
    wanted = {"speed": 1.0, "transport": "stream", "seed": 0, "as_json": True} | change
    options = ReplayOptions(recording=Capture(three_falls.folder), **wanted)
    with pytest.raises(ReplayError, match=said):
        replay(options, settings, io.StringIO())


class Outbox:
    """One event that waits for its receipt."""

    def __init__(self) -> None:
        self.pending = {"an-event": object()}


@pytest.mark.parametrize(("receipt_s", "ends_s"), [(30, 30), (1_000, 250)])
def test_at_any_speed_the_last_receipts_are_waited_for_and_not_for_ever(receipt_s, ends_s):
    """At fifty times real time a receipt half a second later comes after 25 s of the clock."""
    clock, outbox = VirtualClock(), Outbox()

    async def receive():
        await clock.sleep(receipt_s)
        outbox.pending.clear()

    async def main():
        begun_ns = clock.monotonic_ns()
        receiving = asyncio.create_task(receive())
        await _handed_over(outbox, clock, 50.0)
        assert (clock.monotonic_ns() - begun_ns) / 1e9 == pytest.approx(ends_s, abs=1)
        receiving.cancel()

    clock.run(main())
