from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detectors import Grid, SummaryGrid, summary_of
from detectors.minute import MINUTE_S, Minutes
from detectors.sensor import CLEAR_MIN, FROZEN_MIN, SensorCause, SensorTrust, StreamTrust

RATE_HZ = 50


class Ward:
    """One wearable's samples, minute by minute, through the grid, as over a held link."""

    def __init__(self, start_s: int) -> None:
        self.random = np.random.default_rng(3)
        self.second = start_s - start_s % MINUTE_S
        self.grid, self.minutes = Grid(1), Minutes(1)
        self.trust, self.stream = SensorTrust(1), StreamTrust(1)
        self.grid_until = self.second

    def at_home(self, samples: int) -> np.ndarray:
        """Sitting, with a busy arm now and then: (3, samples), in g."""
        time = np.arange(samples) / RATE_HZ
        busy = (time % 20 < 5) * 0.4
        motion = np.array([[-0.15], [0.2], [0.97]]) + self.random.normal(0, 0.003, (3, samples))
        turn = np.sin(2 * np.pi * np.array([[0.3], [0.37], [0.5]]) * time)
        return (motion + busy * turn).astype(np.float32)

    def live(
        self,
        minutes: int,
        spoil: Callable[[np.ndarray], np.ndarray] = lambda motion: motion,
        kept: Callable[[int], np.ndarray] | None = None,
        late_s: int = 0,
    ) -> Ward:
        for _ in range(minutes):
            count = MINUTE_S * RATE_HZ
            motion = spoil(self.at_home(count))
            t_ns = self.second * 10**9 + np.arange(count) * (10**9 // RATE_HZ)
            if kept is not None:
                held = kept(count)
                motion, t_ns = motion[:, held], t_ns[held]
            for second in range(self.second, self.second + MINUTE_S):
                now = (t_ns // 10**9) == second - late_s
                if now.any():
                    self.grid.push(0, t_ns[now], motion[:, now])
                self._close(second)
            self.second += MINUTE_S
        return self

    def _close(self, until: int) -> None:
        for block in self.grid.close(until):
            self.stream.step(block)
            for minute in self.minutes.push(summary_of(block)):
                self.trust.step(minute)
        self.stream.judge(until, self.grid)

    @property
    def causes(self) -> tuple[SensorCause, SensorCause]:
        return SensorCause(self.trust.cause[0]), SensorCause(self.stream.cause[0])


@pytest.fixture
def ward(start_s: int) -> Ward:
    return Ward(start_s)


def stuck(motion: np.ndarray) -> np.ndarray:
    motion[1] = 0.2
    return motion


def constant(motion: np.ndarray) -> np.ndarray:
    motion[:] = [[0.0], [0.0], [1.0]]
    return motion


def too_great(motion: np.ndarray) -> np.ndarray:
    return motion * np.float32(1.4)


def with_offset(motion: np.ndarray) -> np.ndarray:
    motion[2] -= 0.4
    return motion


def resting_with_spikes(motion: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(9)
    motion[:] = np.array([[0.0], [0.0], [1.0]]) + random.normal(0, 0.003, motion.shape)
    motion[1, 75 :: 4 * RATE_HZ] = 8.0
    return motion


def nothing(motion: np.ndarray) -> np.ndarray:
    return np.full_like(motion, np.nan)


def test_a_good_sensor_is_trusted(ward: Ward) -> None:
    ward.live(FROZEN_MIN - 2)
    assert ward.causes == (SensorCause.UNJUDGED, SensorCause.UNJUDGED)
    assert ward.live(4).causes == (SensorCause.NONE, SensorCause.NONE)


@pytest.mark.parametrize(
    ("spoil", "cause", "least"),
    [
        (stuck, SensorCause.STUCK_AXIS, 3),
        (constant, SensorCause.FROZEN, FROZEN_MIN + 2),
        (too_great, SensorCause.GRAVITY, 7),
        (with_offset, SensorCause.GRAVITY, 7),
    ],
    ids=["stuck axis", "constant 1 g", "gain", "offset"],
)
def test_a_broken_sensor_is_told_with_its_cause_and_its_end(
    ward: Ward, spoil: Callable, cause: SensorCause, least: int
) -> None:
    ward.live(2)
    assert ward.causes[0] is SensorCause.UNJUDGED
    assert ward.live(least, spoil).causes[0] is cause
    ward.live(CLEAR_MIN - 1)
    assert ward.causes[0] is cause
    assert ward.live(8).causes[0] is SensorCause.NONE


def test_spikes_of_a_held_link_are_taken_out_and_told(ward: Ward) -> None:
    ward.live(2)
    assert ward.live(4, resting_with_spikes).causes[1] is SensorCause.SPIKES
    ward.live(CLEAR_MIN - 1)
    assert ward.causes[1] is SensorCause.SPIKES
    assert ward.live(8).causes[1] is SensorCause.NONE


def test_spikes_are_seen_in_the_summaries_of_adverts(start_s: int) -> None:
    begin = start_s - start_s % MINUTE_S
    summaries, minutes, trust = SummaryGrid(1), Minutes(1), SensorTrust(1)
    for second in range(5 * MINUTE_S):
        greatest = 4.1 if second % 4 == 0 else 1.01  # 8 g for a single sample, low-passed
        deviation = 0.4 if second % 4 == 0 else 0.003
        summaries.put(0, begin + second, (0.0, 0.02, 1.0, 0.99, greatest, deviation))
    for block in summaries.close(begin + 5 * MINUTE_S):
        for minute in minutes.push(block):
            trust.step(minute)
    assert SensorCause(trust.cause[0]) is SensorCause.SPIKES


def test_a_stream_of_no_numbers_is_unusable(ward: Ward) -> None:
    ward.live(2).live(2, nothing)
    assert ward.causes[1] is SensorCause.UNUSABLE
    ward.live(5)
    assert ward.causes[1] <= SensorCause.NONE


def test_a_wearable_that_never_measured_a_number_is_unusable(ward: Ward) -> None:
    assert ward.live(2, nothing).causes[1] is SensorCause.UNUSABLE


def test_stamps_that_run_backwards_are_unusable(ward: Ward) -> None:
    """A clock that is set back each second gives the same times again and again."""

    def again(count: int) -> np.ndarray:
        return np.arange(count) // RATE_HZ * RATE_HZ + np.arange(count) % 25

    assert ward.live(3, kept=again).causes[1] is SensorCause.UNUSABLE


def test_half_of_the_packets_lost_is_told(ward: Ward) -> None:
    def lossy(count: int) -> np.ndarray:
        packet = np.arange(count) // 25
        return np.flatnonzero(ward.random.random(packet.max() + 1)[packet] < 0.5)

    ward.live(4, kept=lossy)
    assert ward.causes[1] is SensorCause.LOSS
    assert ward.live(5).causes[1] <= SensorCause.NONE


def test_a_tenth_lost_is_not(ward: Ward) -> None:
    def lossy(count: int) -> np.ndarray:
        packet = np.arange(count) // 25
        return np.flatnonzero(ward.random.random(packet.max() + 1)[packet] < 0.9)

    assert ward.live(12, kept=lossy).causes[1] is SensorCause.NONE


def test_a_stream_that_comes_too_late_is_told(ward: Ward) -> None:
    assert ward.live(2).live(4, late_s=5).causes[1] is SensorCause.MISTIMED


def test_a_link_that_is_let_go_has_no_fault_left(ward: Ward) -> None:
    ward.live(2, nothing)
    assert ward.causes[1] is SensorCause.UNUSABLE
    ward.live(CLEAR_MIN + 1, kept=lambda _count: np.zeros(0, np.int64))
    assert ward.causes[1] is SensorCause.UNJUDGED


def test_bursts_and_a_change_of_rate_are_no_fault(ward: Ward) -> None:
    """Half the samples, at half the rate, from the middle on: the grid copes with it."""

    def slower(count: int) -> np.ndarray:
        at = np.arange(count)
        return at[(at < count // 2) | (at % 2 == 0)]

    assert ward.live(12, kept=slower).causes == (SensorCause.NONE, SensorCause.NONE)


def test_a_wearable_that_is_heard_too_rarely_is_not_judged(ward: Ward) -> None:
    def rarely(count: int) -> np.ndarray:
        return np.flatnonzero(np.arange(count) // RATE_HZ % 6 == 0)

    assert ward.live(15, stuck, kept=rarely).causes[0] is SensorCause.UNJUDGED
