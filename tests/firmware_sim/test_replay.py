from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from contract.advert import COMPANY_ID, decode_manufacturer_data
from contract.clock import VirtualClock
from contract.gatt import CONTROL_UUID, STREAM_UUID, WINDOW_UUID, Operation, encode_command
from contract.packets import decode_packet
from contract.screen import SCREEN_IMPACT_G
from firmware_sim import ParquetRecording, ReplayRadio


@pytest.fixture
def play(make_ear):
    """Play streams, hold a stream to one placement's wearable, and keep what comes."""

    def run(streams, *, held="wrist", **options):
        clock = VirtualClock()
        kept = SimpleNamespace(packets=[], windows={}, clock=clock)

        async def hold(radio):
            link = await radio.connect(radio.wearables_by[held].address)
            packets = link.notifications(STREAM_UUID)
            await link.write(CONTROL_UUID, encode_command(Operation.START_STREAM))
            async for payload, at_ns in packets:
                kept.packets.append((decode_packet(payload), at_ns))

        async def main():
            radio = ReplayRadio(streams, clock, **options)
            radio.wearables_by = {config.placement: config for config in radio.wearables}
            ear = make_ear(radio)
            kept.origin_us = clock.now_ns() // 1_000
            jobs = [asyncio.ensure_future(job) for job in (ear.listen(), hold(radio))]
            playing = asyncio.ensure_future(radio.run())
            await radio.finished()
            await playing
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            kept.radio, kept.ear = radio, ear

        clock.run(main())
        return kept

    return run


def samples_of(kept):
    return np.concatenate([packet.samples_g for packet, _ in kept.packets], axis=1)


def test_a_trial_is_played_at_its_own_rate_between_two_rests(play, make_recorded):
    stream = make_recorded(seconds=8, rate_hz=40.0)
    kept = play([stream])
    (planned,) = kept.radio.schedule
    assert planned.stream is stream
    assert planned.start_us - kept.origin_us >= 20_000_000
    assert planned.end_us - planned.start_us == 8_000_000
    assert planned.until_us - planned.end_us >= 50_000_000
    assert kept.clock.now_ns() // 1_000 == pytest.approx(planned.until_us, abs=10)
    assert {packet.rate_hz for packet, _ in kept.packets} == {40.0}
    whole = samples_of(kept)
    start = 20 * 40 - (kept.packets[0][0].device_time_ms - _booted_ms(kept)) * 40 // 1_000
    played = whole[:, start : start + 320]
    assert np.allclose(played, np.clip(stream.samples_g, -8, 8), atol=1 / 4096)
    # Rest is in the posture of its end, and never quite still.
    assert np.allclose(whole[:, 200:400].mean(axis=1), [0, 0, 1], atol=0.01)
    assert np.allclose(whole[:, -400:].mean(axis=1), [1, 0, 0], atol=0.01)
    assert 0.001 < whole[:, -400:].std() - np.std([1.0, 0.0, 0.0]) + 0.005 < 0.02
    assert 0.002 < whole[1, -400:].std() < 0.02


def _booted_ms(kept):
    """Device time at the beginning of the replay."""
    advert = kept.ear.decoded()[0]
    return (advert.second - 1) * 1_000


def test_the_screen_raises_a_candidate_within_the_trial(play, make_recorded):
    kept = play([make_recorded(seconds=8, rate_hz=32.0)])
    said = [advert for advert in kept.ear.decoded() if advert.candidate_pending]
    assert {advert.candidate_counter for advert in said} == {1}
    assert said[0].candidate_peak_g > SCREEN_IMPACT_G["wrist"]
    impact_us = kept.radio.schedule[0].start_us + 4_000_000
    first = next(
        heard
        for heard in kept.ear.heard
        if decode_manufacturer_data(heard.manufacturer_data[COMPANY_ID]).candidate_pending
    )
    assert 0 <= first.received_ns / 1e3 + kept.origin_us - impact_us < 1_300_000


def test_trials_follow_one_another_each_by_its_placements_wearable(play, make_recorded):
    wrist, waist = make_recorded(trial="a"), make_recorded(trial="b")._replace(placement="waist")
    last = make_recorded(trial="c", rate_hz=25.0)
    kept = play([wrist, waist, last])
    schedule = kept.radio.schedule
    assert [planned.stream.trial for planned in schedule] == ["a", "b", "c"]
    assert [planned.device for planned in schedule] == [
        "replay-wrist",
        "replay-waist",
        "replay-wrist",
    ]
    assert all(
        later.start_us >= earlier.until_us + 20_000_000 for earlier, later in pairwise(schedule)
    )
    assert len({advert.identity for advert in kept.ear.decoded()}) == 2
    assert {packet.rate_hz for packet, _ in kept.packets} == {50.0, 25.0}
    numbers = [packet.number for packet, _ in kept.packets]
    assert numbers == list(range(len(numbers)))
    times = [packet.device_time_ms for packet, _ in kept.packets]
    assert times == sorted(times)
    seconds = [
        advert.second for advert in kept.ear.decoded(kept.radio.wearables_by["wrist"].address)
    ]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))


def test_two_replays_are_the_same_and_a_trial_does_not_depend_on_those_before(play, make_recorded):
    first, second = make_recorded(trial="a"), make_recorded(trial="b", rate_hz=33.3)
    once, again = play([first, second]), play([first, second])
    assert once.ear.heard == again.ear.heard
    assert np.array_equal(samples_of(once), samples_of(again))
    alone = play([second])
    want = samples_of(alone)[:, -2_000:]
    assert np.array_equal(samples_of(once)[:, -2_000:], want)


def test_what_was_not_measured_is_not_sent(play, make_recorded):
    stream = make_recorded(seconds=10, impact=False)
    samples = stream.samples_g.copy()
    samples[:, 100:108] = np.nan
    samples[0, 200:300] = np.nan
    kept = play([stream._replace(samples_g=samples)])
    whole = samples_of(kept)
    assert np.isfinite(whole).all()
    times = np.concatenate(
        [
            packet.device_time_ms + 20 * np.arange(packet.samples_g.shape[1])
            for packet, _ in kept.packets
        ]
    )
    assert sorted(np.diff(times))[-2:] == [180, 2_020]
    seconds = [advert.second for advert in kept.ear.decoded()]
    missing = set(range(seconds[0], seconds[-1])) - set(seconds)
    assert len(missing) == 2


def test_a_window_can_be_fetched_at_the_recordings_rate(make_recorded):
    clock = VirtualClock()
    got = []

    async def fetch(radio):
        async for batch in radio.adverts():
            advert = decode_manufacturer_data(batch[0].manufacturer_data[COMPANY_ID])
            if advert.candidate_pending:
                break
        link = await radio.connect(batch[0].address)
        packets = link.notifications(WINDOW_UUID)
        await link.write(CONTROL_UUID, encode_command(Operation.REQUEST_WINDOW, 1, 0))
        async for payload, _ in packets:
            got.append(decode_packet(payload))
            if len(got) == got[0].total:
                return

    async def main():
        radio = ReplayRadio([make_recorded(rate_hz=39.62)], clock, transport="window")
        assert [config.streaming for config in radio.wearables] == [False]
        reading = asyncio.ensure_future(fetch(radio))
        await radio.run()
        await reading

    clock.run(main())
    samples = np.concatenate([packet.samples_g for packet in got], axis=1)
    assert samples.shape[1] == round(10 * 39.62) + round(15 * 39.62)
    assert abs(np.argmax(np.linalg.norm(samples, axis=0)) - round(10 * 39.62)) < 4


def test_what_cannot_be_played_is_refused(make_recorded):
    clock = VirtualClock()
    with pytest.raises(ValueError, match="no trial"):
        ReplayRadio([], clock)
    waist = make_recorded()._replace(placement="waist")
    wrist_only = ReplayRadio([make_recorded()], clock).wearables
    with pytest.raises(ValueError, match="waist"):
        ReplayRadio([waist], clock, wearables=wrist_only)
    with pytest.raises(ValueError, match="rest"):
        ReplayRadio([waist], clock, after_s=-1.0)


@pytest.mark.parametrize(
    ("file", "trial"),
    [("weda", "U01-F01-R01"), ("weda", "U05-F04-R02"), ("sisfall", "SA01-F05-R01")],
)
def test_a_recorded_fall_raises_a_candidate(play, data_folder, file, trial):
    recording = ParquetRecording(data_folder / "falls" / f"{file}.parquet", trial)
    (stream,) = recording.trials()
    kept = play([stream], held=stream.placement)
    said = [advert for advert in kept.ear.decoded() if advert.candidate_pending]
    assert said
    assert said[0].candidate_peak_g > SCREEN_IMPACT_G["wrist"]
    assert len(kept.packets) > 100
