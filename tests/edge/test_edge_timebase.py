"""Monotonic, grid, wall and device time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.units import NS_PER_MS, NS_PER_S
from edge.timebase import (
    IMPLAUSIBLE_NS,
    LATEST_WALL_US,
    MAX_DRIFT_OF_OTHERS,
    REBASE_AFTER,
    SECOND_MODULUS_NS,
    DeviceTime,
    SessionTime,
)


def test_a_jump_moves_wall_time_and_not_the_grid():
    clock = VirtualClock()
    time = SessionTime(clock)
    clock.pass_time(10 * NS_PER_S)
    at_ns = clock.monotonic_ns()
    grid_before, wall_before = time.grid_now_ns(), time.wall_us(at_ns)
    clock.jump_wall(-3_600)
    assert time.check() == -3_600 * NS_PER_S
    assert time.grid_now_ns() == grid_before
    assert time.wall_us(at_ns) == wall_before - 3_600_000_000
    assert time.check() is None


def test_a_small_correction_is_followed_without_a_word():
    clock = VirtualClock()
    time = SessionTime(clock)
    before = time.wall_us(0)
    clock.jump_wall(1.5)
    assert time.check() is None
    assert time.wall_us(0) == before + 1_500_000


def test_wall_time_stays_within_what_the_wire_takes():
    clock = VirtualClock()
    clock.jump_wall(-clock.now_ns() / NS_PER_S)
    time = SessionTime(clock)
    assert time.wall_us(-15 * NS_PER_S) == 0
    clock.jump_wall(200 * 365.25 * 86_400)
    time.check()
    assert time.wall_us(0) == LATEST_WALL_US


@given(
    uptime_s=st.integers(0, 400 * 86_400),
    delays_ms=st.lists(st.integers(1, 900), min_size=1, max_size=40),
)
def test_device_time_is_known_to_the_shortest_delay(uptime_s, delays_ms):
    """Whatever the device's age: its 16-bit seconds and 32-bit milliseconds agree."""
    device, start_ns = DeviceTime(), 5_000 * NS_PER_S
    for index, delay_ms in enumerate(delays_ms):
        second = uptime_s + index
        arrival_ns = start_ns + index * NS_PER_S + delay_ms * NS_PER_MS
        device_ns = device.unwrap_second(second % 65_536, arrival_ns)
        assert device.observe(device_ns, arrival_ns)
    now_ns = start_ns + len(delays_ms) * NS_PER_S
    milliseconds = ((uptime_s + len(delays_ms)) * 1_000 - 700) % 2**32
    at_ns = device.unwrap_millisecond(milliseconds, device.device_ns(now_ns))
    error_ns = device.monotonic_ns(at_ns) - (now_ns - 700 * NS_PER_MS)
    shortest_ns = min(delays_ms) * NS_PER_MS
    drift_ns = len(delays_ms) * NS_PER_S * 100e-6 + 1_000
    assert shortest_ns - 1 <= error_ns <= shortest_ns + drift_ns


def test_seconds_wrap_without_a_step():
    device = DeviceTime()
    unwrapped = []
    for second in range(65_530, 65_550):
        arrival_ns = second * NS_PER_S
        device_ns = device.unwrap_second(second % 65_536, arrival_ns)
        assert device.observe(device_ns, arrival_ns)
        unwrapped.append(device_ns)
    assert np.diff(unwrapped).tolist() == [NS_PER_S] * 19
    assert unwrapped[-1] > SECOND_MODULUS_NS


def test_one_absurd_time_is_refused_a_real_step_is_believed():
    device = DeviceTime()
    for second in range(10):
        assert device.observe(second * NS_PER_S, second * NS_PER_S)
    assert not device.observe(10 * NS_PER_S + 2 * IMPLAUSIBLE_NS, 10 * NS_PER_S)
    assert device.observe(11 * NS_PER_S, 11 * NS_PER_S)
    step_ns = 3_600 * NS_PER_S
    answers = [
        device.observe(second * NS_PER_S + step_ns, second * NS_PER_S)
        for second in range(12, 12 + REBASE_AFTER)
    ]
    assert answers == [False] * (REBASE_AFTER - 1) + [True]
    assert device.monotonic_ns(20 * NS_PER_S + step_ns) == 20 * NS_PER_S


def test_a_slow_device_clock_is_followed():
    device = DeviceTime()
    for second in range(0, 86_400, 10):
        arrival_ns = second * NS_PER_S
        # 50 ppm slow: 4.3 s a day.
        assert device.observe(int(arrival_ns * (1 - 50e-6)), arrival_ns)
    error_ns = device.monotonic_ns(int(86_390 * NS_PER_S * (1 - 50e-6))) - 86_390 * NS_PER_S
    assert abs(error_ns) < 5 * NS_PER_MS


@given(st.lists(st.integers(0, 400), min_size=2, max_size=60))
def test_a_streams_samples_never_run_backwards(delays_ms):
    device, times = DeviceTime(), []
    for index, delay_ms in enumerate(delays_ms):
        begin_ns = index * 500 * NS_PER_MS
        end_ns = begin_ns + 480 * NS_PER_MS
        arrival_ns = end_ns + delay_ms * NS_PER_MS
        assert device.observe(end_ns, arrival_ns)
        distance_ns = device.stream_distance_ns(arrival_ns)
        times += [begin_ns + distance_ns, end_ns + distance_ns]
    assert all(np.diff(times) > 0)


@given(st.lists(st.integers(0, 700), min_size=5, max_size=60))
def test_every_summary_gets_a_second_of_its_own(delays_ms):
    """Once the shortest delay is known, neighbours stay neighbours."""
    device, seconds = DeviceTime(), []
    device.observe(0, 0)
    for index, delay_ms in enumerate(delays_ms, start=1):
        arrival_ns = index * NS_PER_S + delay_ms * NS_PER_MS
        assert device.observe(index * NS_PER_S, arrival_ns)
        seconds.append(device.grid_second(index * NS_PER_S, 450 * NS_PER_MS))
    assert np.diff(seconds).tolist() == [1] * (len(delays_ms) - 1)


@pytest.mark.parametrize("error", [-700e-6, 700e-6])
def test_a_clock_without_a_crystal_is_followed(error):
    """Half an hour of packets from a clock that is wrong by 700 parts in a million."""
    others, ours = DeviceTime(MAX_DRIFT_OF_OTHERS), DeviceTime()
    random = np.random.default_rng(1)
    for at_ns in range(0, 1_800 * NS_PER_S, 720_000_000):
        device_ns = round(at_ns * (1 + error))
        arrival_ns = at_ns + int(random.integers(10_000_000, 60_000_000))
        for clock in (others, ours):
            assert clock.observe(device_ns, arrival_ns)
        off_ns = device_ns + others.stream_distance_ns(arrival_ns) - at_ns
        assert abs(off_ns) < 0.08 * NS_PER_S
    off_ns = device_ns + ours.stream_distance_ns(arrival_ns) - at_ns
    assert (off_ns < -0.9 * NS_PER_S) == (error < 0), "as ours it would come too late"
