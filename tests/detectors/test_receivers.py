"""Receivers that lie are found out, and wearables that are in two places; honest ones are left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.receivers import ALIKE_S, LOOKED_AT_S, STUCK_S, TORN_S, WITNESS_S, ReceiverWatch
from detectors.room_plan import from_plan

ZONES = tuple(f"room {number}" for number in range(8))
NEAR = np.eye(8, k=1, dtype=np.bool_)
RECEIVERS = ("west", "middle", "east")
HOME = from_plan(
    zones=ZONES,
    near=NEAR,
    receivers=RECEIVERS,
    stands_in={"west": "room 0", "middle": "room 3", "east": "room 7"},
)
STANDS = np.array([0, 3, 7])


def heard(zone, seconds, seed=0):
    """(seconds, receivers, residents) of residents in these zones of a long corridor of rooms."""
    draw = np.random.default_rng(seed)
    mean = -68.0 - 9 * np.abs(STANDS[:, None] - np.asarray(zone)[None])
    rssi = (mean + draw.normal(0, 4, (seconds, *mean.shape))).astype(np.float32)
    rssi[rssi < -95] = np.nan
    return rssi


def watch(rssi, movement=0.1):
    follows = ReceiverWatch(HOME, rssi.shape[2])
    moving = np.broadcast_to(np.float32(movement), rssi.shape[2])
    return [follows.step(second, moving) for second in rssi]


def test_a_receiver_that_repeats_itself_of_who_moves_is_stuck_and_no_word_of_it_believed():
    rssi = heard([0, 1, 4], 150)
    rssi[20:, 1] = rssi[20, 1]
    said = watch(rssi)
    assert not any(each.stuck.any() for each in said[: 20 + STUCK_S])
    late = 20 + STUCK_S + 1
    for each, second in zip(said[late:], rssi[late:], strict=True):
        assert each.stuck.tolist() == [False, True, False]
        assert np.isnan(each.rssi_dbm[1]).all()
        assert np.array_equal(each.rssi_dbm[[0, 2]], second[[0, 2]], equal_nan=True)


def test_one_that_works_again_is_believed_again():
    rssi = heard([0, 1], 240)
    rssi[:180, 0] = rssi[0, 0]
    said = watch(rssi)
    assert said[179].stuck[0]
    assert not said[180 + STUCK_S // 2].stuck[0]
    assert np.isfinite(said[-1].rssi_dbm[0]).all()


def test_one_that_says_the_same_of_all_is_stuck_though_nobody_moves():
    rssi = heard([0, 1, 2], 60)
    rssi[10:, 0] = np.random.default_rng(0).normal(-60, 9, (50, 1)).astype(np.float32)
    said = watch(rssi, movement=0.0)
    assert not said[10 + ALIKE_S - 2].stuck.any()
    assert all(each.stuck.tolist() == [True, False, False] for each in said[10 + ALIKE_S :])


def test_what_lies_on_a_table_may_sound_the_same_for_ever():
    rssi = np.broadcast_to(np.array([[-60, -80], [-70, -71], [-90, -75]], np.float32), (300, 3, 2))
    assert not any(each.stuck.any() for each in watch(rssi, movement=0.001))
    assert not any(each.stuck.any() for each in watch(rssi, movement=np.nan))


def test_a_receiver_that_repeats_one_word_and_changes_others_is_not_dead():
    rssi = heard([0, 1, 4], 200)
    rssi[:, 0, 1] = -66.0
    said = watch(rssi)[STUCK_S + WITNESS_S :]
    assert not any(each.stuck.any() for each in said)
    assert all(np.isnan(each.rssi_dbm[0, 1]) for each in said)
    assert all(np.isfinite(each.rssi_dbm[0, 0]) for each in said)


@given(st.integers(0, 1000), st.booleans())
@settings(deadline=None, max_examples=15)
def test_honest_receivers_and_wearables_are_believed_in_every_word(seed, in_whole_db):
    draw = np.random.default_rng(seed)
    rssi = heard(draw.integers(0, 8, 6), 200, seed)
    if in_whole_db:
        rssi = np.round(rssi)
    for each, second in zip(watch(rssi), rssi, strict=True):
        assert not each.stuck.any()
        assert not each.in_two_places.any()
        assert np.array_equal(each.rssi_dbm, second, equal_nan=True)


def test_who_is_loud_at_both_ends_of_the_home_is_in_two_places():
    one, other = heard([0, 0], 60, 1), heard([7, 0], 60, 2)
    both = np.fmax(one, other)
    both[:, :, 0] += 4
    said = watch(both)
    assert not said[TORN_S - 2].in_two_places.any()
    assert all(each.in_two_places.tolist() == [True, False] for each in said[LOOKED_AT_S:])


def test_who_walks_from_end_to_end_is_in_one_place_only():
    for each_s in (2, 5):
        zones = np.repeat([*range(8), *range(6, -1, -1)], each_s)
        rssi = np.concatenate([heard([zone], 1, at) for at, zone in enumerate(zones)])
        assert not any(each.in_two_places.any() for each in watch(rssi))


@pytest.mark.parametrize("garbage", [np.inf, -np.inf, np.nan, 1e30, -500.0])
def test_garbage_frightens_nobody(garbage):
    rssi = heard([0, 3], 40)
    rssi[10:20, 1] = garbage
    with np.errstate(all="raise"):
        said = watch(rssi)
    assert not any(each.stuck.any() or each.in_two_places.any() for each in said[30:])


def test_residents_come_and_go():
    rssi = heard([0, 1], 100)
    rssi[:, 0, 1] = -66.0
    follows = ReceiverWatch(HOME, 2)
    moving = np.full(2, 0.1, np.float32)
    for second in rssi[:80]:
        follows.step(second, moving)
    follows.arrange(np.array([1, -1, 0]))
    said = follows.step(rssi[80][:, [1, 0, 0]], np.full(3, 0.1, np.float32))
    assert np.isnan(said.rssi_dbm[0]).tolist() == [True, False, False]
    follows.arrange(np.array([0]))
    assert follows.step(rssi[81][:, :1], moving[:1]).in_two_places.shape == (1,)
