"""A whole gateway: clock, configuration, commands, restarts, kill -9, and the same twice."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from contract import topics, wire
from contract.clock import SystemClock, VirtualClock, now_us
from contract.events import Event, EventKind, FaultCause
from contract.ids import seeded_ids
from contract.messages import MESSAGE_SCHEMA, Command, CommandName, VolumeHours
from contract.units import US_PER_S
from edge import Gateway, LogSiren
from firmware_sim import SimulatedHome, demo_home
from messaging import LocalBroker, LocalBus

ADDRESS = "C0:DE:00:00:00:01"


def publish_config(bench, config) -> None:
    topic = topics.build("demo", "gateway-a", "config")
    bench.broker.publish(topic, wire.encode(config), retain=True)


@pytest.mark.parametrize("jump_s", [-3_600, 3_600, 56 * 365.25 * 86_400])
def test_a_wall_clock_that_jumps_is_a_fault_and_disturbs_no_detector(bench, jump_s):
    async def main():
        plan = demo_home()
        if jump_s > 4_000:
            # A Pi without a battery: boots in 1970, and learns the time in mid-fall.
            bench.clock.jump_wall(-bench.clock.now_ns() / 1e9)
            bench.clock.set_synced(False)
        simulation = SimulatedHome(plan, bench.clock, seed=1)
        gateway = bench.gateway(
            radio=simulation.radio("gateway-a"), config=plan.gateway_config("gateway-a")
        )
        living = asyncio.create_task(simulation.run())
        async with bench.running(gateway):
            await bench.clock.sleep(30)
            for resident in ("resident-1", "resident-2"):
                simulation.fall(resident)
            await bench.clock.sleep(15)
            bench.clock.jump_wall(jump_s)
            bench.clock.set_synced(True)
            await bench.clock.sleep(60)
            offset_us = bench.clock.now_ns() // 1_000 - bench.clock.monotonic_ns() // 1_000
        living.cancel()
        assert len(bench.far_end.of(EventKind.FALL_SUSPECTED)) == 2
        detected = bench.far_end.of(EventKind.FALL_DETECTED)
        assert len(detected) == 2
        for event in detected:
            assert event.at_us - offset_us == pytest.approx(34 * US_PER_S, abs=3 * US_PER_S)
            assert event.age_ms == pytest.approx(34_000, abs=1_500)
        (fault,) = [
            each
            for each in bench.far_end.faults(FaultCause.CLOCK_JUMPED)
            if each.kind is EventKind.FAULT
        ]
        assert fault.detail is not None
        points = [
            point.at_us
            for batch in bench.far_end.batches
            for point in batch.points
            if point.device == "wearable-6"
        ]
        assert len(points) > 80
        steps = [after - before for before, after in itertools.pairwise(points)]
        jumps = [step for step in steps if not US_PER_S <= step <= 3 * US_PER_S]
        assert len(jumps) == 1, "second by second (an advert may be lost), and one jump"
        assert sum(step == US_PER_S for step in steps) > 0.9 * len(steps)

    bench.clock.run(main())


def test_events_of_a_gateway_in_1970_are_accepted(bench, make_advert):
    async def main():
        bench.clock.jump_wall(-bench.clock.now_ns() / 1e9)
        bench.clock.set_synced(False)
        async with bench.running(bench.gateway()):
            await bench.advertise(2, button_counter=1, button_pending=True)
            (event,) = bench.far_end.of(EventKind.HELP_REQUESTED)
            assert event.clock == "unsynced"
            assert 0 <= event.at_us < 10 * US_PER_S

    bench.clock.run(main())


def test_a_config_over_the_broker_is_followed_kept_and_bettered(bench, make_config, make_wearable):
    async def main():
        gateway = bench.gateway(config=None)
        async with bench.running(gateway):
            await bench.advertise(3)
            assert gateway.counts["adverts_foreign"] == 3
            publish_config(bench, make_config(make_wearable(1), make_wearable(2), revision=5))
            await bench.clock.sleep(0.5)
            await bench.advertise(3, first=110)
            assert gateway.counts["summaries_decoded"] == 3
            publish_config(bench, make_config(revision=4))
            await bench.clock.sleep(0.5)
            assert len(gateway.roster) == 2, "an older revision changes nothing"
        again = bench.gateway(config=make_config(revision=3))
        assert again.configs.begin(make_config(revision=3)) == []
        assert again.configs.current.revision == 5

    bench.clock.run(main())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b'"schema":1', b'"schema":99'),
        lambda text: text.replace(b'"home":"demo"', b'"home":"other"'),
        lambda text: text[:-5],
        lambda text: text.replace(b'"identity":2', b'"identity":1'),
        lambda text: text.replace(b"Asia/Hong_Kong", b"Asia/Atlantis").replace(
            b'"revision":9', b'"revision":9,"time_zone":"Asia/Atlantis"'
        ),
    ],
    ids=["unknown version", "other home", "cut short", "identity twice", "no such time zone"],
)
def test_a_config_that_cannot_be_followed_is_a_fault_and_the_old_one_stays(
    bench, make_config, make_wearable, spoil
):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            good = make_config(make_wearable(1), make_wearable(2), revision=9)
            topic = topics.build("demo", "gateway-a", "config")
            bench.broker.publish(topic, spoil(wire.encode(good)), retain=True)
            await bench.clock.sleep(1)
            (fault,) = bench.far_end.faults(FaultCause.CONFIG_REJECTED)
            assert "the old one stays" in fault.detail
            assert list(gateway.roster.by_device) == ["wearable-1"]
            publish_config(bench, good)
            await bench.clock.sleep(1)
            assert [each.kind for each in bench.far_end.faults(FaultCause.CONFIG_REJECTED)] == [
                EventKind.FAULT,
                EventKind.FAULT_CLEARED,
            ]

    bench.clock.run(main())


def test_a_damaged_kept_config_is_a_fault(bench):
    async def main():
        folder = bench.folder / "gateway-a"
        folder.mkdir()
        (folder / "config.json").write_bytes(b'{"schema":1')
        gateway = bench.gateway()
        async with bench.running(gateway):
            assert bench.far_end.faults(FaultCause.CONFIG_REJECTED)
            assert len(gateway.roster) == 1

    bench.clock.run(main())


def test_a_command_is_done_once_and_not_after_its_time(bench):
    def command(identifier: str, name: CommandName, seconds: float, device=None) -> None:
        message = Command(
            schema=MESSAGE_SCHEMA,
            id=identifier,
            name=name,
            expires_at_us=now_us(bench.clock) + int(seconds * US_PER_S),
            device=device,
        )
        topic = topics.build("demo", "gateway-a", "command")
        bench.broker.publish(topic, wire.encode(message))

    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            await bench.advertise(2)
            for _ in range(3):
                command("a", CommandName.VIBRATE, 10, "wearable-1")
            command("b", CommandName.VIBRATE, -1, "wearable-1")
            command("c", CommandName.VIBRATE, 10, "wearable-9")
            command("d", CommandName.TEST_SIREN, 10)
            await bench.clock.sleep(8)
            assert [(each[1].name, each[2]) for each in bench.radio.written] == [("VIBRATE", (1,))]
            assert bench.siren.tones == ["test", "quiet"]
            assert gateway.counts.all_rejected == 4

    bench.clock.run(main())


def test_volume_follows_the_hour_of_the_home(bench, make_config):
    async def main():
        # The virtual day begins at 20:00 UTC: 04:00 in Hong Kong.
        volumes = [
            VolumeHours(from_hour=7, volume_percent=90),
            VolumeHours(from_hour=22, volume_percent=30),
        ]
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway(config=make_config(siren_volume=volumes))):
            await bench.advertise(30, button_counter=1, button_pending=True)
            assert set(bench.siren.volumes) == {30}

    bench.clock.run(main())


def test_a_wearable_that_is_not_heard_is_a_fault_until_it_is(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(20)
            bench.broker.drop("gateway-a")
            await bench.clock.sleep(200)
            (fault,) = bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)
            assert (fault.device, fault.resident) == ("wearable-1", "resident-1")
            assert bench.far_end.faults(FaultCause.RADIO_SILENT)
            await bench.clock.sleep(600)
            assert len(bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)) == 1
        # It stands over a restart, and ends in the next session.
        async with bench.running(bench.gateway()):
            await bench.advertise(20, first=900)
            for cause in (FaultCause.WEARABLE_NOT_HEARD, FaultCause.RADIO_SILENT):
                kinds = [each.kind for each in bench.far_end.faults(cause)]
                assert kinds == [EventKind.FAULT, EventKind.FAULT_CLEARED]

    bench.clock.run(main())


def test_not_worn_and_an_empty_battery_are_faults(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(1_215, worn=False, battery_percent=9)
            await bench.advertise(20, first=1_315, worn=True, battery_percent=90)
            for cause in (FaultCause.NOT_WORN, FaultCause.BATTERY_LOW):
                kinds = [each.kind for each in bench.far_end.faults(cause)]
                assert kinds == [EventKind.FAULT, EventKind.FAULT_CLEARED], cause

    bench.clock.run(main())


def test_a_wearable_that_another_gateway_hears_is_not_missing(bench, tmp_path):
    async def main():
        plan = demo_home()
        simulation = SimulatedHome(plan, bench.clock, seed=1)
        gateways = [
            bench.gateway(
                name,
                radio=simulation.radio(name),
                config=plan.gateway_config(name),
                priority=priority,
            )
            for priority, name in enumerate(("gateway-a", "gateway-b"))
        ]
        living = asyncio.create_task(simulation.run())
        async with bench.running(*gateways):
            await bench.clock.sleep(60)
            simulation.set_radio_hearing("gateway-a", False)
            await bench.clock.sleep(150)
            assert not bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)
            (fault,) = bench.far_end.faults(FaultCause.RADIO_SILENT)
            assert fault.gateway == "gateway-a"
            simulation.set_heard("resident-5", False)
            await bench.clock.sleep(120)
            (fault,) = bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)
            assert (fault.device, fault.gateway) == ("wearable-5", "gateway-a"), "the lead says it"
        living.cancel()

    bench.clock.run(main())


def test_a_stream_that_breaks_is_held_again_and_its_wearer_stays_covered(bench):
    async def main():
        plan = demo_home()
        simulation = SimulatedHome(plan, bench.clock, seed=1)
        gateway = bench.gateway(
            radio=simulation.radio("gateway-a"), config=plan.gateway_config("gateway-a")
        )
        living = asyncio.create_task(simulation.run())
        async with bench.running(gateway):
            await bench.clock.sleep(20)
            assert gateway.streams.held == 2
            simulation.wearable("resident-1").drop_links("interference")
            await bench.clock.sleep(10)
            assert gateway.counts["streams_lost"] == 1
            before = gateway.counts["samples_decoded"]
            await bench.clock.sleep(10)
            assert gateway.counts["samples_decoded"] - before == pytest.approx(1_000, abs=60)
            simulation.reboot("resident-1")
            await bench.clock.sleep(30)
            simulation.fall("resident-1")
            await bench.clock.sleep(30)
            (event,) = bench.far_end.of(EventKind.FALL_SUSPECTED)
            assert event.resident == "resident-1"
            assert bench.far_end.faults(FaultCause.WEARABLE_REBOOTED)
        living.cancel()

    bench.clock.run(main())


def test_spoilt_adverts_and_packets_end_nothing(bench):
    async def main():
        plan = demo_home()
        simulation = SimulatedHome(plan, bench.clock, seed=1)
        gateway = bench.gateway(
            radio=simulation.radio("gateway-a"), config=plan.gateway_config("gateway-a")
        )
        living = asyncio.create_task(simulation.run())
        async with bench.running(gateway):
            for resident in ("resident-1", "resident-2"):
                simulation.corrupt(resident, 0.7)
            await bench.clock.sleep(120)
            assert gateway.counts.all_rejected > 100
            assert bench.far_end.faults(FaultCause.PACKET_REJECTED)
            simulation.corrupt("resident-2", 0)
            await bench.clock.sleep(30)
            bench.far_end.events.clear()
            simulation.fall("resident-2")
            await bench.clock.sleep(60)
            fallen = [each.resident for each in bench.far_end.of(EventKind.FALL_DETECTED)]
            assert "resident-2" in fallen
        living.cancel()

    bench.clock.run(main())


def run_once(folder: Path) -> list[tuple[float, str, bytes]]:
    """Two gateways for two minutes, with falls, a press and a reboot."""
    from contextlib import suppress

    clock = VirtualClock()
    broker = LocalBroker()
    heard: list[tuple[float, str, bytes]] = []

    async def main() -> None:
        plan = demo_home()
        simulation = SimulatedHome(plan, clock, seed=5)
        gateways = [
            Gateway(
                home="demo",
                name=name,
                folder=folder / name,
                clock=clock,
                ids=seeded_ids(clock, name),
                radio=simulation.radio(name),
                bus=LocalBus(broker, name, clock),
                siren=LogSiren(),
                boot="boot",
                session=f"session-{name}",
                config=plan.gateway_config(name),
            )
            for name in ("gateway-a", "gateway-b")
        ]

        async def take(messages) -> None:
            heard.extend((clock.monotonic_ns(), each.topic, each.payload) for each in messages)

        listener = LocalBus(broker, "listener", clock)
        tasks = [
            asyncio.create_task(work)
            for work in (
                listener.run(["wardlight/#"], take),
                simulation.run(),
                *(each.run() for each in gateways),
            )
        ]
        await clock.sleep(20)
        simulation.fall("resident-1")
        simulation.fall("resident-3", then="gets_up")
        simulation.press_button("resident-4")
        await clock.sleep(10)
        simulation.reboot("resident-5")
        await clock.sleep(90)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    clock.run(main())
    return heard


def test_two_runs_with_one_seed_publish_the_same_bytes(tmp_path):
    one, other = run_once(tmp_path / "one"), run_once(tmp_path / "other")
    kinds = {topic.split("/")[-1] for _, topic, _ in one}
    assert {"fall_suspected", "fall_detected", "help_requested", "telemetry"} <= kinds
    assert one == other


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import ScriptedRadio, advert, config
from contract.clock import SystemClock
from contract.ids import UuidSource
from edge import Gateway, LogSiren
from messaging import LocalBroker, LocalBus

async def main():
    clock = SystemClock()
    broker = LocalBroker()
    broker.stop()
    radio = ScriptedRadio(clock)
    gateway = Gateway(
        home="demo", name="gateway-a", folder=Path({folder!r}), clock=clock,
        ids=UuidSource(clock), radio=radio, bus=LocalBus(broker, "gateway-a", clock),
        siren=LogSiren(), boot="boot-1", session="session-killed", config=config())
    # Dies in the instant in which the alarm is durable and not yet published.
    gateway.reporter._wake = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    task = asyncio.create_task(gateway.run())
    await clock.sleep(0.2)
    radio.hear("C0:DE:00:00:00:01", advert(100, button_counter=1, button_pending=True))
    await task

asyncio.run(main())
"""


def test_killed_between_detection_and_publish_the_alarm_goes_out_after_the_restart(bench):
    folder = bench.folder / "gateway-a"
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()

    async def main():
        async with bench.running(bench.gateway()):
            await bench.clock.sleep(1)
            (event,) = bench.far_end.of(EventKind.HELP_REQUESTED)
            assert (event.session, event.sequence) == ("session-killed", 1)
            assert event.at_us == pytest.approx(now_us(SystemClock()), abs=60 * US_PER_S)
            # The press is still in the advert: it is written back, and not told twice.
            await bench.advertise(3, button_counter=1, button_pending=True)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 1
            written = [each[1].name for each in bench.radio.written]
            assert written == ["ACKNOWLEDGE_BUTTON", "SET_TIME"]

    bench.clock.run(main())


def test_a_gateway_that_vanishes_says_so_by_its_will(bench):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            await bench.advertise(2)
            bench.bus.kill()
            await bench.clock.sleep(1)
            assert [each.online for each in bench.far_end.statuses] == [True, False]
            assert bench.far_end.statuses[-1].session == "session-1"

    bench.clock.run(main())


def test_at_the_end_nothing_collected_is_left_in_memory(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(9)
        devices = [point for batch in bench.far_end.batches for point in batch.points]
        again = bench.gateway()
        await again.telemetry_outbox.open(0)
        kept = [
            point
            for entry in again.telemetry_outbox.pending.values()
            for point in (await again.telemetry_outbox.load(entry)).points
        ]
        assert len(devices) + len(kept) >= 4
        await again.telemetry_outbox.close()

    bench.clock.run(main())


def test_a_folder_that_cannot_be_written_still_pages(bench):
    async def main():
        (bench.folder / "gateway-a").write_text("in the way")
        bench.far_end.ingest_up = False
        async with bench.running(bench.gateway()):
            await bench.advertise(2, button_counter=1, button_pending=True)
            assert bench.far_end.of(EventKind.HELP_REQUESTED)
            assert bench.far_end.faults(FaultCause.OUTBOX_UNWRITABLE)
            assert bench.siren.tones[0] == "alarm"
            assert bench.radio.written == [], "not durable anywhere near: the wearable keeps asking"

    bench.clock.run(main())


def test_sequence_numbers_count_within_a_session(bench):
    async def main():
        async with bench.running(bench.gateway()):
            for counter in (1, 2, 3):
                await bench.advertise(
                    1, first=100 + counter, button_counter=counter, button_pending=True
                )
            events: list[Event] = bench.far_end.of(*EventKind)
            assert [each.sequence for each in events] == [1, 2, 3]
            assert len({each.id for each in events}) == 3
            assert msgspec.json.encode(events[0])

    bench.clock.run(main())
