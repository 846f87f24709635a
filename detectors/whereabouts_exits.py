"""Who goes out by an exit: a door opens where she stands, or she vanishes behind it.

A door is judged by the belief of this very second, as the decided place is five seconds old and she
is at the next door by then. Who was not seen at the door, but is heard no more after a room at or
next to an exit, has gone out, too, if the room's receivers work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from detectors.exit_doors import behind, sides
from detectors.resident_rows import LONG_AGO, NEVER, Each, Kept, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import ASK_AGAIN_S, Flags, Found, Numbers, Plan, Scene
from detectors.whereabouts_view import View

EXIT_BELIEF: Final = 0.6
"""Least belief that she is at the exit. More than half: held to be in two places at once, she is in
neither."""
EXIT_LASTS_S: Final = 1
"""It must hold for so long beyond its first second: two seconds of three, of SCIENCE 3.3."""
STANDS_S: Final = 4
"""A door is hers if she was believed there for so long, before or after it opened: who passes the
hall as others go through is drawn to it for some 3 s, and who opens it stands there."""
LATE_LASTS_S: Final = 6
"""So long, if she was not believed there before the door opened: the door's own sensor says that
somebody is at it, and for some seconds that draws everybody there who is near."""
BEFORE_DOOR_S: Final = 5
"""She was believed there so shortly before: opening a door turns a body, and a wearable, around."""
AFTER_DOOR_S: Final = 8
"""So long after a door was open last somebody who appears behind it has come through: a door that
closes by itself takes 5 s, the belief follows a step into another room in 2 to 4 s."""
COMES_IN_S: Final = 20
"""The outer door opened so shortly before the inner one: somebody is coming in. A lobby is crossed
in 3 to 10 s, and more with bags."""
STOOD_S: Final = 10
"""Then she must have been believed at the inner door for so long before it opened, and then still:
who walks past in the corridor just then does not go out, and who waits for it to open stands there.
"""
IN_LOBBY_S: Final = 120
"""Nobody is between two doors of whom the inner one was shut for so long: the outer one was opened
from the street. Who has gone into the lobby and waits there was told at its inner door."""
REPEAT_S: Final = 120
"""A door that opens again so long after the last find, with her still there, is another one: the
first may have been answered. Below, two gateways' words are about one (a door seen a second
apart)."""
STUCK_S: Final = 10 * 60
"""A door open for so long is held open, or its sensor lies: nothing more is judged by it, and that
is said (`Elopement.doors_stuck`)."""

LOST_AFTER_DOOR_S: Final = 10
"""Unheard for so long at an exit whose door was just open: a wearable that works is heard each 1 to
2 s, and the filter, too, gives her up then (`detectors.location.UNHEARD_S`)."""
LOST_BESIDE_DOOR_S: Final = 15
"""Likewise in a room next to the exit: she walked through the exit's zone unheard, or unsaid."""
LOST_S: Final = 60
"""Unheard for so long at an exit where no door was seen to open: its sensor may have missed it.
Half a minute under a blanket or behind a body is ordinary; a minute in front of a door is not."""
DOOR_BEFORE_LOST_S: Final = 30
"""A door that was open so shortly before she was heard last: the street in front of it is heard
through it for as long."""
TOLD_BEFORE_LOST_S: Final = 15
"""Her last place must have been told so shortly before she was heard last."""

ARRIVES_S: Final = 30
"""Who is heard again so shortly before the door opens is coming in, and is not told: she was out of
earshot for `LOST_AFTER_DOOR_S` or more. If it was a hole in the radio, and she goes out with that
door, she is heard no more, and that is told."""
BACK_S: Final = 30
"""So long in safe rooms inside, and she is back."""
LEFT_S: Final = 15
"""No carer beside her for so long, and her last find excuses no other opening of a door: a tag that
goes with her is told to be in her room or the next within some seconds."""
_LOOK_EACH_S: Final = 5
_AT, _BESIDE = 2, 1
_OF_A_DOOR: Final = 5
"""Numbers that are kept of each."""


class Elopement(ResidentRows):
    """Watches exits and those who may not leave alone.

    Parameters
    ----------
    plan
        The home.
    residents
        How many.
    """

    def __init__(self, plan: Plan, residents: int) -> None:
        super().__init__(residents)
        self._is_exit = plan.is_exit
        self._exits = np.flatnonzero(self._is_exit)
        near = plan.near | plan.near.T
        self._reach = near[self._exits].astype(np.int64) * _BESIDE
        """(exits, zones) whether each zone is at an exit or next to it."""
        self._reach[np.arange(len(self._exits)), self._exits] = _AT
        self._in_reach = self._reach.max(axis=0, initial=0) > 0
        number = {int(zone): index for index, zone in enumerate(self._exits)}
        self._exit_of_door = np.array([number[int(zone)] for zone in plan.exit_doors], np.int64)
        doors = len(plan.exit_doors)
        self.doors_stuck = np.zeros(doors, np.bool_)
        """(doors,) open for so long that nothing is judged by them."""
        self._said = np.full(doors, UNKNOWN, np.int8)
        self._is_open = np.zeros(doors, np.bool_)
        self._is_any_open = False
        self._opened_s = np.full(doors, LONG_AGO)
        self._open_s = np.full(doors, LONG_AGO)
        self._latest_open_s = LONG_AGO
        """Of any door."""
        self._from_s = NEVER
        """Since when the doors are watched without a hole."""
        self._sides = sides(plan)
        self._behind = behind(plan)
        self._knows = np.zeros(len(self._exits), np.bool_)
        """(exits,) whose doors can be believed, all of them."""
        exits = (len(self._exits),)
        self._since_s = self._seconds("since_s", LONG_AGO, lead=exits)
        """Of each exit: since when she is believed there, when she was last, and lastingly."""
        self._there_s = self._seconds("there_s", LONG_AGO, lead=exits)
        self._at_s = self._seconds("at_s", LONG_AGO, lead=exits)
        self._is_out = self._flags("is_out")
        self._begun_s = self._seconds("begun_s", LONG_AGO)
        self._found_s = self._seconds("found_s", LONG_AGO)
        self._left_by = self._zones("left_by", len(plan.use))
        self._ask_s = self._seconds("ask_s", NEVER)
        self._inside_s = self._seconds("inside_s", NEVER)
        """Since when who was out is told to be in safe rooms inside."""
        self._company_s = self._seconds("company_s", LONG_AGO)
        self._returned_s = self._seconds("returned_s", LONG_AGO)
        """When each was heard again after having been unheard."""
        self._is_heard = self._flags("is_heard")
        self._has_been_heard = self._flags("has_been_heard")
        """Since seconds come without a hole: after a restart everybody is unheard at first."""
        self._is_taken_up = False
        self._latest_s = LONG_AGO
        self._look = Each(_LOOK_EACH_S)

    def step(self, view: View) -> list[Found]:
        """Take in one more second; returns who has gone, and who is not back."""
        scene, rows = view.scene, view.at_risk
        self._from_s = min(self._from_s, scene.second)
        self._watch_doors(scene)
        self._hear(scene)
        if not (len(rows) and len(self._exits)):
            self._latest_s = scene.second
            return []
        self._believe(rows, scene)
        found: list[Found] = []
        if scene.second - self._latest_open_s <= AFTER_DOOR_S:
            found += self._through_door(rows, view)
        silent = rows[~self._is_heard[rows]]
        if len(silent):
            found += self._vanished(silent, view)
        if self._look.is_due(scene.second):
            found += self._look_after(rows, view)
        return found

    def to_arrays(self) -> Kept:
        """All that must outlive the process."""
        doors = np.array(
            [
                self._exits[self._exit_of_door],
                self.doors_stuck,
                self._is_open,
                self._opened_s,
                self._open_s,
            ],
            np.float64,
        )
        latest = np.array([self._latest_s], np.float64)
        return super().to_arrays() | {"doors": doors, "latest": latest}

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave; with other doors than then, without what they did.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        super().restore(kept, habits_only=habits_only)
        if habits_only:
            return
        doors, latest = kept.get("doors"), kept.get("latest")
        if doors is None or doors.ndim != 2 or len(doors) != _OF_A_DOOR:
            raise ValueError("kept whereabouts are damaged: doors")
        if latest is None or latest.shape != (1,):
            raise ValueError("kept whereabouts are damaged: latest")
        if not (np.isfinite(doors).all() and np.isfinite(latest).all()):
            raise ValueError("kept whereabouts are damaged: doors")
        self._is_taken_up, self._latest_s = True, int(latest[0])
        if np.array_equal(doors[0], self._exits[self._exit_of_door]):
            self.doors_stuck[:], self._is_open[:] = doors[1:3] > 0
            self._opened_s[:], self._open_s[:] = doors[3:]
            self._latest_open_s = int(self._open_s.max(initial=LONG_AGO))
            self._is_any_open = True  # Looked at, whatever they say.

    def forget_doors(self) -> None:
        """What they did before a hole in the seconds is not of now."""
        self._is_open[:] = self.doors_stuck[:] = False
        self._opened_s[:] = self._open_s[:] = self._latest_open_s = LONG_AGO
        self._from_s = NEVER
        self._is_any_open = True  # Looked at, whatever they say.

    def _watch_doors(self, scene: Scene) -> None:
        opened = bool(scene.door_opened.any())
        if not (opened or self._is_any_open or (scene.door_open != self._said).any()):
            return
        self._said = scene.door_open.copy()
        is_open = (scene.door_open == 1) | scene.door_opened
        self._opened_s[scene.door_opened | (is_open & ~self._is_open)] = scene.second
        self._is_open = is_open
        self._is_any_open = bool(is_open.any())
        self.doors_stuck |= is_open & (scene.second - self._opened_s > STUCK_S)
        # What opens has been closed, whether that was heard or not.
        self.doors_stuck &= (scene.door_open != 0) & ~scene.door_opened
        judged = is_open & ~self.doors_stuck
        if judged.any():
            self._open_s[judged] = self._latest_open_s = scene.second
        self._knows[:] = False
        self._knows[self._exit_of_door[scene.door_open >= 0]] = True
        self._knows[self._exit_of_door[(scene.door_open == UNKNOWN) | self.doors_stuck]] = False

    def _by_exit(self, of_door: Numbers) -> Numbers:
        """(exits,) the latest of its doors."""
        latest = np.full(len(self._exits), LONG_AGO)
        np.maximum.at(latest, self._exit_of_door, np.where(self.doors_stuck, LONG_AGO, of_door))
        return latest

    def _is_reached(self, opened_s: Numbers) -> Flags:
        """(exits,) where somebody of the home can stand as the exit's door opens."""
        shut_s = opened_s[None, :] - np.maximum(self._by_exit(self._open_s)[:, None], self._from_s)
        passed = self._behind & ((shut_s <= IN_LOBBY_S) | ~self._knows[:, None])
        return np.asarray(passed.any(axis=0) | ~self._behind.any(axis=0))

    def _hear(self, scene: Scene) -> None:
        is_heard = scene.heard_s < LOST_AFTER_DOOR_S
        if self._is_taken_up and scene.second - self._latest_s > TOLD_BEFORE_LOST_S:
            self._is_heard[:] = self._has_been_heard[:] = False
        self._is_taken_up = False
        again = (is_heard & ~self._is_heard).nonzero()[0]
        if len(again):
            self._returned_s[again[self._has_been_heard[again]]] = scene.second
            self._has_been_heard[again] = True
        self._is_heard[:] = is_heard

    def _believe(self, rows: Numbers, scene: Scene) -> None:
        # Of who is out of earshot the belief stays at the door by which she has gone.
        believed = self._sides @ scene.belief[rows].T >= EXIT_BELIEF
        exit_, index = np.nonzero(believed & self._is_heard[rows])
        if len(exit_):
            there = exit_, rows[index]
            fresh = self._there_s[there] < self._latest_s
            since_s = np.where(fresh, scene.second, self._since_s[there])
            self._since_s[there], self._there_s[there] = since_s, scene.second
            lasts = scene.second - since_s >= EXIT_LASTS_S
            self._at_s[exit_[lasts], there[1][lasts]] = scene.second
        self._latest_s = scene.second

    def _through_door(self, rows: Numbers, view: View) -> list[Found]:
        """Those at an exit whose door is open, or was just now."""
        second, opened_s = view.second, self._by_exit(self._opened_s)
        exits = np.flatnonzero(second - self._by_exit(self._open_s) <= AFTER_DOOR_S)
        if not len(exits):
            return []
        each = np.ix_(exits, rows)
        there = second - self._at_s[each] <= BEFORE_DOOR_S
        is_late = self._since_s[each] > opened_s[exits, None]
        lasts_s = self._at_s[each] - self._since_s[each]
        there &= lasts_s >= np.where(is_late, LATE_LASTS_S, STANDS_S)
        there &= self._is_reached(opened_s)[exits, None]
        since_outer_s = opened_s[exits, None] - np.where(self._behind, opened_s, LONG_AGO)[exits]
        comes_in = np.asarray(((since_outer_s > 0) & (since_outer_s <= COMES_IN_S)).any(axis=1))
        waited = self._since_s[each] <= opened_s[exits, None] - STOOD_S
        waited &= self._there_s[each] >= opened_s[exits, None]
        there &= ~comes_in[:, None] | waited
        is_new = self._may_go(rows, second)
        is_new = is_new | (opened_s[exits, None] >= self._found_s[rows] + REPEAT_S)
        is_new |= (opened_s[exits, None] > self._found_s[rows]) & self._is_left(rows, view)
        hits = there & is_new & (second - self._returned_s[rows] > ARRIVES_S)
        which = np.where(hits, opened_s[exits, None], LONG_AGO).argmax(axis=0)
        found = np.flatnonzero(hits.any(axis=0))
        if not len(found):
            return []
        rows, exit_ = rows[found], exits[which[found]]
        begun = np.maximum(opened_s[exit_], np.minimum(self._since_s[exit_, rows], second))
        zone = self._exits[exit_]
        features = {
            "door_opened": 1.0,
            "came_later": self._since_s[exit_, rows] > opened_s[exit_],
            "believed_share": view.scene.belief[rows, zone],
            "unheard_s": view.scene.heard_s[rows],
        }
        excused = view.is_excused(rows)
        return self._tell(rows, begun, view, excused=excused, zone=zone, features=features)

    def _vanished(self, rows: Numbers, view: View) -> list[Found]:
        """Those who are heard no more after a room at or next to an exit."""
        scene, open_s = view.scene, self._by_exit(self._open_s)
        heard_s = view.second - scene.heard_s
        rows = rows[self._has_been_heard[rows] & self._may_go(rows, heard_s[rows])]
        if not len(rows):
            return []
        heard_s = heard_s[rows]
        zone = view.visits.told_last(rows)
        knows_where = (zone != UNKNOWN) & (view.visits.told_s[rows] >= heard_s - TOLD_BEFORE_LOST_S)
        knows_where &= scene.covered[zone]
        reach = self._reach[:, zone]
        opened = open_s[:, None] >= heard_s - DOOR_BEFORE_LOST_S
        at = np.where(opened, LOST_AFTER_DOOR_S, LOST_S)
        beside = np.where(self._knows[:, None], NEVER, LOST_S)
        beside = np.where(opened, LOST_BESIDE_DOOR_S, beside)
        wait = np.where(reach == _AT, at, np.where(reach == _BESIDE, beside, NEVER)).min(axis=0)
        gone: Numbers = np.flatnonzero(knows_where & (scene.heard_s[rows] >= wait))
        if not len(gone):
            return []
        by_door = np.logical_or.reduce(opened & (reach > 0), axis=0)
        rows, heard_s = rows[gone], heard_s[gone]
        features = {
            "door_opened": by_door[gone],
            "is_lost": 1.0,
            "unheard_s": scene.heard_s[rows],
        }
        excused = self._company_s[rows] >= heard_s - TOLD_BEFORE_LOST_S
        return self._tell(rows, heard_s, view, excused=excused, zone=zone[gone], features=features)

    def _is_left(self, rows: Numbers, view: View) -> Flags:
        """(rows,) whose last find was excused, and the carer is with them no more."""
        left: Flags = self._ask_s[rows] != NEVER
        left &= view.second - self._company_s[rows] > LEFT_S
        if left.any():
            left &= ~view.is_excused(rows)
        return left

    def _may_go(self, rows: Numbers, until_s: Numbers | int) -> Flags:
        """(rows,) who is not out, or was heard again and for so long that she had come in."""
        came_in = self._returned_s[rows] > self._found_s[rows]
        came_in &= until_s - self._returned_s[rows] > ARRIVES_S
        may_go: Flags = ~self._is_out[rows] | came_in
        return may_go

    def _tell(
        self,
        rows: Numbers,
        begun: Numbers,
        view: View,
        *,
        excused: Flags,
        zone: Numbers,
        features: Mapping[str, NDArray[Any] | float],
    ) -> list[Found]:
        self._is_out[rows] = True
        self._begun_s[rows] = begun
        self._found_s[rows] = view.second
        self._left_by[rows], self._inside_s[rows] = zone, NEVER
        self._ask_s[rows] = np.where(excused, view.second + ASK_AGAIN_S, NEVER)
        self._company_s[rows[excused]] = view.second
        return view.find(
            EventKind.ELOPEMENT, rows, begun, excused=excused, zone=zone, features=features
        )

    def _look_after(self, rows: Numbers, view: View) -> list[Found]:
        """Who is back, who was excused and is not, and who has company on the way."""
        second, visits = view.second, view.visits
        near = rows[self._in_reach[visits.zone[rows]] & (visits.zone[rows] != UNKNOWN)]
        if len(near):
            self._company_s[near[view.is_excused(near)]] = second
        out = rows[self._is_out[rows]]
        if not len(out):
            return []
        back = self._back(out, view)
        self._is_out[back] = False
        self._ask_s[back] = NEVER
        due = out[self._ask_s[out] <= second]
        self._ask_s[due] = NEVER
        last = visits.zone[due]
        return view.find(
            EventKind.ELOPEMENT,
            due,
            self._begun_s[due],
            excused=np.zeros(len(due), np.bool_),
            zone=np.where(last == UNKNOWN, self._left_by[due], last),
            features={"asked_again": 1.0, "away_min": (second - self._begun_s[due]) / 60},
        )

    def _back(self, out: Numbers, view: View) -> Numbers:
        """Those of them who have been in safe rooms for so long; who paces rests in none."""
        second, visits, safe = view.second, view.visits, view.policies.safe
        told, zone = visits.told[out], visits.zone[out]
        inside = ~self._is_exit[told] & safe[out, told] & ~self._is_exit[zone] & safe[out, zone]
        inside &= zone != UNKNOWN
        is_told = told != UNKNOWN
        since_s = np.where(is_told & inside, np.minimum(self._inside_s[out], second), NEVER)
        unheard = ~is_told & visits.is_told(out, second, TOLD_BEFORE_LOST_S)
        self._inside_s[out] = np.where(unheard, self._inside_s[out], since_s)
        back: Numbers = out[is_told & (second - since_s >= BACK_S)]
        return back
