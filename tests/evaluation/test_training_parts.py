from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.training.labels import DAILY, FALL, UNUSED, best_of_each_fall, labels, weights
from evaluation.training.leaks import leak_probes
from evaluation.training.network import NetworkRecipe, Taught, train_heads
from evaluation.training.operating_point import operating_point
from evaluation.training.people import folds_by_person
from evaluation.training.scoring import figures
from evaluation.training.streams import Impacts
from evaluation.training.table import TrialTable, UnfitDataError
from evaluation.trials import Trial


def trial(name, person="p", *, falls=False, seconds=10.0, dataset="d", **known):
    return Trial(
        dataset=dataset, trial=name, person=f"{dataset}/{person}", placement="wrist", rate_hz=1.0,
        samples_g=np.ones((3, round(seconds)), np.float32), is_fall=falls, **known,
    )  # fmt: skip


def impacts(*places):
    """Impacts at (row of the table, second)."""
    rows, at_s = zip(*places, strict=True)
    n = len(rows)
    return Impacts(
        np.array(rows), np.array(at_s, float), np.full(n, 2.0, np.float32),
        np.empty((n, 3, 0), np.float32), np.empty((n, 0), np.bool_),
    )  # fmt: skip


@given(st.integers(2, 5), st.integers(0, 100), st.integers(5, 9))
def test_a_person_is_in_one_fold_and_every_fold_has_falls(folds, seed, people):
    table = TrialTable.of(
        [trial(f"{p}-{n}", f"p{p}", falls=n == 0) for p in range(people) for n in range(3)]
    )
    fold = folds_by_person(table, folds, seed)
    for person in np.unique(table.person):
        assert len(set(fold[table.person == person])) == 1
    assert set(fold[table.is_fall]) == set(range(folds))


def test_more_folds_than_people_who_fall_are_refused():
    table = TrialTable.of([trial("a", "p1", falls=True), trial("b", "p2"), trial("c", "p3")])
    with pytest.raises(UnfitDataError, match="there are 1 such persons"):
        folds_by_person(table, 2, 0)


def test_what_is_taught_of_a_fall_and_of_the_time_before_it():
    table = TrialTable.of(
        [trial("marked", falls=True, mark_s=(4.0, 6.0)), trial("unmarked", falls=True), trial("d")]
    )
    found = impacts((0, 1.0), (0, 5.0), (0, 7.0), (1, 2.0), (1, 8.0), (2, 5.0))
    at_s = best_of_each_fall(table, found, np.array([9.0, 1, 8, 2, 3, 4]))
    assert at_s[:2].tolist() == [5.0, 8.0]
    assert np.isnan(at_s[2])
    assert labels(table, found, at_s).tolist() == [DAILY, FALL, UNUSED, UNUSED, FALL, DAILY]


def test_weights_add_up_and_keep_the_shares():
    table = TrialTable.of(
        [trial("a", falls=True), trial("b"), trial("c", dataset="home"), trial("e", falls=True)]
    )
    label = np.array([FALL, DAILY, DAILY, DAILY, FALL], np.int8)
    weight = weights(
        table, np.array([0, 1, 1, 2, 3]), label,
        fall_share=0.1, fall_set_power=0.5, everyday_factor=2.0,
    )  # fmt: skip
    assert weight.sum() == pytest.approx(1)
    assert weight[label == FALL].sum() == pytest.approx(0.1 / 1.1)
    assert weight[3] == pytest.approx(2 * weight[1])


def blobs(seed=0, n=600):
    random = np.random.default_rng(seed)
    is_fall = random.random(n) < 0.3
    features = random.standard_normal((n, 12), dtype=np.float32)
    features[:, 0] += 3 * is_fall
    features[:, 1] = 5.0
    return Taught(features, np.arange(n), is_fall, np.full(n, 1 / n))


def test_a_network_learns_and_the_same_seed_learns_the_same():
    recipe = NetworkRecipe(hidden=8, epochs=100.0, rate=0.02)
    taught = blobs()
    head = train_heads(taught, recipe, (1, 2))
    unseen = blobs(1)
    right = (head.log_odds(unseen.features) > 0) == unseen.is_fall
    assert right.mean() > 0.9
    again = train_heads(taught, recipe, (1, 2))
    assert all(np.array_equal(one, other) for one, other in zip(head, again, strict=True))
    other = train_heads(taught, recipe, (1, 3))
    assert not np.array_equal(head.hidden_weight, other.hidden_weight)


def test_networks_side_by_side_say_their_mean():
    recipe = NetworkRecipe(hidden=4, epochs=5.0)
    taught = blobs()
    both = train_heads(taught, recipe, (1, 2)).log_odds(taught.features)
    each = [train_heads(taught, recipe, (seed,)).log_odds(taught.features) for seed in (1, 2)]
    assert np.allclose(both, np.mean(each, axis=0), atol=1e-5)


@given(st.integers(0, 1000), st.floats(0.02, 0.3))
def test_the_operating_point_keeps_about_its_share_in_every_set(seed, share):
    random = np.random.default_rng(seed)
    table = TrialTable.of(
        [trial(f"{k}", f"p{k}", dataset=f"d{k % 2}", falls=k < 2) for k in range(202)]
    )
    found = impacts(*((k, 5.0) for k in range(202)))
    score = random.normal(size=202) + np.arange(202) % 2
    everyone = np.ones(202, np.bool_)
    point = operating_point(table, found, score, everyone, daily_share=share, long_alarms=1)
    alarmed = [each.daily_alarmed for each in figures(table, found, score, point).values()]
    assert max(alarmed) <= int(share * 100) + 2
    assert max(alarmed) >= int(share * 100) - 2


def test_people_who_are_held_out_do_not_move_the_operating_point():
    table = TrialTable.of([trial(f"{k}", f"p{k % 5}", falls=k < 5) for k in range(60)])
    found = impacts(*((k, 5.0) for k in range(60)))
    score = np.linspace(-1, 1, 60)
    among = table.person != "d/p0"
    wild = np.where(among, score, 99.0)
    points = {
        operating_point(table, found, s, among, daily_share=0.05, long_alarms=1)
        for s in (score, wild)
    }
    assert len(points) == 1


def test_figures_count_falls_trials_and_alarms():
    table = TrialTable.of(
        [
            trial("f1", "p1", falls=True, mark_s=(4.0, 5.0)),
            trial("f2", "p2", falls=True),
            trial("d1", "p1", older=True),
            trial("d2", "p2"),
            trial("long", "p3", seconds=3600, dataset="home"),
        ]
    )
    found = impacts((0, 1.0), (1, 2.0), (2, 3.0), (4, 10.0), (4, 15.0), (4, 30.0))
    score = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    d = figures(table, found, score, 0.5)["d"]
    # The impact of the first lies before its mark.
    assert (d.falls, d.found, d.sensitivity, d.worst_person) == (2, 1, 0.5, 0.0)
    assert (d.daily_trials, d.daily_alarmed, d.older_trials, d.older_alarmed) == (2, 1, 1, 1)
    home = figures(table, found, score, 0.5)["home"]
    assert (home.daily_trials, home.false_alarms, home.sensitivity) == (0, 2, None)
    assert home.hours == pytest.approx(1.0)
    limits = np.array([0.5, 0.95, 0.5, 0.5, 0.5])
    assert figures(table, found, score, limits)["d"].found == 0


def leaky(*, leak):
    random = np.random.default_rng(0)
    table = TrialTable.of(
        [
            trial(f"{p}-{n}", f"p{p}", falls=n % 2 == 0,
                  seconds=15 if leak and n % 2 == 0 else random.integers(10, 14))
            for p in range(8)
            for n in range(20)
        ]
    )  # fmt: skip
    found = impacts(*((k, random.uniform(2, 9)) for k in range(len(table))))
    # A score that knows the length, among falls and among the rest.
    score = np.tanh(table.duration_s / 20)
    fold = folds_by_person(table, 4, 0)
    return {p.given: p for p in leak_probes(table, found, found.peak_g, score, fold)}


def test_a_set_that_gives_its_falls_away_by_length_is_told():
    probes = leaky(leak=True)
    assert probes["length"].area == 1.0
    assert probes["length"].sensitivity == 1.0
    assert probes["rate"].area == 0.5
    assert probes["length"].score_among_daily == pytest.approx(1.0)


def test_a_set_that_does_not_is_not():
    probes = leaky(leak=False)
    assert all(abs(probe.area - 0.5) < 0.2 for probe in probes.values())


def test_long_recordings_and_small_sets_are_not_probed():
    table = TrialTable.of([trial("a", falls=True), trial("b")])
    found = impacts((0, 1.0), (1, 1.0))
    fold = np.array([0, 1])
    assert leak_probes(table, found, found.peak_g, np.array([0.1, 0.2]), fold) == []
