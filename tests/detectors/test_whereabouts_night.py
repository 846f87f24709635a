from __future__ import annotations

import numpy as np
import pytest

from contract.events import EventKind
from detectors.bedtimes import Bedtimes
from detectors.whereabouts import Whereabouts
from detectors.whereabouts_words import sentence
from tests.detectors.scenes import (
    CORRIDOR,
    EXIT,
    HALL,
    KITCHEN,
    LOUNGE,
    OTHERS,
    ROOM,
    TOILET,
    UNKNOWN,
    ZONES,
    Home,
    a_plan,
    policies,
)

NIGHT, BED = EventKind.NIGHT_WANDERING, EventKind.BED_EXIT
YES, NO = np.ones(1, np.bool_), np.zeros(1, np.bool_)


def asleep(
    *, has_bed_sensor: bool = False, minute: int = 60, movement_known: bool = True, **asked: object
) -> Home:
    """She has been in bed for long, at one in the morning."""
    home = Home(policies(at_risk=NO, has_bed_sensor=np.array([has_bed_sensor]), **asked))
    home.local_s = minute * 60
    home.movement_known = movement_known
    home.go(CORRIDOR, ROOM, seconds=20)
    home.moves[:] = False
    if has_bed_sensor:
        home.in_bed[0] = 1
    home.stay(1200, each=60)
    return home


def get_up(home: Home, *rooms: int, seconds: int = 20) -> None:
    if home.in_bed[0] == 1:
        home.in_bed[0] = 0
    home.stay(20)
    home.go(*rooms, seconds=seconds)


@pytest.mark.parametrize("has_bed_sensor", [False, True])
def test_a_short_toilet_trip_is_silent(has_bed_sensor: bool) -> None:
    home = asleep(has_bed_sensor=has_bed_sensor)
    get_up(home, CORRIDOR)
    home.go(TOILET, seconds=20)
    home.stay(12 * 60, each=10)
    home.go(CORRIDOR, ROOM, seconds=20)
    home.in_bed[0] = 1 if has_bed_sensor else -1
    home.stay(1800, each=20)
    assert home.found == []


@pytest.mark.parametrize("has_bed_sensor", [False, True])
def test_out_of_bed_for_more_than_twenty_minutes(has_bed_sensor: bool) -> None:
    home = asleep(has_bed_sensor=has_bed_sensor)
    left = home.second
    get_up(home, CORRIDOR, LOUNGE)
    home.stay(1320, each=5)
    (found,) = home.of(NIGHT)
    assert found.zone == LOUNGE
    assert abs(found.begun - left) <= 50
    assert 1200 <= found.at - found.begun <= 1206
    home.stay(1800, each=20)
    assert len(home.of(NIGHT)) == 1


def test_who_sits_up_in_her_own_room_wanders_nowhere_until_she_has_left_it() -> None:
    home = asleep(has_bed_sensor=True)
    get_up(home)
    home.stay(2400, each=20)
    assert home.of(NIGHT) == []
    home.go(CORRIDOR, LOUNGE, seconds=20)
    home.stay(60, each=5)
    assert len(home.of(NIGHT)) == 1


def test_three_rooms_at_night() -> None:
    home = asleep()
    get_up(home, CORRIDOR, TOILET, CORRIDOR, LOUNGE, seconds=25)
    assert home.of(NIGHT) == []
    home.go(KITCHEN, seconds=35)
    assert [each.features["rooms"] for each in home.of(NIGHT)] == [3.0]


def test_who_stops_in_two_rooms_at_night_is_on_no_errand() -> None:
    home = asleep()
    get_up(home, CORRIDOR)
    home.go(LOUNGE, seconds=50)
    assert home.of(NIGHT) == []
    home.go(KITCHEN, seconds=40)
    assert [each.features["rooms"] for each in home.of(NIGHT)] == [2.0]


def test_rooms_behind_the_walls_of_a_corridor_are_not_visited() -> None:
    """To the toilet and back, told to be in each room that she passes for as long as that takes."""
    home = asleep()
    get_up(home, CORRIDOR, LOUNGE, KITCHEN, CORRIDOR, seconds=15)
    home.go(TOILET, seconds=200)
    home.go(KITCHEN, LOUNGE, CORRIDOR, ROOM, seconds=15)
    home.stay(200)
    assert home.of(NIGHT) == []


def test_corridors_and_ghosts_are_no_rooms() -> None:
    home = asleep()
    get_up(home, CORRIDOR, HALL, CORRIDOR)
    for ghost in (KITCHEN, LOUNGE, TOILET, EXIT):
        home.go(ghost, seconds=4)
        home.go(CORRIDOR, seconds=20)
    home.go(ROOM, seconds=100)
    assert home.of(NIGHT) == []


def test_somebody_elses_bedroom() -> None:
    home = asleep()
    get_up(home, CORRIDOR)
    assert home.of(NIGHT) == []
    home.go(OTHERS, seconds=70)
    (found,) = home.of(NIGHT)
    assert (found.zone, found.features["is_in_others_room"]) == (OTHERS, 1.0)
    assert found.at - found.begun < 110


def test_in_bed_by_her_sensor_she_is_in_nobody_elses_room() -> None:
    home = asleep(has_bed_sensor=True)
    home.go(CORRIDOR, OTHERS, seconds=100)
    assert home.of(NIGHT) == []


def test_a_sleeper_whose_radio_drifts_into_the_next_room_stays_in_bed() -> None:
    home = asleep(bed_exit=YES)
    for zone in (TOILET, OTHERS, CORRIDOR, LOUNGE, KITCHEN, OTHERS):
        home.zone[0] = zone
        home.stay(600, each=5)
    assert home.found == []


def test_who_lies_down_and_sounds_like_the_toilet_behind_her_wall_is_in_bed() -> None:
    home = asleep()
    get_up(home, CORRIDOR, TOILET, CORRIDOR, ROOM, seconds=20)
    home.zone[0] = TOILET
    home.moves[0] = False
    home.stay(40)
    home.stay(2400, each=10)
    assert home.found == []


def test_who_was_missed_in_the_corridor_is_in_the_toilet_all_the_same() -> None:
    home = asleep()
    home.stay(30)
    home.go(TOILET, seconds=40)
    home.moves[0] = False
    home.stay(1900, each=5)
    assert {each.kind for each in home.found} == {NIGHT, EventKind.NOT_RETURNED}


def test_where_nobody_knows_how_she_moves_she_may_have_walked() -> None:
    home = asleep(movement_known=False)
    for zone in (CORRIDOR, OTHERS):
        home.zone[0] = zone
        home.stay(70)
    assert len(home.of(NIGHT)) == 1


def test_the_same_by_day_is_nothing() -> None:
    home = asleep(minute=14 * 60)
    get_up(home, CORRIDOR, OTHERS, CORRIDOR, LOUNGE, KITCHEN, seconds=60)
    home.stay(1500, each=10)
    assert home.of(NIGHT) == []


def test_who_has_not_gone_to_bed_yet_has_not_got_up() -> None:
    home = Home(policies(at_risk=NO), minute=21 * 60)
    home.go(CORRIDOR, LOUNGE, seconds=20)
    home.stay(2 * 3600, each=60)
    home.go(CORRIDOR, TOILET, CORRIDOR, ROOM, seconds=60)
    assert home.of(NIGHT) == []


def test_who_is_up_in_the_evening_of_a_day_with_a_restart_at_noon_has_not_got_up() -> None:
    home = asleep(minute=5 * 60 + 35)
    home.moves[0] = True
    home.go(CORRIDOR, LOUNGE, seconds=20)
    home.stay(600, each=60)
    home.local_s = 12 * 3600 - 60
    home.stay(30, each=10)
    kept = home.detector.to_arrays()
    home.detector = Whereabouts.from_arrays(a_plan(), home.asked, 0, kept)
    home.second += 120
    home.local_s += 120
    home.stay(11 * 3600, each=60)
    assert home.of(NIGHT) == []


def test_whom_a_carer_has_left_on_her_excursion_is_told_again() -> None:
    """The carer comes along for ten minutes or for an hour; she wanders on alone or does not."""
    for minutes, excused in ((5, [True, False]), (60, [True])):
        home = Home(policies(at_risk=NO), carers=1, minute=60)
        home.go(CORRIDOR, ROOM, seconds=20)
        home.moves[:] = False
        home.stay(1200, each=60)
        home.moves[0] = True
        for room in (CORRIDOR, TOILET, CORRIDOR, LOUNGE, KITCHEN):
            home.carer_zone[0] = home.zone[0] = room
            home.stay(25)
        for minute in range(20):
            home.zone[0] = (LOUNGE, KITCHEN, HALL)[minute % 3]
            home.carer_zone[0] = home.zone[0] if minute < minutes else UNKNOWN
            home.stay(60)
        assert [each.excused for each in home.of(NIGHT)] == excused


def test_back_in_bed_and_out_again_is_another_excursion() -> None:
    home = asleep()
    for _ in range(2):
        get_up(home, CORRIDOR, OTHERS, seconds=70)
        home.go(CORRIDOR, ROOM, seconds=20)
        home.stay(300)
    assert len(home.of(NIGHT)) == 2


def test_who_does_not_want_it_is_not_told() -> None:
    home = asleep(night_wandering=NO)
    get_up(home, CORRIDOR, OTHERS, LOUNGE, KITCHEN, seconds=60)
    assert home.of(NIGHT) == []


def test_unknown_zones_are_no_excursion() -> None:
    home = asleep()
    home.zone[0] = UNKNOWN
    home.stay(3600, each=20)
    assert home.found == []


def test_midnight_and_the_end_of_summer_time_in_one_excursion() -> None:
    home = asleep(minute=23 * 60 + 30)
    get_up(home, CORRIDOR)
    home.go(LOUNGE, seconds=20)
    home.stay(380, each=10)
    home.local_s -= 3600
    home.stay(830, each=5)
    assert len(home.of(NIGHT)) == 1
    assert home.of(NIGHT)[0].features["out_min"] == pytest.approx(20, abs=0.2)


def test_each_exit_from_bed_where_the_plan_asks() -> None:
    home = asleep(has_bed_sensor=True, bed_exit=YES)
    home.moves[0] = True
    home.in_bed[0] = 0
    home.stay(3)
    home.in_bed[0] = 1
    home.stay(60)
    assert home.of(BED) == []
    home.in_bed[0] = 0
    home.stay(10)
    (found,) = home.of(BED)
    assert found.at - found.begun <= 6
    assert found.features["by_bed_sensor"] == 1.0
    home.in_bed[0] = 1
    home.stay(20)
    home.in_bed[0] = 0
    home.stay(20)
    assert len(home.of(BED)) == 1


def test_a_mat_that_loses_who_lies_still_is_believed_a_minute_later() -> None:
    """The edge of the mat for half a minute; or the wearable lies there, and the bed is empty."""
    home = asleep(has_bed_sensor=True, bed_exit=YES)
    home.in_bed[0] = 0
    home.stay(50)
    home.in_bed[0] = 1
    home.stay(60)
    assert home.of(BED) == []
    home.in_bed[0] = 0
    home.stay(62)
    assert len(home.of(BED)) == 1


def test_without_a_bed_sensor_it_is_her_room_that_she_leaves() -> None:
    home = asleep(bed_exit=YES)
    home.go(CORRIDOR, seconds=30)
    assert [each.features["by_bed_sensor"] for each in home.of(BED)] == [0.0]
    by_day = asleep(bed_exit=YES, minute=10 * 60)
    by_day.go(CORRIDOR, seconds=30)
    assert by_day.of(BED) == []


def nights(bed_minute: int, rise_minute: int, days: int) -> Bedtimes:
    times = Bedtimes(1)
    for minute in range(12 * 60, 12 * 60 + days * 1440 + 1, 5):
        local = minute % 1440
        in_bed = (local - bed_minute) % 1440 < (rise_minute - bed_minute) % 1440
        in_bed &= not bed_minute + 100 <= local < bed_minute + 110  # A toilet trip.
        times.step(np.array([in_bed]), minute * 60, local)
    return times


def test_her_own_night_is_learnt() -> None:
    early = nights(19 * 60, 4 * 60, 30)
    assert early.is_known.all()
    assert early.is_night(21 * 60).all()
    assert not early.is_night(5 * 60).any()
    late = nights(23 * 60 + 30, 9 * 60, 30)
    assert not late.is_night(23 * 60).any()
    assert late.is_night(7 * 60).all()
    assert not late.is_night(12 * 60).any()


def test_until_then_it_is_the_homes() -> None:
    times = nights(19 * 60, 4 * 60, 5)
    assert not times.is_known.any()
    assert [times.is_night(hour * 60)[0] for hour in (21, 22, 3, 6)] == [False, True, True, False]


def test_who_is_up_long_after_her_own_bedtime_is_out_of_bed() -> None:
    home = Home(policies(at_risk=NO), minute=22 * 60)
    home.detector._night.bedtimes = nights(21 * 60, 7 * 60, 30)
    home.go(CORRIDOR, LOUNGE, seconds=20)
    home.stay(3 * 3600, each=60)
    (found,) = home.of(NIGHT)
    assert sentence(found, ZONES).startswith("Not gone to bed long after her usual time, now at l")


def test_who_has_no_fixed_hours_has_the_homes() -> None:
    rng = np.random.default_rng(3)
    times = Bedtimes(1)
    for day in range(40):
        for minute in range(0, 1440, 10):
            begins = 300 if day % 2 else 900
            in_bed = begins <= minute < begins + 400 + rng.integers(0, 20)
            times.step(np.array([in_bed]), (day * 1440 + minute) * 60, minute)
    assert [times.is_night(hour * 60)[0] for hour in (21, 22, 3, 6)] == [False, True, True, False]
