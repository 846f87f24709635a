from __future__ import annotations

import numpy as np
import pytest

from contract.events import EventKind
from detectors.whereabouts import Plan, Whereabouts
from detectors.whereabouts_exits import STANDS_S
from detectors.whereabouts_scene import NO_DOOR
from detectors.whereabouts_words import sentence
from tests.detectors.scenes import (
    CORRIDOR,
    EXIT,
    HALL,
    KITCHEN,
    LOUNGE,
    ROOM,
    UNKNOWN,
    ZONES,
    Home,
    a_plan,
    accompanied,
    at_exit,
    policies,
)

ELOPEMENT, LEFT, SEEKING = (
    EventKind.ELOPEMENT,
    EventKind.LEFT_SAFE_ZONE,
    EventKind.EXIT_SEEKING,
)


def test_the_door_opens_where_she_stands() -> None:
    home = at_exit(Home())
    (found,) = home.open_door()
    assert (found.kind, found.zone, found.excused) == (ELOPEMENT, EXIT, False)
    assert found.at == found.begun
    home.stay(60)
    assert len(home.of(ELOPEMENT)) == 1


def test_she_is_found_before_the_place_is_decided() -> None:
    """The decided place is five seconds old: by then she is at the second door."""
    home = Home()
    home.stay(30)
    home.go(CORRIDOR, HALL)
    belief = np.full((1, 8), 0.01, np.float32)
    belief[0, EXIT] = 0.9
    home.belief = belief
    home.stay(STANDS_S)
    assert [each.kind for each in home.open_door(0)] == [ELOPEMENT]


def test_who_goes_through_a_door_that_stands_open_is_found() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR, HALL)
    home.open_door()
    home.door = 1
    found = home.go(EXIT, seconds=10)
    assert [each.kind for each in found] == [ELOPEMENT]
    assert found[0].at - found[0].begun == 6
    assert sentence(found[0], ZONES).startswith("She came to front door while the exit door was")


def test_the_sensor_of_the_door_draws_nobody_to_it() -> None:
    """Rooms are told by sensors, too: who walks past as somebody opens is believed to be there."""
    home = Home()
    home.stay(30)
    home.go(CORRIDOR)
    home.zone[0] = HALL
    at_door = np.full((1, 8), 0.01, np.float32)
    at_door[0, EXIT] = 0.9
    home.open_door(1)
    home.door, home.belief = 1, at_door
    home.stay(5)
    home.belief, home.door = None, 0
    home.stay(30)
    assert home.found == []


def test_a_door_that_opens_with_nobody_near_says_nothing() -> None:
    home = Home()
    home.stay(30)
    home.open_door()
    home.stay(20)
    home.go(CORRIDOR, HALL, EXIT)
    assert home.of(ELOPEMENT) == []


def test_who_may_leave_alone_leaves() -> None:
    home = at_exit(Home(policies(at_risk=np.zeros(1, np.bool_))))
    home.open_door()
    home.vanish()
    home.stay(120)
    assert home.found == []


def test_held_to_be_in_two_places_at_once_she_is_at_no_door() -> None:
    home = Home()
    home.stay(30)
    home.belief = np.zeros((1, 8), np.float32)
    home.belief[0, [ROOM, EXIT]] = 0.5
    home.open_door()
    assert home.found == []


def test_the_door_opens_again_while_she_still_stands_there() -> None:
    home = at_exit(Home())
    home.open_door()
    home.stay(30)
    assert home.open_door() == []
    home.stay(150)
    (again,) = [each for each in home.open_door() if each.kind is ELOPEMENT]
    assert again.begun == again.at


def test_who_was_back_inside_can_go_again() -> None:
    home = at_exit(Home())
    home.open_door()
    home.go(HALL, CORRIDOR, LOUNGE, seconds=30)
    home.go(CORRIDOR, HALL, EXIT)
    home.open_door()
    assert len(home.of(ELOPEMENT)) == 2


def test_who_paces_is_back_without_a_rest_and_can_go_again() -> None:
    home = at_exit(Home())
    home.open_door()
    for _ in range(20):
        home.go(HALL, CORRIDOR, LOUNGE, CORRIDOR)
    home.go(HALL, EXIT)
    home.vanish()
    home.stay(60)
    assert [each.features.get("is_lost") for each in home.of(ELOPEMENT)] == [None, 1.0]


def test_a_door_that_never_closes_is_said_and_not_judged() -> None:
    home = Home()
    home.stay(30)
    home.door = 1
    home.stay(630, each=10)
    assert home.detector.doors_stuck.tolist() == [True]
    home.go(CORRIDOR, HALL, EXIT)
    assert home.of(ELOPEMENT) == []
    home.door = 0
    home.stay(1)
    assert home.detector.doors_stuck.tolist() == [False]
    assert [each.kind for each in home.open_door()] == [ELOPEMENT]


def test_a_stuck_door_that_opens_has_been_closed() -> None:
    home = Home()
    home.stay(30)
    home.door = 1
    home.stay(630, each=10)
    home.go(CORRIDOR, HALL, EXIT)
    home.second += 1
    assert [each.kind for each in home.detector.step(home.scene(door_opened=True))] == [ELOPEMENT]


@pytest.mark.parametrize(("other", "found"), [(NO_DOOR, []), (UNKNOWN, [ELOPEMENT])])
def test_a_silent_door_is_not_vouched_for_by_another_and_a_motion_sensor_is_no_door(
    other: int, found: list[EventKind]
) -> None:
    """She is heard no more beside an exit of which one contact says that it stayed shut."""
    home = Home()
    plan = a_plan()._replace(exit_doors=np.array([EXIT, EXIT]))
    home.detector = Whereabouts(plan, home.asked, 0)
    told = []
    for second in range(120):
        home.second, home.heard_s[0] = second, max(0, second - 40)
        home.zone[0] = (LOUNGE, CORRIDOR, HALL, HALL)[min(second // 12, 3)]
        scene = home.scene()._replace(
            door_open=np.array([0, other], np.int8), door_opened=np.zeros(2, np.bool_)
        )
        told += home.detector.step(scene)
    assert [each.kind for each in told] == found


def test_gone_behind_a_door_that_opened() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR, HALL, seconds=8)
    home.open_door()
    home.vanish()
    home.stay(10)
    (found,) = home.of(ELOPEMENT)
    assert found.features["is_lost"] == 1.0
    assert found.features["unheard_s"] <= 16
    assert found.zone == HALL


def test_gone_at_the_exit_without_a_word_of_the_door() -> None:
    home = at_exit(Home())
    home.vanish()
    home.stay(40)
    assert home.of(ELOPEMENT) == []
    home.stay(20)
    assert [each.features["unheard_s"] for each in home.of(ELOPEMENT)] == [60.0]


def test_lost_beside_an_exit_whose_door_stayed_shut_is_no_elopement() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR, HALL)
    home.vanish()
    home.stay(300, each=5)
    assert home.of(ELOPEMENT) == []


def test_lost_beside_an_exit_whose_door_nobody_knows_is_one() -> None:
    home = Home()
    home.door = -1
    home.stay(30)
    home.go(CORRIDOR, HALL)
    home.vanish()
    home.stay(60)
    assert len(home.of(ELOPEMENT)) == 1


def test_lost_elsewhere_or_where_no_receiver_works_is_a_fault_of_others() -> None:
    for room, is_covered in ((LOUNGE, True), (EXIT, False)):
        home = Home()
        home.stay(30)
        home.go(CORRIDOR, HALL, room)
        home.covered[room] = is_covered
        home.vanish()
        home.stay(200)
        assert home.of(ELOPEMENT) == []


def out_and_heard_again(home: Home) -> Home:
    at_exit(home)
    home.open_door()
    home.vanish()
    home.stay(900, each=10)
    home.is_heard[0], home.zone[0] = True, EXIT
    home.stay(8)
    return home


def test_who_comes_home_is_not_told() -> None:
    home = out_and_heard_again(Home())
    home.open_door()
    home.go(EXIT, HALL, LOUNGE, seconds=40)
    assert len(home.of(ELOPEMENT)) == 1
    home.go(HALL, EXIT)
    home.open_door()
    assert len(home.of(ELOPEMENT)) == 2


def test_while_she_is_out_the_belief_that_stayed_at_the_door_is_none() -> None:
    home = at_exit(Home())
    home.open_door()
    home.belief = home.scene().belief
    home.vanish()
    home.stay(300, each=5)
    home.open_door()
    home.stay(60)
    assert len(home.of(ELOPEMENT)) == 1


def test_who_turns_round_in_the_door_and_goes_again_is_told_again() -> None:
    home = out_and_heard_again(Home())
    home.stay(40)
    home.open_door()
    assert len(home.of(ELOPEMENT)) == 2


def test_heard_now_and_then_from_the_street_she_is_told_once() -> None:
    home = out_and_heard_again(Home())
    for _ in range(4):
        home.vanish()
        home.stay(60)
        home.is_heard[0], home.zone[0] = True, EXIT
        home.stay(4)
    assert len(home.of(ELOPEMENT)) == 1


def test_a_hole_in_the_radio_hides_nobody_who_goes_out_by_the_door() -> None:
    home = at_exit(Home())
    home.is_heard[0] = False
    home.stay(12)
    home.is_heard[0] = True
    home.stay(5)
    home.open_door()
    home.vanish()
    home.stay(5)
    assert [each.features.get("is_lost") for each in home.of(ELOPEMENT)] == [1.0]


def test_a_carer_who_goes_with_her_excuses_it_and_it_is_asked_again() -> None:
    home = accompanied(Home(carers=1))
    (found,) = home.open_door()
    assert found.excused
    home.vanish()
    home.carer_zone[0] = UNKNOWN
    home.stay(600, each=5)
    first, again = home.of(ELOPEMENT)
    assert not again.excused
    assert again.features["asked_again"] == 1.0
    assert again.begun == first.begun
    assert again.zone == first.zone == EXIT
    assert 595 <= again.at - first.at <= 610
    home.stay(1200, each=10)
    assert len(home.of(ELOPEMENT)) == 2


def test_whom_her_carer_has_left_at_the_door_is_excused_by_nothing() -> None:
    """The carer goes out, and a minute later the door opens with her still there."""
    for leaves, excused in ((True, [True, False]), (False, [True])):
        home = accompanied(Home(carers=1))
        home.open_door()
        if leaves:
            home.carer_zone[0] = UNKNOWN
        home.stay(60)
        home.open_door()
        home.stay(30)
        assert [each.excused for each in home.of(ELOPEMENT)] == excused


def test_who_came_back_with_her_carer_is_not_asked_for() -> None:
    home = accompanied(Home(carers=1))
    home.open_door()
    home.go(HALL, CORRIDOR, LOUNGE, seconds=40)
    home.stay(700, each=5)
    assert [each.excused for each in home.of(ELOPEMENT)] == [True]


def test_both_vanish_at_once_and_it_is_excused() -> None:
    home = accompanied(Home(carers=1))
    home.carer_zone[0] = EXIT
    home.vanish()
    home.carer_zone[0] = UNKNOWN
    home.stay(60)
    assert [each.excused for each in home.of(ELOPEMENT)] == [True]


def test_a_tag_that_lies_by_the_door_excuses_nothing() -> None:
    home = Home(carers=1)
    home.carer_zone[0] = EXIT
    home.stay(900, each=10)
    at_exit(home)
    home.stay(30)
    assert [each.excused for each in home.open_door() if each.kind is ELOPEMENT] == [False]


def test_a_tag_by_the_door_that_is_heard_in_two_rooms_excuses_nothing() -> None:
    home = Home(carers=1)
    for room in (HALL, EXIT) * 20:
        home.carer_zone[0] = room
        home.stay(7)
    at_exit(home)
    home.stay(25)
    assert [each.excused for each in home.open_door() if each.kind is ELOPEMENT] == [False]


def test_in_a_home_of_three_zones_a_tag_by_the_door_excuses_nothing_either() -> None:
    plan = a_plan()
    near = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.bool_)
    use = plan.use[[ROOM, HALL, EXIT]]
    home, asked = Home(carers=1), policies(safe=np.ones((1, 3), np.bool_))
    home.detector = Whereabouts(Plan(near, use, np.array([2])), asked, 1)
    there, excused = np.array([[0.0, 0.0, 1.0]], np.float32), []
    for second in range(200):
        her = np.array([min(second // 20, 2)])
        scene = home.scene(door_opened=second == 150)._replace(
            second=second,
            zone=her,
            belief=np.eye(3, dtype=np.float32)[her],
            covered=np.ones(3, np.bool_),
            carer_zone=np.array([1 if second % 50 < 9 else 2]),
            carer_belief=there,
        )
        excused += [each.excused for each in home.detector.step(scene) if each.kind is ELOPEMENT]
    assert excused == [False]


def test_a_tag_that_nobody_wears_excuses_nothing() -> None:
    home = Home(carers=1)
    home.carer_worn = np.zeros(1, np.bool_)
    assert [each.excused for each in accompanied(home).open_door()] == [False]


def test_a_carer_who_comes_in_as_she_goes_out_excuses_nothing() -> None:
    home = Home(carers=1)
    home.carer_zone[0] = UNKNOWN
    at_exit(home)
    home.carer_zone[0] = EXIT
    assert [each.excused for each in home.open_door()] == [False]


def test_where_carers_are_is_forgotten() -> None:
    home = accompanied(Home(carers=1))
    home.carer_zone[0] = UNKNOWN
    home.stay(17 * 60, each=10)
    company = home.detector._company
    assert (company._in_zone_s < 0).all()
    assert (company._theirs == UNKNOWN).all()
    for name in ("zone", "before", "told", "_latest"):
        assert (getattr(company._carers, name) == UNKNOWN).all()
    assert not any("carer" in name or "company.zone" in name for name in home.detector.to_arrays())


def unsafe_kitchen() -> Home:
    safe = np.ones((1, 8), np.bool_)
    safe[0, [KITCHEN, EXIT]] = False
    return Home(policies(safe=safe), carers=1)


def test_alone_outside_of_her_safe_zones() -> None:
    home = unsafe_kitchen()
    home.stay(30)
    home.go(CORRIDOR, LOUNGE)
    (found,) = home.go(KITCHEN, seconds=60)
    assert (found.kind, found.zone, found.excused) == (LEFT, KITCHEN, False)
    assert found.at - found.begun <= 13
    home.go(LOUNGE, seconds=60)
    home.go(KITCHEN, seconds=60)
    assert len(home.of(LEFT)) == 2


def test_a_look_into_an_unsafe_room_is_none() -> None:
    home = unsafe_kitchen()
    home.stay(30)
    home.go(CORRIDOR, LOUNGE)
    home.go(KITCHEN, seconds=8)
    home.go(LOUNGE, seconds=30)
    assert home.of(LEFT) == []


def test_with_a_carer_outside_it_is_asked_again_unless_she_is_back() -> None:
    for is_back, excused in ((False, [True, False]), (True, [True])):
        home = unsafe_kitchen()
        home.stay(30)
        for room in (ROOM, CORRIDOR, LOUNGE, KITCHEN):
            home.zone[0] = home.carer_zone[0] = room
            home.stay(20)
        if is_back:
            home.go(LOUNGE)
        home.stay(620, each=5)
        assert [each.excused for each in home.of(LEFT)] == excused
