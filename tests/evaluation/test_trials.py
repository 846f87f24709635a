from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from contract.units import NS_PER_S
from evaluation.trials import NOISE_G, Trial, play, posture_of, read_trials
from firmware_sim import RecordingError

FROM_NS = 1_700_000_000 * NS_PER_S


def row(trial="t-1", **changes):
    return {
        "dataset": "made-up",
        "trial": trial,
        "subject": "p-1",
        "placement": "waist",
        "age_group": "older",
        "activity": "F01",
        "is_fall": True,
        "fall_start_s": 0.5,
        "fall_end_s": 1.5,
        "rate_hz": 40.0,
        "ax": [0.0] * 80,
        "ay": [0.0] * 80,
        "az": [1.0] * 80,
    } | changes


def write(path, *rows, drop=()):
    table = pa.Table.from_pylist(list(rows))
    parquet.write_table(table.drop_columns(list(drop)), path)
    return path


def test_a_trial_brings_its_labels(tmp_path):
    (trial,) = read_trials([write(tmp_path / "a.parquet", row())])
    assert (trial.dataset, trial.person, trial.placement) == ("made-up", "made-up/p-1", "waist")
    assert (trial.is_fall, trial.mark_s, trial.older) == (True, (0.5, 1.5), True)
    assert trial.duration_s == 2.0


def test_without_labels_the_file_names_the_set(tmp_path):
    labels = ["dataset", "subject", "age_group", "activity", "is_fall", "fall_start_s"]
    (trial,) = read_trials([write(tmp_path / "mine.parquet", row(), drop=labels)])
    assert (trial.dataset, trial.person, trial.is_fall) == ("mine", None, None)
    assert (trial.mark_s, trial.older, trial.activity) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ax": [], "ay": [], "az": []}, "holds no samples"),
        ({"ax": [float("nan")] * 80}, "no measured sample"),
        ({"ax": [0.0] * 79}, "differ in length"),
        ({"rate_hz": 0.0}, "rate_hz is 0"),
        ({"fall_start_s": 1.6}, "ends at 1.5 before 1.6"),
    ],
)
def test_a_bad_trial_is_left_out_with_its_cause_or_ends_the_reading(tmp_path, changes, reason):
    path = write(tmp_path / "a.parquet", row("bad", **changes), row("good"))
    skipped = []
    assert [trial.trial for trial in read_trials([path], skipped.append)] == ["good"]
    assert len(skipped) == 1
    assert reason in skipped[0]
    with pytest.raises(RecordingError, match=reason):
        list(read_trials([path]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_fall": "yes"}, "neither true nor false"),
        ({"is_fall": 2}, "neither true nor false"),
        ({"fall_start_s": 1.6}, "ends at 1.5 before 1.6"),
        ({"fall_end_s": float("inf")}, "no number"),
    ],
)
def test_who_only_listens_needs_no_label(tmp_path, changes, reason):
    path = write(tmp_path / "a.parquet", row("odd", **changes))
    told, skipped = [], []
    (trial,) = read_trials([path], skipped.append, told.append)
    assert (trial.is_fall, trial.mark_s, skipped) == (None, None, [])
    assert len(told) == 1
    assert reason in told[0]


@pytest.mark.parametrize(("said", "is_fall"), [(1, True), (0, False), (1.0, True), (0.0, False)])
def test_labels_may_be_numbers(tmp_path, said, is_fall):
    (trial,) = read_trials([write(tmp_path / "a.parquet", row(is_fall=said))])
    assert trial.is_fall is is_fall


def test_not_a_number_says_nothing(tmp_path):
    labels = ("dataset", "subject", "age_group", "activity", "is_fall", "fall_start_s")
    nothing = dict.fromkeys(labels, float("nan"))
    (trial,) = read_trials([write(tmp_path / "mine.parquet", row(**nothing))])
    assert (trial.dataset, trial.person, trial.is_fall) == ("mine", None, None)
    assert (trial.mark_s, trial.older, trial.activity) == (None, None, None)


@pytest.mark.parametrize(("said", "older"), [("older", True), ("young", False), ("?", None)])
def test_only_who_is_said_to_be_young_is_young(tmp_path, said, older):
    (trial,) = read_trials([write(tmp_path / "a.parquet", row(age_group=said))])
    assert trial.older is older


def test_a_path_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RecordingError, match="there is no file or folder"):
        list(read_trials([tmp_path / "none"], lambda _: None))


@given(
    st.integers(10, 200),
    st.sampled_from([20.0, 31.25, 40.0, 200.0]),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 30.0),
)
def test_padding_rests_in_the_posture_of_its_own_end(count, rate, seed, before_s):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(3, count)) + np.array([[0.0], [0.0], [3.0]])
    played = play(samples, rate, rng, from_ns=FROM_NS, before_s=before_s, after_s=10.0)
    own = (played.t_ns >= played.start_ns) & (played.t_ns < played.end_ns)
    assert np.array_equal(played.samples_g[:, own], samples.astype(np.float32))
    assert FROM_NS <= played.t_ns[0] < FROM_NS + NS_PER_S
    assert np.ptp(np.diff(played.t_ns)) <= 1
    near = round(rate / 2)
    after = played.samples_g[:, played.t_ns >= played.end_ns]
    assert after.shape[1] == round(10 * rate)
    assert np.allclose(after.mean(axis=1), posture_of(samples[:, -near:]), atol=0.01)
    assert 0.7 * NOISE_G[0] < after.std(axis=1).min()
    assert after.std(axis=1).max() < 1.3 * NOISE_G[1]


def test_padding_says_nothing_of_a_hole_and_plays_none():
    samples = np.full((3, 40), np.nan)
    samples[:, 10:30] = [[0.0], [0.6], [0.8]]
    played = play(samples, 20.0, np.random.default_rng(0), from_ns=FROM_NS)
    own = (played.t_ns >= played.start_ns) & (played.t_ns < played.end_ns)
    assert own.sum() == 20
    assert np.isfinite(played.samples_g).all()
    assert played.end_ns - played.start_ns == 2 * NS_PER_S
    assert np.allclose(played.samples_g[:, ~own].mean(axis=1), [0, 0.6, 0.8], atol=0.01)


def test_what_is_drawn_for_a_trial_depends_on_the_trial_and_the_seed_alone():
    def draw(name, seed):
        trial = Trial(
            dataset="d", trial=name, person=None, placement="wrist", rate_hz=20.0,
            samples_g=np.ones((3, 9), np.float32),
        )  # fmt: skip
        return trial.rng(seed).integers(1 << 62)

    assert draw("a", 1) == draw("a", 1)
    assert len({draw("a", 1), draw("b", 1), draw("a", 2)}) == 3
