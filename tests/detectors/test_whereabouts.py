from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.events import EventKind
from detectors.whereabouts import Found, Whereabouts
from detectors.whereabouts_words import sentence
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


def test_a_walk_that_wanders_is_told_once_when_it_is_over() -> None:
    home = Home()
    home.stay(200)
    pace(home)
    (found,) = [each for each in home.found if each.kind is EventKind.WANDERING_EPISODE]
    assert found.features["is_pacing"] == 1.0
    assert found.features["tortuosity"] > 2
    assert found.path[0] == ROOM
    assert found.zone == found.path[-1] == LOUNGE


def test_who_sits_between_two_receivers_does_not_pace() -> None:
    home = Home()
    home.stay(200)
    home.go(CORRIDOR, LOUNGE)
    for number in range(40):
        home.zone[0] = (LOUNGE, KITCHEN)[number % 2]
        home.moves[0] = True
        home.stay(9)
        home.moves[0] = False
        home.stay(11)
    home.moves[0] = True
    home.stay(200)
    assert home.found == []


def test_a_day_has_its_figures_after_midnight() -> None:
    home = Home(minute=16 * 60)
    home.stay(200)
    pace(home)
    home.stay(8 * 3600, each=60)
    (day,) = home.detector.take_day()
    assert (day.row, day.episodes) == (0, 1)
    assert day.minutes > 3
    assert day.tortuosity > 2
    assert day.is_learning
    assert not day.is_rising
    assert home.detector.take_day() == []


def test_a_rise_of_wandering_is_noticed() -> None:
    home = Home(policies(at_risk=np.zeros(1, np.bool_)))
    days = home.detector._days
    walks = home.detector._travel.close_day()
    rising = []
    for day in range(50):
        for _ in range(2 if day < 40 else 6):
            days.count(0, 3.0)
        told = days.close(
            day,
            walks,
            watched_s=np.full(1, 80_000.0),
            night_trips=np.zeros(1),
            exit_visits=np.zeros(1),
            learning=np.array([day < 14]),
        )
        rising.append(told[0].is_rising)
    assert not any(rising[:40])
    assert any(rising[40:43])


def test_leave_leaves_nothing_open_and_teaches_nothing() -> None:
    home = Home(minute=10 * 60)
    home.stay(60)
    home.go(CORRIDOR, TOILET, seconds=20)
    home.present[0] = False
    before = home.detector.to_arrays()["habits.activity.watched_h"].sum()
    home.open_door()
    home.stay(2 * 3600, each=60)
    learnt = home.detector.to_arrays()["habits.activity.watched_h"].sum()
    assert learnt - before <= 0.1
    home.present[0] = True
    home.zone[0] = EXIT
    home.stay(3)
    assert home.found == []


def test_a_band_that_says_for_seconds_that_nobody_wears_it_ends_nothing() -> None:
    toilet, night, silent = Home(), Home(minute=60), Home(minute=9 * 60)
    toilet.stay(60)
    toilet.go(CORRIDOR, TOILET, seconds=20)
    night.moves[0] = False
    night.stay(1200, each=10)
    night.go(CORRIDOR, LOUNGE, seconds=30)
    silent.stay(60)
    silent.moves[0] = False
    for home in (toilet, night, silent):
        home.stay(600, each=10)
        home.present[0] = False
        home.stay(5)
        home.present[0] = True
        home.stay(1500 if home is not silent else 4 * 3600, each=10)
    assert [each.kind for each in toilet.found] == [EventKind.NOT_RETURNED]
    assert [each.kind for each in night.found] == [EventKind.NIGHT_WANDERING]
    assert [each.kind for each in silent.found] == [EventKind.INACTIVE]
    assert silent.found[0].features["silent_min"] == pytest.approx(240, abs=2)


def test_a_stuck_receiver_that_tells_one_room_for_ever_pages_for_silence_alone() -> None:
    home = Home(minute=8 * 60)
    home.go(CORRIDOR, HALL)
    home.stay(6 * 3600, each=60)
    assert home.found == []


def test_a_second_that_was_seen_is_passed_over_and_a_clock_set_back_begins_anew() -> None:
    home = Home()
    home.stay(60)
    home.go(CORRIDOR, TOILET, seconds=20)
    home.stay(980, each=10)
    home.second -= 5
    assert home.detector.step(home.scene()) == []
    home.second += 5
    home.stay(500, each=10)
    home.second -= 3600
    home.stay(900, each=10)
    assert home.found == []
    home.go(CORRIDOR, TOILET, seconds=20)
    home.stay(1800, each=10)
    assert [each.kind for each in home.found] == [EventKind.NOT_RETURNED]


def test_after_a_long_hole_nobody_is_told_of_an_old_matter() -> None:
    home = Home()
    home.stay(60)
    home.go(CORRIDOR, TOILET, seconds=20)
    home.stay(980, each=10)
    home.second += 7200
    home.local_s += 7200
    home.stay(900, each=10)
    assert home.found == []


def test_plans_and_policies_that_do_not_fit_are_an_error() -> None:
    plan = a_plan()
    for wrong in (
        lambda: Whereabouts(plan._replace(near=plan.near[:3]), policies(), 0),
        lambda: Whereabouts(plan._replace(exit_doors=np.array([99])), policies(), 0),
        lambda: Whereabouts(plan, policies(home_zone=np.array([99])), 0),
        lambda: Whereabouts(plan, policies(safe=np.ones((1, 3), np.bool_)), 0),
    ):
        with pytest.raises(ValueError, match=r"."):
            wrong()
    with pytest.raises(ValueError, match=r"policies"):
        Whereabouts(plan, policies(), 0).policies = policies(2)


@pytest.mark.parametrize("zone", [len(ZONES), -2])
def test_a_zone_that_is_not_on_the_plan_is_an_error(zone: int) -> None:
    home = Home(policies(2))
    home.stay(20)
    home.zone[1], home.belief = zone, home.scene().belief
    with pytest.raises(ValueError, match="zones go from 0 to 7"):
        home.stay(1)


def test_a_home_without_doors_exits_ways_or_residents_is_followed() -> None:
    plan = a_plan()
    lonely = plan._replace(near=np.zeros_like(plan.near), exit_doors=np.zeros(0, np.int64))
    for residents in (0, 2):
        home = Home(policies(residents))
        home.detector = Whereabouts(lonely, home.asked, 0)
        scene = home.scene()._replace(door_open=np.zeros(0, np.int8), door_opened=np.zeros(0, bool))
        for second in range(1, 60):
            zone = np.full(residents, second // 10)
            assert home.detector.step(scene._replace(second=second, zone=zone)) == []


LIVES = st.lists(
    st.tuples(
        st.integers(-1, len(ZONES) - 1),
        st.sampled_from([3, 15, 30, 240, 1500]),
        st.booleans(),
        st.integers(-1, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def live(home: Home, life: list[tuple[int, int, bool, int, bool]], row: int = 0) -> None:
    for zone, seconds, moves, in_bed, opens in life:
        home.zone[row], home.moves[row], home.in_bed[row] = zone, moves, in_bed
        if opens:
            home.open_door(1)
        home.stay(seconds, each=3 if seconds < 100 else 10)


@settings(max_examples=8, deadline=None)
@given(LIVES, st.integers(0, 1439))
def test_who_is_not_present_is_never_found(
    life: list[tuple[int, int, bool, int, bool]], minute: int
) -> None:
    home = Home(policies(2, bed_exit=np.ones(2, bool), has_bed_sensor=np.ones(2, bool)))
    home.local_s = minute * 60
    home.present[0] = False
    live(home, life)
    assert all(each.row != 0 for each in home.found)


@settings(max_examples=8, deadline=None)
@given(LIVES, st.integers(0, 1439))
def test_unknown_zones_never_make_a_find(
    life: list[tuple[int, int, bool, int, bool]], minute: int
) -> None:
    home = Home(minute=minute)
    home.belief = np.full((1, len(ZONES)), 1 / len(ZONES), np.float32)
    live(home, [(UNKNOWN, seconds, moves, -1, opens) for _, seconds, moves, _, opens in life])
    assert home.found == []


@settings(max_examples=8, deadline=None)
@given(LIVES, LIVES, st.integers(0, 1439))
def test_nobody_changes_what_is_found_of_another(
    hers: list[tuple[int, int, bool, int, bool]],
    another: list[tuple[int, int, bool, int, bool]],
    minute: int,
) -> None:
    """Within an hour; over hours through the home's habits alone."""
    hers = [(zone, min(seconds, 240), *rest) for zone, seconds, *rest in hers]
    alone, together = Home(minute=minute), Home(policies(2), minute=minute)
    live(alone, hers)
    places = [zone for zone, *_ in another]
    for index, each in enumerate(hers):
        together.zone[1] = places[index % len(places)]
        together.moves[1] = another[index % len(another)][2]
        live(together, [each])
    assert alone.found == [each for each in together.found if each.row == 0]


def test_each_kind_is_a_sentence_with_its_numbers() -> None:
    home = Home(carers=1)
    home.stay(200)
    for _ in range(6):
        home.go(CORRIDOR, HALL, EXIT, HALL, seconds=20)
    home.go(EXIT)
    home.open_door()
    pace(home)
    home.go(CORRIDOR)
    home.go(TOILET, seconds=1900)
    said = {each.kind: sentence(each, ZONES) for each in home.found}
    assert said[EventKind.EXIT_SEEKING].startswith(
        "4 visits to front door in 20 min; usual at this hour: 0 to 1."
    )
    assert "still being learnt" in said[EventKind.EXIT_SEEKING]
    assert said[EventKind.ELOPEMENT] == (
        "The exit door opened while she was at front door; no carer goes with her."
    )
    assert said[EventKind.NOT_RETURNED].startswith("Went to toilet 30 min ago")
    assert "times the way needed: room 1, corridor" in said[EventKind.WANDERING_EPISODE]


OUT_AT_NIGHT = {"out_min": 2.0, "rooms": 1.0, "is_in_others_room": 0.0, "has_been_in_bed": 1.0}
SILENT = {"silent_min": 190.0, "log10_p": -4.2, "is_movement_known": 1.0}


@pytest.mark.parametrize(
    ("kind", "features", "words"),
    [
        ("elopement", {"asked_again": 1.0, "away_min": 10.0}, "Not back 10 min after"),
        ("elopement", {"is_lost": 1.0, "door_opened": 1.0, "unheard_s": 12.0}, "just opened"),
        ("left_safe_zone", {"outside_s": 14.0}, "for 14 s"),
        ("left_safe_zone", {"outside_s": 614.0, "asked_again": 1.0}, "after 10 min"),
        (
            "exit_seeking",
            {"is_lingering": 1.0, "stayed_s": 95.0, "usual_stay_s": 90.0},
            "usual: up to 90 s",
        ),
        ("night_wandering", OUT_AT_NIGHT | {"out_min": 21.0}, "Out of bed for 21 min, now at k"),
        ("night_wandering", OUT_AT_NIGHT | {"is_in_others_room": 1.0}, "else's"),
        ("bed_exit", {"by_bed_sensor": 1.0}, "bed is empty"),
        ("bed_exit", {"by_bed_sensor": 0.0}, "Out of her bedroom"),
        (
            "inactive",
            SILENT,
            "No movement and no change of room for 3 h 10 min, at kitchen; by her",
        ),
        ("inactive", SILENT | {"is_movement_known": 0.0}, "(how she moves is not known); by her"),
        ("inactive", SILENT | {"is_learning": 1.0}, "at kitchen. A carer"),
    ],
)
def test_sentences(kind: str, features: dict[str, float], words: str) -> None:
    found = Found(0, EventKind(kind), 0, 0, KITCHEN, True, {"is_learning": 0.0} | features)
    assert words in sentence(found, ZONES)
    assert "A carer's tag moves with her." in sentence(found, ZONES)
    assert "not known" in sentence(
        found._replace(zone=UNKNOWN, kind=EventKind.BED_EXIT, features={"by_bed_sensor": 0.0}),
        ZONES,
    )
