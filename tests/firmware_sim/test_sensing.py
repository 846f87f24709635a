from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from contract.advert import decode_manufacturer_data
from firmware_sim.sensing import LowPass, SampleRing, Summariser, quantise
from firmware_sim.transfers import Timebase
from firmware_sim.wearable import SecondSummary, Wearable


def noise(rows, count, seed=0, scale=0.3):
    samples = np.random.default_rng(seed).normal(0, scale, (rows, 3, count))
    samples[:, 2] += 1.0
    return samples.astype(np.float32)


@given(
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    rate_hz=st.sampled_from([50.0, 39.62, 32.0, 200.0]),
)
@settings(max_examples=30, deadline=None)
def test_the_low_pass_is_the_butterworth_however_it_is_cut(cuts, rate_hz):
    samples = noise(2, sum(cuts))
    sections = signal.butter(2, 10.0, fs=rate_hz, output="sos")
    steady = signal.sosfilt_zi(sections)[:, None, None, :] * samples[None, :, :, :1]
    whole, _ = signal.sosfilt(sections, samples.astype(np.float64), zi=steady)
    low_pass = LowPass(2, rate_hz)
    edges = np.cumsum([0, *cuts])
    pieces = [low_pass.push(samples[:, :, a:b]) for a, b in pairwise(edges)]
    assert np.allclose(np.concatenate(pieces, axis=2), whole, atol=2e-5)


def test_a_recording_below_twice_the_corner_passes_as_it_is():
    samples = noise(1, 20)
    assert np.array_equal(LowPass(1, 20.0).push(samples), samples)


def test_a_summary_is_what_scipy_makes_of_the_same_samples():
    samples = quantise(noise(4, 500, seed=5, scale=0.8))
    sections = signal.butter(2, 10.0, fs=50.0, output="sos")
    steady = signal.sosfilt_zi(sections)[:, None, None, :] * samples[None, :, :, :1]
    whole, _ = signal.sosfilt(sections, samples.astype(np.float64), zi=steady)
    magnitude = np.sqrt((whole**2).sum(axis=1)).reshape(4, 10, 50)
    summariser = Summariser(4, 50.0)
    for second in range(10):
        chunk = samples[:, :, 50 * second : 50 * (second + 1)]
        got = summariser.push(chunk)
        assert np.allclose(got.mean_g, chunk.mean(axis=2), atol=1e-5)
        assert np.allclose(got.min_g, magnitude[:, second].min(axis=1), atol=1e-4)
        assert np.allclose(got.max_g, magnitude[:, second].max(axis=1), atol=1e-4)
        assert np.allclose(got.deviation_g, magnitude[:, second].std(axis=1), atol=1e-4)
        assert got.measured.tolist() == [50] * 4


def test_gaps_are_left_out_of_the_summary_and_spoil_nothing_after():
    samples = noise(2, 150)
    samples[0, :, 20:70] = np.nan
    with_gaps, without = Summariser(2, 50.0), Summariser(2, 50.0)
    for second in range(3):
        chunk = samples[:, :, 50 * second : 50 * (second + 1)]
        got = with_gaps.push(chunk, gaps=True)
        whole = without.push(np.nan_to_num(chunk))
        assert got.measured.tolist() == [[20, 50], [30, 50], [50, 50]][second]
        assert np.isfinite(got.max_g).all()
        assert np.isnan(got.magnitude_g).sum() == 100 - got.measured.sum()
        # Another row does not notice, and half a second later neither does this one.
        assert np.allclose(got.max_g[1], whole.max_g[1], atol=1e-5)
    assert got.max_g[0] == pytest.approx(whole.max_g[0], abs=1e-3)


def test_a_second_without_any_sample_is_not_advertised():
    wearable = Wearable("w", "C0:00:00:00:00:01", 1, seed="0")
    wearable.attach(SampleRing(1, 50.0), 0, Timebase(0, 0, 50.0))
    nothing = SecondSummary(0, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, saturated=False)
    assert wearable.end_second(nothing, np.full(50, np.nan), 0, 10**9) is None


def test_the_sensor_clips_at_its_range_and_says_so():
    samples = quantise(np.full((1, 3, 50), 11.0, np.float32) * np.array([[[1], [-1], [0.1]]]))
    samples = samples.astype(np.float32)
    assert samples[0, 0, 0] == pytest.approx(8.0, abs=3e-4)
    assert samples[0, 1, 0] == -8.0
    assert Summariser(1, 50.0).push(samples).saturated.tolist() == [True]
    assert Summariser(1, 50.0).push(noise(1, 50)).saturated.tolist() == [False]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=120), st.data())
@settings(max_examples=40, deadline=None)
def test_the_ring_gives_back_what_was_written_or_says_that_it_is_gone(counts, data):
    ring = SampleRing(2, 20.0)
    written = np.arange(sum(counts), dtype=np.float32)
    at = 0
    for count in counts:
        chunk = np.tile(written[at : at + count], (2, 3, 1))
        ring.append(chunk)
        at += count
    assert ring.end == at
    assert ring.end - ring.oldest >= min(at, 60 * 20)
    first = data.draw(st.integers(0, at))
    count = data.draw(st.integers(0, min(at - first, 1_000)))
    if first < ring.oldest:
        with pytest.raises(IndexError):
            ring.read(1, first, count)
    else:
        assert np.array_equal(ring.read(1, first, count)[2], written[first : first + count])
    with pytest.raises(IndexError):
        ring.read(0, at, 1)


class Bench:
    """A wearable that is fed seconds of |a| directly."""

    def __init__(self, placement="wrist"):
        self.wearable = Wearable("w", "C0:00:00:00:00:01", 1, seed="0", placement=placement)
        self.ring = SampleRing(1, 50.0)
        self.wearable.attach(self.ring, 0, Timebase(0, 0, 50.0))
        self.second = 0

    def feed(self, magnitude):
        first = self.ring.end
        self.ring.append(np.zeros((1, 3, 50), np.float32))
        summary = SecondSummary(
            50, (0.0, 0.0, 1.0), float(magnitude.min()), float(magnitude.max()), 0.1, False
        )
        self.second += 1
        data = self.wearable.end_second(summary, magnitude, first, self.second * 10**9)
        return decode_manufacturer_data(data)


def second_with(*peaks):
    magnitude = np.ones(50, np.float32)
    for place, height in peaks:
        magnitude[place] = height
    return magnitude


def test_the_screen_counts_an_impact_and_its_bounces_once():
    bench = Bench()
    assert not bench.feed(second_with((10, 1.79))).candidate_pending
    said = bench.feed(second_with((10, 2.5), (30, 4.0)))
    assert (said.candidate_counter, said.candidate_pending) == (1, True)
    assert said.candidate_peak_g == 4.0
    assert bench.feed(second_with((40, 3.0))).candidate_counter == 1
    assert bench.feed(second_with()).candidate_counter == 1
    # Three seconds after the first crossing another impact is another candidate.
    assert bench.feed(second_with((9, 3.0))).candidate_counter == 1
    said = bench.feed(second_with((9, 3.0)))
    assert (said.candidate_counter, said.candidate_age_s) == (2, 0)
    assert said.candidate_peak_g == 3.0


def test_the_screen_is_that_of_the_placement():
    made = {
        placement: Bench(placement).feed(second_with((10, 1.7))).candidate_pending
        for placement in ("wrist", "waist", "pendant", "ankle")
    }
    assert made == {"wrist": False, "waist": True, "pendant": True, "ankle": False}


def test_counters_wrap_and_age_stops_at_its_last_value():
    bench = Bench()
    for _ in range(260):
        bench.wearable.press_button()
    for _ in range(300):
        said = bench.feed(second_with())
    assert said.button_counter == 260 % 256
    assert said.candidate_age_s == 255
    bench.feed(second_with((1, 3.0)))
    for _ in range(300):
        said = bench.feed(second_with())
    assert said.candidate_age_s == 255
    assert said.candidate_pending


def test_a_simulated_home_does_not_read_all_of_scipy():
    """Which takes longer than everything else at a gateway's start, a replay's or the demo's."""
    program = "import sys, firmware_sim, firmware_sim.capture; print('scipy' in sys.modules)"
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout == "False\n"
