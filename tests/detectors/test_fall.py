from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.events import EventKind
from contract.screen import MOTION_HZ, SCREEN_IMPACT_G
from detectors import FallDetector, Grid
from detectors.fall import ONE_FALL_S
from detectors.fall_model import load_model

FALL_S = 12.0


def rotations() -> list[np.ndarray]:
    """The 24 ways in which axes can be turned into axes."""
    turns = []
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            turn = np.zeros((3, 3), np.float32)
            turn[range(3), order] = signs
            if np.linalg.det(turn) > 0:
                turns.append(turn)
    return turns


def test_a_fall_is_suspected_within_five_seconds_of_the_impact(
    start_s: int, falling: Callable, tell: Callable
) -> None:
    (fall,) = tell([falling(1, FALL_S)]).suspected
    assert fall.kind is EventKind.FALL_SUSPECTED
    assert fall.row == 0
    # Hip, shoulder and hand land within 0.12 s, and any of them may be the hardest.
    assert abs(fall.impact_ns / 1e9 - start_s - FALL_S - 0.06) < 0.2
    assert 0 < (fall.emitted_ns - fall.impact_ns) / 1e9 <= 5
    assert fall.score is not None
    assert load_model("wrist").threshold <= fall.score <= 1


@pytest.mark.parametrize("begin_s", [0.0, 0.21, 0.5, 0.77, 0.99])
def test_where_the_second_is_cut_makes_no_difference(
    begin_s: float, falling: Callable, tell: Callable
) -> None:
    (fall,) = tell([falling(2, FALL_S)], begin_s=begin_s).suspected
    (other,) = tell([falling(2, FALL_S)]).suspected
    assert (fall.emitted_ns - fall.impact_ns) / 1e9 <= 5
    assert abs((fall.score or 0) - (other.score or 0)) < 0.1


def test_features_are_named_with_units_and_say_what_happened(
    falling: Callable, tell: Callable
) -> None:
    (fall,) = tell([falling(3, FALL_S)]).suspected
    assert {name.rpartition("_")[2] for name in fall.features} <= {"g", "ms", "s", "deg"}
    assert len(fall.features) >= 12
    assert 4 < fall.features["peak_g"] < 10
    assert fall.features["stillness_g"] < 0.6
    assert 10 < fall.features["posture_change_deg"] < 170
    assert 40 <= fall.features["drop_ms"] <= 1_000
    assert fall.features["low_g"] < 0.9
    assert 40 <= fall.features["impact_ms"] <= 600
    assert fall.features["heard_after_ms"] == 2_880


def test_the_waveform_is_the_motion_from_five_seconds_before(
    start_s: int, falling: Callable, tell: Callable
) -> None:
    story = tell([falling(4, FALL_S)])
    (fall,) = story.suspected
    assert fall.waveform is not None
    start_ns, samples = fall.waveform
    assert fall.impact_ns - start_ns == 5 * 10**9
    assert samples.shape[1] >= 8 * MOTION_HZ
    motion = np.concatenate([block.motion[:, 0] for block in story.blocks], axis=1)
    first = round((start_ns - start_s * 10**9) / 1e9 * MOTION_HZ)
    assert np.array_equal(samples, motion[:, first : first + samples.shape[1]])
    assert np.sqrt(np.square(samples).sum(axis=0))[:175].argmax() == 5 * MOTION_HZ


def test_a_waveform_begins_where_the_stream_began(
    start_s: int, falling: Callable, tell: Callable
) -> None:
    (fall,) = tell([falling(4, 2.0)]).suspected
    assert fall.waveform is not None
    assert fall.waveform[0] == start_s * 10**9


def test_all_ways_of_wearing_it_score_the_same(falling: Callable, tell: Callable) -> None:
    turns = rotations()
    assert len(turns) == 24
    for seed in range(4):
        motion = falling(seed, FALL_S)
        falls = tell([turn @ motion for turn in turns]).suspected
        assert [fall.row for fall in falls] == list(range(24))
        scores = np.array([fall.score for fall in falls])
        np.testing.assert_allclose(scores, scores[0], atol=1e-4)
        assert len({fall.impact_ns for fall in falls}) == 1


@settings(max_examples=12, deadline=None)
@given(case=st.tuples(st.integers(0, 10_000), st.integers(0, 63), st.floats(3, 20)))
def test_a_row_alone_is_the_row_among_many(
    case: tuple[int, int, float], falling: Callable, daily: Callable, tell: Callable
) -> None:
    seed, row, fall_s = case
    motions = [daily(seed + each, 24.0) for each in range(64)]
    motions[row] = falling(seed, fall_s, 24.0)
    motions[(row + 7) % 64] = np.full_like(motions[0], np.nan)
    alone = tell([motions[row]]).suspected
    among = [fall for fall in tell(motions).suspected if fall.row == row]
    assert [fall.impact_ns for fall in alone] == [fall.impact_ns for fall in among]
    np.testing.assert_allclose(
        [fall.score for fall in alone], [fall.score for fall in among], atol=1e-5
    )


QUIET = {
    "constant 1 g": lambda random: np.repeat([[0.0], [0.6], [0.8]], 1_500, axis=1),
    "nothing but NaN": lambda random: np.full((3, 1_500), np.nan),
    "zero": lambda random: np.zeros((3, 1_500)),
    "an axis stuck at its limit": lambda random: np.stack(
        [np.full(1_500, 8.0), *random.normal(0, 0.02, (2, 1_500))]
    ),
    "sensor noise": lambda random: (
        np.array([[0.0], [0.0], [1.0]]) + random.normal(0, 0.05, (3, 1_500))
    ),
    "absurd values": lambda random: np.where(random.random((3, 1_500)) < 0.3, 1e12, 0.5),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_is_no_motion_is_no_fall(name: str, tell: Callable) -> None:
    motion = QUIET[name](np.random.default_rng(0)).astype(np.float32)
    assert tell([motion]).suspected == []


@pytest.mark.parametrize("axes", [slice(0, 1), slice(0, 3)], ids=["one axis", "all"])
@pytest.mark.parametrize("spike_g", [4.0, 8.0, 16.0])
def test_single_samples_that_spike_are_no_falls(
    spike_g: float, axes: slice, daily: Callable, tell: Callable
) -> None:
    motions = [daily(seed, 30.0) for seed in range(10)]
    for motion in motions:
        motion[axes, 60::90] = spike_g
    assert tell(motions).suspected == []


def test_walking_is_no_fall(daily: Callable, tell: Callable) -> None:
    assert tell([daily(seed, 30.0) for seed in range(40)]).suspected == []


def test_a_body_that_bounces_falls_once(falling: Callable, tell: Callable) -> None:
    motion = falling(6, FALL_S)
    for later_s in (1.5, 3.0, 6.0):
        at = round((FALL_S + later_s) * 50)
        motion[:, at : at + 4] *= 5
    assert len(tell([motion]).suspected) == 1


def test_a_second_fall_after_the_first_is_its_own(falling: Callable, tell: Callable) -> None:
    first, second = falling(7, FALL_S, 24.0), falling(8, FALL_S, 24.0)
    falls = tell([np.concatenate([first, second], axis=1)]).suspected
    assert len(falls) == 2
    assert (falls[1].impact_ns - falls[0].impact_ns) / 1e9 > ONE_FALL_S


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    begin_s=st.floats(0, 28),
    length_s=st.floats(0.02, 20),
)
def test_a_hole_makes_no_fall(
    seed: int, begin_s: float, length_s: float, daily: Callable, tell: Callable
) -> None:
    motion = daily(seed, 30.0)
    motion[:, round(begin_s * 50) : round((begin_s + length_s) * 50)] = np.nan
    # The wearable is turned meanwhile, as it is when it is taken off and put on again.
    motion[:, round((begin_s + length_s) * 50) :] *= -1
    assert tell([motion]).suspected == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), end_s=st.floats(0.5, 11.3), length_s=st.floats(0.02, 11))
def test_a_hole_hides_no_later_fall(
    seed: int, end_s: float, length_s: float, falling: Callable, tell: Callable
) -> None:
    motion = falling(seed, FALL_S)
    motion[:, max(round((end_s - length_s) * 50), 0) : round(end_s * 50)] = np.nan
    assert [fall.row for fall in tell([motion]).suspected] == [0]


def test_a_fall_that_ends_the_link_is_still_suspected(falling: Callable, tell: Callable) -> None:
    motions = [falling(seed, FALL_S)[:, : round((FALL_S + 1) * 50)] for seed in range(8)]
    falls = tell(motions).suspected
    assert len(falls) >= 7
    for fall in falls:
        assert "stillness_g" not in fall.features
        assert "posture_change_deg" not in fall.features


def test_a_fall_right_after_the_link_came_up_is_suspected(
    falling: Callable, tell: Callable
) -> None:
    motions = [falling(seed, FALL_S)[:, round((FALL_S - 0.5) * 50) :] for seed in range(8)]
    falls = tell(motions).suspected
    assert len(falls) >= 7
    assert all("activity_before_g" not in fall.features for fall in falls)


@pytest.mark.parametrize("range_g", [2, 4, 8])
def test_any_range_will_do(range_g: float, falling: Callable, tell: Callable) -> None:
    motions = [falling(seed, FALL_S).clip(-range_g, range_g) for seed in range(8)]
    assert len({fall.row for fall in tell(motions).suspected}) >= 7


@pytest.mark.parametrize("rate_hz", [20, 25, 32, 40, 62.5, 100, 200])
def test_any_rate_will_do(rate_hz: float, falling: Callable, tell: Callable) -> None:
    motions = [falling(seed, FALL_S, rate_hz=rate_hz) for seed in range(8)]
    falls = tell(motions, rate_hz=rate_hz).suspected
    assert len({fall.row for fall in falls}) >= 7


def test_stamps_in_bursts_and_out_of_order_hide_nothing(
    start_s: int, falling: Callable, follow: Callable, times_ns: Callable
) -> None:
    """WEDA's stamps: four samples arrive together each 100 ms; SmartFallMM's run backwards."""
    motion = falling(11, FALL_S, rate_hz=40)
    arrival_s = (np.arange(motion.shape[1]) // 4 + 1) * 0.1 + np.arange(motion.shape[1]) % 4 * 1e-3
    t_ns = start_s * 10**9 + np.rint(arrival_s * 1e9).astype(np.int64)
    bursts, backwards = Grid(1), Grid(1)
    bursts.push(0, t_ns, motion)
    order = np.arange(motion.shape[1])[::-1]
    backwards.push(0, times_ns(motion.shape[1], 40)[order], motion[:, order])
    for grid in (bursts, backwards):
        (fall,) = follow(grid, start_s + 36).suspected
        assert abs(fall.impact_ns / 1e9 - start_s - FALL_S) < 0.4


def test_a_row_given_to_another_wearable_is_judged_by_its_own_motion(
    falling: Callable, tell: Callable
) -> None:
    """The impact of the first wearable counts, the second one's posture does not."""
    found = 0
    for seed in range(4):
        blocks = tell([falling(seed, FALL_S + 0.1)]).blocks
        detector, falls, given = FallDetector(1), [], False
        for block in blocks:
            falls.extend(detector.step(block))
            if not given and block.peak_g[0] > 3:
                detector.reset(0)
                given = True
        found += len(falls)
        for fall in falls:
            assert fall.features["heard_after_ms"] < 1_000
            assert "stillness_g" not in fall.features
            assert "activity_before_g" in fall.features
    assert found >= 3


def test_each_placement_has_its_screen_and_its_model(falling: Callable, tell: Callable) -> None:
    blocks = tell([falling(1, FALL_S)] * 4).blocks
    detector = FallDetector(4)
    placements = ["wrist", "waist", "pendant", "ankle"]
    for row, placement in enumerate(placements):
        detector.reset(row, placement=placement)
    falls = {fall.row: fall for block in blocks for fall in detector.step(block)}
    assert list(falls) == [0, 1, 2, 3]
    scores = [falls[row].score for row in range(4)]
    assert scores[0] == pytest.approx(scores[3], abs=1e-5)
    assert scores[1] == pytest.approx(scores[2], abs=1e-5)
    assert abs(scores[0] - scores[1]) > 1e-4
    assert load_model("waist") is load_model("pendant")
    assert load_model("ankle") is load_model("wrist")
    for placement in ("wrist", "waist", "pendant"):
        assert load_model(placement).screen_g == SCREEN_IMPACT_G[placement]


def test_a_model_that_says_yes_to_all_meets_every_candidate_once(
    falling: Callable, tell: Callable
) -> None:
    """What the sweep of a threshold is made of; the screen alone decides."""
    eager = dataclasses.replace(load_model("wrist"), threshold=1e-300)
    detector = FallDetector(2, models=lambda placement: eager)
    blocks = tell([falling(1, FALL_S), falling(2, FALL_S)]).blocks
    falls = [fall for block in blocks for fall in detector.step(block)]
    assert {fall.row for fall in falls} == {0, 1}
