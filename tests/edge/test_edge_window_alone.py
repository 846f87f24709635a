"""A window by itself: what it sees does not depend on how it comes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.packets import MotionPacket
from contract.screen import GRID_HZ, MOTION_HZ
from contract.units import NS_PER_S
from detectors import FallDetector, Grid
from edge.timebase import DeviceTime, SessionTime
from edge.window import Window
from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, unit


def falling(seed: int) -> np.ndarray:
    """25 s at `GRID_HZ`: standing, a hard impact at 10 s, lying."""
    random = np.random.default_rng(seed)
    fall = make_fall(random, HANGING, upright=True)
    samples = np.repeat(unit(HANGING)[:, None], 25 * GRID_HZ, axis=1)
    begin = 10 * GRID_HZ - fall.impact_sample
    end = begin + fall.samples_g.shape[1]
    samples[:, begin:end] = fall.samples_g
    samples[:, end:] = fall.samples_g[:, -1:]
    beyond = np.clip(np.linalg.norm(samples, axis=0) - 1.4, 0, 1)
    return samples * (1 + 0.7 * beyond) + random.normal(0, 0.01, samples.shape)


@settings(max_examples=25, deadline=None)
@given(
    rate_hz=st.sampled_from([20.0, 25.0, 31.25, 50.0, 100.0, 200.0]),
    begin_ms=st.integers(0, 999),
    size=st.integers(10, 38),
    seed=st.integers(0, 50),
)
def test_a_window_that_is_judged_as_it_comes_is_judged_as_a_whole(rate_hz, begin_ms, size, seed):
    whole = falling(seed)
    at = np.arange(round(25 * rate_hz)) / rate_hz * GRID_HZ
    samples = np.stack([np.interp(at, np.arange(whole.shape[1]), axis) for axis in whole])
    samples = samples.astype(np.float32)
    time = SessionTime(VirtualClock())
    window, grid, detector = Window(10 * NS_PER_S, "wrist"), Grid(1), FallDetector(1)
    total = -(-samples.shape[1] // size)
    seen = []
    for number in range(total):
        part = samples[:, number * size : (number + 1) * size]
        at_ms = begin_ms + round(number * size * 1_000 / rate_hz)
        packet = MotionPacket(1, number, total, at_ms, rate_hz, 16, part)
        window.add(packet, DeviceTime(), time)
        grid.push(0, time.grid_ns(at_ms * 1_000_000) + packet.offsets_ns, part)
        seen += window.advance()
    expected = [
        detection
        for block in grid.close(time.grid_ns(26 * NS_PER_S) // NS_PER_S)
        for detection in detector.step(block)
    ]
    assert [each[:-1] for each, _ in seen] == [each[:-1] for each in expected[:1]]
    for (detection, excerpt), other in zip(seen, expected, strict=False):
        assert np.array_equal(detection.waveform[1], other.waveform[1])
        window.show()
        assert excerpt.heard == 15 * MOTION_HZ
