"""What a gateway gets that does something else now than the recording one did then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from contract.advert import COMPANY_ID
from contract.clock import VirtualClock
from contract.gatt import CONTROL_UUID, STREAM_UUID, WINDOW_UUID, Operation, encode_command
from contract.messages import SensorConfig, WearableConfig
from contract.packets import MotionPacket, encode_packet
from contract.protocols import HeardAdvert, LinkLostError
from firmware_sim.capture import (
    Capture,
    CaptureError,
    CaptureRadio,
    CaptureWriter,
    RecordingRadio,
)
from firmware_sim.capture.format import LinkStep

ADDRESS = "C0:DE:5A:00:00:01"
OTHER = "C0:DE:5A:00:00:02"
S = 10**9


class Air:
    """A capture made by hand: times in seconds since its beginning."""

    def __init__(self, folder, scene):
        self.folder = folder
        self.writer = CaptureWriter(folder, scene)
        self._begin_ns = scene.clock.monotonic_ns
        self._links = 0

    def ns(self, at_s):
        return self._begin_ns + round(at_s * S)

    def adverts(self, at_s, *batch):
        self.writer.advert_batch(self.ns(at_s), batch)

    def attempt(self, asked_s, address=ADDRESS, *, up_s=None, failed_s=None, reason=None):
        self._links += 1
        number = self._links
        self.step(asked_s, LinkStep.ASKED, number, address)
        if up_s is not None:
            self.step(up_s, LinkStep.CONNECTED, number, address)
        if failed_s is not None:
            self.step(failed_s, LinkStep.FAILED, number, address, reason=reason)
        return number

    def step(self, at_s, step, number, address=ADDRESS, **more):
        self.writer.link(self.ns(at_s), number, address, step, **more)

    def notified(self, at_s, number, payload, characteristic=STREAM_UUID, address=ADDRESS):
        self.step(
            at_s,
            LinkStep.NOTIFIED,
            number,
            address,
            characteristic=characteristic,
            data=payload,
            arrival_ns=self.ns(at_s) - 1_000_000,
        )

    def end(self, at_s):
        VirtualClock().run(self.writer.close(self.ns(at_s), "the test was over"))
        return Capture(self.folder)


@pytest.fixture
def air(tmp_path, make_scene):
    recorded = VirtualClock(datetime(2026, 3, 1, 2, 30, 0, 250_000, tzinfo=UTC))
    recorded.pass_time(77 * S)
    return Air(tmp_path / "capture", make_scene(recorded))


def play(capture, story, clock=None):
    """Play `capture` and run `story(radio, clock, at)` beside it; `at` waits until a second."""
    # A whole second of the wall, as when the capture began at 250 ms.
    clock = clock or VirtualClock(datetime(2026, 5, 1, tzinfo=UTC) + timedelta(milliseconds=250))

    async def main():
        radio = CaptureRadio(capture, clock)
        begin_ns = clock.monotonic_ns()

        async def at(seconds):
            await clock.sleep((begin_ns + seconds * S - clock.monotonic_ns()) / S)

        playing = asyncio.ensure_future(radio.run())
        await asyncio.sleep(0)
        await asyncio.gather(story(radio, clock, at), playing)
        assert not asyncio.all_tasks() - {asyncio.current_task()}
        return radio

    return clock.run(main())


def seconds(clock):
    return round(clock.monotonic_ns() / S, 3)


def window_packet(number, candidate=5, total=3):
    samples = np.zeros((3, 25), np.float32)
    return encode_packet(MotionPacket(candidate, number, total, 500 * number, 50.0, 16, samples))


async def drain(packets, into, clock=None):
    try:
        async for payload, _arrival_ns in packets:
            into.append(payload if clock is None else (seconds(clock), payload))
    except LinkLostError as error:
        into.append(str(error))


def test_adverts_come_at_their_moments_in_their_batches_with_their_stamps(air, advert):
    stamp = advert._replace(received_ns=air.ns(0.9))
    air.adverts(1, stamp, stamp._replace(address=OTHER))
    air.adverts(1, stamp._replace(rssi_dbm=-90))
    air.adverts(2.5, stamp._replace(received_ns=air.ns(2.4)))
    heard = []

    async def story(radio, clock, at):
        listening = asyncio.ensure_future(listen(radio, clock))
        await at(4)
        await radio.close()
        await listening

    async def listen(radio, clock):
        async for batch in radio.adverts():
            stamps = [(a.rssi_dbm, a.received_ns / S) for a in batch]
            heard.append((seconds(clock), stamps))

    play(air.end(3), story)
    assert heard == [
        (1, [(-60, 0.9), (-60, 0.9)]),
        (1, [(-90, 0.9)]),
        (2.5, [(-60, 2.4)]),
    ]


def test_it_begins_at_the_same_place_in_the_second_of_the_wall_clock(air, advert):
    air.adverts(1, advert._replace(received_ns=air.ns(1)))
    walls = []

    async def story(radio, clock, at):
        async for batch in radio.adverts():
            offset_ns = clock.now_ns() - clock.monotonic_ns()
            walls.append((batch[0].received_ns + offset_ns) % S)
            return

    for start in ("00:00:00.000001", "12:00:00.249999", "23:59:59.900000"):
        clock = VirtualClock(datetime.fromisoformat(f"2026-05-01T{start}+00:00"))
        play(Capture(air.folder) if walls else air.end(2), story, clock)
    assert walls == [250_000_000] * 3


def test_a_link_comes_up_when_the_recording_had_one(air):
    number = air.attempt(2, up_s=2.4)
    air.step(6, LinkStep.LOST, number, reason="out of reach")
    times = []

    async def story(radio, clock, at):
        await at(1)
        link = await radio.connect(ADDRESS)
        times.append(seconds(clock))
        await link.disconnect()
        await at(4)
        await radio.connect(ADDRESS)
        times.append(seconds(clock))

    radio = play(air.end(10), story)
    assert times == [2.4, 4]
    assert radio.counts.links == 2


def test_a_recorded_failure_fails_again_at_its_moment_and_with_its_reason(air):
    air.attempt(2, failed_s=9, reason="did not answer")
    air.attempt(10, up_s=10.5)

    async def story(radio, clock, at):
        await at(3)
        with pytest.raises(LinkLostError, match="did not answer"):
            await radio.connect(ADDRESS)
        assert seconds(clock) == 9
        await radio.connect(ADDRESS)
        assert seconds(clock) == 10.5

    play(air.end(12), story)


@pytest.mark.parametrize("when", ["another address", "long before", "after the last"])
def test_what_was_never_recorded_is_refused_with_the_reason(air, when):
    number = air.attempt(30, up_s=30.5)
    air.step(31, LinkStep.LET_GO, number)

    async def story(radio, clock, at):
        await at(32 if when == "after the last" else 5)
        with pytest.raises(LinkLostError, match="recording has no link to C0"):
            await radio.connect(OTHER if when == "another address" else ADDRESS)
        assert seconds(clock) in (5, 32)

    radio = play(air.end(40), story)
    assert radio.counts.links_refused == 1


def test_notifications_come_at_their_moments_to_whoever_has_subscribed(air):
    number = air.attempt(1, up_s=1)
    for at_s in (2, 3, 4):
        air.notified(at_s, number, b"stream %d" % at_s)
    air.notified(3, number, b"elsewhere", characteristic=WINDOW_UUID)
    air.step(5, LinkStep.LOST, number, reason="the wearable restarted")
    came = []

    async def story(radio, clock, at):
        await at(2.5)
        link = await radio.connect(ADDRESS)
        await link.write(CONTROL_UUID, encode_command(Operation.START_STREAM))
        await drain(link.notifications(STREAM_UUID), came, clock)
        with pytest.raises(LinkLostError, match="restarted"):
            await link.write(CONTROL_UUID, b"\x01\x00")

    radio = play(air.end(6), story)
    assert came == [(3, b"stream 3"), (4, b"stream 4"), "the wearable restarted"]
    assert radio.counts.notifications == 2
    assert radio.counts.notifications_missed == 2


def test_traffic_of_the_next_link_reaches_one_that_was_kept(air):
    """The recording gateway let go and came back; the one of now has stayed."""
    first = air.attempt(1, up_s=1)
    air.notified(2, first, b"first")
    air.step(3, LinkStep.LET_GO, first)
    second = air.attempt(4, up_s=4.2)
    air.notified(5, second, b"second")
    came = []

    async def story(radio, clock, at):
        link = await radio.connect(ADDRESS)
        draining = asyncio.ensure_future(drain(link.notifications(STREAM_UUID), came))
        await at(6)
        await link.disconnect()
        await draining

    play(air.end(6), story)
    assert came == [b"first", b"second", "the gateway let go"]


def test_a_window_that_is_asked_for_late_comes_at_once_and_each_packet_once(air):
    number = air.attempt(1, up_s=1)
    for at_s, payload in (
        (2, window_packet(0)),
        (2, window_packet(1)),
        (2.1, window_packet(0, candidate=4)),
        (2.2, b"garbage"),
        (20, window_packet(2)),
    ):
        air.notified(at_s, number, payload, characteristic=WINDOW_UUID)
    came = []

    async def story(radio, clock, at):
        await at(10)
        link = await radio.connect(ADDRESS)
        draining = asyncio.ensure_future(drain(link.notifications(WINDOW_UUID), came, clock))
        for _ in range(2):
            await link.write(CONTROL_UUID, encode_command(Operation.REQUEST_WINDOW, 5, 0))
        await at(25)
        await link.disconnect()
        await draining

    play(air.end(30), story)
    assert came[:-1] == [
        (10, window_packet(0)),
        (10, window_packet(1)),
        (20, window_packet(2)),
    ]


def test_a_window_is_not_kept_for_ever(air):
    number = air.attempt(1, up_s=1)
    air.notified(2, number, window_packet(0), characteristic=WINDOW_UUID)
    came = []

    async def story(radio, clock, at):
        await at(90)
        link = await radio.connect(ADDRESS)
        draining = asyncio.ensure_future(drain(link.notifications(WINDOW_UUID), came))
        await link.write(CONTROL_UUID, encode_command(Operation.REQUEST_WINDOW, 5, 0))
        await at(99)
        await radio.close()
        await draining

    play(air.end(100), story)
    assert came == ["the radio was closed"]


def test_any_write_is_accepted_while_the_link_stands(air):
    air.attempt(1, up_s=1)

    async def story(radio, clock, at):
        link = await radio.connect(ADDRESS)
        link.notifications(WINDOW_UUID)
        for data in (encode_command(Operation.VIBRATE, 1), b"\x03", b"", b"\xff\xff"):
            await link.write(CONTROL_UUID, data)

    play(air.end(5), story)


def test_a_capture_that_was_cut_off_in_an_attempt_plays_to_its_end(air):
    air.attempt(2)

    async def story(radio, clock, at):
        await at(2.5)
        with pytest.raises(LinkLostError, match="the recording ends here"):
            await radio.connect(ADDRESS)
        assert seconds(clock) == 4

    play(air.end(4), story)


def test_it_is_played_once(air):
    async def story(radio, clock, at):
        with pytest.raises(CaptureError, match="already"):
            await radio.run()

    play(air.end(1), story)


def test_captured_once_more_the_traffic_is_the_same_to_the_byte(three_falls, tmp_path, make_scene):
    """At the hour of the first capture, with every link asked for as it was then."""
    first = Capture(three_falls.folder)
    clock = VirtualClock(datetime.fromtimestamp(first.scene.clock.wall_ns // S, UTC))
    writer = CaptureWriter(tmp_path / "again", make_scene(clock))

    async def main():
        player = CaptureRadio(first, clock)
        radio = RecordingRadio(player, writer, clock)

        async def listen():
            async for _ in radio.adverts():
                pass

        async def hold(asked):
            await clock.sleep(asked.at_ns / S)
            link = await radio.connect(asked.address)
            done = [drain(link.notifications(each), []) for each in (STREAM_UUID, WINDOW_UUID)]
            await asyncio.gather(*done)

        asked = [row for row in first.links() if row.step is LinkStep.ASKED]
        jobs = [asyncio.ensure_future(job) for job in (listen(), *map(hold, asked))]
        await player.run()
        await radio.close()
        await asyncio.gather(*jobs)
        await writer.close(clock.monotonic_ns(), "the test was over")

    clock.run(main())
    again = Capture(tmp_path / "again")
    assert [batch.adverts for batch in again.adverts()] == [
        batch.adverts for batch in first.adverts()
    ]

    def notified(capture):
        rows = [row for row in capture.links() if row.step is LinkStep.NOTIFIED]
        return [(row.address, row.characteristic, row.data, row.arrival_ns) for row in rows]

    assert set(notified(again)) == set(notified(first))


BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"


def test_a_value_is_read_again_at_its_moment_and_later_as_it_was_last(air):
    number = air.attempt(1, up_s=2)
    air.step(3, LinkStep.READ, number, characteristic=BATTERY, data=b"\x50")
    air.step(4, LinkStep.READ_FAILED, number, characteristic="none", reason="there is none")
    air.step(20, LinkStep.READ, number, characteristic=BATTERY, data=b"\x4f")
    capture = air.end(60)
    read = []

    async def story(radio, clock, at):
        await at(1)
        link = await radio.connect(ADDRESS)
        read.append((await link.read(BATTERY), seconds(clock)))
        with pytest.raises(LinkLostError, match="there is none"):
            await link.read("none")
        await at(10)
        read.append((await link.read(BATTERY), seconds(clock)))
        await at(18)
        read.append((await link.read(BATTERY), seconds(clock)))
        await at(40)
        read.append((await link.read(BATTERY), seconds(clock)))
        with pytest.raises(LinkLostError, match="no value"):
            await link.read("never read")
        await link.disconnect()
        with pytest.raises(LinkLostError):
            await link.read(BATTERY)

    play(capture, story)
    assert [value for value, _ in read] == [b"\x50", b"\x50", b"\x4f", b"\x4f"]
    begin = read[0][1] - 3
    assert [at - begin for _, at in read] == pytest.approx([3, 10, 20, 40], abs=0.01)


def test_who_passes_by_is_handed_on_and_not_written_down(tmp_path, make_scene):
    clock = VirtualClock()
    ours = WearableConfig(device="wearable-1", address="C0:DE:00:00:00:01", identity=7)
    door = SensorConfig(device="door-1", address="C0:DE:00:00:00:02", zone="entrance")
    writer = CaptureWriter(tmp_path / "capture", make_scene(clock))
    writer.enrolled([ours], None, [door])
    heard = [
        HeardAdvert(ours.address, -60, {COMPANY_ID: b"spoilt"}, {}, 1),
        HeardAdvert(door.address, -60, {}, {"0000fcd2": b"x"}, 2),
        HeardAdvert("4C:00:00:00:00:03", -60, {0x004C: b"a telephone"}, {}, 3),
        HeardAdvert("4C:00:00:00:00:04", -60, {COMPANY_ID: bytes((1, 9)) + bytes(22)}, {}, 4),
    ]

    class Street:
        async def adverts(self):
            yield heard

    async def main():
        taken = [batch async for batch in RecordingRadio(Street(), writer, clock).adverts()]
        assert taken == [heard]
        await writer.close(clock.monotonic_ns(), "the test was over")

    clock.run(main())
    written = [each for batch in Capture(tmp_path / "capture").adverts() for each in batch.adverts]
    assert [each.address for each in written] == [ours.address, door.address]
