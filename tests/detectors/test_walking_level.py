from __future__ import annotations

import numpy as np
import pytest

from detectors.walking_level import START_G, WalkingLevel

SITS_G, WASHES_G = 0.01, 0.09


def live(level: WalkingLevel, *deviations_g: float, seconds: int, begin: int = 0) -> int:
    for second in range(begin, begin + seconds):
        level.step(np.array(deviations_g, np.float32), second)
    return begin + seconds


def days(level: WalkingLevel, walks_g: tuple[float, ...], number: int, begin: int = 0) -> int:
    """Hours of sitting and washing each day, and half an hour on foot."""
    for _ in range(number):
        begin = live(level, *[SITS_G for _ in walks_g], seconds=3600, begin=begin)
        begin = live(level, *[WASHES_G for _ in walks_g], seconds=3 * 3600, begin=begin)
        begin = live(level, *walks_g, seconds=1800, begin=begin)
    return begin


def test_everybody_is_measured_by_her_own_walking() -> None:
    """Washing is nothing beside a strong walk, and half as much as walking behind a frame."""
    level = WalkingLevel(2)
    now = days(level, (0.25, 0.12), 3)
    begin = now
    now = live(level, 0.25, 0.12, seconds=120, begin=now)
    assert level.share(0, begin, now - 1) > 0.85
    assert level.share(1, begin, now - 1) > 0.85
    begin = now
    now = live(level, WASHES_G, WASHES_G, seconds=120, begin=now)
    assert level.share(0, begin, now - 1) < 0.5 < level.share(1, begin, now - 1)


def test_who_does_not_move_loses_no_level() -> None:
    level = WalkingLevel(1)
    live(level, SITS_G, seconds=4000)
    assert np.exp(level.log_level[0]) == pytest.approx(START_G)


def test_who_is_not_measured_may_be_walking() -> None:
    level = WalkingLevel(1)
    now = live(level, float("nan"), seconds=300)
    assert level.share(0, 0, now - 1) == 1.0
    assert np.exp(level.log_level[0]) == pytest.approx(START_G)


def test_seconds_that_are_left_out_were_like_those_before() -> None:
    level = WalkingLevel(1)
    for second in (0, 5, 9, 100, 101):
        level.step(np.array([SITS_G], np.float32), second)
    assert level.share(0, 0, 99) == pytest.approx(SITS_G / START_G, rel=1e-5)


def test_it_goes_on_after_a_restart() -> None:
    level, other = WalkingLevel(1), WalkingLevel(1)
    now = live(level, 0.2, seconds=93)
    other.restore(level.to_arrays(), habits_only=False)
    for each in (level, other):
        live(each, 0.05, seconds=60, begin=now)
    assert level.share(0, 40, 150) == other.share(0, 40, 150)
    assert level.log_level == other.log_level
