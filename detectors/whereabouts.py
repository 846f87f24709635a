"""What of residents' whereabouts is worth a person's attention, second by second for all of them.

`Whereabouts` takes a `Scene` and says what was `Found`: what pages (an exit, the night, silence,
nobody back from the toilet) and what is only counted (walks that wander). It knows no radio and no
clock: each second says itself when it was, so the same seconds always give the same finds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.travel import TravelPatterns
from detectors.whereabouts_scene import (
    DETECTOR,
    Flags,
    Found,
    Plan,
    Policies,
    ResidentDay,
    Scene,
)

__all__ = [
    "DETECTOR",
    "Found",
    "Plan",
    "Policies",
    "ResidentDay",
    "Scene",
    "Whereabouts",
]


class Whereabouts:
    """Follows all residents of a home.

    Parameters
    ----------
    plan
        The home.
    policies
        What is asked for each resident; may be replaced at any time by one of the same residents.
    carers
        How many carers' tags the scenes hold.

    Raises
    ------
    ValueError
        If plan and policies do not fit each other.
    """

    def __init__(self, plan: Plan, policies: Policies, carers: int) -> None:
        plan.check()
        self._plan = plan
        self._zones = len(plan.use)
        self.residents = len(policies.at_risk)
        self._carers = carers
        self.policies = policies
        self._travel = TravelPatterns(plan.near, self.residents)
        self.doors_stuck = np.zeros(len(plan.exit_doors), np.bool_)
        """(doors,) open for so long that nothing is judged by them."""

    @property
    def policies(self) -> Policies:
        """What is asked for each resident."""
        return self._policies

    @policies.setter
    def policies(self, policies: Policies) -> None:
        policies.check(self.residents, self._zones)
        self._policies = policies

    @property
    def learning(self) -> Flags:
        """(residents,) of whom too few days are known; the home speaks for them."""
        return np.ones(self.residents, np.bool_)

    def step(self, scene: Scene) -> list[Found]:
        """Take in one more second; returns what was found in it."""
        zone = np.where(scene.present, scene.zone, -1)
        self._travel.step(zone, scene.second)
        return []

    def take_day(self) -> list[ResidentDay]:
        """Figures of the days that have ended since the last call."""
        return []

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All that must outlive the process."""
        return {}

    @classmethod
    def from_arrays(
        cls, plan: Plan, policies: Policies, carers: int, kept: Mapping[str, NDArray[np.float64]]
    ) -> Whereabouts:
        """What `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        del kept
        return cls(plan, policies, carers)
