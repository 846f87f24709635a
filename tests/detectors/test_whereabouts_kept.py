"""What outlives a restart or a change of the configuration, and what does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contract.events import EventKind
from contract.whereabouts import ZoneUse
from detectors.whereabouts import Plan, Whereabouts
from tests.detectors.scenes import (
    CORRIDOR,
    EXIT,
    HALL,
    KITCHEN,
    LOUNGE,
    ROOM,
    TOILET,
    UNKNOWN,
    ZONES,
    Home,
    a_plan,
    pace,
    policies,
)


def test_a_restart_goes_on() -> None:
    home = Home()
    home.stay(60)
    home.go(CORRIDOR, TOILET, seconds=20)
    home.stay(980, each=10)
    kept = home.detector.to_arrays()
    assert all(array.dtype == np.float64 for array in kept.values())
    home.detector = Whereabouts.from_arrays(a_plan(), home.asked, 0, kept)
    home.second += 20
    home.local_s += 20
    home.stay(900, each=10)
    assert [each.kind for each in home.found] == [EventKind.NOT_RETURNED]


def test_after_a_restart_nobody_has_vanished_before_she_was_heard() -> None:
    """She may have gone anywhere while nobody listened."""
    home = Home()
    home.stay(60)
    home.go(CORRIDOR, HALL, EXIT)
    home.second += 20
    home.local_s += 20
    home.detector = Whereabouts.from_arrays(a_plan(), home.asked, 0, home.detector.to_arrays())
    home.heard_s[:] = 10
    home.is_heard[:] = False
    home.zone[0] = UNKNOWN
    home.stay(120)
    assert home.found == []


def test_the_same_arrays_go_on_in_the_same_way() -> None:
    home = Home(policies(3))
    home.stay(60)
    home.go(CORRIDOR, TOILET, row=1, seconds=200)
    pace(home, 2)
    kept = home.detector.to_arrays()
    again = Whereabouts.from_arrays(a_plan(), home.asked, 0, kept).to_arrays()
    assert kept.keys() == again.keys()
    assert all(np.array_equal(kept[name], again[name]) for name in kept)


@pytest.mark.parametrize("movement_g", [np.inf, 1e30, -1.0, np.nan])
def test_a_movement_that_is_none_damages_nothing_that_is_kept(movement_g: float) -> None:
    home = Home()
    home.stay(15)
    measured = np.full(1, movement_g, np.float32)
    home.detector.step(home.scene()._replace(second=home.second + 1, movement_g=measured))
    kept = home.detector.to_arrays()
    assert Whereabouts.from_arrays(a_plan(), home.asked, 0, kept).to_arrays().keys() == kept.keys()


def test_rows_follow_the_roster() -> None:
    home = Home(policies(3))
    home.stay(60)
    home.go(CORRIDOR, TOILET, row=1, seconds=20)
    home.stay(980, each=10)
    kept, rows = home.detector.to_arrays(), np.array([UNKNOWN, 1, 2, 0, UNKNOWN])
    home.asked = policies(5)
    home.detector = Whereabouts.from_arrays(a_plan(), home.asked, 0, kept, rows=rows)
    watched = home.detector.to_arrays()["habits.watched_this_hour_s"]
    assert (watched > 0).tolist() == [False, True, True, True, False]
    home.zone = np.array([ROOM, TOILET, ROOM, ROOM, ROOM])
    for name in ("present", "is_heard", "moves"):
        setattr(home, name, np.ones(5, np.bool_))
    home.heard_s, home.in_bed = np.zeros(5, np.int64), np.full(5, -1, np.int8)
    home.stay(900, each=10)
    assert [(each.row, each.kind) for each in home.found] == [(1, EventKind.NOT_RETURNED)]


def a_smaller_plan() -> Plan:
    plan = a_plan()
    return Plan(plan.near[:7, :7], plan.use[:7], plan.exit_doors)


def a_larger_plan() -> Plan:
    """With one more room, behind the kitchen."""
    plan, zones = a_plan(), len(ZONES)
    near = np.zeros((zones + 1, zones + 1), np.bool_)
    near[:zones, :zones] = plan.near
    near[KITCHEN, zones] = near[zones, KITCHEN] = True
    return Plan(near, np.append(plan.use, ZoneUse.OTHER), plan.exit_doors)


def with_another_exit() -> Plan:
    plan = a_plan()
    use = plan.use.copy()
    use[KITCHEN] = ZoneUse.EXIT
    return plan._replace(use=use)


@pytest.mark.parametrize("plan", [a_smaller_plan(), a_larger_plan(), with_another_exit()])
@pytest.mark.parametrize("rows", [None, np.array([1, 0])])
def test_of_another_plan_only_what_is_usual_is_kept(plan: Plan, rows: np.ndarray | None) -> None:
    home = Home(policies(2))
    home.go(CORRIDOR, TOILET, seconds=20)
    home.stay(980, each=10)
    kept, safe = home.detector.to_arrays(), np.ones((2, len(plan.use)), np.bool_)
    asked = home.asked._replace(safe=safe)
    again = Whereabouts.from_arrays(plan, asked, 0, kept, rows=rows).to_arrays()
    order = np.arange(2) if rows is None else rows
    for name in ("habits.watched_this_hour_s", "habits.exit_visits.watched_h", "seeking.stays"):
        assert np.array_equal(again[name], kept[name][..., order])
    assert (again["not_returned.toilet"] == UNKNOWN).all()
    assert (again["visits.zone"] == UNKNOWN).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_state_is_an_error(data: st.DataObject) -> None:
    home = Home(policies(2))
    kept = home.detector.to_arrays()
    name = data.draw(st.sampled_from(sorted(kept)))
    damage = data.draw(st.sampled_from(["gone", "shape", "nan"]))
    if damage == "gone":
        del kept[name]
    elif damage == "shape":
        kept[name] = np.zeros((3, 3, 3))
    else:
        assume(kept[name].size > 0)
        kept[name] = np.full_like(kept[name], np.nan)
    with pytest.raises(ValueError, match=r"damaged|missing|shape|walks|is "):
        Whereabouts.from_arrays(a_plan(), home.asked, 0, kept)


def _through_the_door(home: Home) -> None:
    home.go(CORRIDOR, HALL, EXIT)
    home.open_door()
    home.stay(5)


def _unheard_through_the_door(home: Home) -> None:
    home.go(CORRIDOR, HALL, seconds=8)
    home.open_door()
    home.vanish()
    home.stay(10)


def _gone_without_a_word_of_the_door(home: Home) -> None:
    home.go(CORRIDOR, HALL, EXIT)
    home.vanish()
    home.stay(60)


def _to_a_door_that_stands_open(home: Home) -> None:
    home.go(CORRIDOR)
    home.door = 1
    home.go(HALL, EXIT)


def _up_from_her_chair_and_into_the_kitchen(home: Home) -> None:
    home.moves[0] = False
    home.stay(60)
    home.moves[0] = True
    home.stay(8)
    home.go(CORRIDOR, seconds=3)
    home.go(KITCHEN, seconds=14)
    home.moves[0] = False
    home.stay(30)


def _between_two_receivers(home: Home) -> None:
    for number in range(16):
        home.zone[0] = (CORRIDOR, LOUNGE)[number % 2]
        home.moves[0] = True
        home.stay(9)
        home.moves[0] = False
        home.stay(11)
    home.moves[0] = False
    home.stay(200, each=4)


@pytest.mark.parametrize(
    "lives",
    [
        _through_the_door,
        _unheard_through_the_door,
        _gone_without_a_word_of_the_door,
        _to_a_door_that_stands_open,
        _up_from_her_chair_and_into_the_kitchen,
        _between_two_receivers,
    ],
)
def test_whenever_it_is_taken_up_again_the_same_is_found(lives: Callable[[Home], None]) -> None:
    """A change of the configuration, or a gateway that is back within the second."""
    safe = np.ones((1, len(ZONES)), np.bool_)
    safe[0, KITCHEN] = False

    def play(cut: int | None) -> tuple[int, list[tuple[object, ...]]]:
        home = Home(policies(safe=safe), cut=cut)
        home.go(LOUNGE, seconds=30)
        lives(home)
        found = [(each.kind, each.begun, each.zone, each.excused) for each in home.found]
        return home.second, found

    last, wanted = play(None)
    assert len(wanted) == (lives is not _between_two_receivers)
    for cut in range(31, min(last, 100), 4):
        assert play(cut)[1] == wanted, cut
