"""Candidates: windows over links that break, and what happens without one."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import zlib

import numpy as np
import pytest

from contract.events import EventKind, FaultCause
from contract.gatt import Operation
from contract.packets import MotionPacket, encode_packet
from contract.units import NS_PER_S
from edge.candidates import RETRY_GIVEN_UP_NS
from edge.outbox_rows import Counter
from firmware_sim import SimulatedHome, demo_home
from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, unit

SUSPECTED = EventKind.FALL_SUSPECTED
RATE_HZ = 50
PER_PACKET = 25


def fall_window(seed: int = 1) -> np.ndarray:
    """25 s: walking, an impact at 10 s, then lying still."""
    random = np.random.default_rng(seed)
    fall = make_fall(random, unit(HANGING), upright=True)
    samples = np.repeat(unit(HANGING)[:, None], 25 * RATE_HZ, axis=1)
    samples[2] += 0.2 * np.sin(np.arange(25 * RATE_HZ) * 0.2)
    begin = 500 - fall.impact_sample
    end = begin + fall.samples_g.shape[1]
    samples[:, begin:end] = fall.samples_g
    samples[:, end:] = fall.samples_g[:, -1:]
    return (samples + random.normal(0, 0.01, samples.shape)).astype(np.float32)


def quiet_window() -> np.ndarray:
    """A clap: one knock on a hand that goes on moving."""
    samples = np.zeros((3, 25 * RATE_HZ), np.float32)
    samples[2] = 1.0
    time = np.arange(25 * RATE_HZ) / RATE_HZ
    samples[0] = 0.3 * np.sin(2 * np.pi * 1.5 * time)
    samples[2, 500:502] = 4.0
    return samples


def shown_s(event) -> float:
    wave = event.evidence.waveform
    return len(zlib.decompress(base64.b64decode(wave.samples))) / 6 / wave.rate_hz


def use_up_what_is_free_within(connection) -> None:
    number = 0
    for size in (500, 50, 1):
        try:
            while True:
                number += 1
                connection.execute(
                    "INSERT INTO events VALUES (NULL, ?, ?, 0, '')",
                    (f"filler-{number}", b"x" * size),
                )
        except sqlite3.OperationalError:
            continue


class Firmware:
    """Answers window requests from a recording, as if all of it had been measured."""

    def __init__(self, radio, samples: np.ndarray, *, first_ms: int) -> None:
        self._samples = samples
        self._first_ms = first_ms
        self.total = -(-samples.shape[1] // PER_PACKET)
        self.lose: dict[int, set[int]] = {}
        """By request: packets that do not arrive."""
        self.break_after: list[int | None] = []
        """By request: after how many packets the link breaks; None: it holds."""
        self.never: set[int] = set()
        self.garbage = False
        self.requests: list[int] = []
        self.acknowledged: list[int] = []
        radio.on_write = self.write

    def write(self, link, operation, arguments) -> None:
        if operation is Operation.ACKNOWLEDGE_CANDIDATE:
            self.acknowledged.append(arguments[0])
        if operation is not Operation.REQUEST_WINDOW:
            return
        request = len(self.requests)
        self.requests.append(arguments[1])
        limit = self.break_after[request] if request < len(self.break_after) else None
        numbers = range(arguments[1], self.total)
        for count, number in enumerate(numbers):
            if limit is not None and count >= limit:
                link.drop()
                return
            if self.garbage:
                link.notify(bytes([number]) * 30)
            if number not in self.lose.get(request, set()) | self.never:
                link.notify(self.packet(number, arguments[0]))

    def packet(self, number: int, counter: int) -> bytes:
        first = number * PER_PACKET
        samples = self._samples[:, first : first + PER_PACKET]
        return encode_packet(
            MotionPacket(
                counter,
                number,
                self.total,
                self._first_ms + first * 1_000 // RATE_HZ,
                float(RATE_HZ),
                16,
                samples,
            )
        )


@pytest.fixture
def scene(bench):
    """Ten quiet seconds, a candidate that is 15 s old, and a wearable that answers."""

    class Scene:
        def __init__(self) -> None:
            self.second = 100

        def firmware(self, samples: np.ndarray) -> Firmware:
            # The advert of second 110 says that the candidate is 15 s old: at 95 s.
            return Firmware(bench.radio, samples, first_ms=85_000)

        async def quiet(self, seconds: int = 10, **changes: object) -> None:
            await bench.advertise(seconds, first=self.second, **changes)
            self.second += seconds

        async def candidate(self, seconds: int, firmware=None, **changes: object) -> None:
            values = {"candidate_counter": 3, "candidate_peak_g": 5.0, **changes}
            for _ in range(seconds):
                pending = firmware is None or not firmware.acknowledged
                age = min(self.second - 95, 255)
                await self.quiet(1, candidate_pending=pending, candidate_age_s=age, **values)

    return Scene()


def test_a_window_is_read_suspects_a_fall_and_is_written_back(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        gateway = bench.gateway()
        async with bench.running(gateway):
            await scene.quiet()
            await scene.candidate(5, firmware)
            (event,) = bench.far_end.of(SUSPECTED)
            assert event.fall_id == "wearable-1:7:3"
            assert event.key == "resident-1:fall:wearable-1:7:3"
            assert (event.device, event.resident, event.zone) == (
                "wearable-1",
                "resident-1",
                "corridor",
            )
            assert event.evidence.detector == "fall_convolution/1"
            assert event.evidence.waveform is not None
            # Adverts of second s arrive at its end: second 95 lies 5 s before the start.
            start_us = (bench.clock.now_ns() - bench.clock.monotonic_ns()) // 1_000
            assert event.at_us == pytest.approx(start_us - 4_500_000, abs=300_000)
            assert firmware.acknowledged == [3]
            assert not gateway.outbox.result(Counter("wearable-1", "candidate", 7, 3)), (
                "taken back by the wearable: the number may come again"
            )

    bench.clock.run(main())


def test_a_window_that_comes_late_is_shown_to_its_end_over_the_same_link(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        async with bench.running(bench.gateway()):
            await scene.quiet()
            await scene.candidate(25, firmware)
        (suspected,) = bench.far_end.of(SUSPECTED)
        (detected,) = bench.far_end.of(EventKind.FALL_DETECTED)
        assert shown_s(suspected) < 10
        assert shown_s(detected) == 15
        assert firmware.requests == [0]
        assert bench.radio.connects == 1

    bench.clock.run(main())


def test_what_is_only_shown_makes_way_for_the_next_candidate(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        firmware.never = set(range(28, 50))
        async with bench.running(bench.gateway()):
            await scene.quiet(2)
            await scene.candidate(1)
            assert len(bench.far_end.of(SUSPECTED)) == 1
            await scene.quiet(4, candidate_counter=3)
            assert firmware.requests == [0, 28], "the rest is asked for, and does not come"
            await scene.candidate(2, candidate_counter=4)
            assert firmware.requests == [0, 28, 0]
            assert firmware.acknowledged == [3, 4]
            assert bench.radio.connects == 3, "nobody reads two things over one link"
            await scene.quiet(60, candidate_counter=4)
            assert len(firmware.requests) < 10, "not for ever"

    bench.clock.run(main())


def test_a_link_that_breaks_is_taken_up_where_it_broke(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        firmware.break_after = [7, 0, 9]
        async with bench.running(bench.gateway()):
            await scene.quiet()
            await scene.candidate(30, firmware)
        assert firmware.requests == [0, 7, 7, 16]
        assert len(bench.far_end.of(SUSPECTED)) == 1
        assert firmware.acknowledged == [3]

    bench.clock.run(main())


def test_packets_that_get_lost_are_asked_for_again(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        # The impact itself is in packet 20.
        firmware.lose = {0: {19, 20, 21}}
        async with bench.running(bench.gateway()):
            await scene.quiet()
            await scene.candidate(20, firmware)
        assert firmware.requests == [0, 19]
        assert len(bench.far_end.of(SUSPECTED)) == 1

    bench.clock.run(main())


def test_packets_that_do_not_exist_end_the_window(bench, scene):
    async def main():
        firmware = scene.firmware(quiet_window())
        firmware.never = {0, 1, 49}
        async with bench.running(bench.gateway()):
            await scene.quiet()
            await scene.candidate(40, firmware, candidate_peak_g=2.1)
        assert bench.far_end.of(SUSPECTED) == []
        assert firmware.acknowledged == [3]

    bench.clock.run(main())


def test_no_fall_is_a_result_that_survives_a_restart(bench, scene):
    async def main():
        firmware = scene.firmware(quiet_window())
        gateway = bench.gateway()
        async with bench.running(gateway):
            await scene.quiet()
            await scene.candidate(5)
            assert bench.far_end.of(SUSPECTED) == []
            assert firmware.acknowledged == [3]
        # The wearable did not take the acknowledgement; a new session only writes it back.
        firmware.acknowledged.clear()
        async with bench.running(bench.gateway()):
            await scene.candidate(5, firmware)
        assert firmware.requests == [0]
        assert firmware.acknowledged == [3]

    bench.clock.run(main())


def test_garbage_packets_are_counted_and_do_no_harm(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        firmware.garbage = True
        gateway = bench.gateway()
        async with bench.running(gateway):
            await scene.quiet()
            await scene.candidate(5, firmware)
            assert len(bench.far_end.of(SUSPECTED)) == 1
            assert gateway.counts.all_rejected > 20
            assert bench.far_end.faults(FaultCause.PACKET_REJECTED)

    bench.clock.run(main())


@pytest.mark.parametrize(("peak_g", "alarms"), [(5.0, 1), (2.1, 0)])
def test_without_any_link_a_high_peak_alone_is_an_alarm(bench, scene, peak_g, alarms):
    async def main():
        bench.radio.connectable = False
        gateway = bench.gateway()
        async with bench.running(gateway):
            await scene.quiet()
            began = bench.clock.now_ns() // 1_000
            await scene.candidate(60, candidate_peak_g=peak_g)
            events = bench.far_end.of(SUSPECTED)
            assert len(events) == alarms
            if alarms:
                assert events[0].emitted_at_us - began < 35_000_000
                assert events[0].evidence.features == {"peak_g": pytest.approx(peak_g, abs=0.1)}
                assert events[0].fall_id == "wearable-1:7:3"
            (fault,) = bench.far_end.faults(FaultCause.WINDOW_NOT_FETCHED)
            assert fault.device == "wearable-1"
            # The link comes back: the wearable is answered, and the fault ends.
            firmware = scene.firmware(quiet_window())
            bench.radio.connectable = True
            await scene.candidate(
                RETRY_GIVEN_UP_NS // NS_PER_S + 20, firmware, candidate_peak_g=peak_g
            )
            assert firmware.acknowledged == [3]
            assert [each.kind for each in bench.far_end.faults(FaultCause.WINDOW_NOT_FETCHED)] == [
                EventKind.FAULT,
                EventKind.FAULT_CLEARED,
            ]
            assert len(bench.far_end.of(SUSPECTED)) == alarms

    bench.clock.run(main())


def test_a_result_is_not_written_back_before_it_is_on_the_disk(bench, scene):
    async def main():
        firmware = scene.firmware(fall_window())
        bench.far_end.ingest_up = False
        gateway = bench.gateway()
        async with bench.running(gateway):
            await scene.quiet()
            gateway.outbox.ballast.drop()
            gateway.outbox.ballast._size = 2**60
            connection = gateway.outbox._file._connection
            connection.execute("PRAGMA max_page_count = 1")
            use_up_what_is_free_within(connection)
            await scene.candidate(20, firmware)
            assert len(bench.far_end.of(SUSPECTED)) == 1, "published from memory all the same"
            assert bench.siren.tones[0] == "alarm"
            assert bench.far_end.faults(FaultCause.OUTBOX_UNWRITABLE)
            assert firmware.acknowledged == []
            connection.execute("PRAGMA max_page_count = 1000000")
            await scene.candidate(30, firmware)
            assert firmware.acknowledged == [3]
            assert not gateway.faults.stands(FaultCause.OUTBOX_UNWRITABLE, "gateway-a")

    bench.clock.run(main())


def test_a_simulated_fall_is_suspected_within_five_seconds_of_its_impact(bench):
    async def main():
        plan = demo_home()
        simulation = SimulatedHome(plan, bench.clock, seed=1)
        gateway = bench.gateway(
            radio=simulation.radio("gateway-a"), config=plan.gateway_config("gateway-a")
        )
        living = asyncio.create_task(simulation.run())
        async with bench.running(gateway):
            await bench.clock.sleep(30)
            simulation.fall("resident-1")
            simulation.fall("resident-2")
            await bench.clock.sleep(60)
        living.cancel()
        suspected = {each.resident: each for each in bench.far_end.of(SUSPECTED)}
        impacts = {e.resident: e.at_us for e in simulation.truth if e.what == "fall_impact"}
        assert set(suspected) == {"resident-1", "resident-2"}
        for resident, event in suspected.items():
            assert abs(event.at_us - impacts[resident]) < 1_000_000
            assert event.emitted_at_us - event.at_us < 5_000_000
        detected = {each.resident: each for each in bench.far_end.of(EventKind.FALL_DETECTED)}
        for resident, event in detected.items():
            assert event.fall_id == suspected[resident].fall_id
            assert event.at_us == suspected[resident].at_us
        assert set(detected) == set(suspected)
        assert not simulation.wearable("resident-2")._candidate_pending
        assert not simulation.wearable("resident-1")._candidate_pending

    bench.clock.run(main())
