"""Rooms of a home that nobody has walked through, or that has changed since somebody did."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.location import DELAY_S, RoomFilter
from detectors.room_model import LEVELS, UNKNOWN, Walk, learn, level
from detectors.room_plan import AT_ONE_METRE_DBM, for_home, from_plan

ZONES = ("bedroom", "corridor", "lounge", "store", "toilet")
NEAR = np.zeros((5, 5), np.bool_)
NEAR[1] = [1, 0, 1, 1, 1]
RECEIVERS = ("a", "b", "c")
STANDS_IN = {"a": "bedroom", "b": "lounge", "c": "toilet"}
SENSORS = ("pir-store", "pir-corridor")
SEES = {"pir-store": "store", "pir-corridor": "corridor"}
PLAN = {
    "zones": ZONES,
    "near": NEAR,
    "receivers": RECEIVERS,
    "stands_in": STANDS_IN,
    "sensors": SENSORS,
    "sees": SEES,
}
OWN_DBM, NEXT_DBM, THIRD_DBM = -70, -83, -93


def at(zone):
    """(receivers,) dBm that somebody there sounds like: a wall and some metres a room."""
    away = {0: OWN_DBM, 1: NEXT_DBM, 2: THIRD_DBM}
    rooms = [0 if STANDS_IN[name] == zone else 1 if zone == "corridor" else 2 for name in RECEIVERS]
    return np.array([away[each] for each in rooms], np.float32)


def told(home, zone, seconds=40, fires=None, seed=0):
    """What is told at the end of so long in a zone."""
    draw = np.random.default_rng(seed)
    rooms = RoomFilter(home, 1)
    fired = np.array([name == fires for name in home.sensors], np.bool_)
    everybody = np.ones(len(home.receivers), np.bool_)
    for _ in range(seconds):
        strengths = (at(zone) + draw.normal(0, 4, 3)).astype(np.float32)
        places = rooms.step(strengths[:, None], np.full(1, 0.1, np.float32), fired, everybody)
    number = int(places.zone[0])
    return None if number == UNKNOWN else home.zones[number]


def test_a_home_is_told_by_its_plan_alone_and_a_sensor_tells_rooms_without_a_receiver():
    home = from_plan(**PLAN)
    assert not home.is_calibrated
    for zone in ("bedroom", "lounge", "toilet", "corridor"):
        assert told(home, zone) == zone
    assert told(home, "store", fires="pir-store") == "store"


def test_the_expected_is_a_distribution_and_weakens_with_each_room():
    home = from_plan(**PLAN)
    everything = np.exp(home.heard).sum(axis=1) + np.exp(home.silent)
    assert everything == pytest.approx(np.ones((3, 5)), abs=1e-3)
    strongest = home.heard.argmax(axis=1)[0]
    assert strongest[0] > strongest[1] > strongest[2]
    assert home.silent[0, 0] < home.silent[0, 1] < home.silent[0, 2]
    assert strongest[0] - 110 < AT_ONE_METRE_DBM


def test_two_receivers_in_one_zone_and_one_that_stands_nowhere():
    home = from_plan(**{**PLAN, "stands_in": {"a": "lounge", "b": "lounge", "c": "garden"}})
    assert (home.heard[0] == home.heard[1]).all()
    assert np.ptp(home.heard[2], axis=1).max() == 0, "it says the same of all zones: nothing"
    assert home.stands_in.tolist() == [2, 2, UNKNOWN]


def test_without_any_receiver_s_place_nothing_is_told():
    assert told(from_plan(**{**PLAN, "stands_in": {}}), "bedroom") is None


def test_a_graph_of_another_size_is_refused():
    with pytest.raises(ValueError, match="graph"):
        from_plan(**{**PLAN, "near": NEAR[:2, :2]})


def test_who_walks_where_the_plan_knows_no_way_is_found_there():
    near = np.zeros((5, 5), np.bool_)
    near[0, 1] = near[2, 3] = near[3, 4] = True
    home = from_plan(**{**PLAN, "near": near, "stands_in": STANDS_IN})
    rooms = RoomFilter(home, 1)
    seen = []
    for second in range(60):
        heard = at("bedroom" if second < 30 else "toilet")[:, None]
        seen.append(
            int(
                rooms.step(
                    heard, np.full(1, 0.1, np.float32), np.zeros(2, np.bool_), np.ones(3, np.bool_)
                ).zone[0]
            )
        )
    assert seen[29] == 0
    assert seen[30 + DELAY_S + 5] == 4


@pytest.fixture(scope="module")
def walked():
    """A calibration of an earlier day: no store, another order, a receiver that is gone."""
    zones = ("toilet", "lounge", "corridor", "bedroom")
    where = np.repeat(np.arange(4), 60)
    strengths = np.stack([at(zones[zone])[[1, 0]] for zone in where], axis=1) - 4
    gone = np.full((1, len(where)), -60, np.float32)
    noise = np.random.default_rng(1).normal(0, 3, (3, len(where)))
    heard = (np.concatenate([strengths, gone]) + noise).astype(np.float32)
    walk = Walk(heard, (where == 2)[None, :], where.astype(np.int64))
    return learn(
        [walk],
        zones=zones,
        receivers=("b", "a", "gone"),
        sensors=("pir-corridor",),
        stands_in={"b": "lounge", "a": "bedroom", "gone": "corridor"},
    )


def test_what_was_walked_goes_before_the_plan_and_the_plan_fills_in_what_is_new(walked):
    plan, home = from_plan(**PLAN), for_home(walked._replace(spent_s=None), **PLAN)
    assert home.is_calibrated
    assert (home.zones, home.receivers, home.sensors) == (ZONES, RECEIVERS, SENSORS)
    assert (home.heard[0, :, 0] == walked.heard[1, :, 3]).all()
    assert (home.heard[1, :, 4] == walked.heard[0, :, 0]).all()
    assert home.silent[0, 2] == walked.silent[1, 1]
    assert (home.heard[2] == plan.heard[2]).all(), "a receiver that was added"
    most = home.heard[:2][:, :, [0, 1, 2, 4]].max(axis=2)
    assert (home.heard[:2, :, 3] <= most + 1e-5).all(), "nobody walked into it: it claims nothing"
    assert (home.heard[2, :, 3] == plan.heard[2, :, 3]).all()
    assert home.fires[1, 1] == walked.fires[0, 2]
    assert (home.fires[0] == plan.fires[0]).all()
    assert home.heard.shape == (3, LEVELS, 5)
    for zone in ("bedroom", "lounge", "toilet", "corridor"):
        assert told(home, zone) == zone


def test_a_receiver_that_was_moved_is_not_taken_for_where_it_stood(walked):
    moved = for_home(
        walked._replace(spent_s=None), **{**PLAN, "stands_in": {**STANDS_IN, "b": "store"}}
    )
    assert (moved.heard[1] == from_plan(**{**PLAN, "stands_in": {"b": "store"}}).heard[1]).all()
    assert (moved.heard[0, :, 0] == walked.heard[1, :, 3]).all()


def test_the_shorter_a_zone_was_walked_the_more_the_plan_has_a_word(walked):
    assert walked.spent_s.tolist() == [60] * 4
    plan, known = from_plan(**PLAN), for_home(walked._replace(spent_s=None), **PLAN)
    away = []
    for seconds in (1000, 60, 2, 0):
        home = for_home(walked._replace(spent_s=np.full(4, seconds, np.float32)), **PLAN)
        everything = np.exp(home.heard).sum(axis=1) + np.exp(home.silent)
        assert everything == pytest.approx(np.ones((3, 5)), abs=1e-3)
        away.append(np.abs(home.heard[0, :, 0] - known.heard[0, :, 0]).max())
    assert away == sorted(away)
    assert home.heard[0, :, 0] == pytest.approx(plan.heard[0, :, 0], abs=1e-4)


def test_a_calibration_of_another_home_is_none(walked):
    names = tuple(f"ward {number}" for number in range(5))
    plan = {**PLAN, "zones": names, "stands_in": dict(zip(RECEIVERS, names, strict=False))}
    home = for_home(walked, **plan)
    assert not home.is_calibrated
    assert (home.heard == from_plan(**plan).heard).all()
    assert not for_home(None, **PLAN).is_calibrated


def test_who_stands_beside_a_receiver_is_never_told_next_door() -> None:
    """Up to the strongest there is: a wide curve's tail goes under no narrow one's."""
    near = np.zeros((3, 3), np.bool_)
    near[0, 1] = near[1, 2] = True
    model = from_plan(
        zones=("entrance", "corridor", "lounge"),
        near=near,
        receivers=("gateway-a",),
        stands_in={"gateway-a": "entrance"},
    )
    own_over_next = model.heard[0, :, 0] - model.heard[0, :, 1]
    strong = level(np.arange(-75, -30, dtype=np.float32))
    assert (own_over_next[strong] > 0.1).all()
    assert (own_over_next[level(np.arange(-65, -45, dtype=np.float32))] > 1).all()
