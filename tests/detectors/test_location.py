"""Rooms are told from signal strengths and sensors: on a small home made up here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import room_file
from detectors.location import DELAY_S, UNHEARD_S, RoomFilter
from detectors.room_model import UNKNOWN, Walk, learn

ZONES = ("bedroom", "corridor", "lounge", "toilet")
NEAR = np.array([[0, 1, 0, 0], [1, 0, 1, 1], [0, 1, 0, 0], [0, 1, 0, 0]], np.bool_)
RECEIVERS = ("bedroom-pi", "lounge-pi", "toilet-pi")
STANDS_IN = {"bedroom-pi": "bedroom", "lounge-pi": "lounge", "toilet-pi": "toilet"}
SENSORS = ("bedroom-pir", "lounge-pir")
STRENGTH = np.array([[-60, -78, -92, -85], [-92, -76, -58, -90], [-88, -80, -93, -62]], np.float32)
"""(receivers, zones) dBm"""


def heard(zones, seed=0):
    """(receivers, seconds) of somebody who is in those zones, second by second."""
    zones = np.asarray(zones)
    noise = np.random.default_rng(seed).normal(0, 4, (len(RECEIVERS), len(zones)))
    strength = STRENGTH[:, zones] + noise
    return np.where(strength > -95, strength, np.nan).astype(np.float32)


def seen(zones):
    """(sensors, seconds): the sensors of bedroom and lounge fire in every third second there."""
    zones = np.asarray(zones)
    third = np.arange(len(zones)) % 3 == 0
    return np.stack([(zones == 0) & third, (zones == 2) & third])


@pytest.fixture(scope="module")
def home():
    zones = np.repeat([0, 1, 2, 1, 3, 1, 0, 2, 3], 60)
    walk = Walk(heard(zones, 1), seen(zones), zones.astype(np.int64))
    return learn(
        [walk], zones=ZONES, receivers=RECEIVERS, sensors=SENSORS, near=NEAR, stands_in=STANDS_IN
    )


def play(home, rssi, movement=0.1, active=None, alive=None):
    """(seconds, residents) what is told of each second; rssi (receivers, seconds, residents)."""
    seconds, residents = rssi.shape[1:]
    rooms = RoomFilter(home, residents)
    everybody = np.ones(len(RECEIVERS), np.bool_) if alive is None else alive
    told = []
    for second in range(seconds):
        moving = np.full(residents, movement, np.float32)
        fired = np.zeros(len(SENSORS), np.bool_) if active is None else active[:, second]
        told.append(rooms.step(rssi[:, second], moving, fired, everybody).zone)
    return np.array(told[DELAY_S:])


WALK = np.repeat([0, 1, 2, 1, 3], [60, 10, 60, 10, 40])


def test_a_walk_is_followed_and_each_second_is_told_five_seconds_later(home):
    told = play(home, heard(WALK)[:, :, None])[:, 0]
    assert (told == WALK[:-DELAY_S]).mean() > 0.95
    assert [told[index] for index in (30, 65, 100, 135, 170)] == [0, 1, 2, 1, 3]


def test_everybody_is_followed_as_if_alone(home):
    crowd = np.stack([heard(np.roll(WALK, 7 * each), each) for each in range(5)], axis=2)
    together = play(home, crowd)
    for each in range(5):
        assert (together[:, each] == play(home, crowd[:, :, each : each + 1])[:, 0]).all()


def test_nobody_is_told_to_be_where_the_door_is_shut_by_a_few_seconds_that_sound_like_it(home):
    """Two rooms from where she is, with one between: five seconds of it are a walk, or a wall."""
    rooms = np.repeat([0, 1, 2, 1, 0], [60, 6, 5, 6, 40])
    strengths = heard(rooms)
    shut = np.arange(len(ZONES)) == 2

    def told(is_shut):
        filter_ = RoomFilter(home, 1)
        if is_shut:
            filter_.note_shut(shut)
        fired, alive = np.zeros(len(SENSORS), np.bool_), np.ones(len(RECEIVERS), np.bool_)
        moving = np.full(1, 0.1, np.float32)
        return [
            int(filter_.step(each[:, None], moving, fired, alive).zone[0]) for each in strengths.T
        ]

    assert 2 in told(is_shut=False)
    assert 2 not in told(is_shut=True)


def test_a_door_that_has_opened_leads_in_again_and_out_it_always_did(home):
    strengths = heard(np.repeat([0, 1, 2], 60))[:, :, None]
    filter_ = RoomFilter(home, 1)
    fired, alive = np.zeros(len(SENSORS), np.bool_), np.ones(len(RECEIVERS), np.bool_)
    moving = np.full(1, 0.1, np.float32)
    shut = np.arange(len(ZONES)) == 2
    for second in range(180):
        filter_.note_shut(shut if second < 118 else np.zeros_like(shut))
        zone = filter_.step(strengths[:, second], moving, fired, alive).zone[0]
    assert zone == 2
    filter_.note_shut(shut)
    back = heard(np.repeat([1, 0], 30), 3)[:, :, None]
    zones = [
        int(filter_.step(back[:, second], moving, fired, alive).zone[0]) for second in range(60)
    ]
    assert zones[15] == 1
    assert zones[-1] == 0


@given(st.integers(20, 150), st.integers(1, 8))
@settings(deadline=None, max_examples=25)
def test_a_gap_in_hearing_tells_nothing_new_and_hides_nothing_later(home, begin, length):
    strengths = heard(WALK)[:, :, None]
    strengths[:, begin : begin + length] = np.nan
    told = play(home, strengths)[:, 0]
    assert set(told[np.r_[10:begin, begin + length + 10 : len(told)]]) <= {0, 1, 2, 3, UNKNOWN}
    late = slice(begin + length + 15, None)
    if begin + length < 120:
        assert (told[late] == WALK[late][: len(told[late])]).mean() > 0.9


@given(st.integers(0, 3), st.integers(0, 2), st.sampled_from([-30, 30]), st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_a_spike_of_30_db_moves_nobody(home, zone, receiver, decibel, seed):
    strengths = heard(np.full(60, zone), seed)[:, :, None]
    untouched = play(home, strengths)
    strengths[receiver, 30] = np.nan_to_num(strengths[receiver, 30], nan=-95.0) + decibel
    assert (play(home, strengths) == untouched).all()


@pytest.mark.parametrize("garbage", [np.inf, -np.inf, 127.0, -500.0, 1e30])
def test_garbage_is_not_heard(home, garbage):
    strengths = heard(WALK)[:, :, None]
    missing, broken = strengths.copy(), strengths.copy()
    missing[1, 30:50], broken[1, 30:50] = np.nan, garbage
    assert (play(home, missing) == play(home, broken)).all()
    broken[:, 60:] = garbage
    assert (play(home, broken)[60 + UNHEARD_S :] == UNKNOWN).all()


def test_when_all_receivers_are_down_everybody_is_nowhere_whatever_they_said_last(home):
    strengths = np.concatenate([heard(np.full(60, zone))[:, :, None] for zone in range(4)], axis=2)
    nobody = np.zeros(len(RECEIVERS), np.bool_)
    assert (play(home, strengths, alive=nobody) == UNKNOWN).all()
    fired = seen(np.full(60, 2))
    assert (play(home, strengths, active=fired, alive=nobody) == UNKNOWN).all()


def test_who_is_heard_by_nobody_is_nowhere_after_ten_seconds(home):
    strengths = heard(np.zeros(80, int))[:, :, None]
    strengths[:, 40:] = np.nan
    told = play(home, strengths)[:, 0]
    assert told[30] == 0
    assert (told[40 + UNHEARD_S - DELAY_S :] == UNKNOWN).all()


def test_a_zone_whose_receiver_is_down_is_unknown_and_no_neighbour_claims_it(home):
    strengths = heard(np.zeros(60, int))[:, :, None]
    strengths[0] = np.nan
    alive = np.array([False, True, True])
    told = play(home, strengths, alive=alive)[10:]
    assert set(told[:, 0]) == {UNKNOWN}
    lounge = play(home, heard(np.full(60, 2))[:, :, None], alive=alive)[10:]
    assert set(lounge[:, 0]) == {2}, "whose receiver works is told as always"


def test_a_wrist_at_rest_stays_where_it_is_and_one_that_swings_may_go(home):
    between = np.full((3, 40, 1), np.nan, np.float32)
    strengths = np.concatenate([heard(np.zeros(30, int))[:, :, None], between], axis=1)
    strengths[:, 30:, 0] = np.array([[-72], [-80], [-84]], np.float32)  # between two rooms
    still = play(home, strengths, movement=0.001)
    assert (still[10:30] == 0).all()
    assert (still == 0).sum() >= (play(home, strengths, movement=0.3) == 0).sum()


def test_what_a_sensor_sees_is_shared_out_and_not_written_to_whoever_is_nearest(home):
    # Nobody can tell from signal strengths in which of two rooms the second one is.
    unclear = np.repeat(np.array([[-76], [-75], [-90]], np.float32), 60, axis=1)
    alone = unclear[:, :, None]
    fired = np.stack([np.zeros(60, np.bool_), np.arange(60) % 3 == 0])

    def lounge(crowd):
        rooms = RoomFilter(home, crowd.shape[2])
        for second in range(60):
            moving = np.full(crowd.shape[2], 0.1, np.float32)
            rooms.step(crowd[:, second], moving, fired[:, second], np.ones(3, np.bool_))
        return rooms.belief[-1, 2]

    sure = heard(np.full(60, 2))[:, :, None]
    assert lounge(np.concatenate([sure, alone], axis=2)) < lounge(alone)


def test_a_room_mate_s_record_holds_nothing_of_a_sensor_that_saw_somebody_else(home):
    zones = np.zeros(90, int)
    fired = seen(np.full(90, 2))
    with_sensor = play(home, heard(zones)[:, :, None], active=fired)
    assert (with_sensor[10:] == 0).all()


def test_a_calibration_comes_back_as_it_was_and_others_are_refused(home):
    content = room_file.encode(home)
    again = room_file.decode(content)
    assert again.zones == home.zones
    assert (again.near == home.near).all()
    assert np.abs(again.heard - home.heard).max() < 1e-3
    assert (again.stands_in == home.stands_in).all()
    for broken, why in (
        (b"{", "no calibration"),
        (content.replace(b"wardlight-rooms/1", b"wardlight-rooms/9"), "format"),
        (content.replace(b'"bedroom",', b"", 1), "fit together"),
    ):
        with pytest.raises(room_file.RoomFileError, match=why):
            room_file.decode(broken)


def test_a_zone_that_nothing_leads_to_can_still_be_entered():
    zones = np.repeat([0, 1], 60).astype(np.int64)
    model = learn(
        [Walk(heard(zones), seen(zones), zones)],
        zones=("bedroom", "corridor", "attic"),
        receivers=RECEIVERS,
        sensors=SENSORS,
    )
    assert model.near.any(axis=0).all()
    assert np.isfinite(
        RoomFilter(model, 1)
        .step(heard([0]), np.array([0.1], np.float32), np.zeros(2, np.bool_), np.ones(3, np.bool_))
        .probability
    ).all()


def test_walks_without_a_word_teach_nothing():
    zones = np.full(30, UNKNOWN)
    with pytest.raises(ValueError, match="no second"):
        learn(
            [Walk(heard(np.zeros(30, int)), seen(np.zeros(30, int)), zones)],
            zones=ZONES,
            receivers=RECEIVERS,
            sensors=SENSORS,
        )


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_words_that_contradict_each_other_leave_numbers(seed):
    draw = np.random.default_rng(seed)
    where = np.arange(6).repeat(40)
    mean = draw.uniform(-90, -50, (40, 6)).astype(np.float32)
    walk = Walk(mean[:, where], np.zeros((1, len(where)), np.bool_), where)
    model = learn([walk], zones=[*"abcdef"], receivers=[*map(str, range(40))], sensors=["pir"])
    rooms = RoomFilter(model, 3)
    for _ in range(12):
        rssi = draw.choice(np.r_[-120.0, -30, np.nan, mean[0]], (40, 3)).astype(np.float32)
        places = rooms.step(
            rssi, np.full(3, np.nan, np.float32), draw.random(1) < 0.5, draw.random(40) < 0.9
        )
        assert np.isfinite(places.probability).all()
        assert rooms.belief.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-3)
