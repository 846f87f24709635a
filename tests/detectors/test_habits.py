from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.habits import HOURS, LEARNING_DAYS, Rates, tail_surprise
from detectors.rhythm import Change, Times


def lived(days: int, *a_day: float, residents: int = 2) -> Rates:
    """Days of 24 hours; each resident with so many events in each hour of day 9, else none."""
    rates = Rates(residents)
    for _ in range(days):
        for hour in range(HOURS):
            rates.learn(hour, np.array(a_day if hour == 9 else [0.0] * residents))
        rates.end_day()
    return rates


@settings(deadline=None)
@given(
    st.integers(0, 60),
    st.floats(0.05, 50),
    st.floats(0.02, 0.98),
)
def test_the_tail_is_that_of_the_negative_binomial(count: int, alpha: float, fails: float) -> None:
    told = tail_surprise(np.array([count]), np.array([alpha]), np.array([fails]))[0]
    expected = -stats.nbinom.logsf(count - 1, alpha, fails) / np.log(10)
    assert told == pytest.approx(max(expected, 0.0), rel=1e-6, abs=1e-6)


def test_what_is_usual_for_one_is_not_for_another() -> None:
    rates = lived(30, 6.0, 0.0)
    often, never = rates.surprise(9, np.array([6, 6]))
    assert often < 0.6
    assert never > 3.0
    low, high = rates.usual(9)
    assert low[0] <= 6 <= high[0]
    assert low[1] == 0
    assert high[1] <= 2 < high[0]


def test_six_visits_in_twenty_minutes_are_unusual_and_the_numbers_say_why() -> None:
    rates = lived(30, 1.0, 1.0)
    low, high = rates.usual(9, 1 / 3)
    assert (low[0], high[0]) == (0, 1)
    assert rates.surprise(9, np.array([6, 1]), 1 / 3)[0] > 4
    assert rates.surprise(9, np.array([6, 1]), 1 / 3)[1] < 1


def test_whoever_is_new_is_judged_by_the_home_and_it_is_said() -> None:
    rates = Rates(3)
    for _ in range(LEARNING_DAYS):
        for hour in range(HOURS):
            rates.learn(hour, np.array([4.0, 4.0, 0.0]), np.array([1.0, 1.0, 0.0]))
        rates.end_day()
    assert rates.is_learning.tolist() == [False, False, True]
    assert rates.days_seen.tolist() == [LEARNING_DAYS, LEARNING_DAYS, 0]
    assert rates.weight_h(3)[2] == 0.0
    assert rates.surprise(3, np.array([4, 4, 4]))[2] < 1.0


def test_leave_teaches_nothing_and_forgets_nothing() -> None:
    rates = lived(20, 3.0, 3.0)
    before = rates.to_arrays()
    rates.learn(9, np.array([0.0, 0.0]), 0.0)
    rates.end_day()
    assert all(np.array_equal(before[name], now) for name, now in rates.to_arrays().items())


def test_days_of_23_and_25_hours_change_no_rate() -> None:
    rates = lived(30, 2.0, 2.0)
    before = rates.usual(9)
    for hours in ([*range(2), *range(3, 24)], [*range(3), 2, *range(3, 24)]):
        for hour in hours:
            rates.learn(hour, np.array([2.0, 2.0]) if hour == 9 else np.zeros(2))
        rates.end_day()
    assert [each.tolist() for each in rates.usual(9)] == [each.tolist() for each in before]


def test_silence_is_likelier_at_night_and_crosses_midnight() -> None:
    rates = Rates(1, 0.01)
    for _ in range(30):
        for hour in range(HOURS):
            rates.learn(hour, np.array([5.0 if 7 <= hour < 22 else 0.0]))
        rates.end_day()
    assert rates.silence(22.0, 8.0)[0] > -0.5
    assert rates.silence(12.0, 4.0)[0] < -4
    whole = rates.silence(21.5, 1.0)[0]
    parts = rates.silence(21.5, 0.5)[0] + rates.silence(22.0, 0.5)[0]
    assert whole == pytest.approx(parts)
    assert rates.silence(12.0, 0.0)[0] == 0.0


def test_habits_outlive_a_restart() -> None:
    rates = lived(10, 2.0, 5.0)
    again = Rates.from_arrays(rates.to_arrays())
    counts = np.array([4, 4])
    assert np.array_equal(rates.surprise(9, counts), again.surprise(9, counts))
    times = Times(2, 1320.0)
    times.learn(np.array([1400.0, np.nan]))
    assert np.array_equal(Times.from_arrays(times.to_arrays()).mean_minute, times.mean_minute)


@pytest.mark.parametrize("broken", [{}, {"days_seen": np.array([1.0])}])
def test_damaged_habits_are_an_error(broken: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Rates.from_arrays(broken)
    with pytest.raises(ValueError, match="damaged"):
        Times.from_arrays(broken)
    kept = Rates(2).to_arrays()
    kept["events"][3, 1] = np.nan
    with pytest.raises(ValueError, match="damaged: events"):
        Rates.from_arrays(kept)


def test_bad_input_to_habits_is_an_error() -> None:
    rates = Rates(1)
    for wrong in (
        lambda: rates.learn(24, np.zeros(1)),
        lambda: rates.learn(3, np.array([-1.0])),
        lambda: rates.learn(3, np.zeros(1), 2.0),
        lambda: rates.surprise(3, np.array([-1])),
        lambda: rates.usual(3, 0.0),
        lambda: rates.silence(3.0, 25.0),
        lambda: Rates(1, 0.0),
        lambda: Times(1, 0.0).learn(np.array([1440.0])),
    ):
        with pytest.raises(ValueError, match=r"."):
            wrong()


def test_bed_times_around_midnight_have_their_mean_there() -> None:
    times = Times(1, 1320.0)
    for day in range(60):
        times.learn(np.array([1430.0 if day % 2 else 10.0]))
    away = (times.mean_minute[0] + 720) % 1440 - 720
    assert abs(away) < 15
    assert times.spread_minutes[0] < 60
    assert times.surprise(np.array([5.0]))[0] < 0.5
    assert times.surprise(np.array([240.0]))[0] > 2


def test_the_surprise_of_a_time_is_von_mises() -> None:
    times = Times(1, 600.0)
    told = times.surprise(np.array([700.0]))[0]
    length = 0.87
    kappa = length * (2 - length**2) / (1 - length**2)
    away = 100 * 2 * np.pi / 1440
    chance = 2 * stats.vonmises.sf(away, kappa)
    assert told == pytest.approx(-np.log10(chance), abs=0.01)


def test_a_night_without_a_time_changes_nothing() -> None:
    times = Times(1, 600.0)
    times.learn(np.array([np.nan]))
    assert times.days_seen[0] == 0
    assert np.isnan(times.surprise(np.array([np.nan]))[0])


def test_twice_as_many_is_a_change_and_as_many_is_none() -> None:
    change = Change(2)
    rng = np.random.default_rng(4)
    told = np.array(
        [change.step(rng.poisson([4.0, 8.0]).astype(float), np.full(2, 4.0)) for _ in range(14)]
    )
    assert told.any(axis=0).tolist() == [False, True]
    change.step(np.full(2, np.nan), np.full(2, 4.0))
    assert np.isfinite(change.score).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_no_resident_changes_what_is_usual_for_another_but_through_the_home(
    counts: list[int],
) -> None:
    rates = lived(5, 2.0, 2.0, 2.0, residents=3)
    together = rates.surprise(9, np.array(counts))
    for row, count in enumerate(counts):
        same = rates.surprise(9, np.full(3, count))
        assert together[row] == pytest.approx(same[row], rel=1e-9)
