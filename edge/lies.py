"""What a slide to the floor is worth, by where it was and how the wearable is worn.

A detector cannot tell a chair from the floor by a wrist (`detectors.long_lie`), so a slide calls
somebody only where neither a chair nor a bed explains it. After an impact none of this matters.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from contract.events import EventKind
from contract.messages import GatewayConfig
from detectors.detection import Detection
from edge.counters import Counts
from edge.presence import Neighbours
from edge.wearables import Wearable

TRUNK: Final = frozenset({"waist", "pendant"})
"""Placements that turn as the trunk does: who sits keeps them near upright."""

TRUNK_LIES_DEG: Final = 60.0
"""Turn of the trunk, from walking, that is lying; the back of an easy chair leans by 30 to 45."""

TRUNK_SEAT_MIN: Final = 15.0
"""Stage from which a lying trunk is told of where there are chairs: a sofa or a reclined chair is
got up from or seen by then."""


class Place(Enum):
    """What may lie under somebody who does not walk."""

    BED = "bed"
    """Where her bed is, or nobody knows where."""
    SEAT = "seat"
    FLOOR = "floor"
    """Nobody sits or lies here (`GatewayConfig.resting`)."""


class SlidePolicy:
    """Decides which slides are told; the gateway that hears a wearable best decides."""

    def __init__(self, neighbours: Neighbours, counts: Counts) -> None:
        self._neighbours = neighbours
        self._counts = counts

    def tells(self, wearable: Wearable, detection: Detection, config: GatewayConfig | None) -> bool:
        """Whether a detection is to become an event: each, but slides that rest explains."""
        turned_deg = detection.features.get("turned_deg")
        if detection.kind is not EventKind.LONG_LIE or turned_deg is None:
            return True
        if self._neighbours.rank(wearable) != 0:
            return False
        place = place_of(wearable, config)
        told = place is Place.FLOOR
        if place is Place.SEAT and wearable.config.placement in TRUNK:
            is_late = detection.features["stage_min"] >= TRUNK_SEAT_MIN
            told = is_late and turned_deg >= TRUNK_LIES_DEG
        self._counts["slides_told" if told else "slides_taken_for_rest"] += 1
        return told


def place_of(wearable: Wearable, config: GatewayConfig | None) -> Place:
    """Where a wearable is that this gateway hears best."""
    if config is None or config.zone is None or config.zone == wearable.config.zone:
        return Place.BED
    return Place.SEAT if config.resting else Place.FLOOR
