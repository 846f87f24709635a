from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.whereabouts import ZoneUse
from detectors.exit_doors import SHUT_S, ShutDoors
from detectors.whereabouts import Plan
from detectors.whereabouts_scene import NO_DOOR

LOUNGE, HALL, LOBBY = range(3)
UNKNOWN = -1


def doors(*zones: int) -> ShutDoors:
    """A lounge, a hall with an inner door, and a lobby with the outer one."""
    near = np.eye(3, dtype=np.bool_)
    near[LOUNGE, HALL] = near[HALL, LOBBY] = True
    use = np.array([ZoneUse.COMMON, ZoneUse.EXIT, ZoneUse.EXIT], np.object_)
    return ShutDoors(Plan(near=near, use=use, exit_doors=np.array(zones, np.int64)))


def shut(
    watch: ShutDoors, open_: tuple[int, ...], second: int, *, opened: bool = False
) -> list[bool]:
    states = np.array(open_, np.int8)
    said: NDArray[np.bool_] = watch.step(
        states, np.array([opened] + [False] * (len(open_) - 1)), second
    )
    return said.tolist()


def test_nobody_is_in_a_lobby_whose_inner_door_was_shut_for_a_while() -> None:
    watch = doors(HALL, LOBBY)
    assert shut(watch, (0, 0), 0) == [False] * 3
    assert shut(watch, (0, 0), SHUT_S) == [False] * 3
    assert shut(watch, (0, 1), SHUT_S + 1) == [False, False, True]


@pytest.mark.parametrize("is_seen_open", [True, False])
def test_a_door_that_opens_lets_in_at_once(is_seen_open: bool) -> None:
    """Also if it was shut again before anybody looked."""
    watch = doors(HALL, LOBBY)
    shut(watch, (0, 0), 0)
    assert shut(watch, (0, 0), 100)[LOBBY]
    state = (1, 0) if is_seen_open else (0, 0)
    assert not shut(watch, state, 101, opened=True)[LOBBY]
    assert not shut(watch, (0, 0), 101 + SHUT_S)[LOBBY]
    assert shut(watch, (0, 0), 102 + SHUT_S)[LOBBY]


def test_a_contact_that_has_gone_silent_shuts_nothing() -> None:
    watch = doors(HALL, LOBBY)
    shut(watch, (0, 0), 0)
    assert not shut(watch, (UNKNOWN, 0), 100)[LOBBY]
    assert not shut(watch, (UNKNOWN, 0), 200)[LOBBY]


def test_without_a_contact_on_the_inner_door_nothing_is_known() -> None:
    watch = doors(LOBBY)
    shut(watch, (0,), 0)
    assert shut(watch, (0,), 100) == [False] * 3


def test_a_motion_sensor_in_the_hall_is_no_door() -> None:
    watch = doors(HALL, HALL, LOBBY)
    shut(watch, (0, NO_DOOR, 0), 0)
    assert shut(watch, (0, NO_DOOR, 0), 100)[LOBBY]
    assert not shut(watch, (NO_DOOR, NO_DOOR, 0), 200)[LOBBY]


def test_a_second_inner_door_leads_in_too() -> None:
    watch = doors(HALL, HALL, LOBBY)
    shut(watch, (0, 0, 0), 0)
    assert not shut(watch, (0, 1, 0), 100)[LOBBY]
