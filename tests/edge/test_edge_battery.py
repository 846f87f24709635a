"""Days of a battery, from its own discharge."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.units import NS_PER_S
from edge.battery import (
    BATTERY_FILE,
    LEAST_HOURS,
    Batteries,
    is_low,
    is_well,
    percent_per_hour,
    words,
)

HOUR_NS = 3_600 * NS_PER_S


class Discharge:
    """Readings each five minutes of a battery that lasts `days`."""

    def __init__(self, folder, *, days: float, percent: float = 100.0) -> None:
        self.clock = VirtualClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
        self.folder = folder
        self.percent = percent
        self.rate = 100.0 / (24 * days)
        self.random = np.random.default_rng(1)
        self.begin()

    def begin(self) -> None:
        self.batteries = Batteries(self.folder, self.clock)
        self.batteries.begin()

    def run(self, hours: float, *, charging: bool = False, wrong: float = 0.0) -> None:
        for _ in range(round(hours * 12)):
            self.clock.pass_time(300 * NS_PER_S)
            self.percent = max(self.percent - self.rate / 12, 0.0)
            told = round(self.percent + self.random.normal(0, 0.5))
            if self.random.random() < wrong:
                told = int(self.random.integers(0, 101))
            self.batteries.note(
                "w", min(told, 100), charging=charging, now_ns=self.clock.monotonic_ns()
            )

    @property
    def days(self) -> float | None:
        return self.batteries.days_left("w", round(self.percent))


@pytest.mark.parametrize("lasts", [1.5, 2.3, 7.0, 14.0])
def test_days_are_told_after_half_a_day_and_are_right(tmp_path, lasts):
    discharge = Discharge(tmp_path, days=lasts)
    discharge.run(LEAST_HOURS)
    assert discharge.days is None
    discharge.run(8)
    left = discharge.percent / 100 * lasts
    assert discharge.days == pytest.approx(left, rel=0.25)
    discharge.run(min(24.0, 24 * left / 2))
    assert discharge.days == pytest.approx(discharge.percent / 100 * lasts, rel=0.12)


def test_a_battery_that_lasts_for_months_is_given_no_date(tmp_path):
    discharge = Discharge(tmp_path, days=400)
    discharge.run(72)
    assert discharge.days is None


def test_charging_begins_anew(tmp_path):
    discharge = Discharge(tmp_path, days=7)
    discharge.run(48)
    assert discharge.days is not None
    discharge.run(0.5, charging=True)
    assert discharge.days is None
    discharge.percent = 100.0
    discharge.run(24)
    assert discharge.days == pytest.approx(6, rel=0.2)
    # Exchanged or charged where nobody heard it: the reading says so.
    discharge.percent = 60.0
    discharge.run(48)
    before = discharge.days
    discharge.percent = 100.0
    discharge.run(0.2)
    assert before is not None
    assert discharge.days is None


def test_it_outlives_a_restart_and_a_damaged_file(tmp_path):
    discharge = Discharge(tmp_path, days=7)
    discharge.run(30)
    before = discharge.days
    discharge.batteries.keep({"w"})
    discharge.begin()
    assert discharge.days == pytest.approx(before, rel=0.05)
    discharge.batteries.keep(set())
    discharge.begin()
    assert discharge.days is not None, "no configuration yet is no reason to forget"
    (tmp_path / BATTERY_FILE).write_bytes(b"{broken")
    discharge.begin()
    assert discharge.days is None


def test_who_is_no_longer_enrolled_is_forgotten(tmp_path):
    discharge = Discharge(tmp_path, days=7)
    discharge.run(30)
    discharge.batteries.keep({"other"})
    discharge.begin()
    assert discharge.days is None


def test_nothing_is_noted_while_nobody_knows_the_time(tmp_path):
    discharge = Discharge(tmp_path, days=7)
    discharge.clock.set_synced(False)
    discharge.run(48)
    assert discharge.days is None


def test_a_clock_that_was_set_back_leaves_no_hours_to_come(tmp_path):
    discharge = Discharge(tmp_path, days=7)
    discharge.clock.jump_wall(30 * 86_400)
    discharge.run(20)
    discharge.clock.jump_wall(-30 * 86_400)
    discharge.run(30)
    assert discharge.days == pytest.approx(discharge.percent / 100 * 7, rel=0.2)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(1.0, 10.0))
def test_a_quarter_of_wrong_hours_changes_little(seed, lasts):
    random = np.random.default_rng(seed)
    rate = 100 / (24 * lasts)
    hours = np.arange(min(48, int(24 * lasts)))
    percent = 100 - rate * hours
    wrong = random.choice(len(hours), len(hours) // 6, replace=False)
    percent[wrong] = random.uniform(0, 100, len(wrong))
    found = percent_per_hour(list(zip(hours.tolist(), percent.tolist(), strict=True)))
    assert found == pytest.approx(rate, rel=0.3)


@pytest.mark.parametrize(
    ("percent", "days", "low", "well"),
    [
        (80, None, False, True),
        (15, None, True, False),
        (16, None, False, False),
        (25, None, False, True),
        (28, 1.9, True, False),
        (28, 2.5, False, False),
        (28, 3.0, False, True),
        (15, 9.0, True, False),
        (90, 1.4, False, True),  # charged each day, and full
        (50, 1.4, True, False),
    ],
)
def test_when_it_is_low(percent, days, low, well):
    assert is_low(percent, days) is low
    assert is_well(percent, days) is well


def test_what_is_said():
    assert words("wearable-3", 12, 1.52) == (
        "wearable-3 has 12 % of battery left, about 1.5 days at its rate; charge or exchange it"
    )
    assert words("wearable-3", 12, None) == (
        "wearable-3 has 12 % of battery left; charge or exchange it"
    )
