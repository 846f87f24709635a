"""A simulated home as its gateways hear it, and days of it played: a small home, few people."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contract.devices import Quantity
from contract.events import EventKind
from contract.whereabouts import ZoneUse
from detectors.room_model import UNKNOWN
from detectors.wear import NOT_WORN_MIN
from detectors.whereabouts import Found
from evaluation.whereabouts.equipment import STEPS, fitted
from evaluation.whereabouts.radio import main as compare_radio
from evaluation.whereabouts.simulated import (
    SimulatedDays,
    Watch,
    compare,
    is_as_said,
    left_beds_of,
    plan_of,
    truths_of,
)
from evaluation.whereabouts.simulated_home import HOUR_S, HomeInAir, Hour, door_is_open
from firmware_sim.behaviour import DAY_S, Activity, Day, Episode, Happening, Opening, TagOff
from firmware_sim.floor import Floor, example_home, read_plan
from firmware_sim.ghosts import Trouble

PLAN = """\
home: small
cell: 1.0 x 1.0 m
storey: ground

  +------+------+-----+
  |A b   = B g  = C p 1
  | o  p |   m  |     |
  +------+------+-----+
rooms:
  B  corridor  corridor
  A  ward      bedroom
  C  porch     exit
doors:
  1  front
"""
LIVED_IN = PLAN.replace("B  corridor  corridor", "B  lounge    common")
SLEEPER, WALKER, CARER, VISITOR = range(4)
OUT_AT, BACK_AT = 10 * HOUR_S, 11 * HOUR_S
OFF_AT, ON_AT = 14 * HOUR_S, 16 * HOUR_S
WARD, CORRIDOR, PORCH = "ward", "corridor", "porch"


@pytest.fixture(scope="module")
def floor() -> Floor:
    return read_plan(PLAN)


def _day(floor: Floor) -> Day:
    """One sleeps in the ward; one walks from the corridor to the porch, is out for an hour, and
    later leaves the wearable on a table; a carer is in the porch, a visitor in the corridor.
    """
    number = {name: floor.zone_number(name) for name in (WARD, CORRIDOR, PORCH)}
    at_m = {}
    for name in number:
        row, column = np.argwhere(floor.cell_zone[0] == number[name])[3]
        x_m, y_m = floor.centres_m(row, column)
        at_m[name] = float(x_m), float(y_m)
    rows, shape = (WARD, CORRIDOR, PORCH, CORRIDOR), (4, DAY_S)
    zone = np.repeat(np.array([[number[name]] for name in rows], np.int16), DAY_S, axis=1)
    x_m = np.repeat(np.array([[at_m[name][0]] for name in rows], np.float32), DAY_S, axis=1)
    y_m = np.repeat(np.array([[at_m[name][1]] for name in rows], np.float32), DAY_S, axis=1)
    activity = np.full(shape, Activity.RESTING, np.int8)
    activity[SLEEPER] = Activity.ASLEEP
    out = slice(OUT_AT, BACK_AT)
    zone[WALKER, out] = UNKNOWN
    x_m[WALKER, out] = y_m[WALKER, out] = np.nan
    in_bed = np.zeros((2, DAY_S), np.bool_)
    in_bed[SLEEPER, : DAY_S - 100] = True
    absent = np.zeros((2, DAY_S), np.bool_)
    absent[WALKER, out] = True
    worn = np.ones((3, DAY_S), np.bool_)
    worn[WALKER, OFF_AT:ON_AT] = False
    door = floor.exit_doors[0]
    return Day(
        names=("a", "b", "tag", "visitor"),
        residents=2,
        carers=1,
        zone=zone,
        x_m=x_m.astype(np.float32),
        y_m=y_m.astype(np.float32),
        storey=np.zeros(shape, np.int8),
        activity=activity,
        in_bed=in_bed,
        absent=absent,
        worn=worn,
        tags_off=(TagOff(WALKER, OFF_AT, ON_AT, number[WARD], *at_m[WARD], 0),),
        openings=(
            Opening(OUT_AT - 1, door, True, WALKER),
            Opening(OUT_AT + 5, door, False, WALKER),
        ),
        episodes=(
            Episode(
                WALKER,
                Happening.ELOPEMENT,
                OUT_AT - 5,
                BACK_AT,
                number[PORCH],
                doors=((7, OUT_AT - 5), (8, OUT_AT + 9)),
            ),
            Episode(CARER, Happening.PACING, 5, 10, number[WARD]),
        ),
    )


@pytest.fixture(scope="module")
def hours(floor: Floor) -> list[Hour]:
    home = HomeInAir(floor, [0, 1], 1, 3, [Trouble(5 * HOUR_S, 6 * HOUR_S, "dead", 0)])
    return list(home.hours(_day(floor), 0))


def _whole(hours: list[Hour], what: str) -> np.ndarray:
    return np.concatenate([getattr(hour, what) for hour in hours])


def test_hours_join_to_a_day(hours: list[Hour]) -> None:
    assert [hour.begin for hour in hours] == list(range(0, DAY_S, HOUR_S))
    assert all(after.begin - before.begin == HOUR_S for before, after in pairwise(hours))
    assert _whole(hours, "rssi_dbm").shape == (DAY_S, 3, 3)


def test_some_hours_are_those_of_the_whole_day(floor: Floor, hours: list[Hour]) -> None:
    home = HomeInAir(floor, [0, 1], 1, 3, [Trouble(5 * HOUR_S, 6 * HOUR_S, "dead", 0)])
    (tenth,) = home.hours(_day(floor), 0, range(10, 11))
    assert tenth.begin == OUT_AT
    assert (tenth.present == hours[10].present).all()
    assert (tenth.active == hours[10].active).all()
    assert tenth.rssi_dbm.shape == hours[10].rssi_dbm.shape
    (first,) = HomeInAir(floor, [0, 1], 0, 3).hours(_day(floor), 0, range(1))
    assert first.rssi_dbm.shape == (HOUR_S, 3, 2), "carers' tags may be left out"


def test_a_door_stands_open_from_opening_to_closing(floor: Floor) -> None:
    is_open = door_is_open(_day(floor), floor.exit_doors[0])
    assert np.flatnonzero(is_open).tolist() == list(range(OUT_AT - 1, OUT_AT + 5))


def test_who_is_away_is_not_heard_and_who_is_there_is(hours: list[Hour]) -> None:
    heard = np.isfinite(_whole(hours, "rssi_dbm")).any(axis=1)
    assert not heard[OUT_AT:BACK_AT, WALKER].any()
    assert heard[:OUT_AT, WALKER].mean() > 0.99
    assert heard[:, SLEEPER].mean() > 0.99


def test_a_dead_receiver_hears_nobody_and_is_known_to_be_dead(hours: list[Hour]) -> None:
    dead = slice(5 * HOUR_S, 6 * HOUR_S)
    assert np.isnan(_whole(hours, "rssi_dbm")[dead, 0]).all()
    works = _whole(hours, "works")
    assert not works[dead, 0].any()
    assert works[dead, 1:].all()


def test_who_took_the_wearable_off_is_no_longer_judged_once_that_is_noticed(
    hours: list[Hour],
) -> None:
    present = _whole(hours, "present")[:, WALKER]
    assert present[OFF_AT : OFF_AT + NOT_WORN_MIN * 60].all()
    assert not present[OFF_AT + NOT_WORN_MIN * 60 + 1 : ON_AT].any()
    assert present[ON_AT:].all()
    assert not present[OUT_AT:BACK_AT].any()


def test_an_unworn_wearable_sounds_from_where_it_lies(floor: Floor, hours: list[Hour]) -> None:
    ward = next(n for n, r in enumerate(floor.receivers) if floor.zones[r.zone] == WARD)
    heard = _whole(hours, "rssi_dbm")[:, ward, WALKER]
    assert np.nanmean(heard[OFF_AT:ON_AT]) > np.nanmean(heard[:OUT_AT]) + 3


def test_door_and_mat_tell_what_happened(hours: list[Hour]) -> None:
    door = _whole(hours, "door_open")[:, 0]
    assert door[OUT_AT]
    assert not door[OUT_AT + 5 + 300 : OUT_AT + 1800].any()
    in_bed = _whole(hours, "in_bed")
    # Only the bed of the second resident has a mat, and nobody lies in it.
    assert (in_bed[:, SLEEPER] == -1).all()
    assert (in_bed[700:, WALKER] == 0).all()


def test_a_calibration_walk_is_as_long_as_asked_and_teaches_every_zone(floor: Floor) -> None:
    home = HomeInAir(floor, [0, 1], 1, 3)
    walk = home.walk(90)
    assert np.bincount(walk.zone).tolist() == [30, 30, 30]
    model = home.model(90)
    assert model.is_calibrated
    assert not home.model(0).is_calibrated
    assert model.zones == floor.zones
    # In the ward its own receiver is the loudest.
    ward = floor.zone_number(WARD)
    own = next(n for n, each in enumerate(floor.receivers) if each.zone == ward)
    heard = np.nanmean(walk.rssi_dbm[:, walk.zone == ward], axis=1)
    assert heard.argmax() == own


def test_a_home_with_less_in_it_has_the_same_rooms_and_beds() -> None:
    whole = example_home()
    bare, matted = fitted(whole, STEPS[0]), fitted(whole, STEPS[3])
    assert (bare.zones, len(bare.beds)) == (whole.zones, len(whole.beds))
    assert not any(bed.sensor for bed in bare.beds)
    assert all(each.quantity is not Quantity.OCCUPIED for each in bare.sensors)
    toilets = set(whole.zones_of(ZoneUse.TOILET))
    assert toilets == {each.zone for each in whole.receivers} - {
        each.zone for each in bare.receivers
    }
    assert matted.beds == whole.beds
    assert matted.receivers == bare.receivers
    last = fitted(whole, STEPS[-1])
    assert (last.receivers, last.sensors) == (whole.receivers, whole.sensors)


def test_rooms_of_some_hours_are_told_of_everybody() -> None:
    home = read_plan(LIVED_IN)
    found = SimulatedDays(1, 7, floor=home, walk_s=90).rooms(range(3, 4))
    assert found.seen == len(home.beds) * (HOUR_S - 5)
    assert found.right > 0.8 * found.seen
    assert found.right + found.unknown <= found.seen


def test_truth_is_in_seconds_since_the_first_midnight_and_of_residents_only(floor: Floor) -> None:
    (out,) = truths_of(_day(floor), 2, 2)
    assert (out.row, out.kind) == (WALKER, "elopement")
    assert out.begun == 2 * DAY_S + OUT_AT - 5
    assert out.second_door == 2 * DAY_S + OUT_AT + 9
    assert list(left_beds_of(_day(floor), 1)) == [(SLEEPER, 2 * DAY_S - 100)]


def test_rooms_are_judged_of_who_is_there_and_wears_it(floor: Floor, hours: list[Hour]) -> None:
    day = _day(floor)
    told = day.zone[:2, :HOUR_S].T.astype(np.int64)
    told[1800:, SLEEPER] = UNKNOWN
    told[900:1800, WALKER] = floor.zone_number(PORCH)
    found = compare(told, day, hours[0], floor.near)
    assert found.seen == found.right + found.unknown + found.near == 2 * (HOUR_S - 5)
    assert (found.unknown, found.near) == (1800, 900)
    out = compare(np.full((HOUR_S, 2), UNKNOWN), day, hours[OUT_AT // HOUR_S], floor.near)
    assert out.seen == HOUR_S - 5


def test_a_folder_without_recordings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        compare_radio([str(tmp_path)])
    assert "holds no folders sphere-* and ble-flat" in capsys.readouterr().err


def _part(hour: Hour, begin: int, seconds: int) -> Hour:
    at = slice(begin, begin + seconds)
    return Hour(
        hour.begin + begin,
        hour.rssi_dbm[at],
        hour.movement_g[at],
        hour.active[at],
        hour.works[at],
        hour.in_bed[at],
        hour.door_open[at],
        hour.present[at],
        hour.carer_worn[at],
    )


def test_a_gateway_sees_where_everybody_is_and_each_opening_once(
    floor: Floor, hours: list[Hour]
) -> None:
    home = HomeInAir(floor, [0, 1], 1, 3)
    watch = Watch(
        home.model(300),
        plan_of(floor),
        2,
        3,
        bedroom=np.zeros(2, np.int64),
        uses=home.floor.uses,
    )
    before = _part(hours[OUT_AT // HOUR_S - 1], HOUR_S - 90, 90)
    scenes = [*watch.scenes(before, 4), *watch.scenes(_part(hours[OUT_AT // HOUR_S], 0, 30), 4)]
    assert [each.second for each in scenes] == [4 * DAY_S + OUT_AT - 90 + n for n in range(120)]
    settled = scenes[60]
    assert settled.zone.tolist() == [floor.zone_number(WARD), floor.zone_number(CORRIDOR)]
    assert settled.carer_zone.tolist() == [floor.zone_number(PORCH)]
    assert settled.minute_of_day == (OUT_AT - 30) // 60
    opened = [each.second for each in scenes if each.door_opened[0]]
    assert opened == [4 * DAY_S + OUT_AT - 1]
    # She went out with the door.
    assert scenes[-1].heard_s[WALKER] == 30
    assert scenes[-1].heard_s[SLEEPER] < 3
    assert not scenes[-1].present[WALKER]


def _found(row: int, kind: EventKind, zone: int) -> Found:
    return Found(row, kind, 0, 0, zone, False, {})


def test_who_stands_alone_at_a_door_that_opens_is_told_with_reason(floor: Floor) -> None:
    day = _day(floor)
    at_door = day._replace(zone=day.zone.copy())
    at_door.zone[SLEEPER] = floor.zone_number(PORCH)
    alone = at_door._replace(zone=at_door.zone.copy())
    alone.zone[CARER] = floor.zone_number(WARD)
    kind, porch = EventKind.ELOPEMENT, floor.zone_number(PORCH)
    assert is_as_said(_found(SLEEPER, kind, porch), OUT_AT + 5, alone, floor)
    assert not is_as_said(_found(SLEEPER, kind, porch), OUT_AT + 5, at_door, floor), (
        "a carer stands by"
    )
    assert not is_as_said(_found(SLEEPER, kind, porch), OUT_AT + 5, day, floor), "she lies in bed"
    assert not is_as_said(_found(SLEEPER, kind, porch), OUT_AT - 60, alone, floor), (
        "the door is shut"
    )
    gone = alone._replace(zone=alone.zone.copy())
    gone.zone[SLEEPER, OUT_AT - 1 :] = floor.zone_number(CORRIDOR)
    assert not is_as_said(_found(SLEEPER, kind, porch), OUT_AT + 5, gone, floor), (
        "she left before it opened"
    )
    ward = floor.zone_number(WARD)
    assert not is_as_said(_found(SLEEPER, kind, ward), OUT_AT + 5, alone, floor), "another place"


def test_who_comes_back_to_an_exit_or_stays_is_told_with_reason(floor: Floor) -> None:
    day = _day(floor)
    porch = floor.zone_number(PORCH)
    comes = day._replace(zone=day.zone.copy())
    for begun in (1000, 1200, 1400):
        comes.zone[SLEEPER, begun : begun + 20] = porch
    kind = EventKind.EXIT_SEEKING
    assert is_as_said(_found(SLEEPER, kind, porch), 1410, comes, floor)
    assert not is_as_said(_found(SLEEPER, kind, porch), 1300, comes, floor), "twice only"
    assert not is_as_said(_found(SLEEPER, kind, porch), 4000, comes, floor), "long ago"
    assert is_as_said(_found(CARER, kind, porch), 5000, day, floor), "stays"
    assert not is_as_said(_found(CARER, kind, porch), 0, day, floor), (
        "nothing is known before the first second"
    )
    assert not is_as_said(_found(CARER, kind, porch), 59, day, floor), "no minute yet"
    assert not is_as_said(_found(SLEEPER, kind, UNKNOWN), 1410, comes, floor), "no exit is told"
    assert not is_as_said(_found(SLEEPER, EventKind.INACTIVE, porch), 1410, comes, floor)
