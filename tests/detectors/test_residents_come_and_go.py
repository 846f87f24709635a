"""Rooms and walks go on when residents come and go, and walks over a restart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.location import RoomFilter
from detectors.room_plan import from_plan
from detectors.travel import TravelPatterns

NEAR = np.zeros((5, 5), np.bool_)
for one, other in ((0, 1), (1, 2), (2, 3), (3, 1), (1, 4)):
    NEAR[one, other] = NEAR[other, one] = True
SECONDS, RESIDENTS = 900, 4


def strolls(seed, residents=RESIDENTS):
    """(seconds, residents) walks with halts, and now and then nothing heard."""
    draw = np.random.default_rng(seed)
    told = np.full((SECONDS, residents), -1)
    for row in range(residents):
        second, here = 0, int(draw.integers(5))
        while second < SECONDS:
            stay = int(draw.choice([3, 10, 20, 60, 150]))
            told[second : second + stay, row] = here if draw.random() > 0.05 else -1
            second += stay
            here = int(draw.choice(np.flatnonzero(NEAR[here])))
    return told


def play(patterns, told, begin=0):
    return [each for at, zones in enumerate(told) for each in patterns.step(zones, begin + at)]


def same(one, other):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


@given(st.integers(0, 10_000), st.integers(1, SECONDS - 1))
@settings(deadline=None, max_examples=12)
def test_a_restart_changes_nothing_that_is_told_of_walks(seed, cut):
    told = strolls(seed)
    throughout, before = TravelPatterns(NEAR, RESIDENTS), TravelPatterns(NEAR, RESIDENTS)
    said = play(before, told[:cut])
    kept = before.to_arrays()
    assert all(array.shape[-1] == RESIDENTS for array in kept.values())
    after = TravelPatterns.from_arrays(NEAR, kept)
    said += play(after, told[cut:], cut)
    assert said == play(throughout, told)
    assert same(after.close_day(), throughout.close_day())


@given(st.integers(0, 10_000), st.integers(1, SECONDS - 1))
@settings(deadline=None, max_examples=12)
def test_who_stays_is_followed_on_when_others_come_and_go(seed, cut):
    told = strolls(seed, 5)
    throughout, patterns = TravelPatterns(NEAR, 5), TravelPatterns(NEAR, 4)
    wanted = play(throughout, told)
    said = play(patterns, told[:cut, :4])
    # The first goes, a fifth comes, the others change places.
    rows = np.array([3, -1, 1, 2])
    patterns.arrange(rows)
    now = [3, 4, 1, 2]
    later = play(patterns, told[cut:, now], cut)
    said += [each._replace(row=now[each.row]) for each in later]
    for row in (1, 2, 3):
        assert [each for each in said if each.row == row] == [
            each for each in wanted if each.row == row
        ]
    day, whole = patterns.close_day(), throughout.close_day()
    assert same(
        [array[..., [0, 2, 3]] for array in day], [array[..., [3, 1, 2]] for array in whole]
    )


def test_walks_end_whichever_seconds_are_left_out():
    patterns = TravelPatterns(NEAR, 1)
    told = np.repeat([0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1], 10)[:, None]
    play(patterns, told)
    said = []
    for second in range(121, 400, 2):
        said += patterns.step(np.array([1]), second)
    assert [each.ended_s for each in said] == [110]


def test_the_last_ones_go_and_new_ones_begin_with_nothing():
    patterns = TravelPatterns(NEAR, 2)
    play(patterns, np.tile(np.repeat([0, 1, 2, 1, 0, 1, 2, 1], 10)[:, None], (4, 2)))
    assert patterns.wandering.all()
    patterns.arrange(np.array([0]))
    assert patterns.wandering.tolist() == [True]
    patterns.arrange(np.array([0, -1, -1]))
    assert patterns.wandering.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("zone", lambda array: array + 5),
        ("visits", lambda array: array - 500),
        ("visits", lambda array: array + 0.5),
        ("signs", lambda array: array * np.nan),
        ("path", lambda array: array[:-1]),
        ("day_changes", lambda array: array + 25),
        ("day_changes", lambda array: array[0]),
        ("day_episodes", lambda array: array[:, :2]),
        ("zone", lambda array: array * 0 - 1),
        ("heard_s", lambda array: array * 1e30),
        ("begun_s", lambda array: array.astype(str)),
    ],
)
def test_what_was_damaged_is_refused(name, change):
    patterns = TravelPatterns(NEAR, RESIDENTS)
    play(patterns, strolls(1))
    kept = patterns.to_arrays()
    with pytest.raises(ValueError, match=r"zone|visits|signs|path|changes|episodes|walks|_s"):
        TravelPatterns.from_arrays(NEAR, {**kept, name: change(kept[name])})
    with pytest.raises(ValueError, match="missing"):
        TravelPatterns.from_arrays(NEAR, {each: kept[each] for each in kept if each != name})


def test_rooms_of_those_who_stay_are_told_on():
    home = from_plan(
        zones=("a", "b", "c", "d", "e"),
        near=NEAR,
        receivers=("ra", "rc", "re"),
        stands_in={"ra": "a", "rc": "c", "re": "e"},
    )
    draw = np.random.default_rng(0)
    rssi = draw.normal(-85, 8, (80, 3, 4)).astype(np.float32)
    rssi[rssi < -95] = np.nan
    moving, everybody = draw.uniform(0, 0.1, (80, 4)).astype(np.float32), np.ones(3, np.bool_)
    quiet = np.zeros(0, np.bool_)
    throughout, rooms = RoomFilter(home, 4), RoomFilter(home, 3)
    for at in range(40):
        throughout.step(rssi[at], moving[at], quiet, everybody)
        rooms.step(rssi[at, :, :3], moving[at, :3], quiet, everybody)
    rooms.arrange(np.array([2, -1, 0]))
    for at in range(40, 80):
        whole = throughout.step(rssi[at], moving[at], quiet, everybody)
        places = rooms.step(rssi[at][:, [2, 3, 0]], moving[at, [2, 3, 0]], quiet, everybody)
        assert places.zone[[0, 2]].tolist() == whole.zone[[2, 0]].tolist()
        assert np.allclose(places.probability[[0, 2]], whole.probability[[2, 0]], atol=1e-5)
        if at < 44:
            assert places.zone[1] == -1, "nobody knows yet where the new one is"
    rooms.arrange(np.array([0, 1, 2, -1, -1]))
    assert rooms.belief.shape == (5, 5)
