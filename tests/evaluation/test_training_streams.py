from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.units import NS_PER_S
from detectors import FallDetector, Grid
from detectors.fall import ONE_FALL_S
from detectors.fall_model import load_model
from evaluation.training.augmentation import LEAST_LEFT_S, Augmentation, augment
from evaluation.training.recipe import ANOTHER_WEARABLE
from evaluation.training.streams import FROM_S, impacts_of
from evaluation.training.table import TrialTable, UnfitDataError
from evaluation.trials import play

seeds = st.integers(0, 2**32 - 1)


def samples_of(seed, count=400):
    return np.random.default_rng(seed).normal(size=(3, count)).astype(np.float32)


def test_training_sees_what_the_gateways_detector_judges(made_up_trials):
    """Each suspicion of the detector is an impact of training, with the same score."""
    table = TrialTable.of(made_up_trials(2, 2, 2))
    eager = replace(load_model("wrist"), threshold=1e-9)
    grid, detector = Grid(len(table)), FallDetector(len(table), models=lambda _: eager)
    starts = []
    for row, trial in enumerate(table.trials):
        played = play(
            trial.samples_g.astype(float), trial.rate_hz, trial.rng(5), from_ns=FROM_S * NS_PER_S
        )
        grid.push(row, played.t_ns, played.samples_g)
        starts.append(played.start_ns)
    suspected = [each for block in grid.close(FROM_S + 60) for each in detector.step(block)]
    impacts = impacts_of(table, seed=5, least_g=eager.screen_g)
    score = eager.score(impacts.motion, impacts.valid)
    expected, last = {}, {}
    for trial, at_s, value in zip(impacts.trial, impacts.at_s, score, strict=True):
        if at_s - last.get(trial, -inf) > ONE_FALL_S:
            expected[int(trial), round(float(at_s), 6)] = float(value)
            last[trial] = at_s
    said = {
        (each.row, round((each.impact_ns - starts[each.row]) / NS_PER_S, 6)): each.score
        for each in suspected
    }
    # In another batch a matrix product rounds otherwise.
    assert said == pytest.approx(expected, abs=1e-4)
    assert len(said) >= len(table)


def test_an_impact_lies_where_it_was_in_the_recording_however_the_trial_was_changed(made_up_trials):
    trials = made_up_trials(1, 3, 0)
    table = TrialTable.of(trials)
    plain = impacts_of(table, seed=1, least_g=1.6)
    changed = replace(ANOTHER_WEARABLE, pace=0.3, tail_cut=0, head_cut=1, jitter_s=0)
    for seed in range(3):
        moved = impacts_of(table, seed=seed, least_g=1.6, augmentation=changed)
        for trial in range(len(table)):
            high = plain.trial == trial
            at_s = plain.at_s[high][plain.peak_g[high].argmax()]
            assert np.abs(moved.at_s[moved.trial == trial] - at_s).min() < 0.1


def test_the_same_seed_gives_the_same_impacts_whoever_else_is_there(made_up_trials):
    trials = made_up_trials(3, 1, 1)
    whole = impacts_of(TrialTable.of(trials), seed=3, least_g=1.6, augmentation=ANOTHER_WEARABLE)
    alone = impacts_of(
        TrialTable.of(trials[:1]), seed=3, least_g=1.6, augmentation=ANOTHER_WEARABLE
    )
    assert len(alone) > 0
    assert np.array_equal(whole.motion[whole.trial == 0], alone.motion)


@given(seeds)
def test_a_trial_is_left_as_it_is_unless_something_may_happen(seed):
    samples = samples_of(seed)
    got = augment(samples, 40.0, Augmentation(), np.random.default_rng(seed))
    assert np.array_equal(got.samples_g, samples)
    assert (got.rate_hz, got.head_s, got.pace) == (40.0, 0.0, 1.0)


@given(seeds, st.sampled_from([20.0, 40.0, 200.0]))
def test_what_may_happen_stays_in_bounds(seed, rate_hz):
    samples = samples_of(seed)
    got = augment(samples, rate_hz, ANOTHER_WEARABLE, np.random.default_rng(seed))
    assert np.isfinite(got.samples_g).all()
    assert got.samples_g.shape[1] / got.rate_hz * (1 + ANOTHER_WEARABLE.pace) >= LEAST_LEFT_S / 2
    assert 0 <= got.head_s <= samples.shape[1] / rate_hz


@given(seeds)
def test_turning_and_saturating_do_what_they_say(seed):
    samples = samples_of(seed)
    random = np.random.default_rng(seed)
    turned = augment(samples, 40.0, Augmentation(turned=True), random).samples_g
    assert np.allclose(np.linalg.norm(turned, axis=0), np.linalg.norm(samples, axis=0))
    clipped = augment(samples, 40.0, Augmentation(range_g=(0.5,)), random).samples_g
    assert np.abs(clipped).max() <= 0.5
    coarse = augment(samples, 40.0, Augmentation(step_g=(0.25,)), random).samples_g
    assert np.allclose(coarse / 0.25, np.round(coarse / 0.25))


def test_a_sensors_own_low_pass_keeps_gravity_and_takes_blows():
    samples = np.zeros((3, 400))
    samples[2] = 1
    samples[2, 200] = 6
    smooth = augment(
        samples, 50.0, Augmentation(bandwidth_hz=(5.0,)), np.random.default_rng(0)
    ).samples_g
    assert np.allclose(smooth[2, :200], 1)
    assert smooth[2].max() < 4


def test_holes_stay_holes():
    samples = samples_of(0).astype(float)
    samples[:, 100:120] = np.nan
    got = augment(samples, 40.0, replace(ANOTHER_WEARABLE, rate_hz=(20.0,), tail_cut=0, head_cut=0),
                  np.random.default_rng(1))  # fmt: skip
    assert np.isnan(got.samples_g).any()
    assert np.isfinite(got.samples_g).sum() > 0.8 * got.samples_g.size


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"person": None}, "no person"), ({"is_fall": None}, "no label"), ({}, "is there twice")],
)
def test_trials_that_nothing_can_be_learnt_from_are_refused(made_up_trials, changes, reason):
    trials = made_up_trials(1, 1, 1)
    with pytest.raises(UnfitDataError, match=reason):
        TrialTable.of([*trials, replace(trials[0], **changes)])
