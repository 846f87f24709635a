"""Wearables of other makers over held links: falls, liveness, heart rate, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from contract.clock import Clock, VirtualClock
from contract.events import EventKind, FaultCause
from contract.gatt import VibratePattern
from contract.messages import WearableConfig
from contract.protocols import AdapterTrouble
from edge.buttons import vibrate
from firmware_sim.bluez.gadgets import Advert, Beacon, GadgetLink, Gadgets
from firmware_sim.pinetime import PineTime
from firmware_sim.polar import PolarSensor
from firmware_sim.straps import Strap, Wrist

ADDRESS = "A0:9E:1A:00:00:01"


class GadgetRadio(Gadgets):
    """A radio that hears gadgets alone."""

    def __init__(self, clock: Clock, gadgets: Sequence[Strap]) -> None:
        # Somebody's telephone: a linked strap is silent, and in a home something advertises.
        telephone = Beacon("5E:00:00:00:00:01", Advert(manufacturer_data={0x004C: b"\x10"}))
        super().__init__(clock, [*gadgets, telephone])
        self.links: list[GadgetLink] = []

    async def connect(self, address: str) -> GadgetLink:
        self.links.append(await super().connect(address))
        return self.links[-1]

    async def close(self) -> None:
        for link in self.links:
            link.drop("the radio was closed")

    def troubles(self) -> Sequence[AdapterTrouble]:
        return ()


def body(kind: str, number: int = 1, **changes: object) -> WearableConfig:
    values: dict[str, object] = {
        "device": f"body-{number}",
        "address": f"A0:9E:1A:00:00:{number:02X}",
        "kind": kind,
        "resident": f"resident-{number}",
        "bed": f"2/F 21{number}-A",
        "streaming": True,
        **changes,
    }
    return WearableConfig(**values)  # type: ignore[arg-type]


@pytest.fixture
def watch(bench, make_config):
    """Runs a gateway that hears straps; gives it and the far end to what is to be seen."""

    def run(wearables, make, story):
        async def main() -> None:
            straps = make(bench.clock)
            radio = GadgetRadio(bench.clock, straps)
            gateway = bench.gateway(config=make_config(*wearables), radio=radio)
            async with bench.running(gateway):
                await story(gateway, *straps)

        bench.clock.run(main())

    return run


MAKES = {
    "an H10, raw": lambda clock, wrist: PolarSensor(ADDRESS, clock, wrist=wrist),
    "a Verity Sense, compressed": lambda clock, wrist: PolarSensor(
        ADDRESS,
        clock,
        name="Polar Sense ABCDEF12",
        rates_hz=(52,),
        compressed=True,
        fast=0.01,
        wrist=wrist,
    ),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES.keys())
def test_a_fall_in_polar_frames_is_suspected_and_detected(watch, bench, make):
    wrist = Wrist(seed=3)

    async def story(gateway, sensor):
        await bench.clock.sleep(30)
        assert bench.far_end.of(EventKind.FALL_SUSPECTED) == []
        wrist.fall()
        await bench.clock.sleep(15)
        (suspected,) = bench.far_end.of(EventKind.FALL_SUSPECTED)
        assert suspected.device == "body-1"
        assert suspected.resident == "resident-1"
        assert suspected.evidence.waveform is not None
        await bench.clock.sleep(40)
        (detected,) = bench.far_end.of(EventKind.FALL_DETECTED)
        assert detected.fall_id == suspected.fall_id
        assert gateway.pipeline.late_samples == 0
        assert gateway.pipeline.rejected_samples == 0
        assert gateway.counts["packets_rejected"] == 0
        assert bench.far_end.of(EventKind.FAULT) == []

    watch([body("polar")], lambda clock: [make(clock, wrist)], story)


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES.keys())
def test_the_samples_on_the_grid_are_those_that_were_felt(watch, bench, make):
    wrist = Wrist(seed=5)
    blocks = []

    async def story(gateway, sensor):
        take = gateway.pipeline._excerpts.take
        gateway.pipeline._excerpts.take = lambda block: (blocks.append(block), take(block))
        wrist.walk(True)
        await bench.clock.sleep(40)
        heard = np.concatenate([each.valid[0] for each in blocks[5:]])
        assert heard.all()
        motion = np.concatenate([each.motion[:, 0] for each in blocks[5:]], axis=1)
        magnitude = np.linalg.norm(motion, axis=0)
        assert 0.8 < magnitude.mean() < 1.2
        # Steps at 1.75 to 2 Hz: the rhythm came through unstretched and without seams.
        spectrum = np.abs(np.fft.rfft(magnitude - magnitude.mean()))
        peak_hz = np.fft.rfftfreq(len(magnitude), 1 / 25)[spectrum.argmax()]
        assert 1.7 < peak_hz < 2.05

    watch([body("polar")], lambda clock: [make(clock, wrist)], story)


def test_a_linked_strap_that_does_not_advertise_is_heard(watch, bench):
    async def story(gateway, strap):
        await bench.clock.sleep(300)
        assert strap.advert(0) is None
        assert strap.taken == 1
        assert bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD) == []
        wearable = gateway.roster.by_device["body-1"]
        assert wearable.model == "Example HR-1 1.0.0"
        assert wearable.advert.battery_percent == 80
        assert wearable.advert.heart_rate_bpm == 70
        strap.switch_off()
        await bench.clock.sleep(120)
        (fault,) = bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)
        assert fault.device == "body-1"

    watch([body("heart_rate", streaming=False)], lambda clock: [Strap(ADDRESS, clock)], story)


def test_a_strap_off_the_skin_is_not_worn_and_has_no_pulse(watch, bench):
    async def story(gateway, strap):
        await bench.clock.sleep(10)
        wearable = gateway.roster.by_device["body-1"]
        assert (wearable.advert.worn, wearable.pulse) == (True, 70)
        strap.in_contact = False
        await bench.clock.sleep(5)
        assert (wearable.advert.worn, wearable.advert.heart_rate_bpm) == (False, None)
        await bench.clock.sleep(21 * 60)
        (fault,) = bench.far_end.faults(FaultCause.NOT_WORN)
        assert fault.device == "body-1"

    watch([body("heart_rate", streaming=False)], lambda clock: [Strap(ADDRESS, clock)], story)


def test_a_dropped_link_and_a_silent_one_are_made_again(watch, bench):
    async def story(gateway, sensor):
        await bench.clock.sleep(10)
        assert sensor.taken == 1
        sensor.link.drop("out of reach")
        await bench.clock.sleep(20)
        assert sensor.taken == 2
        samples = gateway.counts["samples_decoded"]
        sensor._streams = False  # the sensor's firmware hangs: the link stands and brings nothing
        await bench.clock.sleep(40)
        assert sensor.taken == 3
        assert gateway.counts["samples_decoded"] > samples + 300
        assert gateway.counts["streams_silent"] == 1

    watch([body("polar")], lambda clock: [PolarSensor(ADDRESS, clock)], story)


def test_a_command_that_is_not_answered_is_asked_again(watch, bench):
    async def story(gateway, sensor):
        await bench.clock.sleep(20)
        assert [each[0] for each in sensor.commands] == [1, 1, 1, 2]
        assert sensor.taken == 1
        assert gateway.counts["samples_decoded"] > 300

    def make(clock):
        sensor = PolarSensor(ADDRESS, clock)
        sensor.deaf_to = 2
        return [sensor]

    watch([body("polar")], make, story)


def test_a_sensor_that_refuses_is_tried_again_and_is_still_heard(watch, bench):
    async def story(gateway, sensor):
        sensor.refuses = 13
        await bench.clock.sleep(120)
        assert 4 < sensor.taken < 15
        assert gateway.counts["samples_decoded"] == 0
        sensor.refuses = None
        await bench.clock.sleep(40)
        assert gateway.counts["samples_decoded"] > 300

    watch([body("polar")], lambda clock: [PolarSensor(ADDRESS, clock)], story)


def test_a_stream_that_runs_already_is_begun_anew(watch, bench):
    async def story(gateway, sensor):
        sensor._streams = True
        await bench.clock.sleep(20)
        assert [each[0] for each in sensor.commands] == [1, 2, 3, 2]
        assert gateway.counts["samples_decoded"] > 300

    watch([body("polar")], lambda clock: [PolarSensor(ADDRESS, clock)], story)


def test_garbage_is_counted_and_becomes_a_fault_and_the_link_stands(watch, bench):
    async def story(gateway, sensor):
        await bench.clock.sleep(10)
        for length in range(12):
            sensor.say("fb005c82-02e7-f387-1cad-8acd2d8df0c8", bytes(length))
        sensor.battery_percent = 200
        sensor.say("00002a19-0000-1000-8000-00805f9b34fb", bytes((200,)))
        await bench.clock.sleep(5)
        (fault,) = bench.far_end.faults(FaultCause.PACKET_REJECTED)
        assert fault.device == "body-1"
        assert gateway.counts.all_rejected == 13
        assert sensor.taken == 1

    watch([body("polar")], lambda clock: [PolarSensor(ADDRESS, clock)], story)


def test_without_streaming_a_polar_gives_its_heart_rate_alone(watch, bench):
    async def story(gateway, sensor):
        await bench.clock.sleep(60)
        assert sensor.commands == []
        assert gateway.roster.by_device["body-1"].pulse == 70
        assert sensor.taken == 1

    watch([body("polar", streaming=False)], lambda clock: [PolarSensor(ADDRESS, clock)], story)


def test_a_pinetime_is_heard_worn_and_summed_up(watch, bench):
    async def story(gateway, pinetime):
        await bench.clock.sleep(130)
        wearable = gateway.roster.by_device["body-1"]
        assert pinetime.taken == 1
        assert wearable.pulse == 70
        points = [each for batch in bench.far_end.batches for each in batch.points]
        assert len(points) > 100
        assert all(abs(each.max_g - 1) < 0.1 for each in points[10:])
        assert points[-1].heart_rate_bpm == 70
        assert bench.far_end.of(EventKind.FAULT) == []

    watch([body("infinitime")], lambda clock: [PineTime(ADDRESS, clock)], story)


def test_a_watch_that_measures_no_heart_rate_is_not_without_a_pulse(watch, bench):
    async def story(gateway, pinetime):
        pinetime.heart_rate_bpm = None
        await bench.clock.sleep(120)
        wearable = gateway.roster.by_device["body-1"]
        assert wearable.pulse is None
        assert pinetime.taken == 1

    watch([body("infinitime", streaming=False)], lambda clock: [PineTime(ADDRESS, clock)], story)


def test_an_unknown_kind_is_a_fault_and_costs_nobody_else(watch, bench):
    async def story(gateway, sensor):
        await bench.clock.sleep(30)
        (fault,) = bench.far_end.faults(FaultCause.CONFIG_REJECTED)
        assert fault.device == "body-2"
        assert "fitbit" in fault.detail
        assert gateway.counts["samples_decoded"] > 300

    wearables = [body("polar"), body("fitbit", 2)]
    watch(wearables, lambda clock: [PolarSensor(ADDRESS, clock)], story)


def test_streams_of_all_makers_share_the_slots(watch, bench, make_wearable):
    async def story(gateway, *sensors):
        await bench.clock.sleep(60)
        assert gateway.streams.held == 5
        assert sum(each.link is not None for each in sensors) == 5

    straps = [body("heart_rate", number, streaming=False) for number in range(1, 9)]

    def make(clock):
        return [Strap(each.address, clock) for each in straps]

    watch(straps, make, story)


def test_a_gateway_that_stops_lets_go_of_its_straps(bench, make_config):
    async def main() -> None:
        sensor = PolarSensor(ADDRESS, bench.clock)
        radio = GadgetRadio(bench.clock, [sensor])
        gateway = bench.gateway(config=make_config(body("polar")), radio=radio)
        async with bench.running(gateway):
            await bench.clock.sleep(10)
            assert sensor.link is not None
        assert sensor.link is None
        await asyncio.sleep(0)

    VirtualClock.run(bench.clock, main())


def test_a_strap_without_motion_gives_vitals_and_telemetry(watch, bench):
    async def story(gateway, strap):
        await bench.clock.sleep(60)
        strap.heart_rate_bpm = 35
        await bench.clock.sleep(150)
        (event,) = bench.far_end.of(EventKind.HEART_RATE_LOW)
        assert event.device == "body-1"
        strap.heart_rate_bpm = None
        await bench.clock.sleep(320)
        (event,) = bench.far_end.of(EventKind.HEART_RATE_ABSENT)
        points = [each for batch in bench.far_end.batches for each in batch.points]
        assert {each.heart_rate_bpm for each in points} == {70, 35, None}
        assert len(points) > 400
        assert len({each.at_us for each in points}) == len(points)
        assert points[0].mean_x_g is None

    watch([body("heart_rate", streaming=False)], lambda clock: [Strap(ADDRESS, clock)], story)


def test_a_strap_that_is_taken_off_is_not_a_heart_that_stopped(watch, bench):
    async def story(gateway, strap):
        await bench.clock.sleep(60)
        strap.heart_rate_bpm, strap.in_contact = None, False
        await bench.clock.sleep(400)
        assert bench.far_end.of(EventKind.HEART_RATE_ABSENT) == []

    watch([body("heart_rate", streaming=False)], lambda clock: [Strap(ADDRESS, clock)], story)


def test_a_strap_with_a_low_battery_is_a_fault(watch, bench):
    async def story(gateway, strap):
        await bench.clock.sleep(30)
        (fault,) = bench.far_end.faults(FaultCause.BATTERY_LOW)
        assert fault.device == "body-1"

    def make(clock):
        strap = Strap(ADDRESS, clock)
        strap.battery_percent = 7
        return [strap]

    watch([body("heart_rate", streaming=False)], make, story)


def test_of_two_gateways_one_holds_it_and_neither_misses_it(bench, make_config):
    async def main() -> None:
        strap = Strap(ADDRESS, bench.clock)
        gateways = [
            bench.gateway(
                name,
                config=make_config(body("heart_rate", streaming=False)),
                radio=GadgetRadio(bench.clock, [strap]),
            )
            for name in ("gateway-a", "gateway-b")
        ]
        async with bench.running(*gateways):
            await bench.clock.sleep(240)
            assert sum(each.streams.held for each in gateways) == 1
            assert strap.link is not None
            strap.heart_rate_bpm = 180
            await bench.clock.sleep(150)
            assert len(bench.far_end.of(EventKind.HEART_RATE_HIGH)) == 1
            assert bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD) == []

    bench.clock.run(main())


def test_an_answer_does_not_cost_the_link_of_one_that_cannot_vibrate(watch, bench):
    async def story(gateway, sensor):
        await bench.clock.sleep(20)
        wearable = gateway.roster.by_device["body-1"]
        assert not await vibrate(gateway.pool, wearable, VibratePattern.HELP_IS_COMING)
        assert gateway.pool.count == 1
        samples = gateway.counts["samples_decoded"]
        await bench.clock.sleep(20)
        assert sensor.taken == 1
        assert gateway.counts["samples_decoded"] > samples + 900
        assert gateway.counts["streams_lost"] == 0

    watch([body("polar")], lambda clock: [PolarSensor(ADDRESS, clock)], story)
