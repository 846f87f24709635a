"""Sensors of coarse steps: what is exactly constant because nobody wears it is not broken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detectors import SummaryBlock
from detectors.minute import MINUTE_S, Minutes
from detectors.sensor import CLEAR_MIN, FROZEN_MIN, SensorCause, SensorTrust
from detectors.wear import NOT_WORN_MIN, Wear, WearWatch

STEP_G = 1 / 64
TILTED = (2 * STEP_G, -STEP_G, 63 * STEP_G)
FLAT = (0.0, 0.0, 1.0)
SAYS_NOTHING = np.nan

Motion = Callable[[np.random.Generator], np.ndarray]


def constant(*mean_g: float) -> Motion:
    """A minute (features, seconds) without the least change."""
    return lambda _random: np.tile(np.array([*mean_g, 1, 1, 0])[:, None], (1, MINUTE_S))


def at_home(random: np.random.Generator) -> np.ndarray:
    """Five seconds of twenty an arm moves; between, a coarse sensor rests on a step."""
    values = constant(*TILTED)(random)
    busy = np.arange(MINUTE_S) % 20 < 5
    values[:3, busy] += random.normal(0, 0.2, (3, int(busy.sum())))
    values[5, busy] = 0.1
    return values


class Ward:
    def __init__(self, start_s: int) -> None:
        self.random = np.random.default_rng(5)
        self.second = start_s - start_s % MINUTE_S
        self.minutes, self.trust, self.wear = Minutes(1), SensorTrust(1), WearWatch(1)

    def live(self, minutes: int, motion: Motion, says: float = SAYS_NOTHING) -> Ward:
        for _ in range(minutes):
            for column in motion(self.random).T.astype(np.float32):
                worn = np.full(1, says, np.float32)
                for minute in self.minutes.push(SummaryBlock(self.second, column[:, None], worn)):
                    self.trust.step(minute)
                    self.wear.step(minute)
                self.second += 1
        return self

    @property
    def found(self) -> tuple[SensorCause, Wear]:
        return SensorCause(self.trust.cause[0]), Wear(self.wear.state[0])


@pytest.fixture
def ward(start_s: int) -> Ward:
    return Ward(start_s)


@pytest.mark.parametrize("says", [SAYS_NOTHING, 0.0], ids=["cannot tell", "says so"])
@pytest.mark.parametrize(
    ("before", "lies"),
    [(0, TILTED), (5, TILTED), (5, FLAT), (0, (0.1 / 9.80665, 0.2 / 9.80665, 9.8 / 9.80665))],
    ids=["from the start", "after life", "flat, after life", "steps of 0.1 m/s²"],
)
def test_a_coarse_sensor_on_a_table_is_not_worn_and_not_broken(
    ward: Ward, before: int, lies: tuple[float, ...], says: float
) -> None:
    ward.live(before, at_home)
    ward.live(NOT_WORN_MIN + FROZEN_MIN, constant(*lies), says)
    assert ward.found == (SensorCause.UNJUDGED, Wear.NOT_WORN)
    assert ward.live(FROZEN_MIN, at_home, 1.0).found == (SensorCause.NONE, Wear.WORN)


def test_one_that_says_it_is_worn_and_does_not_change_is_broken(ward: Ward) -> None:
    ward.live(5, at_home).live(FROZEN_MIN - 1, constant(*TILTED), says=1.0)
    assert ward.found[0] is not SensorCause.FROZEN
    assert ward.live(1, constant(*TILTED), says=1.0).found[0] is SensorCause.FROZEN


def test_one_that_is_put_on_and_does_not_change_is_broken(ward: Ward) -> None:
    ward.live(60, constant(*TILTED), says=0.0).live(FROZEN_MIN, constant(*TILTED), says=1.0)
    assert ward.found[0] is SensorCause.FROZEN


@pytest.mark.parametrize(
    "value", [FLAT, (0.0, 0.0, -1.0), (0.013, -0.0415, 0.998)], ids=["1 g", "-1 g", "any"]
)
def test_a_dead_sensor_that_cannot_tell_of_wear_is_broken(
    ward: Ward, value: tuple[float, ...]
) -> None:
    assert ward.live(FROZEN_MIN, constant(*value)).found[0] is SensorCause.FROZEN


def test_to_lie_there_ends_no_fault(ward: Ward) -> None:
    """It was stuck while it was worn; that nobody wears it now proves nothing."""
    ward.live(5, at_home).live(FROZEN_MIN, constant(*TILTED), says=1.0)
    assert ward.live(60, constant(*TILTED), says=0.0).found[0] is SensorCause.FROZEN
    assert ward.live(CLEAR_MIN, at_home, says=1.0).found[0] is not SensorCause.FROZEN


def test_a_stuck_axis_of_a_coarse_sensor_is_told(ward: Ward) -> None:
    def stuck(random: np.random.Generator) -> np.ndarray:
        values = at_home(random)
        values[1] = -STEP_G
        return values

    assert ward.live(5, at_home).live(2, stuck).found[0] is SensorCause.STUCK_AXIS


def test_one_pause_is_no_coarse_sensor(ward: Ward) -> None:
    """A sensor about to fail may stutter; and who froze for good never moved again."""
    ward.live(1, at_home).live(FROZEN_MIN, constant(*FLAT))
    assert ward.found[0] is SensorCause.FROZEN


def test_another_wearable_has_other_steps(ward: Ward) -> None:
    ward.live(5, at_home)
    ward.trust.reset(0)
    assert ward.live(FROZEN_MIN, constant(*FLAT)).found[0] is SensorCause.FROZEN
