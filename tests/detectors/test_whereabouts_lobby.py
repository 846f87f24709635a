from __future__ import annotations

import numpy as np

from contract.events import EventKind
from detectors.whereabouts import Found
from tests.detectors.scenes import (
    CORRIDOR,
    EXIT,
    HALL,
    KITCHEN,
    two_doors,
)

ELOPEMENT = EventKind.ELOPEMENT


def test_an_inner_door_has_two_sides() -> None:
    # She stands in front of it, and sounds as if she were in the lobby behind it.
    home = two_doors(EXIT)
    home.go(CORRIDOR, HALL, EXIT, KITCHEN)
    assert [found.kind for found in home.open_door()] == [ELOPEMENT]


def test_who_is_in_front_of_the_inner_door_is_not_at_the_outer_one() -> None:
    home = two_doors(KITCHEN)
    home.go(CORRIDOR, HALL, EXIT)
    assert home.open_door() == []


def _comes_in(there_s: int) -> list[Found]:
    """Somebody comes in by the lobby: its outer door, and six seconds later the inner one. She is
    at the inner door for so long before that opens, and for as long after it.
    """
    home = two_doors(EXIT, KITCHEN)
    found: list[Found] = []
    for second in range(-40, 20):
        home.second += 1
        home.zone[0] = EXIT if -there_s <= second <= there_s else HALL
        scene = home.scene()._replace(
            door_open=np.array([0 <= second < 3, -6 <= second < -3], np.int8),
            door_opened=np.array([second == 0, second == -6]),
        )
        found += home.detector.step(scene)
    return [each for each in found if each.kind is ELOPEMENT]


def test_who_walks_past_as_somebody_comes_in_has_not_left() -> None:
    assert _comes_in(2) == []


def test_who_waits_at_the_inner_door_until_somebody_comes_in_may_have_left() -> None:
    assert len(_comes_in(12)) == 1


def _outer_door(*, inner_before_s: int) -> list[Found]:
    """She stands in front of the inner door and sounds as if she were behind it; the outer one
    opens so long after the inner one was shut.
    """
    home = two_doors(EXIT, KITCHEN)
    found: list[Found] = []
    for second in range(-200, 20):
        home.second += 1
        home.zone[0] = HALL if second < -10 else KITCHEN
        at_inner = second == -inner_before_s
        scene = home.scene()._replace(
            door_open=np.array([at_inner, 0 <= second < 3], np.int8),
            door_opened=np.array([at_inner, second == 0]),
        )
        found += home.detector.step(scene)
    return [each for each in found if each.kind is ELOPEMENT]


def test_an_outer_door_behind_a_shut_one_was_opened_from_the_street() -> None:
    assert _outer_door(inner_before_s=150) == []


def test_who_has_been_let_into_the_lobby_is_at_its_outer_door() -> None:
    (found,) = _outer_door(inner_before_s=60)
    assert found.zone == KITCHEN
