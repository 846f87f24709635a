"""What a home's sensors miss, and what they say though it is not there."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.ghosts import (
    BED_LATE_S,
    DOOR_SAYS_EACH_S,
    MOTION_HOLDS_S,
    STUCK_DBM,
    Trouble,
    say_beds,
    say_contacts,
    see_motion,
    spoil,
)

DAY_S = 86_400
WALKING, ASLEEP = 3, 0


def _rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_motion_is_seen_where_it_is_whoever_moves() -> None:
    zone = np.zeros((3, 1000), np.int16)
    zone[1] = 1
    zone[2] = -1
    activity = np.full((3, 1000), ASLEEP, np.int8)
    activity[[1, 2]] = WALKING
    active = see_motion(zone, activity, np.array([0, 1, 1, 2]), _rng())
    assert active[1].mean() > 0.8
    assert active[2].mean() > 0.8
    assert active[[0, 3]].mean() < 0.05


def test_motion_that_is_over_is_said_a_little_longer() -> None:
    zone = np.zeros((1, 2000), np.int16)
    zone[0, 1000:] = -1
    activity = np.full((1, 2000), WALKING, np.int8)
    active = see_motion(zone, activity, np.array([0]), _rng())[0]
    assert active[: 1000 + MOTION_HOLDS_S - 10].mean() > 0.98
    assert active[1000 + MOTION_HOLDS_S :].mean() < 0.07


def test_most_openings_are_said_at_once_and_each_soon() -> None:
    doors = 40
    is_open = np.zeros((doors, DAY_S), np.bool_)
    is_open[:, 1000:] = True
    said = say_contacts(is_open, np.zeros(doors, np.bool_), _rng())
    assert said[:, 1000].mean() > 0.9
    assert said[:, 1000 + DOOR_SAYS_EACH_S :].all()


def test_an_opening_whose_packets_all_got_lost_is_missed() -> None:
    is_open = np.zeros((400, DAY_S // 24), np.bool_)
    is_open[:, 1000:1005] = True
    said = say_contacts(is_open, np.zeros(400, np.bool_), _rng())
    assert 0.0 < 1 - said[:, 1000:1005].any(axis=1).mean() < 0.05


def test_what_was_said_before_is_said_on() -> None:
    left_open = np.ones((200, 5), np.bool_)
    assert say_contacts(left_open, left_open[:, 0], _rng()).all()


def test_a_mat_is_late_and_believes_no_short_change() -> None:
    in_bed = np.ones((50, 4000), np.bool_)
    in_bed[:, 1000:] = False
    in_bed[:25, 400:402] = False
    said = say_beds(in_bed, np.ones(50, np.bool_), _rng())
    assert said[:, 1000 + BED_LATE_S[0] - 1].mean() > 0.9
    assert not said[:, 1100:].any()
    assert said[:25, 395:420].mean() > 0.97


def test_each_mat_now_and_then_feels_nobody_where_somebody_lies() -> None:
    in_bed = np.ones((60, DAY_S // 3), np.bool_)
    said = say_beds(in_bed, np.ones(60, np.bool_), _rng())
    gone = (np.diff(said.astype(int), axis=1) < 0).sum()
    assert 5 <= gone <= 35


def test_trouble_is_there_while_it_lasts() -> None:
    heard = np.full((3, 2, 100), -70.0, np.float32)
    heard[:, 1] = -80.0
    heard[2, 0, :] = np.nan
    works = spoil(
        heard,
        begin=1000,
        troubles=[
            Trouble(1010, 1020, "dead", 0),
            Trouble(1030, 1040, "stuck", 2),
            Trouble(1090, 5000, "swapped", 0, 1),
            Trouble(10, 20, "dead", 1),
        ],
    )
    assert np.isnan(heard[0, :, 10:20]).all()
    assert np.isfinite(heard[0, :, 20:]).all()
    assert works.sum() == works.size - 10
    # One that is stuck tells its number of whom it hears, and nothing of whom it does not.
    assert (heard[2, 1, 30:40] == STUCK_DBM).all()
    assert np.isnan(heard[2, 0, 30:40]).all()
    assert (heard[1, 0, 90:] == -80).all()
    assert (heard[1, 1, 90:] == -70).all()


def test_no_such_trouble() -> None:
    with pytest.raises(ValueError, match="haunted"):
        spoil(np.zeros((1, 1, 1), np.float32), 0, [Trouble(0, 1, "haunted", 0)])
