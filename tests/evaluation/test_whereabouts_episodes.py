from __future__ import annotations

import itertools

import numpy as np

from detectors.travel_shape import count_hops
from evaluation.whereabouts.episodes import (
    IS_DIRECT,
    LEAST_S,
    WALKS,
    courtyard,
    judge,
    make,
    seconds_of,
    table,
)

EACH = 150


def test_wandering_is_told_from_errands_though_rooms_are_missed_and_wrong() -> None:
    """What was asked: sensitivity .96, specificity .99, errands direct .99 at 10 and 10 %."""
    report = judge(0.1, 0.1, each=EACH)
    assert report.sensitivity.share >= 0.96
    assert report.specificity.share >= 0.99
    assert report.errands.share >= 0.99
    assert report.sensitivity.low < report.sensitivity.share < report.sensitivity.high
    assert "Synthetic" in table([report])
    assert report.is_synthetic


def test_heard_perfectly_errands_are_direct_and_kinds_are_told() -> None:
    report = judge(0.0, 0.0, each=40)
    assert report.specificity.share == 1.0
    assert report.by_kind["pacing"]["pacing"] >= 38
    assert report.by_kind["lapping"]["lapping"] >= 38


def test_walks_keep_to_the_doors() -> None:
    home, rng = courtyard(), np.random.default_rng(3)
    hops = count_hops(home.near)
    for kind in WALKS:
        visits = make(kind, home, rng)
        steps = [hops[one, other] for (one, _), (other, _) in itertools.pairwise(visits)]
        assert set(steps) == {1}, kind
        assert kind in IS_DIRECT or sum(stay for _, stay in visits[1:-1]) >= LEAST_S


def test_the_same_seed_makes_the_same_walks() -> None:
    home = courtyard()
    one, other = ([make(kind, home, np.random.default_rng(5)) for kind in WALKS] for _ in range(2))
    assert np.array_equal(seconds_of(one), seconds_of(other))
