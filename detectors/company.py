"""Whether a carer goes with a resident: her tag is worn, and moves as the resident does.

A tag that lies by the door moves nowhere, and one whose wearer comes in as a resident goes out was
not with her before. Where carers are is needed for this alone: it stays in memory for
`REMEMBERED_S` at most, is not kept over a restart, and nothing that names one leaves this file.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.resident_rows import LONG_AGO, Each
from detectors.room_model import UNKNOWN
from detectors.visits import Visits
from detectors.whereabouts_scene import Flags, Numbers, Plan, Scene

BESIDE_S: Final = 20
"""The latest seconds in which both must have been in one room, unless they came into it together:
longer than it takes to pass somebody at a door."""
BESIDE_SHARE: Final = 0.8
"""Of them: two tags that go through a door together are told to be through it up to 4 s apart."""
TOGETHER_S: Final = 15
"""Two who walk together come into a room within this: a wheelchair's length and a door's holding,
and the seconds by which two decisions about one doorway differ."""
MOVES_ZONES: Final = 3
MOVES_WITHIN_S: Final = 10 * 60
"""A tag that is worn at work was told in so many rooms in this time. One that lies in a room, or
sounds now like this and now like the next one, was told in one or two. In a home of fewer rooms
only who came with her is with her."""
NEAR_BELIEF: Final = 0.5
"""Least belief that the carer is still beside her or a room further, of this very second."""
REMEMBERED_S: Final = 15 * 60
"""No place of a carer is known here for longer."""
_VISIT_S: Final = 4
_FORGET_EACH_S: Final = 60


class Company:
    """Follows carers, beside residents that are followed elsewhere.

    Parameters
    ----------
    plan
        The home.
    residents, carers
        How many.
    """

    def __init__(self, plan: Plan, residents: int, carers: int) -> None:
        zones = len(plan.use)
        self._here_or_near = plan.near | np.eye(zones, dtype=np.bool_)
        self._carers = Visits(carers, zones, _VISIT_S)
        self._in_zone_s = np.full((carers, zones), LONG_AGO)
        self._theirs = np.full((BESIDE_S, carers), UNKNOWN)
        self._hers = np.full((BESIDE_S, residents), UNKNOWN)
        self._steps = 0
        self._sweep = Each(_FORGET_EACH_S)

    def step(self, zone: Numbers, scene: Scene) -> None:
        """Take in one more second.

        Parameters
        ----------
        zone
            (residents,) decided places of those who are present.
        """
        if not len(scene.carer_zone):
            return
        theirs = np.where(scene.carer_worn, scene.carer_zone, UNKNOWN)
        self._steps += 1
        self._theirs[self._steps % BESIDE_S] = theirs
        self._hers[self._steps % BESIDE_S] = zone
        self._carers.step(theirs, scene.second)
        known = np.flatnonzero(theirs != UNKNOWN)
        self._in_zone_s[known, theirs[known]] = scene.second
        if self._sweep.is_due(scene.second):
            self._forget(scene.second)

    def is_with(self, rows: Numbers, visits: Visits, scene: Scene) -> Flags:
        """(rows,) whether somebody goes with each of these residents.

        Parameters
        ----------
        visits
            Of the residents.
        """
        carers = self._carers
        if not (len(rows) and len(scene.carer_zone)):
            return np.zeros(len(rows), np.bool_)
        hers, theirs = self._hers[:, rows, None], self._theirs[:, None, :]
        beside = ((hers == theirs) & (hers != UNKNOWN)).sum(axis=0) >= BESIDE_SHARE * BESIDE_S
        recent = scene.second - self._in_zone_s <= MOVES_WITHIN_S
        beside &= recent.sum(axis=1) >= MOVES_ZONES
        zone, before = visits.zone[rows, None], visits.before[rows, None]
        came = (zone == carers.zone) & (before == carers.before) & (before != UNKNOWN)
        came &= np.abs(visits.begun_s[rows, None] - carers.begun_s) <= TOGETHER_S
        around = self._here_or_near[visits.told_last(rows)]
        near = around @ scene.carer_belief.T.astype(np.float64) >= NEAR_BELIEF
        is_there = scene.carer_worn & (scene.carer_zone != UNKNOWN)
        told = visits.told_last(rows)[:, None] != UNKNOWN
        with_her: Flags = ((beside | came) & near & is_there & told).any(axis=1)
        return with_her

    def forget(self) -> None:
        """Nothing is known of any carer: a hole in the seconds."""
        self._carers.clear(np.arange(self._carers.residents))
        self._in_zone_s[:] = LONG_AGO
        self._theirs[:] = self._hers[:] = UNKNOWN

    def _forget(self, second: int) -> None:
        too_old = second - REMEMBERED_S + _FORGET_EACH_S
        self._in_zone_s[self._in_zone_s < too_old] = LONG_AGO
        carers = self._carers
        carers.before[carers.begun_s < too_old] = UNKNOWN
        carers.before_begun_s[carers.begun_s < too_old] = LONG_AGO
