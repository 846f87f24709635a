"""What all rules look at in one second, and how they say what they have found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from detectors.company import Company
from detectors.visits import Visits
from detectors.whereabouts_habits import Habits
from detectors.whereabouts_scene import Flags, Found, Numbers, Policies, Scene


class View(NamedTuple):
    """A second, and what has been made of those before it."""

    scene: Scene
    policies: Policies
    at_risk: Numbers
    """Rows of those present who may not leave alone."""
    habits: Habits
    visits: Visits
    """Rooms after a few seconds: for exits."""
    entered: Numbers
    """Rows whose new one counts from this second on."""
    stays: Visits
    """Rooms after longer: for all that has time."""
    settled: Numbers
    """Likewise."""
    beds: Visits
    """1 in bed, 0 out of it, `UNKNOWN`: nobody can say."""
    got_up_or_lay_down: Numbers
    """Likewise."""
    company: Company

    @property
    def second(self) -> int:
        """Of the scene."""
        return self.scene.second

    def is_excused(self, rows: Numbers) -> Flags:
        """(rows,) whether a carer goes with each."""
        return self.company.is_with(rows, self.visits, self.scene)

    def find(
        self,
        kind: EventKind,
        rows: Numbers,
        begun: Numbers,
        *,
        excused: Flags,
        features: Mapping[str, NDArray[Any] | float],
        zone: Numbers | None = None,
    ) -> list[Found]:
        """One find for each of these rows.

        Parameters
        ----------
        begun, excused, zone
            (rows,); without zones those of the latest visits.
        features
            By name, (rows,) each or one for all.
        """
        if zone is None:
            zone = self.visits.zone[rows]
        if not len(rows):
            return []
        is_learning = self.habits.is_learning
        named = {name: np.broadcast_to(each, len(rows)) for name, each in features.items()}
        return [
            Found(
                row=int(row),
                kind=kind,
                begun=int(begun[index]),
                at=self.second,
                zone=int(zone[index]),
                excused=bool(excused[index]),
                features={name: float(each[index]) for name, each in named.items()}
                | {"is_learning": float(is_learning[row])},
            )
            for index, row in enumerate(rows)
        ]
