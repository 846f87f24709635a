from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import FEATURES, SummaryBlock, SummaryGrid
from detectors.minute import MINUTE_S, Minutes
from detectors.sensor import SensorTrust
from detectors.wear import NOT_WORN_MIN, UNKNOWN_MIN, Wear, WearWatch

NOISE_G = 0.003
"""Per axis and sample at 50 Hz, as a consumer sensor."""
SAYS_NOTHING = np.nan


def lying_on_a_table(random: np.random.Generator, seconds: int) -> np.ndarray:
    """Summaries (features, seconds) of a sensor that shows its own noise."""
    mean = np.array([0.02, 0.01, 1.0])[:, None] + random.normal(
        0, NOISE_G / np.sqrt(50), (3, seconds)
    )
    deviation = 0.66 * NOISE_G * random.normal(1, 0.1, seconds)
    return np.stack([*mean, 1 - 3 * deviation, 1 + 3 * deviation, deviation]).astype(np.float32)


def breathing(random: np.random.Generator, seconds: int, breath_g: float = 0.004) -> np.ndarray:
    values = lying_on_a_table(random, seconds)
    values[0] += breath_g * np.sin(2 * np.pi * 0.25 * np.arange(seconds)).astype(np.float32)
    return values


def turning(random: np.random.Generator, seconds: int) -> np.ndarray:
    values = lying_on_a_table(random, seconds)
    values[:3, -6:] = np.array([[0.0], [0.9], [0.4]])
    values[5, -6:-2] = 0.1
    return values


class Ward:
    """Minutes of one wearable, told one after the other."""

    def __init__(self, start_s: int) -> None:
        self.random = np.random.default_rng(1)
        self.second = start_s - start_s % MINUTE_S
        self.minutes, self.watch = Minutes(1), WearWatch(1)

    def live(
        self,
        minutes: int,
        motion: Callable = lying_on_a_table,
        says: float = SAYS_NOTHING,
        pulse: bool = False,
    ) -> Ward:
        for _ in range(minutes):
            if pulse:
                self.watch.note_pulse(0)
            for column in motion(self.random, MINUTE_S).T:
                worn = np.full(1, says, np.float32)
                for minute in self.minutes.push(SummaryBlock(self.second, column[:, None], worn)):
                    self.watch.step(minute)
                self.second += 1
        return self

    def silence(self, minutes: int) -> Ward:
        return self.live(
            minutes, lambda _random, seconds: np.full((6, seconds), np.nan, np.float32)
        )

    @property
    def state(self) -> Wear:
        return Wear(self.watch.state[0])


@pytest.fixture
def ward(start_s: int) -> Ward:
    return Ward(start_s)


def test_twenty_minutes_on_the_table_are_not_worn(ward: Ward) -> None:
    ward.live(3, breathing).live(NOT_WORN_MIN - 1)
    assert ward.state is Wear.WORN
    assert ward.live(1).state is Wear.NOT_WORN


def test_a_sleeper_who_only_breathes_is_worn(ward: Ward) -> None:
    assert ward.live(90, breathing).state is Wear.WORN


def test_a_sleeper_whose_breath_is_not_seen_is_worn_while_she_turns(ward: Ward) -> None:
    for _ in range(4):
        ward.live(18).live(1, turning)
        assert ward.state is not Wear.NOT_WORN


def test_a_pulse_is_evidence(ward: Ward) -> None:
    assert ward.live(40, pulse=True).state is Wear.WORN


def test_no_pulse_is_believed_of_who_says_that_nobody_wears_it(ward: Ward) -> None:
    assert ward.live(NOT_WORN_MIN + 1, says=0.0, pulse=True).state is Wear.NOT_WORN


def test_one_that_says_it_is_worn_and_shows_nothing_is_unknown_after_half_an_hour(
    ward: Ward,
) -> None:
    ward.live(2, breathing, says=1.0).live(UNKNOWN_MIN - 1, says=1.0)
    assert ward.state is Wear.WORN
    assert ward.live(1, says=1.0).state is Wear.UNKNOWN
    assert ward.live(2, breathing, says=1.0).state is Wear.WORN


def test_a_knock_at_the_table_ends_nothing(ward: Ward) -> None:
    ward.live(NOT_WORN_MIN)

    def knocked(random: np.random.Generator, seconds: int) -> np.ndarray:
        values = lying_on_a_table(random, seconds)
        values[5, 30] = 0.2
        return values

    assert ward.live(1, knocked).state is Wear.NOT_WORN
    assert ward.live(1, turning).state is Wear.NOT_WORN
    assert ward.live(2, breathing).state is Wear.WORN


def test_a_change_of_word_to_worn_ends_it_at_once(ward: Ward) -> None:
    assert ward.live(NOT_WORN_MIN, says=0.0).state is Wear.NOT_WORN
    assert ward.live(1, says=1.0).state is Wear.WORN


def test_silence_is_neither_wear_nor_its_want(ward: Ward) -> None:
    assert ward.silence(120).state is Wear.UNJUDGED
    ward.live(12).silence(10).live(7)
    assert ward.state is Wear.UNJUDGED
    assert ward.live(1).state is Wear.NOT_WORN
    assert ward.silence(120).state is Wear.NOT_WORN


def test_half_an_hour_of_silence_begins_the_count_anew(ward: Ward) -> None:
    assert ward.live(19).silence(UNKNOWN_MIN).live(19).state is Wear.UNJUDGED


def test_a_third_of_the_adverts_is_enough(ward: Ward) -> None:
    def rarely(random: np.random.Generator, seconds: int) -> np.ndarray:
        values = breathing(random, seconds)
        values[:, random.random(seconds) > 0.5] = np.nan
        return values

    assert ward.live(60, rarely).state is Wear.WORN


def test_another_wearable_begins_unjudged(ward: Ward) -> None:
    ward.live(NOT_WORN_MIN)
    ward.watch.reset(0)
    assert ward.state is Wear.UNJUDGED
    assert ward.live(NOT_WORN_MIN - 1).state is Wear.UNJUDGED


# --- the properties (DESIGN 5), of wear and of trust in the sensor --------------------------------

MOTIONS = (lying_on_a_table, breathing, turning)


def follow(blocks: list[SummaryBlock], rows: int) -> list[tuple]:
    minutes, watch, trust = Minutes(rows), WearWatch(rows), SensorTrust(rows)
    story = []
    for block in blocks:
        for minute in minutes.push(block):
            watch.step(minute)
            trust.step(minute)
            story.append((minute.number, watch.state.copy(), trust.cause.copy()))
    return story


def days(random: np.random.Generator, rows: int, minutes: int) -> np.ndarray:
    """Summaries (features, rows, seconds) of stretches of all sorts, with holes."""
    values = np.empty((len(FEATURES), rows, minutes * MINUTE_S), np.float32)
    for row in range(rows):
        second = 0
        while second < values.shape[2]:
            length = int(random.integers(1, 25)) * MINUTE_S
            length = min(length, values.shape[2] - second)
            part = MOTIONS[int(random.integers(len(MOTIONS)))](random, length)
            if random.random() < 0.2:
                part[0] = 0.0
            if random.random() < 0.2:
                part[:, random.random(length) < random.random()] = np.nan
            values[:, row, second : second + length] = part
            second += length
    return values


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_chunk_invariance_is_exact(seed: int, start_s: int) -> None:
    """Summaries in any order within the lateness, repeated, closed by ones and by dozens."""
    random = np.random.default_rng(seed)
    rows, values = 2, days(random, 2, 30)
    seconds = values.shape[2]

    def blocks(steps: list[int], shuffled: bool) -> list[SummaryBlock]:
        grid, told, out = SummaryGrid(rows), 0, []
        for step in steps:
            new = [(row, second) for second in range(told, told + step) for row in range(rows)]
            if shuffled:
                random.shuffle(new)
            for row, second in new:
                column = values[:, row, second]
                if np.isfinite(column).all():
                    for _ in range(1 + shuffled):
                        grid.put(row, start_s + second, column.tolist())
            told += step
            out += list(grid.close(start_s + told))
        return out

    by_ones = follow(blocks([1] * seconds, shuffled=False), rows)
    steps = []
    while sum(steps) < seconds:
        steps.append(int(min(random.integers(1, 40), seconds - sum(steps))))
    by_dozens = follow(blocks(steps, shuffled=True), rows)
    assert len(by_ones) == len(by_dozens) >= 29
    for one, other in zip(by_ones, by_dozens, strict=True):
        assert one[0] == other[0]
        np.testing.assert_array_equal(one[1:], other[1:])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 9), hole=st.booleans())
def test_what_others_do_changes_nothing_for_a_row(
    seed: int, rows: int, hole: bool, start_s: int
) -> None:
    random = np.random.default_rng(seed)
    values = days(random, rows, 40)
    row = int(random.integers(rows))
    if hole:
        values[:, (row + 1) % rows] = np.nan
    worn = np.full(rows, np.nan, np.float32)

    def told(part: slice) -> list[tuple]:
        own = values[:, part]
        count = own.shape[1]
        return follow(
            [
                SummaryBlock(start_s + second, own[:, :, second], worn[:count])
                for second in range(own.shape[2])
            ],
            count,
        )

    together, alone = told(slice(None)), told(slice(row, row + 1))
    for one, other in zip(together, alone, strict=True):
        assert [each[row] for each in one[1:]] == [each[0] for each in other[1:]]
