from __future__ import annotations

import numpy as np
import pytest

from contract.events import EventKind
from detectors.habits import HOURS, LEARNING_DAYS
from tests.detectors.scenes import (
    CORRIDOR,
    LOUNGE,
    ROOM,
    TOILET,
    UNKNOWN,
    Home,
    policies,
)

INACTIVE, NOT_RETURNED = EventKind.INACTIVE, EventKind.NOT_RETURNED
NO = np.zeros(1, np.bool_)


def known(home: Home, bouts_an_hour: float) -> Home:
    """A month in which each hour had so many bouts of activity."""
    rates = home.detector._habits.activity
    for _ in range(30):
        for hour in range(HOURS):
            rates.learn(hour, np.full(home.residents, bouts_an_hour))
        rates.end_day()
    return home


def lie_still(home: Home, hours: float) -> None:
    home.moves[:] = False
    home.stay(int(hours * 3600), each=60)


def test_silence_is_told_when_it_is_improbable_for_her() -> None:
    lively, quiet = known(Home(minute=9 * 60), 3.5), known(Home(minute=9 * 60), 1.0)
    for home in (lively, quiet):
        home.go(CORRIDOR, LOUNGE)
        lie_still(home, 4)
    (found,) = lively.of(INACTIVE)
    assert 120 <= found.features["silent_min"] <= 180
    assert found.features["log10_p"] <= -4
    assert found.zone == LOUNGE
    assert quiet.of(INACTIVE) == []


def test_while_she_is_learnt_only_a_long_silence_is_told() -> None:
    home = Home(minute=9 * 60)
    home.stay(60)
    lie_still(home, 3.9)
    assert home.of(INACTIVE) == []
    lie_still(home, 0.2)
    (found,) = home.of(INACTIVE)
    assert found.features["is_learning"] == found.features["is_movement_known"] == 1.0
    lie_still(home, 2)
    assert len(home.of(INACTIVE)) == 1


def test_of_whom_nobody_knows_how_she_moves_it_is_not_said_that_she_does_not() -> None:
    home = Home(minute=9 * 60)
    home.movement_known = False
    home.stay(4 * 3600 + 300, each=60)
    (found,) = home.of(INACTIVE)
    assert found.features["is_movement_known"] == 0.0


def test_who_sleeps_in_her_chair_each_afternoon_pages_nobody() -> None:
    home = known(Home(minute=13 * 60), 3.5)
    home.go(CORRIDOR, LOUNGE)
    for day in range(3):
        home.moves[:] = False
        home.stay(6960 - 300 * day, each=60)  # Just under what is told.
        home.moves[:] = True
        home.stay(20)
        home.local_s = (day + 1) * 86_400 + 13 * 3600
    lie_still(home, 2.3)
    assert home.of(INACTIVE) == []
    lie_still(home, 0.8)
    assert len(home.of(INACTIVE)) == 1


def test_bed_night_absence_and_deaf_receivers_are_no_silence() -> None:
    in_bed = Home(policies(at_risk=NO, has_bed_sensor=~NO), minute=9 * 60)
    in_bed.in_bed[0] = 1
    night = Home(minute=22 * 60)
    away = Home(minute=9 * 60)
    away.present[0] = False
    unheard = Home(minute=9 * 60)
    unheard.stay(20)
    unheard.is_heard[0] = False
    nowhere = Home(minute=9 * 60)
    nowhere.zone[0] = UNKNOWN
    for home in (in_bed, night, away, unheard, nowhere):
        known(home, 3.5)
        home.detector.policies = home.asked._replace(at_risk=NO)
        home.stay(20)
        lie_still(home, 5)
        assert home.of(INACTIVE) == []


def test_one_movement_ends_it() -> None:
    home = known(Home(minute=9 * 60), 3.5)
    for _ in range(3):
        home.stay(60)
        lie_still(home, 1.9)
        home.moves[:] = True
    assert home.of(INACTIVE) == []


def test_over_the_hours_it_is_the_same_as_the_rates_say() -> None:
    home = known(Home(minute=9 * 60 + 30), 1.0)
    home.stay(20)
    home.moves[:] = False
    home.stay(40 + 1800 + 3600, each=10)
    part = home.detector._inactivity
    rates = home.detector._habits.activity
    silent_h = part._silent_s[0] / 3600
    now = part._log10_p + rates.quiet(11, part._hours())
    assert silent_h == pytest.approx(1.5, abs=0.02)
    assert now[0] == pytest.approx(rates.silence(11.0 - (11 - 9.5), silent_h)[0], rel=0.03)


def test_an_hour_is_learnt_as_far_as_she_was_watched() -> None:
    home = Home(minute=9 * 60)
    home.stay(1800, each=10)
    home.present[0] = False
    home.stay(1900, each=10)
    assert home.detector._habits.activity.weight_h(9)[0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("turn_s", "weight"), [(3600, 1.0), (-3600, 2.0)])
def test_days_of_23_and_25_hours(turn_s: int, weight: float) -> None:
    home = Home(minute=60)
    home.stay(3600, each=30)
    home.local_s += turn_s
    home.stay(7210, each=30)
    weights = home.detector._habits.activity
    assert weights.weight_h(1)[0] == pytest.approx(weight, abs=0.03)
    assert weights.weight_h(2)[0] == pytest.approx(0.0 if turn_s > 0 else 1.0, abs=0.03)


def test_it_is_learning_until_enough_days_are_known() -> None:
    home = Home()
    assert home.detector.learning.all()
    for _ in range(LEARNING_DAYS + 1):
        home.stay(600, each=60)
        home.local_s += 86_400 - 600
    assert not home.detector.learning.any()


def test_not_back_from_the_toilet() -> None:
    home = Home()
    home.stay(60)
    home.go(CORRIDOR)
    home.go(TOILET, seconds=20)
    home.stay(1775, each=5)
    assert home.of(NOT_RETURNED) == []
    home.stay(20)
    (found,) = home.of(NOT_RETURNED)
    assert found.zone == TOILET
    assert found.at - found.begun <= 1811
    home.stay(3600, each=30)
    assert len(home.of(NOT_RETURNED)) == 1


def test_whom_her_carer_has_left_in_the_toilet_is_told_again_unless_she_is_back() -> None:
    for is_back, excused in ((False, [True, False]), (True, [True])):
        home = Home(carers=1)
        for room in (LOUNGE, CORRIDOR, TOILET):
            home.carer_zone[0] = home.zone[0] = room
            home.stay(20)
        home.stay(1800 - 300, each=10)
        for room in (CORRIDOR, ROOM, CORRIDOR, TOILET):  # The carer fetches something.
            home.carer_zone[0] = room
            home.stay(20)
        home.stay(300, each=5)
        assert [each.excused for each in home.of(NOT_RETURNED)] == [True]
        home.carer_zone[0] = UNKNOWN
        if is_back:
            home.go(CORRIDOR, LOUNGE)
        home.stay(620, each=5)
        assert [each.excused for each in home.of(NOT_RETURNED)] == excused


def test_left_for_the_toilet_and_told_nowhere_since() -> None:
    home = Home()
    home.stay(60)
    home.go(CORRIDOR)
    home.go(TOILET, seconds=60)
    home.zone[0] = UNKNOWN
    home.stay(1900, each=10)
    assert len(home.of(NOT_RETURNED)) == 1


def test_back_in_any_room_is_back_and_a_glimpse_is_not() -> None:
    home = Home()
    home.stay(60)
    home.go(CORRIDOR)
    home.go(TOILET, seconds=20)
    home.stay(880, each=10)
    home.go(CORRIDOR, seconds=5)
    home.go(TOILET, seconds=20)
    home.stay(980, each=10)
    assert len(home.of(NOT_RETURNED)) == 1
    home.go(CORRIDOR, LOUNGE, seconds=20)
    home.go(TOILET, seconds=20)
    home.stay(1680, each=10)
    home.go(CORRIDOR, seconds=20)
    assert len(home.of(NOT_RETURNED)) == 1


def test_who_bathes_without_her_wearable_and_who_is_not_asked_for() -> None:
    asked = Home()
    asked.go(ROOM, CORRIDOR, TOILET, seconds=20)
    asked.present[0] = False
    asked.stay(2400, each=20)
    asked.present[0] = True
    asked.stay(60)
    never = Home(policies(not_returned_s=np.zeros(1, np.int64)))
    never.go(ROOM, CORRIDOR, TOILET, seconds=20)
    never.stay(2400, each=20)
    assert asked.of(NOT_RETURNED) == never.of(NOT_RETURNED) == []
