"""The doors of exits: their sides, and which zones nobody can have entered, as they are shut.

A lobby lies behind a hall's door, and its walls let radio through: who sits in the lounge beside it
sounds now and then like somebody in it. The contact on the door knows better.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.resident_rows import NEVER
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import Plan

SHUT_S: Final = 15
"""So long after its door was shut nobody is entering a zone any more: belief follows a step through
a door in 2 to 4 s, and a second is judged once more 5 s later."""


def behind(plan: Plan) -> NDArray[np.bool_]:
    """(exits, exits) whether the second lies behind the first: a lobby, seen from inside. In the
    order of the plan's exits.
    """
    near, exits = plan.near | plan.near.T, np.flatnonzero(plan.is_exit)
    inner = np.asarray((near[exits] & ~plan.is_exit).any(axis=1))
    lies_behind: NDArray[np.bool_] = near[exits][:, exits] & inner[:, None] & ~inner[None, :]
    return lies_behind


def sides(plan: Plan) -> NDArray[np.float32]:
    """(exits, zones) 1 where one stands at an exit's door: in front of it, and behind it if that is
    an exit zone, too. Radio tells the two sides of an inner door badly from each other.
    """
    is_exit, near = plan.is_exit, plan.near | plan.near.T
    exits = np.flatnonzero(is_exit)
    at_door = np.zeros((len(exits), len(is_exit)), np.float32)
    at_door[np.arange(len(exits)), exits] = 1.0
    # From a lobby between two doors the way leads out; who is in front of its inner door is not yet
    # at the outer one.
    inner = (near[exits] & ~is_exit).any(axis=1)
    at_door[inner] += (near[exits] & is_exit)[inner]
    return np.minimum(at_door, 1.0)


class ShutDoors:
    """Follows the doors of a home's exits.

    Parameters
    ----------
    plan
        The home.
    """

    def __init__(self, plan: Plan) -> None:
        self._exits = np.flatnonzero(plan.is_exit)
        self._zones = len(plan.use)
        self._behind = behind(plan)
        number = {int(zone): index for index, zone in enumerate(self._exits)}
        self._exit_of_door = np.array([number[int(zone)] for zone in plan.exit_doors], np.int64)
        self._open_s = np.full(len(plan.exit_doors), NEVER)
        """When each may have been open last; before the first second, nobody knows."""

    def step(
        self, door_open: NDArray[np.int8], door_opened: NDArray[np.bool_], second: int
    ) -> NDArray[np.bool_]:
        """Take in one more second; returns (zones,) which nobody can enter.

        Parameters
        ----------
        door_open
            (doors,) as in `Scene`.
        door_opened
            (doors,) whether it was opened in this second.
        """
        # Of a contact that is silent nobody knows.
        may_be_open = (door_open == 1) | door_opened | (door_open == UNKNOWN)
        self._open_s[may_be_open | (self._open_s > second)] = second
        is_shut = second - self._open_s > SHUT_S
        exits = len(self._exits)
        watched, passable = np.zeros(exits, np.bool_), np.zeros(exits, np.bool_)
        watched[self._exit_of_door[door_open >= 0]] = True
        passable[self._exit_of_door[~is_shut]] = True
        leads_in = self._behind & (passable | ~watched)[:, None]
        shut = np.zeros(self._zones, np.bool_)
        shut[self._exits] = self._behind.any(axis=0) & ~leads_in.any(axis=0)
        return shut
