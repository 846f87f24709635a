"""What all rules look at in one second, and how they say what they have found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from detectors.company import Company
from detectors.room_model import UNKNOWN
from detectors.visits import Visits
from detectors.whereabouts_scene import Flags, Found, Numbers, Policies, Scene


class View(NamedTuple):
    """A second, and what has been made of those before it."""

    scene: Scene
    policies: Policies
    is_learning: Flags
    """(residents,) too few days are known of them."""
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
                | {"is_learning": float(self.is_learning[row])},
            )
            for index, row in enumerate(rows)
        ]


def places_or_unknown(zone: Numbers, present: Flags) -> Numbers:
    """(residents,) places of those who are judged."""
    return np.where(present, zone, UNKNOWN)
