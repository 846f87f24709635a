from __future__ import annotations

from contract.events import EventKind
from detectors.whereabouts_words import sentence
from tests.detectors.scenes import (
    CORRIDOR,
    EXIT,
    HALL,
    KITCHEN,
    LOUNGE,
    UNKNOWN,
    ZONES,
    Home,
    accompanied,
    at_exit,
    two_doors,
)

ELOPEMENT, SEEKING = EventKind.ELOPEMENT, EventKind.EXIT_SEEKING


def visit_exit(home: Home, times: int) -> None:
    for _ in range(times):
        home.go(HALL, EXIT, HALL, seconds=20)
        home.go(HALL, seconds=30)


def test_at_the_exit_again_and_again() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR)
    visit_exit(home, 3)
    assert home.of(SEEKING) == []
    visit_exit(home, 5)
    (found,) = home.of(SEEKING)
    assert found.features["visits"] in {4.0, 5.0}
    assert found.features["surprise_log10"] >= 3.5
    assert found.features["usual_most"] <= 1.0
    assert found.features["is_learning"] == 1.0


def test_visits_to_two_exits_are_not_told_of_one() -> None:
    home = two_doors(EXIT)
    home.go(CORRIDOR)
    for _ in range(3):
        home.go(HALL, EXIT, seconds=20)
        home.go(HALL, seconds=30)
        home.go(KITCHEN, seconds=20)
        home.go(HALL, seconds=30)
    (found,) = home.of(SEEKING)
    assert found.features["exits"] == 2.0
    assert sentence(found, ZONES).startswith("4 visits to 2 exits in 20 min, now at kitchen; usual")


def test_after_a_quiet_quarter_of_an_hour_it_is_another_spell() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR)
    visit_exit(home, 6)
    home.go(LOUNGE)
    home.stay(1250, each=10)
    visit_exit(home, 6)
    assert len(home.of(SEEKING)) == 2


def test_whom_her_carer_has_left_at_the_exit_is_told_again() -> None:
    for stays, excused in ((True, [True, False]), (False, [True])):
        home = accompanied(Home(carers=1))
        home.stay(240)
        home.carer_zone[0] = UNKNOWN
        home.zone[0] = EXIT if stays else HALL
        home.stay(660, each=5)
        assert [each.excused for each in home.of(SEEKING)] == excused


def test_who_looks_twice_before_she_stands_there_has_come_once() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR, HALL)
    for visits in range(1, 5):
        home.go(EXIT, HALL, seconds=9)
        home.go(EXIT, seconds=40)
        home.go(HALL, EXIT, HALL, seconds=9)
        home.stay(30)
        assert home.detector.to_arrays()["seeking.visits_today"].tolist() == [visits]


def test_lost_at_the_exit_for_minutes_she_is_in_the_same_spell() -> None:
    home = at_exit(Home())
    home.stay(120)
    home.zone[0] = UNKNOWN
    home.stay(150)
    home.zone[0] = EXIT
    home.stay(120)
    assert len(home.of(SEEKING)) == 1


def test_standing_at_the_exit_for_long() -> None:
    home = at_exit(Home())
    home.stay(60)
    assert home.of(SEEKING) == []
    home.stay(300, each=5)
    (found,) = home.of(SEEKING)
    assert 90 <= found.features["stayed_s"] <= 100
    assert found.features["usual_stay_s"] >= 90


def test_who_always_sits_by_the_exit_lingers_no_more() -> None:
    home = Home()
    home.stay(30)
    for _ in range(12):
        home.go(HALL, seconds=30)
        home.zone[0] = EXIT
        home.stay(600, each=20)
    home.go(HALL, seconds=30)
    before = len(home.of(SEEKING))
    home.local_s += 3600
    home.go(LOUNGE)
    home.stay(990, each=10)
    home.zone[0] = EXIT
    home.stay(500, each=20)
    assert len(home.of(SEEKING)) == before


def test_who_sits_beside_the_exit_and_is_told_at_it_for_a_while_does_not_linger() -> None:
    home = at_exit(Home())
    home.moves[0] = False
    home.stay(65)
    home.zone[0] = HALL
    home.stay(900)
    assert home.of(SEEKING) == []
    # Told there again she has just come, as far as anybody knows.
    home.zone[0] = EXIT
    home.stay(80)
    assert home.of(SEEKING) == []
    home.stay(30)
    (found,) = home.of(SEEKING)
    assert found.features["stayed_s"] <= 110


def test_radio_at_the_wall_of_the_exit_is_no_visit() -> None:
    home = Home()
    home.stay(30)
    home.go(CORRIDOR)
    for _ in range(60):
        home.go(EXIT, HALL, seconds=6)
    assert all(each.features.get("is_lingering") for each in home.of(SEEKING))
